"""Whether patients were allocated at random, from the designs of studies, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metanet.models.display import plural
from metanet.words import listing

#: Words of the `design` column that say that patients were allocated at random.
RANDOMISED = ("rct", "randomised", "randomized", "randomised_trial", "randomized_trial")


def allocated(designs: Sequence[object]) -> int | None:
    """How many studies allocated patients at random; None where no study states its design."""
    words = [str(word) for word in designs]
    return sum(word.casefold() in RANDOMISED for word in words) if any(words) else None


def allocation(design: Mapping[str, str]) -> str:
    """Whether patients were allocated at random, in words, from the design of every study."""
    count = len(design)
    random = [key for key, word in design.items() if word.casefold() in RANDOMISED]
    silent = sum(not word for word in design.values())
    others = sorted({word.replace("_", " ") for key, word in design.items() if word and key not in random})
    said = f" ({listing(others, 8)})" if others else ""
    unsaid = f"; {plural(silent, 'study does', 'studies do')} not state a design" if silent else ""
    chosen = "the groups were chosen for a reason, and a difference between them is not an effect of treatment."
    if len(random) == count:
        return f"Patients were allocated at random in {'the one study' if count == 1 else f'all {count} studies'}."
    if random:
        rest = "the other" if count - len(random) == 1 else "the others"
        return (
            f"Patients were allocated at random in {len(random)} of {count} studies; in {rest}{said}{unsaid} {chosen}"
        )
    if silent == count:
        return f"No design is stated, so allocation must be taken as not at random: {chosen}"
    where = "in the one study" if count == 1 else f"in any of the {count} studies"
    return f"Patients were not allocated at random {where}{said}{unsaid}: {chosen}"
