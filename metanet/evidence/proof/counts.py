"""Counts and denominators from printed percentages: one figure, several figures of one group, two groups of a known total."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from metanet._version import __version__
from metanet.base.arguments import checked, choice, whole, whole_number
from metanet.base.errors import ArgumentError, as_given
from metanet.base.results import Method, Result
from metanet.base.untrusted import visible
from metanet.evidence.proof.integers import MOST_DIGITS, ROUNDINGS, bounds, narrowed
from metanet.evidence.proof.printed import Percentage, PrintedError, asked, asked_expression, parse, words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

_LARGEST = 10**MOST_DIGITS - 1
#: Figures of one group, and denominators that are tried; so many of them at once, so that little memory is held.
_MOST_FIGURES, _MOST_DENOMINATORS, _AT_ONCE = 50, 1_000_000, 20_000
#: Counts that an answer lists.
_MOST_COUNTS = 1_000_000
_SOURCES = ("Brown and Heathers (2017), doi:10.1177/1948550616673876",)
#: How the figures are read.
ROUNDING_IN_WORDS = {
    "half": "All whole numbers whose percentage rounds to the printed one, a half up or to the even digit.",
    "truncated": "All whole numbers whose percentage gives the printed one when the further decimals are cut off.",
}


@dataclass(frozen=True, eq=False, repr=False)
class Counts(Result):
    """The whole numbers that a printed figure can be.

    Attributes
    ----------
    printed : str
        The figure or expression.
    values : tuple of int
        Every whole number that prints as it, in order; empty where none does.
    unique : bool
        Whether it is exactly one.
    why : str
        Where `values` is empty: which figure fits no whole number.
    """

    printed: str
    values: tuple[int, ...]
    why: str
    method: Method = field(repr=False)

    _entries = ("printed", "values", "unique", "why")

    @property
    def unique(self) -> bool:
        """Whether it is exactly one whole number."""
        return len(self.values) == 1

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Counts that a printed figure can be"

    def sentence(self) -> str:
        """The counts in words."""
        if self.why:
            return f"No whole number fits: {self.why}."
        return f"{self.printed} is {words(range(self.values[0], self.values[-1] + 1))}."

    def to_frame(self) -> pd.DataFrame:
        """One row per count: printed, count."""
        import numpy as np
        import pandas as pd

        return pd.DataFrame({"printed": [self.printed] * len(self.values), "count": np.array(self.values, dtype=np.int64)})

    def __repr__(self) -> str:
        return f"Counts(values={self.values!r}, unique={self.unique})"


def _stamp(rounding: str) -> Method:
    return Method(
        {"rounding": rounding, "version": __version__, "sentence": ROUNDING_IN_WORDS[rounding], "sources": _SOURCES, "notes": []}
    )


@checked(total=whole(1, _LARGEST), rounding=choice(*ROUNDINGS))
def counts(printed: str, total: int | None = None, *, rounding: str = "half") -> Counts:
    """The whole numbers that a printed figure can be.

    Parameters
    ----------
    printed
        A percentage as text, as the source prints it: ``"44.0%"`` is not ``"44%"``. Without `total` an expression that names its
        denominators: ``"16.1% of 56"``, ``"89 - 22% of 89"``, ``"(39%+43%) of 443"``, ``"9/56"``; ``=`` joins two figures of one
        count, such as ``"8 + 70% of 33 = 94% of 33"``.
    total
        The denominator of the percentage, in patients (or in what the source counts).
    rounding : {"half", "truncated"}
        How the source shortens percentages: rounds them, a half up or to the even digit, or cuts the further decimals off.

    Returns
    -------
    Counts
        ``values``, a tuple of the counts in order, and ``unique``.

    Raises
    ------
    ArgumentError
        If `printed` is not a percentage, or not an expression; with how to write it.

    Notes
    -----
    The answer is exact: integers only. A Kaplan-Meier rate, a cumulative incidence or an average of percentages is not a count.

    References
    ----------
    Brown, Heathers (2017), doi:10.1177/1948550616673876.

    Examples
    --------
    >>> import metanet as mn
    >>> mn.counts("16.1%", 56)
    Counts(values=(9,), unique=True)
    >>> mn.counts("39% of 443").values
    (171, 172, 173, 174)
    """
    if total is not None:
        found = _alone(printed, int(total))
        low, high = found.counts(int(total), rounding)
        named, expression = f"{found.text}% of {total}", None if low > high else range(low, high + 1)
        expression = asked_expression("printed", named).counts(rounding) if expression is None else expression
    else:
        named = " ".join(printed.split())
        expression = asked_expression("printed", printed).counts(rounding)
    why = "" if len(expression) else asked_expression("printed", named).unfit(rounding)
    return Counts(named, tuple(expression), why, _stamp(rounding))


def _alone(printed: str, total: int) -> Percentage:
    """The percentage of a total; an expression names its own."""
    try:
        return asked("printed", printed)
    except ArgumentError:
        with suppress(PrintedError):
            if parse(printed).totals:
                raise ArgumentError(
                    f"printed={as_given(visible(printed))} names its own denominator, and total={total} is given as well. Fix: leave "
                    f"out total={total}, or give the percentage alone."
                ) from None
        raise


def _figures(argument: str, figures: Sequence[str]) -> list[Percentage]:
    given = list(islice(figures, _MOST_FIGURES + 1))
    if not 1 <= len(given) <= _MOST_FIGURES:
        number = f"more than {_MOST_FIGURES}" if given else "no"
        raise ArgumentError(f"{argument} has {number} percentages; give 1 to {_MOST_FIGURES}.")
    for each in given:
        if not isinstance(each, str):
            raise ArgumentError(
                f"{argument}={as_given(each)} must be a text, because 44.0% is another figure than 44%. Fix: write it as the source "
                "prints it, such as '44.0%'."
            )
    return [asked(argument, each) for each in given]


def _sets(figures: Sequence[Percentage], n: npt.NDArray[np.int64], rounding: str) -> list[Any]:
    return [bounds(each.digits, each.decimals, n, rounding) for each in figures]


def _named(figures: Sequence[Percentage]) -> list[str]:
    """A column for each figure; the second of two alike gets its place."""
    texts = [f"{each.text}%" for each in figures]
    return [text if texts.count(text) == 1 else f"{text} ({place})" for place, text in enumerate(texts, 1)]


@checked(together=choice("all", "at most"), rounding=choice(*ROUNDINGS))
def denominators(
    figures: Sequence[str], *, between: tuple[int, int] = (2, 200), together: str | None = None, rounding: str = "half"
) -> pd.DataFrame:
    """The denominators that carry all percentages of one group, with the counts for each.

    Parameters
    ----------
    figures
        Percentages of one group as texts: ``["34%", "50.2%", "6.8%"]``.
    between
        The least and the greatest denominator that is tried, both included.
    together : {"all", "at most"}, optional
        ``"all"``: the figures divide the group (complete response to progressive disease), so that the counts sum to the denominator.
        ``"at most"``: nobody is in two of them, so that the counts sum to no more. None: they may overlap.
    rounding : {"half", "truncated"}
        As for `counts`.

    Returns
    -------
    pandas.DataFrame
        One row per admissible denominator: ``n``, a column per figure with the tuple of its counts, and ``unique``, whether every
        figure has one count. Without rows where no denominator fits.

    Raises
    ------
    ArgumentError
        If a figure is not a percentage, or `between` not two whole numbers in order.

    Notes
    -----
    Where no denominator fits, the study need not be wrong: the figures may have different denominators, patients may be missing from
    some of them, or one may be misprinted.

    References
    ----------
    Brown, Heathers (2017), doi:10.1177/1948550616673876.

    Examples
    --------
    >>> import metanet as mn
    >>> mn.denominators(["16.1%", "33.9%", "66.1%"], between=(40, 60))
        n 16.1%  33.9%  66.1%  unique
    0  56  (9,)  (19,)  (37,)    True
    """
    import numpy as np
    import pandas as pd

    parsed = _figures("figures", figures)
    first, last = _span(between)
    names = _named(parsed)
    rows: dict[str, list[Any]] = {name: [] for name in ("n", *names, "unique")}
    listed = 0
    for start in range(first, last + 1, _AT_ONCE):
        n = np.arange(start, min(start + _AT_ONCE, last + 1), dtype=np.int64)
        found = _sets(parsed, n, rounding)
        low, high, fits = narrowed([each[0] for each in found], [each[1] for each in found], n, together)
        places = np.flatnonzero(fits)
        low, high, n = low[:, places], high[:, places], n[places]
        sizes = listed + np.cumsum((high - low + 1).sum(axis=0))
        if len(n) and sizes[-1] > _MOST_COUNTS:
            enough = int(n[np.searchsorted(sizes, _MOST_COUNTS, side="right")]) - 1
            fix = f"a narrower span, such as ({first}, {enough})" if enough >= first else "fewer figures, or smaller denominators"
            raise ArgumentError(
                f"between={as_given((first, last))} gives more than the {_MOST_COUNTS:,} counts that are listed. Fix: give {fix}."
            )
        listed = int(sizes[-1]) if len(n) else listed
        rows["n"] += n.tolist()
        rows["unique"] += (low == high).all(axis=0).tolist()
        for name, least, most in zip(names, low.tolist(), high.tolist(), strict=True):
            rows[name] += [tuple(range(one, other + 1)) for one, other in zip(least, most, strict=True)]
    kinds: dict[str, Any] = {"n": np.int64, "unique": np.bool_}
    return pd.DataFrame({name: pd.Series(cells, dtype=kinds.get(name, object)) for name, cells in rows.items()})


def _span(between: tuple[int, int]) -> tuple[int, int]:
    ends = list(between)
    if len(ends) != 2:
        raise ArgumentError(f"between={as_given(tuple(ends))} must be the least and the greatest denominator, such as (2, 200).")
    first, last = (whole_number("between", each, 1, _LARGEST) for each in ends)
    if first > last or last - first >= _MOST_DENOMINATORS:
        reach = f"in order and less than {_MOST_DENOMINATORS:,} apart"
        raise ArgumentError(f"between={as_given(tuple(ends))} must be two denominators {reach}, such as (2, 200).")
    return first, last


@checked(total=whole(2, _MOST_DENOMINATORS), rounding=choice(*ROUNDINGS))
def two_groups(figures: Sequence[str], *, total: int, rounding: str = "half") -> pd.DataFrame:
    """How a total can divide into two groups whose sizes the source does not print, given a percentage of each.

    Parameters
    ----------
    figures
        A percentage of the first and of the second group, as texts: ``["91.3%", "92.3%"]``.
    total
        Patients of both groups together.
    rounding : {"half", "truncated"}
        As for `counts`.

    Returns
    -------
    pandas.DataFrame
        One row per division: ``n_1``, ``events_1``, ``n_2``, ``events_2``; events are tuples of the admissible counts.

    Raises
    ------
    ArgumentError
        If there are not two percentages.

    Examples
    --------
    >>> import metanet as mn
    >>> mn.two_groups(["91.3%", "92.3%"], total=36)
       n_1 events_1  n_2 events_2
    0   23    (21,)   13    (12,)
    """
    import numpy as np
    import pandas as pd

    parsed = _figures("figures", figures)
    if len(parsed) != 2:
        raise ArgumentError(f"figures has {len(parsed)} percentages; give one for each of the two groups.")
    n = np.arange(1, total, dtype=np.int64)
    (low_1, high_1), (low_2, high_2) = (
        bounds(parsed[0].digits, parsed[0].decimals, n, rounding),
        bounds(parsed[1].digits, parsed[1].decimals, total - n, rounding),
    )
    places = np.flatnonzero((low_1 <= high_1) & (low_2 <= high_2))
    listed = int((high_1 - low_1 + high_2 - low_2 + 2)[places].sum())
    if listed > _MOST_COUNTS:
        raise ArgumentError(
            f"total={total} divides into {len(places):,} pairs of groups with {listed:,} counts, more than the {_MOST_COUNTS:,} that "
            "are listed. Fix: give the percentages with all decimals that the source prints, or a smaller total."
        )

    def events(low: Any, high: Any) -> pd.Series[Any]:
        return pd.Series([tuple(range(int(low[i]), int(high[i]) + 1)) for i in places], dtype=object)

    return pd.DataFrame(
        {"n_1": n[places], "events_1": events(low_1, high_1), "n_2": total - n[places], "events_2": events(low_2, high_2)}
    )
