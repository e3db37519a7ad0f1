"""Judgements in a figure: the marks of levels, the words that are known, and the legend of what occurs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.groups import absent, name_of
from metanet.base.untrusted import listing
from metanet.evidence.bias.filter import COLUMN, PREFIX
from metanet.evidence.bias.tools import Level, Tool, tools
from metanet.figures.forest.table import Column, Judgement
from metanet.figures.page.text import harmless

if TYPE_CHECKING:
    import pandas as pd


_GOOD = Judgement("+", "#56C1A0", "low risk")
_UNSURE = Judgement("?", "#F0E442", "some concerns or unclear")
_BAD = Judgement("−", "#E8824A", "high risk")
_WORST = Judgement("!", "#C04A12", "critical risk")
_SILENT = Judgement("", "#DDDDDD", "no information")
#: Assessors who differ, without a consensus.
OPEN = Judgement("≠", "#FFFFFF", "assessors differ")
#: The mark of each kind of level in the registry of tools.
MARKS = {"good": _GOOD, "unsure": _UNSURE, "bad": _BAD, "worst": _WORST, "silent": _SILENT}
#: The signs in the order of a legend.
SIGNS = (*(mark.sign for mark in MARKS.values()), OPEN.sign)
#: Words of the usual tools (RoB 2, ROBINS-I, QUADAS-2, JBI, Newcastle-Ottawa), without case.
_RISK = {
    **dict.fromkeys(("low", "low risk", "l", "+", "yes", "y"), _GOOD),
    **dict.fromkeys(("some concerns", "some", "moderate", "unclear", "unclear risk", "u", "?"), _UNSURE),
    **dict.fromkeys(("high", "high risk", "h", "serious", "-", "−", "–", "no", "n"), _BAD),
    **dict.fromkeys(("critical", "very high"), _WORST),
    **dict.fromkeys(("", "no information", "ni", "not applicable", "na", "n/a"), _SILENT),
}
#: For certainty the words mean the opposite: much of it is good.
_CERTAINTY = {
    "high": Judgement("+", _GOOD.colour, "high certainty"),
    "moderate": Judgement("?", _UNSURE.colour, "moderate certainty"),
    "low": Judgement("−", _BAD.colour, "low certainty"),
    "very low": Judgement("!", _WORST.colour, "very low certainty"),
    "": Judgement("", _SILENT.colour, "not stated"),
}


def check_judgements(value: object, frame: pd.DataFrame) -> dict[str, str]:
    """Column -> what it is called, from a list of columns or a mapping."""
    if isinstance(value, str) or not isinstance(value, (Mapping, Sequence)):
        raise ArgumentError(
            f"risk_of_bias={as_given(value)} must be a list of columns, such as ('selection', 'outcome'), or a mapping of "
            "columns to names."
        )
    known = tuple(str(c) for c in frame.columns if str(c) != "study")
    out: dict[str, str] = {}
    tool = tool_of(frame)
    for name in value:
        check_choice("risk_of_bias", name, known)
        if name in out:
            raise ArgumentError(f"risk_of_bias names {name!r} twice.")
        plain = tool.title_of(name.removeprefix(PREFIX)) if tool and name.startswith(PREFIX) else str(name).replace("_", " ")
        said = value[name] if isinstance(value, Mapping) else plain
        out[str(name)] = harmless(said, 60)
    return out


def judged_overall(frame: pd.DataFrame) -> dict[str, str]:
    """The column of the overall judgement, where the rates came with one."""
    there = tool_of(frame) is not None and COLUMN in frame.columns
    return {COLUMN: "Risk of bias"} if there and any(not absent(value) and value != "" for value in frame[COLUMN].tolist()) else {}


def tool_of(frame: pd.DataFrame) -> Tool | None:
    """The tool of the judgements that came with the rates, if any."""
    return tools().get(str(frame.attrs.get("bias_tool")))


def mark_of(level: Level) -> Judgement:
    """The mark of a level of a tool, called as the tool calls it."""
    like = MARKS[level.mark]
    return Judgement(like.sign, like.colour, level.title.lower())


def judgement(name: str, value: object, study: object, tool: Tool | None = None) -> Judgement:
    """The mark for a word; one that is not known is refused with its study. `tool` says what the columns of its judgements mean."""
    word = "" if absent(value) else " ".join(name_of(value).replace("_", " ").split()).casefold()
    if tool is not None and name.startswith(PREFIX) and word:
        domain = name.removeprefix(PREFIX)
        for level in tool.levels_of(domain):
            if word in (level.key.replace("_", " "), level.title.casefold()):
                return mark_of(level)
    known = _CERTAINTY if "certainty" in name.casefold() else _RISK
    if word not in known:
        raise ArgumentError(
            f"risk_of_bias column {name!r} has {as_given(value)} for {as_given(study)}. Known: {listing(w for w in known if w)}."
        )
    return known[word]


def judgement_cells(names: Mapping[str, str], row: Mapping[Any, Any], tool: Tool | None = None) -> dict[str, Judgement]:
    """The marks of one study. Keys keep apart from columns that show the words themselves."""
    values = {str(key): value for key, value in row.items()}
    return {_key(name): judgement(name, values[name], values["study"], tool) for name in names}


def judgement_columns(names: Mapping[str, str]) -> tuple[Column, ...]:
    """One narrow column for each; several are lettered, and the letters explained by `judgement_legend`."""
    heads = _letters(names) if len(names) > 1 else [_capital(said) for said in names.values()]
    return tuple(Column(_key(name), head, "center", right=True) for name, head in zip(names, heads, strict=True))


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def judgement_legend(names: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    """What letters and signs mean; only the signs that occur."""
    if not names:
        return ""
    letters = ", ".join(f"({a}) {said}" for a, said in zip(_letters(names), names.values(), strict=True))
    used = {m.word: m for row in rows for m in row.values() if isinstance(m, Judgement)}
    words = sorted(used, key=lambda word: SIGNS.index(used[word].sign))
    signs = ", ".join(f"{used[word].sign or 'empty'} {word}" for word in words)
    if len(names) == 1:
        return f"{_capital(next(iter(names.values())))}: {signs}." if signs else ""
    return f"Judgements: {letters}. {_capital(signs)}." if signs else f"Judgements: {letters}."


def _letters(names: Mapping[str, str]) -> list[str]:
    return [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(len(names))]


def _key(name: str) -> str:
    return f"judgement {name}"
