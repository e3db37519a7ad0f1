"""The forestplot package draws our numbers and leaves the session as it was."""

import importlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

import metanet as mn
from metanet.base.errors import ArgumentError, MetanetError
from metanet.figures.forest import forestplot_backend
from metanet.figures.forest.forest import forest
from tests.figures.cases import EVENTS, HOSTILE, TOTAL, corners, figure_of, fit_of
from tests.figures.forest.test_forest_layout import check_texts

pytest.importorskip("forestplot")


def test_its_import_and_its_drawing_change_nothing_global():
    code = """
import json, warnings
import numpy as np, matplotlib
import metanet as mn
from metanet.figures.forest.forest import forest
fit = mn.pool(events=[3, 5, 6], total=[20, 30, 30])
before = (list(warnings.filters), np.geterr(), dict(matplotlib.rcParams.items()))
forest(fit, backend="forestplot")
import forestplot, matplotlib.pyplot as plt
settings = {k: v for k, v in matplotlib.rcParams.items() if k not in ("backend", "backend_fallback")}
print(json.dumps([
    list(warnings.filters) == before[0],
    np.geterr() == before[1],
    all(settings[k] == before[2][k] for k in settings),
    plt.get_fignums() == [],
]))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert json.loads(out.stdout.splitlines()[-1]) == [True, True, True, True]


def _shown(ax):
    figure_of(ax)
    return [t.get_text() for t in ax.get_figure().findobj(Text) if t.get_text().strip()]


@pytest.mark.parametrize("name", ["twelve", "two", "one", "no events", "near all", "hostile names", "not estimable"])
def test_every_number_and_mark_is_there_and_nothing_overlaps_or_leaves_the_canvas(name):
    fit = fit_of(name)
    ax = forest(fit, backend="forestplot", title="Response")
    shown = " ".join("\n".join(_shown(ax)).split())
    for row in fit.studies.itertuples():
        assert f"{row.events}/{row.total}" in shown
        numbers = f"{100 * row.rate:.1f} ({100 * row.ci_lower:.1f} to {100 * row.ci_upper:.1f})"
        assert re.search(re.escape(numbers).replace(r"\ ", r"\s+"), shown), numbers
    assert fit.method.sentence() in shown
    for diamond in ax.patches:
        assert corners(diamond)["middle"] == pytest.approx(100 * fit.estimate)
    assert len(ax.patches) == (fit.status not in ("not pooled", "not estimable"))
    check_texts(ax, 300)


def test_names_are_shown_as_they_are():
    shown = _shown(forest(fit_of("hostile names"), backend="forestplot"))
    assert [t for t in shown if HOSTILE in t]


def _markers(ax):
    return [c for c in ax.collections if isinstance(c, PathCollection)]


def test_equal_names_and_equal_numbers_keep_rows_of_their_own():
    name = "Same " + "x" * 80
    fit = mn.pool(events=[3, 3, 3], total=[20, 20, 20], study=[name, name + "a", name + "b"])
    ax = forest(fit, backend="forestplot")
    figure_of(ax)
    rows = {round(y, 6) for c in _markers(ax) for x, y in np.ma.filled(c.get_offsets(), np.nan) if x == x}
    assert len(rows) == 3


def test_areas_of_its_markers_are_in_proportion_to_the_weights():
    fit = mn.pool(events=EVENTS, total=TOTAL)
    ax = forest(fit, backend="forestplot", sort=None)
    (markers,) = _markers(ax)
    sizes = [s for s, (x, _) in zip(markers.get_sizes(), markers.get_offsets(), strict=True) if x is not np.ma.masked and x == x]
    expected = fit.weights[::-1] / fit.weights.max()
    np.testing.assert_allclose(np.array(sizes) / max(sizes), expected)
    assert not any(c.get_clip_on() for c in ax.collections)


@pytest.mark.parametrize(
    ("option", "value"), [("second", fit_of("inverse variance")), ("ax", Figure().subplots()), ("xlim", (0, 0.5))]
)
def test_what_it_cannot_draw_is_refused(option, value):
    with pytest.raises(ArgumentError, match=f"{option} has no effect"):
        forest(fit_of("twelve"), backend="forestplot", **{option: value})


def test_effects_are_refused():
    with pytest.raises(ArgumentError, match="rates, not effects"):
        forest(fit_of("effects"), backend="forestplot")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(forestplot_backend, "import_module", missing)
    with pytest.raises(MetanetError, match=r"pip install 'forestplot>="):
        forest(fit_of("two"), backend="forestplot")
    assert importlib.import_module("forestplot")
