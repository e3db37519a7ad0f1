"""What a source prints about a count, as an expression of a small closed grammar; nothing of it is evaluated as code.

::

    printed := sum ("=" sum)*
    sum     := term (("+" | "-") term)*
    term    := INT | INT "/" INT | PCT "of" INT | "(" PCT ("+" PCT)* ")" "of" INT
    PCT     := digits ["." digits] "%"

Sums on both sides of "=" are printed about the same count: the figures of its parts and the figure of the whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from metanet.base.errors import ArgumentError, as_given, shorten
from metanet.base.untrusted import listing, visible
from metanet.evidence.proof.integers import MOST_DECIMALS, MOST_DIGITS, bounds, printed_as

#: Characters of an expression. The longest in the curated tables has 60.
LONGEST = 300
_TOKEN = re.compile(
    r"\s*(?:(?P<pct>\d+(?:\.\d+)?)\s*%|(?P<int>\d+)(?![.\d]|\s*%)|(?P<word>of(?![A-Za-z]))|(?P<sign>[-+/=()]))", re.ASCII
)
#: Rates of persons who are followed for different times: no counts of the patients at risk.
_NO_COUNT = re.compile(r"\b(km|kaplan|meier|actuarial|cumulative|incidence|median|mean|average)\b", re.IGNORECASE)
_GRAMMAR = "Write it as 16.1% of 56, (39%+43%) of 443, 89 - 22% of 89, 3 + 32 or 9/56"
_COUNT_AND_PCT = re.compile(
    r"(?P<count>\d{1,7})(?:\s*/\s*(?P<total>\d{1,7}))?\s*\(\s*(?P<pct>\d{1,3}(?:\.\d{1,6})?)\s*%\s*\)", re.ASCII
)
#: Blanks that a page or a PDF has where a keyboard has a space.
_BLANKS = dict.fromkeys((0xA0, 0x2007, 0x2009, 0x202F), " ")
_ALIKE = {"−": "-", "–": "-", "—": "-", "·": ".", "٪": "%", "％": "%", "﹪": "%", "⁄": "/", "∕": "/", "＋": "+", "＝": "="}


class PrintedError(ValueError):
    """A text that is not an expression: `wrong` and `fix` for a message."""

    def __init__(self, wrong: str, fix: str = _GRAMMAR) -> None:
        super().__init__(wrong)
        self.wrong, self.fix = wrong, fix


@dataclass(frozen=True, slots=True)
class Percentage:
    """A printed percentage: its digits without the point, its decimals, and the text."""

    digits: int
    decimals: int
    text: str

    def counts(self, n: int, rounding: str = "half") -> tuple[int, int]:
        """The least and the greatest count of `n` that it can be."""
        low, high = bounds(self.digits, self.decimals, n, rounding)
        return low, high


@dataclass(frozen=True, slots=True)
class Term:
    """One term: percentages of `total`, or the `count` itself (with the total where it is printed as a fraction)."""

    negative: bool
    percentages: tuple[Percentage, ...]
    count: int
    total: int | None

    def counts(self, rounding: str = "half", wrong: int = 0) -> tuple[int, int] | None:
        """The counts that it can be, or None where there are none; with a denominator that is `wrong` by so many."""
        if not self.percentages:
            return self.count, self.count
        low = high = 0
        for each in self.percentages:
            least, most = each.counts(max(1, (self.total or 1) + wrong), rounding)
            if least > most:
                return None
            low, high = low + least, high + most
        return low, high


@dataclass(frozen=True, slots=True)
class Printed:
    """An expression: the text and its sums."""

    text: str
    sums: tuple[tuple[Term, ...], ...]

    @property
    def totals(self) -> tuple[int, ...]:
        """The denominators that it names."""
        return tuple(dict.fromkeys(term.total for each in self.sums for term in each if term.total is not None))

    def denominators(self) -> frozenset[int]:
        """The totals that its figures can be about: each that it names, and those of groups that it adds up."""
        positive = [[term.total for term in each if term.total and not term.negative] for each in self.sums]
        # Two groups of one size and two figures of one group look alike, so both sums are allowed.
        return frozenset((*self.totals, *map(sum, positive), *(sum(set(each)) for each in positive)))

    @property
    def figures(self) -> int:
        """The number of percentages in it."""
        return sum(len(term.percentages) for each in self.sums for term in each)

    def counts(self, rounding: str = "half", wrong: int = 0) -> range:
        """The whole numbers that the count can be; without members where no number fits all of it.

        `wrong` asks the same as if every denominator were another by so many.
        """
        least, most = 0, None
        for each in self.sums:
            low = high = 0
            for term in each:
                found = term.counts(rounding, wrong)
                if found is None:
                    return range(0)
                low, high = (low - found[1], high - found[0]) if term.negative else (low + found[0], high + found[1])
            least, most = max(least, low), high if most is None else min(most, high)
        return range(least, (least if most is None else most) + 1)

    def unfit(self, rounding: str = "half") -> str:
        """Why no whole number fits, as a clause: the percentage that fits no count with its neighbours, or the sums that disagree."""
        for each in self.sums:
            for term in each:
                for pct in term.percentages:
                    n = term.total or 1
                    low, high = pct.counts(n, rounding)
                    if low > high:
                        return f"{pct.text} % of {n:,} is no whole number: {_neighbours(pct, n, rounding)}"
        found = [Printed("", (each,)).counts(rounding) for each in self.sums]
        parts = [words(each) if len(each) else "less than 0" for each in found]
        return f"its figures do not fit each other: they give {listing(parts, 8)}" if len(parts) > 1 else "the difference is below 0"


def _neighbours(pct: Percentage, n: int, rounding: str) -> str:
    """The counts next to a percentage that no count prints, as the source would print them."""
    below = min(n, pct.digits * n // (100 * 10**pct.decimals))
    near = [count for count in (below, below + 1) if 0 <= count <= n]
    return ", ".join(f"{count:,} is {printed_as(count, n, pct.decimals, rounding)} %" for count in near)


#: Members of a set that are listed; more are given by the first and the last.
_LISTED = 6


def words(counts: range) -> str:
    """A set of counts in words: "9", "171, 172, 173 or 174", "120 to 180"."""
    if not len(counts):
        return "no whole number"
    if len(counts) > _LISTED:
        return f"{counts[0]:,} to {counts[-1]:,}"
    *some, last = (f"{each:,}" for each in counts)
    return f"{', '.join(some)} or {last}" if some else last


@lru_cache(maxsize=4096)
def parse(text: str) -> Printed:
    """Read an expression.

    Raises
    ------
    PrintedError
        If `text` is none; with what is wrong and how to write it.
    """
    if len(text) > LONGEST:
        raise PrintedError(f"is {len(text):,} characters long, more than the {LONGEST} of an expression", "Write the figures alone")
    try:
        reader = _Reader(_tokens(text.translate(_BLANKS)))
        sums = [reader.sum()]
        while reader.take("="):
            sums.append(reader.sum())
        if reader.rest:
            raise PrintedError(f"continues with {visible(reader.rest)!r} where the expression is complete")
    except PrintedError as error:
        if error.fix == _GRAMMAR:
            _refuse_alike(text.translate(_BLANKS))
        raise
    return Printed(text, tuple(sums))


def percentage(text: str) -> Percentage:
    """Read one percentage, such as ``"16.1%"``.

    Raises
    ------
    PrintedError
        If `text` is none.
    """
    if len(text) > LONGEST:
        raise PrintedError(f"is {len(text):,} characters long", "Write a percentage such as '16.1%'")
    plain = text.translate(_BLANKS).strip()
    found = _TOKEN.fullmatch(plain)
    if found is None or found["pct"] is None:
        _refuse_alike(plain, alone=True)
        raise PrintedError("is not a percentage", "Write it with its per cent sign and a decimal point, such as '16.1%'")
    return _percentage(found["pct"])


def is_percentage(text: str) -> bool:
    """Whether a text is one percentage and nothing else."""
    try:
        percentage(text)
    except PrintedError:
        return False
    return True


def asked(argument: str, text: str) -> Percentage:
    """`percentage` for an argument of a public function."""
    try:
        return percentage(text)
    except PrintedError as error:
        raise ArgumentError(f"{argument}={as_given(visible(text[:LONGEST]))} {error.wrong}. Fix: {_lower(error.fix)}.") from None


def asked_expression(argument: str, text: str) -> Printed:
    """`parse` for an argument of a public function."""
    try:
        return parse(text)
    except PrintedError as error:
        raise ArgumentError(f"{argument}={as_given(visible(text[:LONGEST]))} {error.wrong}. Fix: {_lower(error.fix)}.") from None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _percentage(text: str) -> Percentage:
    whole, _, decimals = text.partition(".")
    if len(decimals) > MOST_DECIMALS:
        raise PrintedError(
            f"has {len(decimals)} decimals, more than the {MOST_DECIMALS} that are read", "Write what the source prints"
        )
    if int(whole + decimals) > 100 * 10 ** len(decimals):
        raise PrintedError(f"has a percentage above 100 ({shorten(text, 12)}%)", "Check it against the source")
    return Percentage(int(whole + decimals), len(decimals), text)


def _refuse_alike(text: str, *, alone: bool = False) -> None:
    """Raise with the right sign where another one that looks like it was typed or copied.

    `alone` says that a single percentage is asked for, so that no fix may be an expression.
    """
    if (word := _NO_COUNT.search(text)) is not None:
        raise PrintedError(
            f"names a rate that is no count of patients ({visible(word[0])})",
            "Give counts of patients alone; in a table leave 'printed' empty for Kaplan-Meier rates, cumulative incidences and "
            "averages, and describe them in 'note'",
        )
    if re.search(r"\d\s*%?\s*[–—]\s*\d", text):
        raise PrintedError(
            "contains a dash that may mean a range",
            "Write - for a difference; for a range in a table leave 'printed' empty and use 'derivation'",
        )
    for sign, plain in _ALIKE.items():
        if sign in text:
            raise PrintedError(f"contains {visible(sign)!r}, which is not read", f"Write {plain!r}")
    if (found := _COUNT_AND_PCT.fullmatch(text.strip())) is not None:
        if alone:
            raise PrintedError("gives a count and its percentage in brackets", f"Write '{found['pct']}%' alone")
        count, total, pct = found["count"], found["total"] or "N", found["pct"]
        first = f"{count}/{total}" if found["total"] else count
        raise PrintedError("gives a count and its percentage in brackets", f"Write {first} = {pct}% of {total}")
    if re.search(r"\d,\d", text):
        raise PrintedError("contains a comma in a number", "Write decimals with a point and no separator of thousands")
    if alone and (found := _TOKEN.fullmatch(f"{text}%")) is not None and found["pct"] is not None:
        raise PrintedError("has no per cent sign", f"Write '{visible(text)}%' if it is a percentage")
    if re.search(r"\d\.\d+(?![\d.]|\s*%)", text):
        raise PrintedError(
            "contains a decimal number without a per cent sign", "Write percentages with their sign, such as 16.1% of 56"
        )
    if re.search(r"[<>≤≥~≈]", text):
        raise PrintedError(
            "contains a figure that is not exact", "Give exact figures alone; in a table leave 'printed' empty and use 'derivation'"
        )


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            raise PrintedError(f"cannot be read from {visible(text[place : place + 20].strip())!r} on")
        kind = str(found.lastgroup)
        if kind == "int" and len(found[kind]) > MOST_DIGITS:
            raise PrintedError(
                f"has a number of {len(found[kind])} digits; up to {MOST_DIGITS} are read", "Check it against the source"
            )
        tokens.append((kind, found[kind]))
        place = found.end()
    if not tokens:
        raise PrintedError("is empty")
    return tokens


class _Reader:
    """Walks over the tokens once, from left to right; a bracket cannot contain another."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._place = tokens, 0

    @property
    def rest(self) -> str:
        return " ".join(text + "%" * (kind == "pct") for kind, text in self._tokens[self._place : self._place + 6])

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def take(self, *signs: str) -> str:
        """The next sign if it is one of these."""
        kind, text = self._next()
        if kind in ("sign", "word") and text in signs:
            self._place += 1
            return text
        return ""

    def sum(self) -> tuple[Term, ...]:
        terms = [self._term(negative=False)]
        while sign := self.take("+", "-"):
            terms.append(self._term(negative=sign == "-"))
        return tuple(terms)

    def _term(self, *, negative: bool) -> Term:
        if self.take("("):
            parts = [self._pct()]
            while self.take("+"):
                parts.append(self._pct())
            if not self.take(")"):
                raise PrintedError(
                    "has a bracket that contains more than percentages, or is not closed", "Write it as (39%+43%) of 443"
                )
            return Term(negative, tuple(parts), 0, self._total())
        if self._next()[0] == "pct":
            return Term(negative, (self._pct(),), 0, self._total())
        count = self._int("a number or a percentage")
        if not self.take("/"):
            return Term(negative, (), count, None)
        total = self._int("the denominator")
        if count > total or total < 1:
            raise PrintedError(f"has the fraction {count}/{total}, which is no part of a whole", "Check it against the source")
        return Term(negative, (), count, total)

    def _pct(self) -> Percentage:
        kind, text = self._next()
        if kind != "pct":
            if text == "(":
                raise PrintedError("has a bracket inside a bracket", "Write it as (39%+43%) of 443")
            raise PrintedError(f"has {visible(text) or 'nothing'!r} where a percentage should be")
        self._place += 1
        return _percentage(text)

    def _total(self) -> int:
        if not self.take("of"):
            raise PrintedError("has a percentage without its denominator", "Write what it is a percentage of, such as 16.1% of 56")
        total = self._int("the denominator")
        if total < 1:
            raise PrintedError("has the denominator 0", "Check it against the source")
        return total

    def _int(self, what: str) -> int:
        kind, text = self._next()
        if kind != "int":
            raise PrintedError(f"has {visible(self.rest) or 'nothing'!r} where {what} should be")
        self._place += 1
        return int(text)
