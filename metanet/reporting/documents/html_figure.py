"""A figure as a part of a page: drawn into the page where it is ours, so that its letters can be selected and searched."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from metanet.base.untrusted import html_text
from metanet.figures.page.svg import inline
from metanet.reporting.documents.blocks import Figure
from metanet.reporting.documents.harmless import is_harmless_drawing


def html_figure(figure: Figure, number: int, files: Sequence[str] = ()) -> str:
    """A `<figure>` with its number, its title, its description in words, and links to its files."""
    links = "".join(f' <a href="{html_text(name)}">{html_text(name.rpartition(".")[2].upper())}</a>' for name in files)
    words = f"<details><summary>In words</summary> {html_text(figure.words or figure.alt)}</details>"
    title = f" {html_text(figure.title)}." if figure.title else ""
    room = f'<div class="scroll" tabindex="0" role="group" aria-label="Figure {number}">{_picture(figure, number)}</div>'
    caption = f"<figcaption><strong>Figure {number}.</strong>{title}{links} {words}</figcaption>"
    return f'<figure id="figure-{number}" class="tex2jax_ignore">{room}{caption}</figure>'


def _picture(figure: Figure, number: int) -> str:
    if figure.drawn and is_harmless_drawing(figure.image) and (drawing := inline(figure.image, figure.alt, f"f{number}")):
        return drawing
    kind = {"svg": "svg+xml", "png": "png", "jpg": "jpeg"}[figure.suffix]
    source = base64.b64encode(figure.image).decode("ascii")
    return f'<img src="data:image/{kind};base64,{source}" alt="{html_text(figure.alt)}">'
