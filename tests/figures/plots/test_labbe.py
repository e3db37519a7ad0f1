"""L'Abbé's plot shows the rates of the frame and the curve that the pooled effect draws."""

from functools import cache

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.figures.page.save import description_of, save_figure
from metanet.figures.plots.labbe import labbe
from tests.figures.cases import fit_of, lines, texts
from tests.figures.chart_cases import cloud, text_boxes, words_of
from tests.figures.test_chart_layout import check
from tests.figures.two_groups import ALL, data_of, pooled


@cache
def drawn(name, measure="OR"):
    """The figure of a case; no test changes it."""
    return labbe(pooled(name, measure))


def _circles(ax):
    (found,) = [c for c in ax.collections if c.get_label() == "_studies"]
    return found


def _line(ax, label="_effect"):
    (found,) = lines(ax, label)
    return np.asarray(found.get_xdata()) / 100, np.asarray(found.get_ydata()) / 100


def _band(ax):
    (found,) = [c for c in ax.collections if c.get_label() == "_band"]
    return found.get_paths()[0].vertices / 100


#: What an effect is of the rates of controls (c) and treated (t), each by its own definition.
DEFINITIONS = {
    "OR": lambda c, t: (t / (1 - t)) / (c / (1 - c)),
    "PETO": lambda c, t: (t / (1 - t)) / (c / (1 - c)),
    "RR": lambda c, t: t / c,
    "RD": lambda c, t: t - c,
    "AS": lambda c, t: np.arcsin(np.sqrt(t)) - np.arcsin(np.sqrt(c)),
}


def test_circles_stand_at_the_two_rates_of_the_frame():
    ax = drawn("sixty")
    frame = pooled("sixty").studies
    wanted = 100 * np.column_stack([frame["events_control"] / frame["total_control"], frame["events"] / frame["total"]])
    dots = cloud(ax, "_studies")
    np.testing.assert_allclose(dots[np.lexsort(dots.T)], wanted[np.lexsort(wanted.T)], rtol=1e-12)


def test_areas_follow_the_weights():
    fit = pooled("six")
    circles = _circles(drawn("six"))
    sizes = np.asarray(circles.get_sizes())
    order = np.argsort(-fit.weights, kind="stable")
    # No circle of this case is small enough to be held at the least size.
    np.testing.assert_allclose(sizes / sizes[0], fit.weights[order] / fit.weights.max(), rtol=1e-9)


def test_areas_are_numbers_of_patients_where_there_are_no_weights():
    fit = pooled("ends", model="UM.FS")
    assert not np.isfinite(fit.weights).all()
    ax = labbe(fit)
    sizes = np.asarray(_circles(ax).get_sizes())
    np.testing.assert_allclose(sizes / sizes[0], [1, 1, 18 / 40, 18 / 40])
    assert "area by number of patients" in words_of(ax)


@pytest.mark.parametrize("measure", DEFINITIONS)
def test_the_line_joins_the_rates_that_the_pooled_effect_connects(measure):
    fit = pooled("six", measure)
    control, treated = _line(drawn("six", measure))
    inner = (control > 0.001) & (treated > 0.001)
    assert inner.sum() > 200
    np.testing.assert_allclose(DEFINITIONS[measure](control[inner], treated[inner]), fit.estimate, rtol=1e-9)


@pytest.mark.parametrize("measure", DEFINITIONS)
def test_the_band_is_bounded_by_the_ends_of_the_interval(measure):
    fit = pooled("six", measure)
    vertices = _band(drawn("six", measure))
    inner = vertices[(vertices > 0.001).all(1) & (vertices < 0.999).all(1)]
    values = DEFINITIONS[measure](*inner.T)
    near = np.minimum(np.abs(values - fit.ci_lower), np.abs(values - fit.ci_upper))
    # fill_between closes its shape with the two vertices of each end twice.
    assert np.max(near) < 1e-9
    assert np.ptp(values) == pytest.approx(fit.ci_upper - fit.ci_lower)


@pytest.mark.parametrize("measure", ["RD", "RR", "AS"])
def test_the_line_ends_where_a_rate_would_leave_0_to_100(measure):
    for name in ("six", "sixty"):
        _, treated = _line(drawn(name, measure))
        assert treated.min() >= 0
        assert treated.max() <= 1
        # Nowhere does it run on along an edge.
        assert (np.diff(treated) > 0).all()


def test_the_line_of_equal_rates_is_the_diagonal():
    x, y = _line(drawn("sixty"), "_equal")
    np.testing.assert_array_equal(x, y)
    assert (x[0], x[-1]) == (0, 1)


@pytest.mark.parametrize("model", ["mantel_haenszel", "UM.FS", "CM.EL", "CM.AL"])
def test_every_model_of_two_groups_is_drawn(model):
    fit = pooled("six", "OR", model)
    control, treated = _line(fit.labbe())
    middle = len(control) // 2
    assert DEFINITIONS["OR"](control[middle], treated[middle]) == pytest.approx(fit.estimate)


@pytest.mark.parametrize(("name", "word"), [("one", "nothing was pooled"), ("ends", "there is no pooled effect")])
def test_no_line_is_drawn_where_nothing_was_pooled_and_the_figure_says_so(name, word):
    ax = labbe(pooled(name, "OR", "inverse_variance" if name == "one" else "UM.FS"))
    assert not lines(ax, "_effect")
    assert f"No line, because {word}" in words_of(ax)
    assert len(cloud(ax, "_studies")) == len(data_of(name))


def test_studies_that_stand_off_are_named():
    fit = pooled("sixty")
    frame = fit.studies
    off = frame[(frame["ci_lower"] > fit.estimate) | (frame["ci_upper"] < fit.estimate)]
    assert 3 < len(off) < 30
    named = {t.get_text() for t in drawn("sixty").texts if t.get_label() == "_name"}
    assert len(named) > 3
    assert named <= set(off["study"])
    assert not [t for t in labbe(fit, labels="none").texts if t.get_label() == "_name"]
    assert len([t for t in labbe(fit, labels="all").texts if t.get_label() == "_name"]) > len(named)


def test_names_are_drawn_as_they_are():
    assert "$x^2$ & \\alpha _b_" in texts(labbe(pooled("hostile names")))


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("two", "only events")])
def test_no_text_meets_another_or_leaves_the_canvas(name):
    ax = labbe(pooled(name), labels="all", title="Two groups $x$ " * (8 if name == "six" else 1))
    check(ax)
    # Circles at 0 and 100 % stand inside of the panel, clear of the tick labels.
    circles = _circles(ax)
    at = ax.transData.transform(np.asarray(circles.get_offsets()))
    half = np.sqrt(np.asarray(circles.get_sizes()))[:, None] / 2 * ax.get_figure().dpi / 72
    panel = ax.get_window_extent().extents
    assert (at - half >= panel[:2] - 1).all()
    assert (at + half <= panel[2:] + 1).all()


def test_the_panel_is_a_square_with_one_scale():
    ax = drawn("six")
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.bbox.width == pytest.approx(ax.bbox.height, rel=0.002)


def test_the_figure_fits_into_axes_that_are_given():
    figure = Figure(figsize=(9, 5))
    ax = figure.subplots(1, 2)[0]
    place = ax.get_position()
    assert labbe(pooled("six"), ax=ax) is ax
    figure.axes[1].set_axis_off()
    check(ax)
    _, boxes = text_boxes(ax)
    assert (boxes[:, 2] <= place.x1 * figure.bbox.width + 2).all()


def test_the_alternative_text_holds_the_numbers():
    fit = pooled("six")
    title, _, text = description_of(labbe(fit, title="Trials").get_figure())
    assert title == "Trials"
    assert "Stein 1953 20.5 % treated, 44.4 % control" in text
    assert "1 above the line of equal rates, 5 below it" in text
    assert "0.56 (95 % CI 0.29 to 1.07)" in text
    # 0.557 / (1 + 0.557) of the treated where half of the controls have the event.
    assert "35.8 % of the treated at 50 % of the controls" in text


def test_other_results_are_refused_in_words():
    with pytest.raises(ArgumentError, match="result of one group"):
        labbe(fit_of("twelve"))
    with pytest.raises(ArgumentError, match="effects without counts"):
        fit_of("effects").labbe()
    timed = mn.pool(events=[3, 4], person_time=[10, 20], events_control=[5, 6], person_time_control=[10, 21], measure="IRR")
    with pytest.raises(ArgumentError, match="person-time"):
        labbe(timed)
    with pytest.raises(ArgumentError, match=r"result of mn\.pool"):
        labbe(data_of("six"))
    with pytest.raises(ArgumentError, match="labels='every' is not known"):
        labbe(pooled("six"), labels="every")


def test_a_second_run_has_the_same_bytes_whatever_the_settings_of_the_caller(tmp_path):
    (one,) = save_figure(labbe(pooled("six")), tmp_path / "a", ("svg",))
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9}):
        (other,) = save_figure(labbe(pooled("six")), tmp_path / "b", ("svg",))
    assert one.read_bytes() == other.read_bytes()
