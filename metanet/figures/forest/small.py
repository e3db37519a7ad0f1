"""A small forest plot beside the card of a result in a notebook: studies, diamond and prediction, without columns of numbers."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from metanet.figures.forest.captions import alt_text
from metanet.figures.forest.forest import single_table
from metanet.figures.forest.render import draw_table
from metanet.figures.page import style
from metanet.figures.page.canvas import bare_figures
from metanet.figures.page.subject import alternative_of, subject_of_fit
from metanet.figures.page.svg import finished
from metanet.models.results.pooled import Pooled

#: More studies need a figure of their own.
_MOST = 40


def picture(fit: Pooled) -> str:
    """The small forest plot of a result as SVG with real text; empty where it has none or too many studies."""
    if not 2 <= fit.k <= _MOST or fit.estimate is None:
        return ""
    table = single_table(fit, columns=("|",))
    # A row of numbers alone has nothing to show here.
    table = replace(table, summary=tuple(row for row in table.summary if row.mark is not None), notes=(), method="")
    with bare_figures():
        axes = draw_table(table, None)
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes without a figure cannot be drawn into
    file = BytesIO()
    # Text stays text, so that a name in the figure can be selected and copied.
    with style.settings({"svg.fonttype": "none", "svg.hashsalt": "metanet", "savefig.bbox": None}):
        figure.savefig(file, format="svg", facecolor="white", metadata={"Date": None})
    text = finished(file.getvalue(), alternative_of("Forest plot", subject_of_fit(fit), fit), alt_text(fit), fonts=False).decode(
        "utf-8"
    )
    return text[text.index("<svg") :]
