"""Results to draw, the ordinary and the awkward, and what is read back from the drawings."""

from functools import cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import metanet as mn
from metanet.models.results.pooled import Pooled

EVENTS = [117, 9, 5, 17, 20, 6, 8, 26, 7, 8, 1, 11]
TOTAL = [168, 40, 10, 33, 51, 9, 16, 48, 23, 10, 8, 19]
NAMES = ["Strosberg", "Yao", "Kulke", "Pavel", "Ruszniewski", "Gupta", "Devcic", "de Baere", "Maire", "Zener", "Minh", "Ito"]
HOSTILE = "<script>alert(1)</script> $\\frac{1}"
LONG = "Multicentre prospective observational study of transarterial radioembolisation of hepatic metastases"


def _random(k: int) -> Pooled:
    rng = np.random.default_rng(7)
    total = rng.integers(8, 150, k)
    events = rng.binomial(total, 1 / (1 + np.exp(-rng.normal(-0.3, 0.7, k))))
    return mn.pool(events=events.tolist(), total=total.tolist(), study=[f"Author {i} {2000 + i % 25}" for i in range(k)])


def _named(*names: str) -> Pooled:
    k = len(names)
    return mn.pool(events=list(range(2, 2 + k)), total=list(range(20, 20 + 5 * k, 5)), study=list(names))


_MAKERS = {
    "twelve": lambda: mn.pool(events=EVENTS, total=TOTAL, study=NAMES),
    "one": lambda: mn.pool(events=[3], total=[20], study=["Alone 2019"]),
    "two": lambda: mn.pool(events=[3, 5], total=[20, 30]),
    "forty": lambda: _random(40),
    "sixty": lambda: _random(60),
    "no events": lambda: mn.pool(events=[0, 0, 0, 0], total=[10, 20, 30, 15]),
    "only events": lambda: mn.pool(events=[10, 20, 14], total=[10, 20, 14]),
    "near zero": lambda: mn.pool(events=[0, 0, 1, 2, 0, 5, 0], total=[12, 30, 44, 51, 9, 120, 17]),
    "near all": lambda: mn.pool(events=[12, 29, 44, 118, 17], total=[12, 30, 44, 120, 17]),
    "not estimable": lambda: mn.pool(events=[0, 10, 0, 9], total=[10, 10, 9, 9], model="glmm"),
    "no events, summed": lambda: mn.pool(events=[0, 0, 0, 0], total=[10, 20, 30, 15], model="glmm"),
    "only events, summed": lambda: mn.pool(events=[10, 20, 14], total=[10, 20, 14], model="glmm"),
    "two, ML": lambda: mn.pool(events=[3, 5], total=[20, 30], model="glmm"),
    "twelve, ML": lambda: mn.pool(events=EVENTS, total=TOTAL, study=NAMES, model="glmm"),
    "one giant, ML": lambda: mn.pool(events=[4100, 3, 7, 2, 10], total=[9000, 12, 15, 9, 19], model="glmm"),
    "near zero, ML": lambda: mn.pool(events=[0, 0, 1, 2, 0, 5, 0], total=[12, 30, 44, 51, 9, 120, 17], model="glmm"),
    "one giant": lambda: mn.pool(events=[4100, 3, 7, 2, 10], total=[9000, 12, 15, 9, 19]),
    "rare": lambda: mn.pool(events=[5, 3, 12], total=[20000, 33000, 41000]),
    "long names": lambda: _named(LONG[:80], LONG, "x" * 10_000, "Short 2001"),
    "hostile names": lambda: _named(HOSTILE, "$x^2$ & \\alpha _b_", "a\nb\tc\x00d\u202ee\r", "Z" + "\u0301" * 40 + "algo"),
    "scripts": lambda: _named("王伟 2019", "Иванов 2018", "Παπάς 2011", "김민수 2022", "محمد 2020", "\U0001f9ec 2021"),
    "effects": lambda: mn.pool(yi=[0.1, -0.3, 0.5, 0.2], vi=[0.1, 0.2, 0.05, 0.08]),
    "inverse variance": lambda: mn.pool(events=EVENTS, total=TOTAL, study=NAMES, model="inverse_variance"),
}
ALL = tuple(_MAKERS)


@cache
def fit_of(name: str) -> Pooled:
    """The result of a case."""
    return _MAKERS[name]()


def with_columns() -> Pooled:
    """A result whose data has columns of many kinds."""
    frame = pd.DataFrame(
        {
            "study": ["B", "a", "C"],
            "events": [5, 9, 12],
            "total": [20, 33, 40],
            "year": [2015, np.nan, 2009],
            "certainty": ["high", None, "very low " * 20],
            "dose": [1.25, 10.5, np.nan],
        }
    )
    return mn.pool(frame)


def figure_of(ax: Axes) -> Figure:
    """The figure, drawn once."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure


def texts(ax: Axes) -> list[str]:
    """Every text that is shown, in the order of the drawing."""
    return [t.get_text() for t in ax.texts]


def boxes(ax: Axes, dpi: int) -> list[tuple[str, Bbox]]:
    """Every visible text of the figure with its box in pixels."""
    figure = ax.get_figure(root=True)
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in found if t.axes is None or t.axes.axison]


def lines(ax: Axes, label: str) -> list[Line2D]:
    return [line for line in ax.lines if line.get_label() == label]


def squares(ax: Axes) -> PathCollection:
    (found,) = [c for c in ax.collections if c.get_label() == "_squares"]
    return found


def diamonds(ax: Axes, label: str = "_diamond") -> list[Polygon]:
    return [p for p in ax.patches if p.get_label() == label]


def corners(polygon: Polygon) -> dict[str, float]:
    """Left, right and widest place of a diamond, on the axis."""
    xy = polygon.get_xy()[:4]
    return {"left": xy[0][0], "right": xy[2][0], "middle": xy[1][0], "other middle": xy[3][0]}
