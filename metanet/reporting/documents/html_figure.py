"""A figure as a part of a page: drawn into the page where it is ours, so that its letters can be selected and searched."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from metanet.base.untrusted import html_text
from metanet.reporting.documents.blocks import Figure

#: What a drawing of Matplotlib has before its first element: declarations, title, description and origin. The page says them itself.
_HEAD = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_SAID = re.compile(r"\s*<(title|desc|metadata)\b[^>]*>.*?</\1>", re.DOTALL)
#: The names of parts of a drawing, which must differ from those of the next on the page.
_NAMES = re.compile(r"""(\bid="|url\(#|href="#)""")
_TAG = re.compile(r"<svg\b[^>]*>", re.DOTALL)


def html_figure(figure: Figure, number: int, files: Sequence[str] = ()) -> str:
    """A `<figure>` with its number, its title, its description in words, and links to its files."""
    links = "".join(f' <a href="{html_text(name)}">{html_text(name.rpartition(".")[2].upper())}</a>' for name in files)
    words = f"<details><summary>In words</summary> {html_text(figure.words or figure.alt)}</details>"
    title = f" {html_text(figure.title)}." if figure.title else ""
    room = f'<div class="scroll" tabindex="0" role="group" aria-label="Figure {number}">{_picture(figure, number)}</div>'
    caption = f"<figcaption><strong>Figure {number}.</strong>{title}{links} {words}</figcaption>"
    return f'<figure id="figure-{number}" class="tex2jax_ignore">{room}{caption}</figure>'


def _picture(figure: Figure, number: int) -> str:
    if figure.drawn:
        svg = _HEAD.sub("", figure.image.decode("utf-8", "replace"), count=1)
        head = _TAG.match(svg)
        if head is not None:
            begin, rest = head[0], svg[head.end() :]
            # Those of the whole drawing come first; further down titles belong to its parts.
            cut = rest.find("<g ")
            rest = _SAID.sub("", rest[:cut]) + rest[cut:] if cut > 0 else rest
            begin = re.sub(r'\s(role|aria-\w+)="[^"]*"', "", begin).removesuffix(">")
            whole = f'{begin} role="img" aria-label="{html_text(figure.alt)}">{rest}'
            return _NAMES.sub(rf"\1f{number}-", whole)
    kind = {"svg": "svg+xml", "png": "png", "jpg": "jpeg"}[figure.suffix]
    source = base64.b64encode(figure.image).decode("ascii")
    return f'<img src="data:image/{kind};base64,{source}" alt="{html_text(figure.alt)}">'
