"""Diagnostics to draw, and what is read back from any figure."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

import metanet as mn
from metanet.diagnostics.method.calibrate import calibrate
from metanet.diagnostics.method.multiverse import multiverse
from metanet.diagnostics.studies.gosh import gosh
from metanet.diagnostics.studies.influence import influence
from metanet.diagnostics.studies.series import cumulative
from metanet.figures.plots.baujat import baujat_plot
from metanet.figures.plots.benefit_risk import benefit_risk_plane
from metanet.figures.plots.bubble import bubble
from metanet.figures.plots.calibration import calibration_plot
from metanet.figures.plots.comparison import comparison_forest
from metanet.figures.plots.drapery import drapery
from metanet.figures.plots.funnel import funnel
from metanet.figures.plots.gosh import gosh_plot
from metanet.figures.plots.influence import influence_plot
from metanet.figures.plots.radial import radial_plot
from metanet.figures.plots.specification_curve import specification_curve
from metanet.models.comparison.compare import compare
from metanet.models.regression.meta_regression import meta_regression
from tests.figures.cases import EVENTS, HOSTILE, LONG, NAMES, TOTAL, fit_of


@cache
def influence_of(name: str):
    return influence(fit_of(name))


@cache
def gosh_of(name: str):
    return gosh(fit_of(name), subsets=300)


def hard_frame() -> pd.DataFrame:
    """Groups with awkward names, one without events, one of a single study."""
    groups = [LONG, HOSTILE, "王伟", "TAE"]
    return pd.DataFrame(
        {
            "study": NAMES,
            "events": [0, 0, 0, *EVENTS[3:]],
            "total": TOTAL,
            "group": [groups[0]] * 3 + [groups[1]] + [groups[2]] * 4 + [groups[3]] * 4,
        }
    )


@cache
def comparison_of(name: str):
    if name == "evidence":
        return compare(mn.load_evidence().rates("hepatotoxicity"), "modality_class", bootstrap=0)
    return compare(hard_frame(), "group", bootstrap=0)


@cache
def calibration_of(name: str):
    return calibrate(fit_of(name), 40)


@cache
def multiverse_of(name: str):
    evidence = mn.load_evidence()
    if name == "evidence":
        return multiverse(evidence, "objective_response", "TAE", threshold=0.45)
    if name == "all":
        return multiverse(evidence, "hepatotoxicity", overlap="keep_all", analyses=[{"model": "glmm"}, {"measure": "PFT"}])
    frame = pd.DataFrame({"study": NAMES, "yi": np.linspace(-1, 1, 12), "vi": np.linspace(0.05, 0.4, 12)})
    return multiverse(frame, yi="yi", vi="vi", threshold=0.0)


def regression_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"study": NAMES, "events": EVENTS, "total": TOTAL, "year": range(2001, 2013), "pct_dose": np.geomspace(1, 1e5, 12)}
    )


@cache
def regression_of(name: str):
    if name == "effects":
        frame = pd.DataFrame({"study": NAMES, "yi": np.linspace(-1, 1, 12), "vi": [0.1] * 12, "age": np.cos(range(12))})
        return meta_regression(frame, "~ age", yi="yi", vi="vi")
    if name == "separated":
        frame = pd.DataFrame(
            {"study": list("abcdef"), "events": [0, 0, 0, 9, 8, 7], "total": [9, 8, 7, 9, 8, 7], "dose": [0, 0, 0, 1, 1, 1]}
        )
        return meta_regression(frame, "~ dose", model="glmm")
    return meta_regression(regression_frame(), f"~ {name}")


@cache
def plane_of(name: str) -> pd.DataFrame:
    if name == "edges":
        rows = [
            ("王伟 ميم", 0.0, 0.0, 0.2, 1.0, 0.7, 1.0),
            ("B", 1.0, 0.9, 1.0, 0.0, 0.0, 0.1),
            ("C", np.nan, np.nan, np.nan, 0.1, 0, 1),
        ]
    elif name == "one":
        rows = [(LONG, 0.4, 0.2, 0.6, 0.1, 0.05, 0.2)]
    else:
        rng = np.random.default_rng(1)
        many = 4 if name == "four" else 16
        rows = [
            (
                f"{HOSTILE} {i} {'long ' * (i % 5)}" if name == "many" else f"Group {i}",
                b,
                max(0, b - 0.1),
                min(1, b + 0.1),
                r,
                r / 2,
                r + 0.1,
            )
            for i, (b, r) in enumerate(zip(rng.uniform(0.1, 0.9, many), rng.uniform(0, 0.4, many), strict=True))
        ]
    columns = ["group", "benefit", "benefit_lower", "benefit_upper", "risk", "risk_lower", "risk_upper"]
    return pd.DataFrame(rows, columns=columns)


def plane(name: str, **options) -> Axes:
    return benefit_risk_plane(plane_of(name), benefit="Objective response $x$", risk="Hepatotoxicity, any grade", **options)


#: One drawing of each kind, of real or ordinary data; every one takes ``ax=``.
PLAIN: dict[str, Callable[..., Axes]] = {
    "baujat": lambda **o: baujat_plot(influence_of("twelve"), **o),
    "gosh": lambda **o: gosh_plot(gosh_of("twelve"), **o),
    "gosh with a study": lambda **o: gosh_plot(gosh_of("twelve"), study="Yao", **o),
    "drapery": lambda **o: drapery(fit_of("twelve"), **o),
    "radial": lambda **o: radial_plot(fit_of("twelve"), **o),
    "centred radial": lambda **o: radial_plot(fit_of("effects"), centre=True, **o),
    "funnel": lambda **o: funnel(fit_of("forty"), **o),
    "effect funnel": lambda **o: funnel(fit_of("effects"), **o),
    "cumulative": lambda **o: cumulative(fit_of("twelve"), "total").plot(**o),
    "calibration": lambda **o: calibration_plot(calibration_of("twelve"), **o),
    "bubble": lambda **o: bubble(regression_of("year"), **o),
    "comparison": lambda **o: comparison_forest(comparison_of("evidence"), **o),
    "plane": lambda **o: plane("four", **o),
    "specification curve": lambda **o: specification_curve(multiverse_of("evidence"), **o),
}

#: What a fit of every kind is drawn as.
BY_FIT: dict[str, Callable[[str], Axes]] = {
    "baujat": lambda name: baujat_plot(influence_of(name)),
    "influence": lambda name: influence_plot(influence_of(name))[0],
    "gosh": lambda name: gosh_plot(gosh_of(name)),
    "drapery": lambda name: drapery(fit_of(name)),
    "radial": lambda name: radial_plot(fit_of(name)),
    "funnel": lambda name: funnel(fit_of(name)),
}


def shown_texts(artist: Artist) -> Iterator[Text]:
    """Every text that is drawn, ticks that lie outside of the limits left out."""
    if not artist.get_visible():
        return
    if isinstance(artist, Text):
        if artist.get_text().strip():
            yield artist
        return
    if isinstance(artist, Axis):
        yield from (t for tick in artist._update_ticks() for t in (tick.label1, tick.label2) if t.get_visible() and t.get_text())
        yield from (t for t in (artist.label, artist.offsetText) if t.get_text())
        return
    if isinstance(artist, Axes) and not artist.axison:
        yield from (t for t in artist.texts if t.get_text().strip())
        return
    for child in artist.get_children():
        yield from shown_texts(child)


def text_boxes(ax: Axes, dpi: int = 144) -> tuple[list[str], np.ndarray]:
    """Every text of the figure of `ax` with its box in pixels ``[t, 4]``."""
    figure = ax.get_figure(root=True)
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    renderer = canvas.get_renderer()
    found = list(shown_texts(figure))
    return [t.get_text() for t in found], np.array([t.get_window_extent(renderer).extents for t in found])


def words_of(ax: Axes) -> str:
    """All texts of the whole figure on one line."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    return " ".join(" ".join(t.get_text().split()) for t in shown_texts(figure))


def cloud(ax: Axes, label: str) -> np.ndarray:
    """Places of the dots with this label ``[m, 2]``; none where there are none."""
    found = [c for c in ax.collections if isinstance(c, PathCollection) and c.get_label() == label]
    return np.concatenate([np.asarray(c.get_offsets()) for c in found]) if found else np.empty((0, 2))


def at(ax: Axes, label: str) -> list[float]:
    """Values of the straight lines with this label, by their first place."""
    return [float(line.get_xdata()[0]) for line in ax.lines if line.get_label() == label]
