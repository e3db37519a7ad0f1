"""What the results on small-study effects share: the method stamp, and how an effect is written."""

from __future__ import annotations

from collections.abc import Sequence

from metanet._version import __version__
from metanet.models.display import ABSENT, effect_digits, level_text, number, per_cent, rate_digits
from metanet.models.results import Method, Pooled
from metanet.models.views import html_frame


def stamp_of(title: str, source: str, weights: str, fit: Pooled, notes: Sequence[str], **choices: object) -> Method:
    """The stamp of a check: what it did, after which fit, and the notes."""
    return Method(
        {
            "check": title,
            "weights": weights,
            **choices,
            "level": fit.level,
            "fit": dict(fit.method),
            "package": "metanet",
            "version": __version__,
            "sources": [f"{title}: doi:{source}"],
            "notes": list(notes),
            "sentence": f"{title} (doi:{source}; weights: {weights}) after: {fit.method.sentence()}",
        }
    )


def shown_effect(scale: str, value: float | None) -> str:
    """A value on the response scale with its unit."""
    if value is None:
        return ABSENT
    if scale == "rate":
        return f"{per_cent(value, rate_digits(value))} %"
    return number(value, effect_digits(value))


def shown_interval(scale: str, value: float | None, lower: float | None, upper: float | None, level: float) -> str:
    """An estimate with its interval."""
    if value is None:
        return ABSENT
    if lower is None or upper is None:
        return f"{shown_effect(scale, value)} (no interval)"
    return f"{shown_effect(scale, value)} ({level_text(level)} CI {shown_effect(scale, lower)} to {shown_effect(scale, upper)})"


def check_text(title: str, reason: str | None, rows: Sequence[tuple[str, str]], method: Method) -> str:
    """A check as text: its numbers or the reason why there are none, the notes, the method."""
    lines = [title]
    if reason:
        lines.append(f"  {reason}")
    else:
        width = max(len(name) for name, _ in rows)
        lines += [f"  {name:<{width}}  {text}" for name, text in rows]
    if method["notes"]:
        lines += ["Notes", *(f"  - {note}" for note in method["notes"])]
    return "\n".join([*lines, "Method", f"  {method.sentence()}"])


def check_html(sentence: str, reason: str | None, rows: Sequence[tuple[str, str]], method: Method) -> str:
    """The same as escaped HTML."""
    foot = tuple(method["notes"])
    if reason:
        return html_frame([], [], title=reason, foot=foot)
    return html_frame(["Quantity", "Value"], rows, title=sentence, foot=foot)
