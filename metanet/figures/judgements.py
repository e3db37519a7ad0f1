"""Judgements on studies (risk of bias, certainty) as columns of marks: a disc with a sign, told apart without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metanet.errors import ArgumentError, check_choice, shorten
from metanet.figures.table import Column, Judgement
from metanet.figures.text import harmless
from metanet.words import listing

if TYPE_CHECKING:
    import pandas as pd

_GOOD = Judgement("+", "#56C1A0", "low risk")
_UNSURE = Judgement("?", "#F0E442", "some concerns or unclear")
_BAD = Judgement("−", "#E8824A", "high risk")
_WORST = Judgement("!", "#C04A12", "critical risk")
_SILENT = Judgement("", "#DDDDDD", "no information")
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
            f"risk_of_bias={shorten(value)!r} must be a list of columns, such as ('selection', 'outcome'), or a mapping of "
            "columns to names."
        )
    known = tuple(str(c) for c in frame.columns if str(c) != "study")
    out: dict[str, str] = {}
    for name in value:
        check_choice("risk_of_bias", name, known)
        if name in out:
            raise ArgumentError(f"risk_of_bias names {name!r} twice.")
        said = value[name] if isinstance(value, Mapping) else str(name).replace("_", " ")
        out[str(name)] = harmless(said, 60)
    return out


def judgement(name: str, value: object, study: object) -> Judgement:
    """The mark for a word; one that is not known is refused with its study."""
    missing = value is None or value != value or type(value).__name__ == "NAType"
    word = "" if missing else " ".join(str(value).replace("_", " ").split()).casefold()
    known = _CERTAINTY if "certainty" in name.casefold() else _RISK
    if word not in known:
        raise ArgumentError(
            f"risk_of_bias column {name!r} has {shorten(value)!r} for {shorten(study)!r}. Known: {listing(w for w in known if w)}."
        )
    return known[word]


def judgement_cells(names: Mapping[str, str], row: Mapping[Any, Any]) -> dict[str, Judgement]:
    """The marks of one study. Keys keep apart from columns that show the words themselves."""
    values = {str(key): value for key, value in row.items()}
    return {_key(name): judgement(name, values[name], values["study"]) for name in names}


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
    letters = letters if len(names) > 1 else next(iter(names.values()))
    used = {m.word: m for row in rows for m in row.values() if isinstance(m, Judgement)}
    every = [*_RISK.values(), *_CERTAINTY.values()]
    words = [w for w in dict.fromkeys(m.word for m in every) if w in used]
    signs = ", ".join(f"{used[word].sign or 'empty'} {word}" for word in words)
    return f"Judgements: {letters}. {_capital(signs)}." if signs else f"Judgements: {letters}."


def _letters(names: Mapping[str, str]) -> list[str]:
    return [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(len(names))]


def _key(name: str) -> str:
    return f"judgement {name}"
