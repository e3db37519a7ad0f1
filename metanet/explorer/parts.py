"""What the explorer shows of a view, as HTML: its numbers, its code and its forest plot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files

from metanet.base.cards import card
from metanet.base.display import in_sentence
from metanet.base.untrusted import NO_MATH, html_text
from metanet.explorer.view import View
from metanet.figures.forest.forest import forest
from metanet.figures.page.canvas import bare_figures
from metanet.figures.page.save import svg_image
from metanet.figures.page.svg import inline
from metanet.models.results.pooled import Pooled

#: Widgets have the line height of a button; text that runs over several lines needs its own.
TEXT = "line-height:1.4"
#: Share of its own width down to which a figure can be read; in a narrower place it scrolls.
_SHRUNK = 0.55
#: As `_SHRUNK`, for a place that is too low.
_LOW = 0.68
#: Where the parts are: the numbers above, choices beside the figure, or one below the other where both would be too narrow. A long
#: list of studies and a long figure scroll in their place; the figure has the height that a window leaves beside JupyterLab's bars.
SHEET = files("metanet.explorer").joinpath("explorer.css").read_text(encoding="utf-8")
_CARD = "border:1px solid rgba(128,128,128,.45);border-left:4px solid #0072B2;border-radius:4px;padding:.3em .8em"
_PAIRS = "display:flex;flex-flow:row wrap;gap:.1em 1.8em"
_NOTES = "border-left:3px solid #D55E00;margin:.3em 0 .1em;padding:0 0 0 1.4em;max-height:5.6em;overflow-y:auto"


def numbers(view: View, whole: Pooled | None) -> str:
    """The result as a card; `whole` is the result before studies were excluded by hand."""
    if view.fit is None:
        shown = card(f"{view.title} (evidence: {view.evidence.name})", view.trouble)
    else:
        (_, data), *pairs = view.fit.rows()
        notes = "".join(f"<li>{html_text(note)}</li>" for note in view.fit.notes)
        listed = f"<ul class='metanet-notes' style='{_NOTES}' tabindex='0'>{notes}</ul>" if notes else ""
        title = f"<strong class='metanet-title'>{html_text(view.title)}</strong>: <span>{html_text(data)}</span>"
        title += f" <small class='metanet-evidence'>(evidence: {html_text(view.evidence.name)})</small>"
        shown = (
            f"<div class='metanet metanet-card {NO_MATH}' style='{_CARD}'><div>{title}</div>"
            f"<div class='metanet-pairs' style='{_PAIRS}'>{''.join(map(_pair, *zip(*pairs, strict=True)))}</div>{listed}"
            f"{_beside(view, whole)}</div>"
        )
    return f"<div style='{TEXT};user-select:text'>{shown}</div>"


def _pair(name: str, value: str) -> str:
    return f"<div><strong><small>{html_text(name)}</small></strong><div class='metanet-value'>{html_text(value)}</div></div>"


def _beside(view: View, whole: Pooled | None) -> str:
    """The result with all rows, where some are excluded."""
    if not view.left_out or whole is None:
        return ""
    first, *others = whole.rows()[1:]
    # The median and the average stand together.
    beside = [row for row in others[:1] if row[0] in ("Median rate", "Population-averaged rate")]
    text = "; ".join(f"{in_sentence(name)} {value}" for name, value in (first, *beside))
    return f"<div class='metanet-whole' style='margin-top:.3em'>{html_text(f'With all rows included: {text}.')}</div>"


def code(view: View) -> str:
    """The code of a view, and the method that it names, to be selected and copied."""
    method = "" if view.fit is None else f"<p style='margin:.6em 0 0'>{html_text(view.fit.method.sentence())}</p>"
    return (
        f"<div class='metanet {NO_MATH}' style='{TEXT};user-select:text'><pre class='metanet-code' "
        f"style='white-space:pre-wrap;word-break:normal;margin:0'>{lines(view.code)}</pre>{method}</div>"
    )


def lines(text: str) -> str:
    """Lines as escaped HTML; each line on its own, because a line end is no character of a name."""
    return "\n".join(html_text(line) for line in text.split("\n"))


def figure(view: View) -> str:
    """The forest plot as a drawing in the page, whose text can be selected; empty where there is no result."""
    if view.fit is None:
        return ""
    with bare_figures():
        axes = forest(view.fit)
        image, text = svg_image(axes)
    width, height = (side / axes.figure.dpi for side in (axes.figure.bbox.width, axes.figure.bbox.height))
    # As high as its place, and in a low place no smaller than can be read.
    fitting = f"max({_LOW * width:.2f}in, calc(var(--metanet-height, 200em) * {width / height:.4f}))"
    size = f"display:block;height:auto;width:min(100%, {width:.2f}in, {fitting});min-width:{_SHRUNK * width:.2f}in"
    mark = f"m{hashlib.sha256(image).hexdigest()[:12]}"
    return f"<div class='metanet-figure {NO_MATH}' tabindex='0'>{inline(image, text, mark, f'{size};background:white')}</div>"


def message(sentences: Iterable[str]) -> str:
    """What the explorer did or could not do, below its controls."""
    said = "<br>".join(html_text(sentence) for sentence in sentences)
    return (
        f"<div class='metanet metanet-said {NO_MATH}' role='status' style='{TEXT};overflow-wrap:anywhere'>{said}</div>" if said else ""
    )


def failure(what: str, error: BaseException) -> str:
    """A part that could not be shown."""
    return f"<div style='{TEXT}'>{card(what, f'{type(error).__name__}: {error}')}</div>"
