"""How a figure of ours is shown in a notebook that shows figures as SVG: the drawing that is saved, with its title and description.

The inline backend's own SVG would have letters as outlines, other bytes on every run, and nothing for readers who cannot see it.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from metanet.base.drawing import FIGURE_MARK
from metanet.figures.page.save import DescribedFigure, description_of, svg_image


def settle() -> None:
    """Show figures of ours as said above, in the shell that runs; nothing where there is none."""
    shells: Any = sys.modules.get("IPython")
    shell = None if shells is None else shells.get_ipython()
    if shell is None:
        return
    formatter = shell.display_formatter.formatters["image/svg+xml"]
    if DescribedFigure not in formatter.type_printers:
        formatter.for_type(DescribedFigure, partial(_shown, formatter))


def _shown(formatter: Any, figure: Figure) -> tuple[str, dict[str, Any]] | None:
    """SVG and what it shows, where the notebook shows figures as SVG (`%config InlineBackend.figure_formats = ["svg"]`)."""
    if Figure not in formatter.type_printers:
        return None
    svg, _ = svg_image(figure)
    known = description_of(figure)
    about = {} if known is None else {"title": known.title, "alt": known.alt, "words": known.text}
    return svg.decode("utf-8"), {FIGURE_MARK: about}
