# ruff: noqa: E402
"""Speed of every figure, drawn and written as SVG, against a bare Matplotlib figure of as many texts, lines and marks.

python benchmarks/figures.py [--rounds 9]

Both sides alternate in one process with one thread, after one drawing to warm up; a row shows the medians. Only drawing is timed, not
the analysis before it. The ratio is what the layout costs over Matplotlib; absolute times belong to a machine. The goal is that of the
forest plot of 20 studies: under 120 ms.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
from collections.abc import Callable
from io import BytesIO
from statistics import median

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection, LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from speed import SEED, clock, counts

import metanet as mn
from metanet.figures.page.save import svg_image

GOAL = 0.120


def drawings() -> dict[str, Callable[[], Axes]]:
    """One drawing of each kind, of 20 studies or of the project's evidence."""
    rng = np.random.default_rng(SEED)
    e, n = (values[0].astype(int) for values in counts(rng, 1, 20))
    names = [f"Author {i} {2000 + i}" for i in range(20)]
    frame = pd.DataFrame({"study": names, "events": e, "total": n, "dose": range(20), "group": list("ABCD") * 5})
    frame["events_control"], frame["total_control"] = e[::-1], n[::-1]
    fit, evidence = mn.pool(frame[["study", "events", "total"]]), mn.load_evidence()
    two = mn.pool(frame, measure="OR", model="inverse_variance")
    groups = mn.compare(frame[["study", "events", "total", "group"]], "group", bootstrap=0)
    influence, gosh, calibration = mn.influence(fit), mn.gosh(fit, subsets=2000), mn.calibrate(fit, 200)
    multiverse = mn.multiverse(evidence, "objective_response", "TAE", threshold=0.45)
    regression = mn.meta_regression(frame[["study", "events", "total", "dose"]], "~ dose")
    report = mn.heterogeneity_report(fit, moderators=(), subsets=False)
    plane, categories = mn.benefit_risk(evidence), mn.response_categories(evidence, "TACE")
    left_out, course = mn.leave_one_out(fit), mn.cumulative(fit, "total")
    return {
        "forest": fit.forest,
        "forest of groups": lambda: mn.forest(groups, overall=fit),
        "forest of odds ratios": two.forest,
        "groups": groups.forest,
        "funnel": fit.funnel,
        "funnel of effects": two.funnel,
        "Baujat": influence.baujat,
        "influence": lambda: influence.plot()[0],
        "leave-one-out": left_out.plot,
        "cumulative": course.plot,
        "GOSH, 2,000 subsets": gosh.plot,
        "drapery": fit.drapery,
        "radial": fit.radial,
        "L'Abbé": two.labbe,
        "bubble": regression.bubble,
        "specification curve": multiverse.plot,
        "calibration": calibration.plot,
        "benefit-risk plane": plane.plot,
        "waterfall": categories.plot,
        "heterogeneity": report.plot,
    }


def bare(model: Figure) -> Callable[[], object]:
    """A drawing of as many plain artists as `model` has, of the same texts, without any layout."""
    shown = [artist for artist in model.findobj() if artist.get_visible()]
    texts = [(t.get_text(), t.get_fontsize()) for t in shown if isinstance(t, Text) and t.get_text().strip()]
    lines = sum(isinstance(a, Line2D) for a in shown)
    patches = sum(isinstance(a, Patch) for a in shown)
    bundles = [max(len(a.get_paths()), len(a.get_offsets())) for a in shown if isinstance(a, Collection)]

    def draw() -> None:
        figure = Figure(figsize=model.get_size_inches())
        FigureCanvasAgg(figure)
        for i, (text, size) in enumerate(texts):
            figure.text(0.05, (i + 0.5) / len(texts), text, size=size, parse_math=False)
        for i in range(lines):
            figure.add_artist(Line2D((0.2, 0.8), ((i + 0.5) / lines,) * 2))
        for i in range(patches):
            figure.add_artist(Rectangle((0.4, i / patches), 0.1, 0.5 / patches))
        for many in bundles:
            figure.add_artist(LineCollection([((0.1, i / many), (0.2, i / many)) for i in range(many)]))
        with matplotlib.rc_context({"svg.fonttype": "none"}):
            figure.savefig(BytesIO(), format="svg")

    return draw


def measure(rounds: int) -> list[tuple[str, float, float]]:
    """Median seconds of every figure and of its bare twin."""
    out = []
    for name, make in drawings().items():
        figure = make().get_figure(root=True)
        assert isinstance(figure, Figure)
        theirs = bare(figure)
        svg_image(figure)
        theirs()
        times = [(clock(lambda make=make: svg_image(make())), clock(theirs)) for _ in range(rounds)]
        out.append((name, *map(median, zip(*times, strict=True))))
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each comparison (default 9)")
    rows = measure(parser.parse_args().rounds)
    print(f"{'figure':28}{'ours, ms':>10}{'bare, ms':>10}{'ratio':>8}")
    for name, ours, theirs in rows:
        print(f"{name:28}{1e3 * ours:10.1f}{1e3 * theirs:10.1f}{ours / theirs:8.2f}")
    met = next(ours for name, ours, _ in rows if name == "forest") < GOAL
    print(f"forest under {1e3 * GOAL:.0f} ms: {'yes' if met else 'no'}")
