"""The result of an audit of the counts of a review: frames, and a paragraph on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.base.display import ABSENT, per_cent, plural
from metanet.base.results import Method, Result
from metanet.base.untrusted import listing, visible

if TYPE_CHECKING:
    import pandas as pd

#: What a row rests on, in the order of the columns of `Audit.counts`.
KINDS = ("as_printed", "one", "several", "unfit", "percentage", "otherwise", "unrecorded")
#: How far the denominators are that a figure is held against.
REACH = 3


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Result):
    """The audit of the counts of a review.

    Attributes
    ----------
    counts : pandas.DataFrame
        One row for each outcome: rows, and how many of them are printed as such (`as_printed`); have printed figures that fit one
        count (`one`), several (`several`) or not the count (`unfit`); are derived without printed figures, from a percentage
        (`percentage`) or from words or counts (`otherwise`); or have no record of how they were obtained (`unrecorded`). Then the
        counts that are derived from percentages, and those of them that are `proved`.
    open, unfit, unproved : pandas.DataFrame
        The counts that fit with others; that do not fit, or whose figures cannot be read; that are derived without printed figures.
    denominators, decimals : pandas.DataFrame
        The share of wrong denominators that would have been noticed, by outcome, and by decimals and size of the denominator.
    arms : pandas.DataFrame
        Arms with different totals in outcomes that include each other.
    zeros : pandas.DataFrame
        Counts of 0 that are derived without a word that nobody had the outcome.
    """

    method: Method
    counts: pd.DataFrame
    open: pd.DataFrame
    unfit: pd.DataFrame
    unproved: pd.DataFrame
    denominators: pd.DataFrame
    decimals: pd.DataFrame
    arms: pd.DataFrame
    zeros: pd.DataFrame
    _facts: Mapping[str, Any] = field(repr=False)

    _entries = ("counts", "open", "unfit", "unproved", "denominators", "decimals", "arms", "zeros", ("facts", "_facts"))

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Audit of the counts"

    @property
    def total(self) -> dict[str, int]:
        """The numbers of `counts` over all outcomes."""
        return {str(name): int(value) for name, value in self.counts.drop(columns="outcome").sum().items()}

    @property
    def share_proved(self) -> float | None:
        """The proved share of the counts that are derived from percentages; None without such counts."""
        total = self.total
        return total["proved"] / total["from_percentages"] if total["from_percentages"] else None

    @property
    def share_noticed(self) -> float | None:
        """The mean share of wrong denominators that would have been noticed; None without printed percentages."""
        noticed_: float | None = self._facts["noticed"]
        return noticed_

    def to_frame(self) -> pd.DataFrame:
        """`counts`, a copy."""
        return self.counts.copy()

    def sentence(self) -> str:
        """How many counts are printed as such, derived and proved."""
        total = self.total
        if not total["rows"]:
            return "The tables have no counts."
        counted = f"{plural(total['rows'], 'count')} in {plural(int((self.counts['rows'] > 0).sum()), 'table')}"
        origins = self._origins()
        if len(origins) == 1:
            # Of one kind: "all derived" and not "4 derived".
            every = "" if total["rows"] == 1 else "all "
            parts = [f"{counted}, {every}{origins[0].split(' ', 1)[1]}."]
        else:
            parts = [f"{counted}: {listing(origins)}."]
        if self.share_proved is None:
            parts.append("None is derived from a percentage.")
        else:
            many, proved = total["from_percentages"], total["proved"]
            share = "" if proved in (0, many) else f" ({per_cent(self.share_proved)} %)"
            which = "Of the one that is" if many == 1 else f"Of the {many} that are"
            parts.append(
                f"{which} derived from percentages, {proved}{share} {_be(proved)} proved: no other whole number fits the printed "
                "figures."
            )
        return " ".join(parts)

    def _origins(self) -> list[str]:
        facts = self._facts["origins"]
        parts = [
            (facts["as_printed"], "as the source prints it", "as the sources print them"),
            (facts["derived"], "derived from other figures or words", "derived from other figures or words"),
            (facts["unrecorded"], "without a record of how it was obtained", "without a record of how they were obtained"),
        ]
        return [f"{many} {one if many == 1 else several}" for many, one, several in parts if many]

    def rows(self) -> list[tuple[str, str]]:
        """The numbers over all outcomes."""
        total = self.total
        shown = [
            ("Counts", f"{total['rows']}"),
            ("Printed as such", f"{total['as_printed']}"),
            ("One count fits", f"{total['one']}"),
            ("Several counts fit", f"{total['several']}"),
            ("Figures do not fit", f"{total['unfit']}"),
            ("From a percentage, without printed figures", f"{total['percentage']}"),
            ("From words or counts, without printed figures", f"{total['otherwise']}"),
            ("Wrong denominators noticed", ABSENT if self.share_noticed is None else f"{per_cent(self.share_noticed, 0)} %"),
        ]
        return shown + ([("Not recorded", f"{total['unrecorded']}")] if total["unrecorded"] else [])

    def paragraphs(self) -> dict[str, str]:
        """What each part of the audit shows; `figures` is about those that fit several counts, or none."""
        return {
            "counts": self._counted(),
            "figures": " ".join(text for text in (self._unfitting(), self._left_open()) if text),
            "unproved": self._without_figures(),
            "denominators": self._wrong_denominators(),
            "arms": self._of_one_arm(),
            "zeros": self._of_zero(),
        }

    def _counted(self) -> str:
        closed, both = self._facts["closed"], self._facts["twice"]
        if not both:
            return ""
        text = f"The printed figures of {plural(both, 'count')} give the count in two ways that agree"
        return f"{text}; in {closed} of them it is also the total minus the other categories." if closed else f"{text}."

    def _left_open(self) -> str:
        many = len(self.open)
        if not self._facts["figures"]:
            return "No count has printed figures."
        if not many:
            return "No count has printed figures that fit another count as well."
        certain = "it is" if many == 1 else "they are"
        return (
            f"The printed figures of {plural(many, 'count')} fit other counts as well, so that {certain} not certain. A report of a "
            "pooled rate with such a count gives the range of the rate over the counts that fit."
        )

    def _unfitting(self) -> str:
        many = len(self.unfit)
        if not many:
            return "All printed figures fit their counts." if self._facts["figures"] else ""
        return (
            f"The printed figures of {plural(many, 'count')} do not fit, or cannot be read. The usual causes are another denominator, "
            "a misprint and missing patients."
        )

    def _without_figures(self) -> str:
        percentage, otherwise = self.total["percentage"], self.total["otherwise"]
        if not percentage + otherwise:
            return "No count is derived without printed figures."
        parts = []
        if percentage:
            which = "a percentage" if percentage == 1 else "percentages"
            parts.append(f"{plural(percentage, 'count')} {_be(percentage)} derived from {which} that nothing checks.")
        if otherwise:
            parts.append(f"{plural(otherwise, 'count')} {_be(otherwise)} derived from words or from other counts.")
        return f"{' '.join(parts)} A second reader can hold the derivation against the source."

    def _wrong_denominators(self) -> str:
        share = self.share_noticed
        if share is None:
            return "No count has a printed percentage that could be held against its denominator."
        many = int(self.denominators["rows"].sum())
        which = "The count with printed percentages was" if many == 1 else f"Each of the {many} counts with printed percentages was"
        text = (
            f"{which} also held against the denominators that are larger or smaller by 1 to {REACH}. On average "
            f"{per_cent(share, 0)} % of these fit no whole number, so that such an error would have been noticed; with the others the "
            "percentages fit as well."
        )
        return f"{text} Decimals and small denominators make an error visible." if len(self.decimals) > 1 else text

    def _of_one_arm(self) -> str:
        compared, differing = self._facts["compared"], len(self.arms)
        if not compared:
            return "No arm has outcomes of which one includes the other, in the same unit and at the same time."
        one = compared == 1
        text = (
            f"{plural(compared, 'arm')} {'has' if one else 'have'} outcomes of which one includes the other, in the same unit and, as "
            "far as it is given, at the same time. Their totals should be the same, or a note should say why not."
        )
        if not differing:
            return f"{text} They are the same{'' if one else ' in every arm'}."
        silent = int((self.arms["note"] == "").sum())
        told = f"; {silent} of these {'has' if silent == 1 else 'have'} no note" if silent else ""
        return f"{text} They differ in {plural(differing, 'arm')}{told}."

    def _of_zero(self) -> str:
        facts = self._facts["zero"]
        many = sum(facts.values())
        if not many:
            return "No count is 0."
        parts = [
            (facts["as_printed"], "printed as such"),
            (facts["figures"], "with printed figures"),
            (facts["word"], "derived with a word that nobody had the outcome (such as no, none, zero or without)"),
            (facts["unrecorded"], "without a record of how the count was obtained"),
            (facts["silent"], "derived without a word that nobody had the outcome"),
        ]
        text = f"{plural(many, 'count')} {'is' if many == 1 else 'are'} 0: {listing(f'{n} {what}' for n, what in parts if n)}."
        if facts["silent"]:
            text += (
                f" {'The last one is' if facts['silent'] == 1 else 'The last ones are'} listed, because an outcome that a source does "
                "not mention can be mistaken for one that nobody had."
            )
        return text

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """The counts by outcome."""
        head = ["Outcome", "Rows", "As printed", "One fits", "Several fit", "Do not fit", "Unproved percentage", "Words or counts"]
        names = ("rows", *KINDS[:-1])
        rows = [(visible(row["outcome"]), *(f"{row[name]}" for name in names)) for row in self.counts.to_dict("records")]
        return head, rows


def _be(many: int) -> str:
    return "is" if many == 1 else "are"
