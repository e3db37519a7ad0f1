"""Which treatment a group label of a review means: plain names, "Favours X", and generic labels that the contrast resolves."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from metanet.base.untrusted import listing, visible
from metanet.reviews.importers.extracted_counts import spelled

_SPACES = re.compile(r"\s+")
_FAVOURS = re.compile(r"(?:favou?rs?|in favou?r of)\s+(?:the\s+)?(?P<what>\S.*)", re.IGNORECASE)
_CONTRAST = re.compile(r"\s+(?:vs\.?|versus|v\.?|compared\s+(?:with|to)|against)\s+", re.IGNORECASE)
#: What a name ends at: "placebo: adults", "placebo (low dose excluded)", "placebo - sensitivity analysis".
_END = re.compile(r"[:;(\[]|\s[-–—]\s")
#: Labels that name a role and not a treatment.
_GENERIC = re.compile(
    r"(?:the\s+)?(?:(?:1st|2nd|3rd|first|second|third|experimental|active|test|new|other|study)\s+)*"
    r"(?:experimental|interventions?|treatments?|comparators?|comparisons?|controls?|groups?|arms?|therapy|drugs?|active|cases?)"
    r"(?:\s+(?:group|arm))?(?:\s+\(?[1-9]\)?)?",
    re.IGNORECASE,
)
#: Names that say nothing even as a side of a contrast: "Intervention versus control".
_ROLE = re.compile(r"(?:experimental|interventions?|treatments?|comparators?|comparisons?|controls?|groups?|arms?)\b.*", re.IGNORECASE)
#: Labels that compare: the higher dose of one comparison is the lower dose of the next.
_RELATIVE = re.compile(r"(?P<word>higher|longer|larger|more|later|lower|shorter|smaller|less|earlier)\b.*", re.IGNORECASE)
_GREATER = ("higher", "longer", "larger", "more", "later")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)?")
#: Treatments that are hardly ever the first of a contrast; where one is, the order says nothing about the groups.
_INACTIVE = re.compile(
    r"(?:no (?:treatment|intervention|drug|therapy)|placebo|sham|control|usual care|standard care|nothing|observation|waiting list)"
    r"\b.*",
    re.IGNORECASE,
)


def plain_text(text: str) -> str:
    """A text of a foreign file on one line, with HTML entities as the characters that they stand for."""
    return _SPACES.sub(" ", html.unescape(text).replace("\u00a0", " ")).strip()


def treatment(label: str) -> str:
    """A label as the name of a treatment: "Favours placebo" is placebo."""
    text = plain_text(label)
    found = _FAVOURS.fullmatch(text)
    return found["what"] if found else text


def is_generic(label: str) -> bool:
    """Whether a label names a role ("Intervention", "Higher dose") and not a treatment."""
    return _GENERIC.fullmatch(label) is not None or _RELATIVE.fullmatch(label) is not None


def contrast(text: str) -> tuple[str, str] | None:
    """The two treatments of "A versus B", or None where the text is no contrast of two."""
    parts = _CONTRAST.split(plain_text(text))
    if len(parts) != 2:
        return None
    first = parts[0].rsplit(":", 1)[-1].strip(" ,.;")
    second = _END.split(parts[1], maxsplit=1)[0].strip(" ,.;")
    return (first, second) if first and second and folded(first) != folded(second) else None


def folded(name: str) -> str:
    """A name without case and spaces."""
    return "".join(name.casefold().split())


def _singular(name: str) -> str:
    """A name without case, spaces, hyphens and the endings of a plural, for likeness alone."""
    return " ".join(word.removesuffix("s").removesuffix("e") for word in re.split(r"[\W_]+", name.casefold()) if word)


def resolved(labels: tuple[str, str], contexts: Iterable[str]) -> tuple[tuple[str, str], bool]:
    """Two labels as treatments, and whether both are: a generic one is taken from the first of `contexts` that is a contrast."""
    first, second = (treatment(label) for label in labels)
    if not (is_generic(first) or is_generic(second)):
        return (first, second), True
    for text in contexts:
        pair = contrast(text)
        if pair is None or any(_ROLE.fullmatch(name) for name in pair):
            continue
        if _RELATIVE.fullmatch(first) or _RELATIVE.fullmatch(second):
            if (ordered := _ordered(first, second, pair)) is not None:
                return ordered, True
            continue
        if _INACTIVE.fullmatch(pair[0]) and not _INACTIVE.fullmatch(pair[1]) and is_generic(first):
            continue
        if is_generic(first) and is_generic(second):
            return pair, True
        named = second if is_generic(first) else first
        other = (
            pair[0] if folded(named) == folded(pair[1]) else pair[1] if folded(named) == folded(pair[0]) else pair[is_generic(second)]
        )
        if folded(other) != folded(named):
            return ((other, named) if is_generic(first) else (named, other)), True
    return (first, second), False


def _ordered(first: str, second: str, pair: tuple[str, str]) -> tuple[str, str] | None:
    """The two treatments by their figures, where the labels compare: the higher dose is the one with the greater number."""
    words = [found["word"].casefold() if (found := _RELATIVE.fullmatch(label)) else "" for label in (first, second)]
    figures = [[float(figure.replace(",", ".")) for figure in _FIGURE.findall(name)] for name in pair]
    if len(figures[0]) != 1 or len(figures[1]) != 1 or figures[0] == figures[1]:
        return None
    greater, smaller = pair if figures[0] > figures[1] else (pair[1], pair[0])
    upward = words[0] in _GREATER if words[0] else words[1] not in _GREATER
    if all(words) and (words[0] in _GREATER) == (words[1] in _GREATER):
        return None
    return (greater, smaller) if upward else (smaller, greater)


@dataclass
class Names:
    """One spelling for every treatment of an import: the first, or that of the review; plurals are only listed."""

    known: dict[str, str] = field(default_factory=dict)
    variants: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def __call__(self, name: str) -> str:
        """The spelling to use."""
        kept = self.known.setdefault(folded(name), name)
        if kept != name:
            self.variants[kept][name] = None
        return kept

    def notes(self) -> list[str]:
        """The spellings that became one, and the names that differ by a plural alone, with the rename that joins them."""
        notes = []
        for kept, names in self.variants.items():
            given = listing((repr(visible(name)) for name in names), 6)
            notes.append(
                f"{given} {'are' if len(names) > 1 else 'is'} written {visible(kept)!r}: the names differ only by case or spaces."
            )
        alike: dict[str, list[str]] = defaultdict(list)
        for name in self.known.values():
            alike[_singular(name)].append(name)
        for first, *others in alike.values():
            notes += [
                f"{visible(first)!r} and {visible(other)!r} may be one treatment. If so, join them with "
                f"{spelled('renames', f'{other}={first}')}."
                for other in others
            ]
        return notes
