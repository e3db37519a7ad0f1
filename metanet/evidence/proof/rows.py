"""One row of a table of counts: what its printed figures prove, and whether the derivation of a count of 0 says that nobody had it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from metanet.evidence.proof.printed import Printed, PrintedError, parse, words


@dataclass(frozen=True, slots=True)
class Verdict:
    """What printed figures say about a count.

    `counts` are the whole numbers that fit, none of them above the total; `why` says what does not fit, or cannot be read.
    """

    counts: range
    printed: Printed | None
    why: str = ""

    @property
    def proved(self) -> bool:
        """Whether the count is the only one that fits."""
        return not self.why and len(self.counts) == 1

    @property
    def open(self) -> bool:
        """Whether the count is one of several that fit."""
        return not self.why and len(self.counts) > 1


def verdict(text: str, events: int | None, total: int | None) -> Verdict:
    """Hold a count against its printed figures."""
    try:
        printed = parse(text)
    except PrintedError as error:
        return Verdict(range(0), None, error.wrong)
    found = printed.counts()
    if not found:
        return Verdict(found, printed, printed.unfit())
    if total is not None:
        found = range(found.start, max(found.start, min(found.stop, total + 1)))
    if events is not None and events not in found:
        return Verdict(found, printed, f"is {words(printed.counts())}, and the events are {events:,}")
    return Verdict(found, printed)


def noticed(printed: Printed, reach: int = 3) -> tuple[int, int] | None:
    """Of the denominators that are wrong by 1 to `reach`: for how many no count fits, and how many there are.

    None where the figures have no percentage. Denominators below 1 are not counted.
    """
    sizes = [term.total for each in printed.sums for term in each if term.percentages and term.total]
    if not sizes:
        return None
    tried = [wrong for wrong in range(-reach, reach + 1) if wrong and min(sizes) + wrong >= 1]
    return sum(not printed.counts(wrong=wrong) for wrong in tried), len(tried)


def decimals(printed: Printed) -> int:
    """The fewest decimals of the percentages."""
    return min(pct.decimals for each in printed.sums for term in each for pct in term.percentages)


def closes(printed: Printed, total: int | None) -> bool:
    """Whether the other categories give the same count: "9 = 27 - 18" of 27."""
    whole = (
        any(term.negative for term in each)
        and any(not term.negative and not term.percentages and term.count == total for term in each)
        for each in printed.sums
    )
    return len(printed.sums) > 1 and any(whole) and bool(printed.counts())


#: What follows an arrow is the result of the reviewers, up to the next clause.
_RESULT = re.compile(r"(?:->|=>|→|⇒)[^;]*")
#: Words that say that nothing is said.
_SILENCE = re.compile(
    r"\b(?:no|without|any)\s+(?:\w+\s+)?(?:mention|data|information|report|record|detail|details|statement|word)\b|"
    r"\b(?:not|never|nowhere|neither)\s+(?:\w+ly\s+)?(?:be\s+|been\s+)?(?:reported|mentioned|stated|described|given|listed|assessed|documented|specified|"
    r"available|known|named|told|counted|evaluated|analysed|analyzed|recorded|applicable|clear)\b",
    re.IGNORECASE,
)
_ABSENCE = re.compile(
    r"\b(?:no|none|nobody|nil|zero|without|not|never|neither|nor|nothing|absent|absence|free\s+of)\b|"
    r"(?<![\d.,])0(?![\d]|[.,]\d)",
    re.IGNORECASE,
)


def says_none(derivation: str) -> bool:
    """Whether a derivation has a word that nobody had the outcome, such as no, none, 0, zero, without, not.

    "Not reported" is no such word, and "-> 0" is the result and not what the source says.
    """
    return bool(_ABSENCE.search(_SILENCE.sub(" ", _RESULT.sub(" ", derivation))))
