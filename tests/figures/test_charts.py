"""What the figures of the diagnostics show is what the results say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex

import metanet as mn
from metanet.base.display import interval, number, per_cent
from metanet.base.errors import ArgumentError
from metanet.diagnostics.bias.trim_and_fill import trim_and_fill
from metanet.diagnostics.method.multiverse import main_row
from metanet.diagnostics.method.p_values import p_value_function, radial
from metanet.diagnostics.studies.gosh import gosh
from metanet.diagnostics.studies.series import cumulative
from metanet.figures.page import style
from metanet.figures.page.label_places import in_points
from metanet.figures.page.save import description_of
from metanet.figures.plots import specification_curve as curves
from metanet.figures.plots.baujat import baujat_plot
from metanet.figures.plots.benefit_risk import benefit_risk_plane
from metanet.figures.plots.bubble import bubble
from metanet.figures.plots.calibration import calibration_plot
from metanet.figures.plots.comparison import comparison_forest
from metanet.figures.plots.drapery import drapery
from metanet.figures.plots.funnel import funnel
from metanet.figures.plots.gosh import gosh_plot
from metanet.figures.plots.influence import influence_plot
from metanet.figures.plots.leave_one_out import cumulative_plot
from metanet.figures.plots.radial import radial_plot
from metanet.figures.plots.specification_curve import specification_curve
from metanet.models.comparison.result import OBSERVATIONAL
from tests.figures.cases import EVENTS, HOSTILE, LONG, NAMES, TOTAL, corners, diamonds, fit_of, lines, squares, texts
from tests.figures.chart_cases import (
    PLAIN,
    at,
    calibration_of,
    cloud,
    comparison_of,
    gosh_of,
    hard_frame,
    influence_of,
    multiverse_of,
    plane,
    plane_of,
    regression_of,
    text_boxes,
    words_of,
)


def _alternative(ax):
    return description_of(ax.get_figure(root=True)).text


def _sorted(points):
    return points[np.lexsort(points.T)]


# Baujat


def test_baujat_points_stand_at_heterogeneity_and_shift():
    frame = influence_of("forty").to_frame()
    ax = baujat_plot(influence_of("forty"))
    drawn = np.concatenate([cloud(ax, "_studies"), cloud(ax, "_influential")])
    np.testing.assert_allclose(_sorted(drawn), _sorted(frame[["heterogeneity", "shift"]].to_numpy()))
    top = frame.loc[frame["shift"].idxmax(), "study"]
    assert top in texts(ax)
    assert top in _alternative(ax)


def test_influential_studies_are_filled_and_named():
    frame = influence_of("one giant, ML").to_frame()
    strong = frame[frame["influential"]]
    assert len(strong)
    ax = baujat_plot(influence_of("one giant, ML"))
    np.testing.assert_allclose(cloud(ax, "_influential"), strong[["heterogeneity", "shift"]])
    assert set(strong["study"]) <= set(texts(ax))


@pytest.mark.parametrize("draw", [lambda: baujat_plot(influence_of("sixty")), lambda: funnel(fit_of("forty"))])
def test_names_meet_no_point(draw):
    ax = draw()
    names, boxes = text_boxes(ax)
    words = {t.get_text() for t in ax.texts if t.get_label() == "_name"}
    assert len(words) > 4
    dots = np.concatenate([cloud(ax, label) for label in ("_studies", "_influential", "_outside")])
    pixels = ax.transData.transform(dots)
    for name, box in zip(names, boxes, strict=True):
        if name in words:
            inside = (pixels > box[:2]).all(1) & (pixels < box[2:]).all(1)
            assert not inside.any(), name


# Influence


def test_the_eight_panels_hold_the_columns_with_their_limits():
    result = influence_of("twelve")
    frame, fit = result.to_frame(), result.fit
    panels = influence_plot(result)
    assert panels.shape == (8,)
    factors = {"weight": 100}
    columns = ("rstudent", "dffits", "cook_d", "cov_ratio", "tau2_deleted", "lrt_deleted", "hat", "weight")
    for ax, name in zip(panels, columns, strict=True):
        drawn = np.concatenate([cloud(ax, "_studies"), cloud(ax, "_influential")])
        drawn = drawn[np.argsort(drawn[:, 1])]
        np.testing.assert_allclose(drawn[:, 0], factors.get(name, 1) * frame[name], err_msg=name)
        np.testing.assert_allclose(drawn[:, 1], np.arange(12) + 0.5)
    assert at(panels[0], "_limit") == pytest.approx([-1.959964, 1.959964], abs=1e-6)
    assert at(panels[1], "_limit") == pytest.approx([-3 / 11**0.5, 3 / 11**0.5])
    assert at(panels[2], "_limit") == pytest.approx([0.454936], abs=1e-6)
    assert at(panels[6], "_limit") == pytest.approx([0.25])
    references = [at(ax, "_reference") for ax in panels[3:]]
    assert references == [pytest.approx([v]) for v in (1.0, fit.tau2, fit.lrt, 1 / 12, 100 / 12)]


def test_influential_rows_are_marked_and_two_step_models_show_q():
    result = influence_of("effects")
    strong = result.to_frame()["influential"].to_numpy()
    assert strong.sum() == 1
    panels = influence_plot(result)
    assert "Q without" in texts(panels[5])
    (row,) = np.flatnonzero(strong)
    for ax in panels:
        assert cloud(ax, "_influential")[:, 1].tolist() == [row + 0.5]


def test_a_fit_that_does_not_exist_without_a_study_is_a_dash():
    # Without the only study with events there is a residual (of its count given the sum) and no estimate to be shifted.
    panels = influence_plot(mn.influence(mn.pool(events=[0, 0, 6, 0], total=[20, 15, 25, 30], model="glmm")))
    assert texts(panels[0]).count("–") == 0
    assert texts(panels[1]).count("–") == 1
    assert len(cloud(panels[6], "_studies")) + len(cloud(panels[6], "_influential")) == 4


def test_results_without_measures_say_why():
    (ax,) = influence_plot(influence_of("no events, summed"))
    assert "no events" in words_of(ax)
    assert len(influence_plot(influence_of("no events"))) == 8
    assert "at least two studies" in words_of(baujat_plot(influence_of("one")))
    assert "Fewer than three" in words_of(gosh_plot(gosh(fit_of("two"))))


# GOSH


def test_the_cloud_holds_the_subsets_of_two_or_more_studies():
    result = gosh_of("twelve")
    used = (result.size > 1) & np.isfinite(result.i2)
    ax = gosh_plot(result)
    wanted = 100 * np.column_stack([result.estimate, result.i2])[used]
    np.testing.assert_allclose(_sorted(cloud(ax, "_subsets")), _sorted(wanted))
    (cross,) = [line for line in ax.lines if line.get_label() == "_all studies"]
    assert cross.get_xdata()[0] == pytest.approx(100 * result.fit.estimate)
    assert cross.get_ydata()[0] == pytest.approx(100 * result.fit.i2)


def test_a_sample_is_a_part_of_the_subsets_and_the_same_again():
    result = gosh_of("twelve")
    one, other = (cloud(gosh_plot(result, points=50), "_subsets") for _ in "ab")
    assert one.shape == (50, 2)
    np.testing.assert_array_equal(one, other)
    every = {tuple(row) for row in np.round(cloud(gosh_plot(result), "_subsets"), 9)}
    assert {tuple(row) for row in np.round(one, 9)} <= every


def test_subsets_with_a_study_have_a_colour_of_their_own_and_histograms_count_them():
    result = gosh_of("twelve")
    ax = gosh_plot(result, study="Yao")
    used = (result.size > 1) & np.isfinite(result.i2)
    marked = int(result.masks[used, NAMES.index("Yao")].sum())
    (dots,) = [c for c in ax.collections if c.get_label() == "_subsets"]
    vermilion = np.isclose(dots.get_facecolors()[:, 0], 0xD5 / 255)
    assert vermilion.sum() == marked
    over = ax.get_figure().axes[1]
    counts = [p.get_data().values.sum() for p in over.patches if p.get_label() == "_counts"]
    assert sorted(counts) == sorted([marked, used.sum() - marked])
    assert "with Yao" in texts(over)


def test_without_i2_the_cloud_is_drawn_over_tau():
    fit = mn.pool(events=EVENTS, total=TOTAL, study=NAMES, model="beta_binomial")
    result = gosh(fit, subsets=40)
    ax = gosh_plot(result)
    wanted = 100 * result.i2 if np.isfinite(result.i2).any() else np.sqrt(result.tau2)
    np.testing.assert_allclose(np.sort(cloud(ax, "_subsets")[:, 1]), np.sort(wanted[(result.size > 1) & np.isfinite(wanted)]))


# Specification curve


def _segments(ax, label):
    (found,) = [c for c in ax.collections if isinstance(c, LineCollection) and c.get_label() == label]
    return np.array(found.get_segments())


def test_the_curve_rises_through_the_estimates_with_their_intervals():
    result = multiverse_of("evidence")
    frame = result.to_frame()
    frame = frame[frame["status"].isin(["pooled", "no events", "only events"])]
    ax = specification_curve(result)
    dots = cloud(ax, "_estimates")
    np.testing.assert_allclose(dots[:, 1], 100 * np.sort(frame["estimate"]))
    bars = _segments(ax, "_intervals")
    np.testing.assert_allclose(np.sort(bars[:, 0, 1]), 100 * np.sort(frame["ci_lower"]))
    (line,) = [x for x in ax.lines if x.get_label() == "_threshold"]
    assert line.get_ydata()[0] == pytest.approx(45)
    assert result.sentence() in words_of(ax)


def test_every_analysis_has_a_stroke_in_the_row_of_each_choice():
    result = multiverse_of("evidence")
    frame = result._answered().sort_values("estimate", kind="stable")
    ax = specification_curve(result)
    under = ax.get_figure().axes[1]
    rows = _segments(under, "_choices")
    shares = result.drivers.set_index("choice")["share"]
    told = ("certainty", "derived", "model", "tau2", "ci")
    varied = [c for c in told if frame[c].nunique() > 1 and shares[c] >= 0.01]
    folded = [c for c in told if frame[c].nunique() > 1 and shares[c] < 0.01]
    # What explains next to nothing is named and has no rows.
    assert folded
    assert "Without rows, because they explain under 1 % of the variance of the estimates:" in words_of(ax)
    assert "REML" not in texts(under)
    assert len(rows) == len(frame) * len(varied)
    # All rows of levels stand apart, and each analysis has one stroke for each choice.
    assert np.bincount(rows[:, 0, 0].astype(int)).tolist() == [len(varied)] * len(frame)
    heights = np.unique(np.round(rows[:, :, 1].mean(1), 6))
    assert len(heights) == sum(frame[c].nunique() for c in varied)
    high = np.sort(rows[np.isclose(rows[:, :, 1].mean(1), _height(under, "moderate"), atol=2.0)][:, 0, 0])
    assert high.tolist() == np.flatnonzero(frame["certainty"] == "moderate").tolist()


def test_the_primary_analysis_is_marked_in_curve_and_choices():
    result = multiverse_of("evidence")
    frame = result._answered().sort_values("estimate", kind="stable")
    ax = specification_curve(result)
    place = frame.index.get_loc(main_row(result))
    under = ax.get_figure().axes[1]
    assert [at(panel, "_primary line") for panel in (ax, under)] == [[place], [place]]
    np.testing.assert_allclose(cloud(ax, "_primary"), [[place, 100 * frame["estimate"].iloc[place]]])
    assert "Primary analysis" in texts(ax)


def test_close_marks_are_one_shape_so_that_they_do_not_flicker(monkeypatch):
    monkeypatch.setattr(curves, "_DENSE", 1000.0)
    result = multiverse_of("all")
    frame = result._answered().sort_values("estimate", kind="stable")
    ax = specification_curve(result, most=len(frame))
    under = ax.get_figure().axes[1]
    (blocks,) = [c for c in under.collections if c.get_label() == "_choices"]
    assert isinstance(blocks, PolyCollection)
    # Neighbours are joined: fewer shapes than analyses, which cover as much as one stroke for each would.
    widths = [np.ptp(path.vertices[:, 0]) for path in blocks.get_paths()]
    rows = len({round(float(path.vertices[:, 1].mean()), 3) for path in blocks.get_paths()})
    assert len(widths) < len(frame) * rows / 2
    dimensions = [t for t in under.texts if t.get_fontweight() == "bold"]
    assert sum(widths) == pytest.approx(len(frame) * len(dimensions))


def _height(ax, text):
    """The middle of a row by its label, in the units of the panel."""
    (label,) = [t for t in ax.texts if t.get_text() == text]
    return ax.get_ylim()[0] * (1 - label.get_position()[1]) - 0.36 * label.get_fontsize()


def test_a_long_curve_is_thinned_by_rank_and_says_so():
    result = multiverse_of("all")
    everything = np.sort(result._answered()["estimate"])
    ax = specification_curve(result, most=5)
    drawn = cloud(ax, "_estimates")[:, 1] / 100
    assert len(drawn) == 5
    assert drawn[[0, -1]] == pytest.approx(everything[[0, -1]])
    assert f"Drawn: 5 of {len(everything)}" in words_of(ax)


def test_the_primary_analysis_is_ringed_and_kept_in_a_thinned_curve():
    result = mn.multiverse(mn.load_evidence(), "objective_response", "TARE")
    fit = mn.pool(mn.load_evidence().rates("objective_response", modality="TARE"))
    for options in ({}, {"most": 7}, {"main": {"method": "Beta-binomial model, t"}}):
        ax = specification_curve(result, **options)
        ((_, at),) = cloud(ax, "_primary")
        wanted = mn.pool(fit.studies, model="beta_binomial") if "main" in options else fit
        assert at == pytest.approx(100 * wanted.estimate, rel=1e-6)
        assert f"{per_cent(wanted.estimate)} % ({interval(wanted.ci_lower, wanted.ci_upper)} %)." in words_of(ax)
    assert len(cloud(specification_curve(result, most=7), "_estimates")) == 7


def test_without_a_threshold_grey_marks_intervals_that_say_nothing():
    result = mn.multiverse(mn.load_evidence(), "disease_control", "TACE")
    frame = result._answered().sort_values("estimate", kind="stable")
    ax = specification_curve(result)
    (dots,) = [c for c in ax.collections if c.get_label() == "_estimates"]
    grey = np.isclose(dots.get_facecolors()[:, 0], 0xAB / 255)
    np.testing.assert_array_equal(grey, frame["ci_upper"] - frame["ci_lower"] > 0.6)
    assert grey.any()
    assert "Grey: the interval is wider than 60 points, too few data to tell." in words_of(ax)


def test_a_group_with_too_few_data_is_grey_in_the_plane():
    frame = plane_of("four").copy()
    frame.loc[1, ["benefit_lower", "benefit_upper"]] = [0.05, 0.95]
    ax = benefit_risk_plane(frame, benefit="Response", risk="Harm")
    colours = [line.get_color() for line in lines(ax, "_benefit")]
    assert [colour == style.FAINT for colour in colours] == [False, True, False, False]
    assert [line.get_color() == style.VAGUE for line in lines(ax, "_group")] == [False, True, False, False]
    # The interval goes on beyond the panel, whose axis it does not stretch.
    assert lines(ax, "_benefit")[1].get_clip_on()
    assert ax.get_xlim() == plane("four").get_xlim()
    assert "Pale (Group 1): an interval is wider than 60 points, too few data to tell." in words_of(ax)
    assert "too few data to tell" in _alternative(ax)


def test_colours_tell_the_side_of_the_threshold():
    result = multiverse_of("effects")
    frame = result._answered().sort_values("estimate", kind="stable")
    ax = specification_curve(result)
    (dots,) = [c for c in ax.collections if c.get_label() == "_estimates"]
    below = np.isclose(dots.get_facecolors()[:, 0], 0xD5 / 255)
    assert below.sum() > 0
    np.testing.assert_array_equal(below, frame["ci_upper"] < 0)


# Calibration


def test_coverage_prediction_and_bias_of_every_method_are_shown():
    result = calibration_of("twelve")
    frame = result.to_frame()
    ax = calibration_plot(result)
    (dots,) = [c for c in ax.collections if c.get_label() == "_dots"]
    np.testing.assert_allclose(dots.get_offsets()[:, 0], 100 * frame["coverage"])
    half = 1.959963985 * frame["coverage_mcse"]
    for line, row, h in zip(lines(ax, "_interval"), frame.itertuples(), half, strict=True):
        assert line.get_xdata() == pytest.approx([100 * (row.coverage - h), 100 * min(1, row.coverage + h)])
    predicted = frame[frame["pi_coverage"].notna()]
    marks = lines(ax, "_prediction coverage")
    assert [m.get_xdata()[0] for m in marks] == pytest.approx(list(100 * predicted["pi_coverage"]))
    rows = dict(zip(frame["label"], dots.get_offsets()[:, 1], strict=True))
    # Each below the dot of its row and within it.
    letter = ax.xaxis.label.get_fontsize()
    below = np.array([m.get_ydata()[0] for m in marks]) - [rows[name] for name in predicted["label"]]
    assert (below > 0.3 * letter).all()
    assert (below < 0.9 * letter).all()
    assert at(ax, "_reference") == pytest.approx([95])
    shown = texts(ax)
    for row in frame.itertuples():
        assert number(100 * row.bias, 2) in shown
        assert per_cent(row.pi_coverage) in shown


# Drapery


def test_drapery_curves_are_the_p_value_functions():
    fit = fit_of("twelve")
    frame = p_value_function(fit, 801)
    ax = drapery(fit)
    curves = _segments_of(ax)
    assert len(curves) == 12
    # The labelled ones are drawn apart.
    peaks = [float(frame["value"][frame[name].argmax()]) for name in NAMES]
    left = dict(zip(NAMES, peaks, strict=True))
    for curve in curves:
        top = curve[np.argmax(curve[:, 1]), 0] / 100
        name = min(left, key=lambda name: abs(left[name] - top))
        del left[name]
        inside = frame["value"].isin(curve[:, 0] / 100) | np.isclose(
            np.interp(frame["value"], curve[:, 0] / 100, curve[:, 0] / 100), frame["value"]
        )
        np.testing.assert_allclose(np.interp(100 * frame.loc[inside, "value"], *curve.T), frame.loc[inside, name], atol=1e-9)
    (pooled,) = lines(ax, "_pooled")
    x, y = pooled.get_data()
    (predicted,) = lines(ax, "_prediction")
    for end in (fit.pi_lower, fit.pi_upper):
        assert np.interp(100 * end, *predicted.get_data()) == pytest.approx(0.05, abs=2e-3)
    assert x[np.argmax(y)] == pytest.approx(100 * fit.estimate)
    assert y.max() == 1
    for end in (fit.ci_lower, fit.ci_upper):
        # The curve is drawn by straight pieces of a grid of 801 values.
        assert np.interp(100 * end, x, y) == pytest.approx(0.05, abs=2e-3)
    assert [line.get_ydata()[0] for line in lines(ax, "_limit")] == [0.10, 0.05, 0.01]
    assert len(lines(ax, "_prediction")) == 1


def _segments_of(ax):
    found = [c for c in ax.collections if c.get_label() in ("_studies", "_labelled studies")]
    return [np.asarray(s) for c in found for s in c.get_segments()]


def test_drapery_labels_the_studies_that_matter():
    fit = fit_of("forty")
    ax = drapery(fit)
    frame = p_value_function(fit, 801)
    named = [t.get_text() for t in ax.texts if t.get_label() == "_name"]
    assert len(named) == 5
    nearest = (frame["value"] - fit.estimate).abs().idxmin()
    away = frame.drop(columns=["value", "pooled", "prediction"]).loc[nearest].astype(float)
    heaviest = fit.studies["study"].iloc[int(np.argmax(fit.weights))]
    assert away.idxmin() in named
    assert heaviest in named
    (grey,) = [c for c in ax.collections if c.get_label() == "_studies"]
    assert len(grey.get_segments()) == 35
    assert to_hex(grey.get_color()[0]) == "#c4c4c4"


def test_drapery_without_an_estimate_shows_the_studies_alone():
    ax = drapery(fit_of("not estimable"))
    assert len(_segments_of(ax)) == 4
    assert not lines(ax, "_pooled")
    assert not lines(ax, "_prediction")


# Radial


@pytest.mark.parametrize("name", ["twelve", "effects", "near zero"])
@pytest.mark.parametrize("centre", [False, True])
def test_radial_points_and_line_stand_where_they_should(name, centre):
    fit = fit_of(name)
    frame = radial(fit)
    ax = radial_plot(fit, centre=centre)
    drawn = np.concatenate([cloud(ax, "_studies"), cloud(ax, "_beyond")])
    wanted = frame[["precision", "standardised"]].to_numpy().copy()
    wanted[:, 1] -= centre * fit.mu * wanted[:, 0]
    np.testing.assert_allclose(_sorted(drawn), _sorted(wanted))
    (line,) = lines(ax, "_pooled")
    (x0, x1), (y0, y1) = line.get_data()
    assert (x0, y0) == (0, 0)
    assert y1 / x1 == pytest.approx(0 if centre else fit.mu)
    shifts = [limit.get_ydata()[0] for limit in lines(ax, "_limit")]
    assert sorted(shifts) == pytest.approx([-1.959964, 1.959964], abs=1e-6)


def test_a_line_from_the_origin_meets_the_arc_at_its_own_rate():
    fit = fit_of("twelve")
    ax = radial_plot(fit)
    ticks = [line for line in ax.lines if line.get_label() == "_arc tick"]
    labels = [float(t.get_text()) for t in ax.texts if t.get_label() == "_arc label"]
    assert len(labels) >= 3
    width, height = (ax.bbox.width, ax.bbox.height)
    for tick, label in zip(ticks, labels, strict=True):
        share = np.array([tick.get_xdata()[0], tick.get_ydata()[0]])
        x, y = (ax.transAxes - ax.transData).transform(share)
        # The grid that the scale is turned round on has 2,001 places.
        assert 100 / (1 + np.exp(-y / x)) == pytest.approx(label, rel=1e-4)
    radii = [
        np.hypot(*((ax.transAxes.transform((t.get_xdata()[0], t.get_ydata()[0]))) - ax.transData.transform((0, 0)))) for t in ticks
    ]
    np.testing.assert_allclose(radii, radii[0])
    origin = ax.transData.transform((0, 0))
    for dot in np.concatenate([cloud(ax, "_studies"), cloud(ax, "_beyond")]):
        assert np.hypot(*(ax.transData.transform(dot) - origin)) < radii[0]
    assert width > height


# Funnel


def test_rates_stand_against_sizes_with_exact_limits():
    fit = fit_of("forty")
    studies = fit.studies
    ax = funnel(fit)
    drawn = np.concatenate([cloud(ax, "_studies"), cloud(ax, "_outside")])
    np.testing.assert_allclose(_sorted(drawn), _sorted(np.column_stack([100 * studies["rate"], studies["total"]])))
    assert at(ax, "_reference") == pytest.approx([100 * fit.estimate] * 1)
    assert len(lines(ax, "_limit")) == 4
    assert ax.get_yscale() == "log"
    limit = max(lines(ax, "_limit"), key=lambda line: line.get_xdata().max())
    place = int(np.argmin(np.abs(limit.get_ydata() - 60)))
    size, reach = limit.get_ydata()[place], limit.get_xdata()[place] / 100
    # Within one patient of the quantile that lies at 99.9 %.
    from scipy.special import bdtr

    assert bdtr(np.floor(reach * size) + 1, int(size), fit.estimate) >= 0.999
    assert bdtr(np.floor(reach * size) - 1, int(size), fit.estimate) < 0.999


def test_studies_outside_of_the_outer_limits_are_filled():
    fit = fit_of("forty")
    ax = funnel(fit, contours=(0.5,))
    wide = funnel(fit, contours=(1e-9,))
    assert len(cloud(ax, "_outside")) > len(cloud(funnel(fit), "_outside")) > len(cloud(wide, "_outside"))
    assert len(lines(ax, "_limit")) == 2


def test_effects_stand_against_their_standard_errors_with_contours():
    fit = fit_of("effects")
    ax = funnel(fit)
    drawn = np.concatenate([cloud(ax, "_studies"), cloud(ax, "_outside")])
    studies = fit.studies
    np.testing.assert_allclose(_sorted(drawn), _sorted(np.column_stack([studies["yi"], np.sqrt(studies["vi"])])))
    assert ax.get_ylim()[0] > ax.get_ylim()[1] == 0
    assert at(ax, "_reference") == pytest.approx([fit.mu])
    corners_of = [p.get_xy() for p in ax.patches if p.get_label() == "_contour"]
    assert len(corners_of) == 6
    deep = ax.get_ylim()[0]
    inner = sorted({round(float(xy[1, 0] / deep), 4) for xy in corners_of})
    assert inner == pytest.approx([-2.5758, -1.96, -1.6449, 1.6449, 1.96, 2.5758], abs=1e-4)


def test_imputed_studies_are_hollow():
    rng = np.random.default_rng(3)
    vi = rng.uniform(0.01, 0.4, 25)
    fit = mn.pool(yi=(rng.normal(0.3, 0.2, 25) + 0.9 * np.sqrt(vi)).tolist(), vi=vi.tolist())
    filled = trim_and_fill(fit)
    assert filled.k0 > 0
    ax = funnel(fit, filled=filled)
    imputed = filled.imputed
    np.testing.assert_allclose(cloud(ax, "_imputed"), np.column_stack([imputed["yi"], np.sqrt(imputed["vi"])]))
    assert "imputed by trim and fill" in words_of(ax)
    with pytest.raises(ArgumentError, match="another result"):
        funnel(fit_of("effects"), filled=filled)


def test_rates_with_imputed_studies_are_drawn_by_their_effects():
    fit = fit_of("forty")
    ax = funnel(fit, filled=trim_and_fill(fit, allow_biased=True))
    assert ax.get_ylabel() == "Standard error"
    assert not [p for p in ax.patches if p.get_label() == "_contour"]
    assert "logit" in ax.get_xlabel()


def test_ratios_are_read_off_a_log_axis():
    groups = {"events_control": [6, 9, 9, 5, 14, 4], "total_control": [31, 41, 49, 25, 70, 44]}
    fit = mn.pool(events=[3, 5, 8, 2, 10, 4], total=[30, 40, 50, 22, 66, 45], **groups, measure="OR", model="inverse_variance")
    ax = funnel(fit)
    ticks = dict(zip((t.get_text() for t in ax.get_xticklabels()), ax.get_xticks(), strict=True))
    assert ticks["1"] == pytest.approx(0, abs=1e-3)
    assert ticks["2"] == pytest.approx(np.log(2), abs=1e-3)


# Cumulative


def test_cumulative_rows_stand_in_order_with_what_they_were_sorted_by():
    fit = fit_of("twelve")
    result = cumulative(fit, "total")
    frame = result.to_frame()
    ax = result.plot()
    shown = texts(ax)
    assert {"Study added", "Total", "Studies", "All studies"} <= set(shown)
    placed = sorted((t.get_position()[1], t.get_text()) for t in ax.texts if t.get_text() in NAMES)
    assert [name for _, name in placed] == list(frame["study"])
    for row, line in zip(frame.itertuples(), lines(ax, "_interval"), strict=True):
        assert line.get_xdata() == pytest.approx([100 * row.ci_lower, 100 * row.ci_upper])
        assert f"{per_cent(row.estimate)} ({interval(row.ci_lower, row.ci_upper)})" in shown
        assert str(int(row.added)) in shown
    assert at(ax, "_reference") == pytest.approx([100 * fit.estimate])
    assert "with 12" in _alternative(ax)
    assert "Sorted by" in texts(cumulative_plot(frame.assign(added=[f"v{i}" for i in range(12)]), fit))
    assert "Total" not in texts(cumulative(fit, "given").plot())
    with pytest.raises(ArgumentError, match="no column 'k'"):
        cumulative_plot(frame.drop(columns="k"))


# Bubble


def test_bubbles_line_and_band_are_the_data_of_the_regression():
    result = regression_of("year")
    data = result.bubble_data()
    studies, line = data[data["part"] == "study"], data[data["part"] == "line"]
    ax = bubble(result)
    (dots,) = [c for c in ax.collections if c.get_label() == "_bubbles"]
    np.testing.assert_allclose(dots.get_offsets(), np.column_stack([studies["x"], 100 * studies["value"]]))
    weight = studies["weight"].to_numpy()
    np.testing.assert_allclose(dots.get_sizes() / dots.get_sizes().max(), weight / weight.max(), rtol=1e-9)
    (drawn,) = lines(ax, "_line")
    np.testing.assert_allclose(drawn.get_ydata(), 100 * line["value"])
    np.testing.assert_allclose([p.get_ydata() for p in lines(ax, "_prediction")], 100 * line[["pi_lower", "pi_upper"]].T)
    (band,) = [c for c in ax.collections if c.get_label() == "_band"]
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(100 * line["ci_lower"].min())
    assert heights.max() == pytest.approx(100 * line["ci_upper"].max())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Year", "Events, % of patients")


def test_a_regression_without_a_finite_line_shows_the_studies_and_says_so():
    ax = bubble(regression_of("separated"))
    assert not lines(ax, "_line")
    assert len(ax.collections) == 1
    assert "No line" in words_of(ax)
    with pytest.raises(ArgumentError, match="moderator"):
        bubble(regression_of("year"), moderator="age")


# Comparison


def test_every_group_has_a_diamond_and_a_bar_for_its_prediction():
    result = comparison_of("evidence")
    ax = comparison_forest(result, title="Harm")
    pooled = [fit for fit in result.groups.values() if fit.status != "not pooled"]
    drawn = [corners(d) for d in diamonds(ax)]
    # The lowest estimate first.
    pooled.sort(key=lambda fit: fit.estimate)
    assert [d["middle"] for d in drawn] == pytest.approx([100 * fit.estimate for fit in pooled])
    assert [d["right"] for d in drawn] == pytest.approx([100 * fit.ci_upper for fit in pooled])
    bars = [list(line.get_xdata()) for line in lines(ax, "_prediction")]
    # The posterior predicts the next study also where there is one.
    predicted = sorted((fit for fit in result.groups.values() if fit.pi_lower is not None), key=lambda fit: fit.estimate)
    # In the row of the group itself.
    middles = {round(d["middle"], 6): y for d, y in zip(drawn, [p.get_xy()[0][1] for p in diamonds(ax)], strict=True)}
    for line, fit in zip(lines(ax, "_prediction"), predicted, strict=True):
        assert line.get_ydata()[0] == pytest.approx(middles.get(round(100 * fit.estimate, 6), line.get_ydata()[0]))
    assert not [t for t in texts(ax) if t.startswith("Prediction interval")]
    given = comparison_forest(result, order="given")
    kept = [corners(d)["middle"] for d in diamonds(given)]
    assert kept == pytest.approx([100 * fit.estimate for fit in result.groups.values() if fit.status != "not pooled"])
    np.testing.assert_allclose(bars, [[100 * fit.pi_lower, 100 * fit.pi_upper] for fit in predicted])
    shown = texts(ax)
    for name, fit in result.groups.items():
        assert name in shown
        assert f"{fit.events}/{fit.n}" in shown
    words = words_of(ax)
    assert OBSERVATIONAL in words
    assert result.test_sentence() in words
    assert "One study, not pooled" in words


def test_one_tau_for_all_groups_is_said_once():
    result = mn.compare(mn.load_evidence().rates("objective_response"), "modality_class", bootstrap=0, model="glmm")
    ax = comparison_forest(result)
    shown = texts(ax)
    tau = number(result.tau_common)
    assert f"One τ for all groups: {tau}." in shown
    assert "τ" not in shown
    assert tau not in shown
    own = mn.compare(
        mn.load_evidence().rates("objective_response"), "modality_class", bootstrap=0, model="glmm", heterogeneity="separate"
    )
    assert "τ" in texts(comparison_forest(own))


def test_with_studies_each_group_lists_its_own():
    result = comparison_of("hard")
    ax = comparison_forest(result, studies=True)
    order = [text for _, text in sorted((t.get_position()[1], t.get_text()) for t in ax.texts if t.get_position()[1] > 0)]
    header = {HOSTILE: f"{HOSTILE} (1 study)", "TAE": "TAE (4 studies)"}
    place = {name: order.index(header.get(name, name)) for name in (HOSTILE, "TAE", "Pavel", "Ito")}
    assert place[HOSTILE] < place["Pavel"] < place["TAE"] < place["Ito"]
    assert len(squares(ax).get_offsets()) == 12
    assert "Median rate (95 % CrI)" in order
    summed = texts(comparison_forest(mn.compare(hard_frame(), "group", model="glmm", bootstrap=0), studies=True))
    assert "Exact rate of the summed counts" in summed


def test_groups_without_events_or_with_too_few_data_are_named_below():
    frame = pd.DataFrame({"events": [0, 0, 1, 9, 20, 25], "total": [20, 30, 10, 12, 60, 61], "group": list("aabbcc")})
    result = mn.compare(frame, "group")
    ax = comparison_forest(result)
    words = words_of(ax)
    assert "No event was observed in a, so the estimate comes partly from the prior." in words
    assert "Too few data to tell for b: the interval is wider than 60 points." in words
    drawn = {corners(d)["middle"]: to_hex(d.get_facecolor()).upper() for d in diamonds(ax)}
    grey = [colour for place, colour in drawn.items() if place == pytest.approx(100 * result.groups["b"].estimate)]
    assert grey == [style.FAINT]
    for fit in result.groups.values():
        assert f"{per_cent(fit.marginal_estimate)} (" in words


# Benefit and risk


def test_crosses_stand_at_both_rates_with_both_intervals():
    frame = plane_of("four")
    ax = plane("four")
    dots = np.array([line.get_xydata()[0] for line in lines(ax, "_group")])
    np.testing.assert_allclose(dots, 100 * frame[["benefit", "risk"]])
    np.testing.assert_allclose([x.get_xdata() for x in lines(ax, "_benefit")], 100 * frame[["benefit_lower", "benefit_upper"]])
    np.testing.assert_allclose([x.get_ydata() for x in lines(ax, "_risk")], 100 * frame[["risk_lower", "risk_upper"]])
    assert set(frame["group"]) <= set(texts(ax))
    assert ax.get_xlabel() == "Objective response $x$, % of patients (more is better →)"
    assert "(← less is better)" in ax.get_ylabel()
    assert not ax.xaxis.label.get_parse_math()
    (corner,) = [p for p in ax.patches if p.get_label() == "_better corner"]
    assert corner.get_xy()[:, 0].max() == 1
    assert corner.get_xy()[:, 1].min() == 0


def test_many_groups_have_a_key_with_a_mark_of_their_own():
    ax = plane("many")
    assert len(lines(ax, "_key")) == 16
    assert len({(m.get_color(), m.get_marker()) for m in lines(ax, "_group")}) == 16
    assert [(m.get_color(), m.get_marker()) for m in lines(ax, "_key")] == [
        (m.get_color(), m.get_marker()) for m in lines(ax, "_group")
    ]
    assert len([t for t in ax.texts if t.get_label() == "_name"]) == 16


def test_groups_without_a_rate_are_named_as_missing():
    ax = plane("edges")
    assert len(lines(ax, "_group")) == 2
    assert "Not drawn, because a rate is missing: C." in words_of(ax)
    nothing = plane_of("edges").assign(benefit=np.nan)
    assert "Not drawn" in words_of(benefit_risk_plane(nothing, benefit="a", risk="b"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frame": pd.DataFrame({"group": ["a"]})}, "no column 'benefit'"),
        ({"frame": [1]}, "not list"),
        ({"frame": plane_of("one").iloc[:0]}, "no rows"),
        ({"frame": plane_of("one").assign(risk=12.0)}, "fractions"),
        ({"frame": plane_of("one").assign(risk="x")}, "'x'"),
        ({"benefit": " "}, "title of the outcome"),
        ({"ax": 3}, "not int"),
    ],
)
def test_a_plane_that_cannot_be_drawn_is_refused(change, words):
    given = {"frame": plane_of("one"), "benefit": "response", "risk": "harm", **change}
    frame = given.pop("frame")
    with pytest.raises(ArgumentError, match=words):
        benefit_risk_plane(frame, **given)


# All of them


@pytest.mark.parametrize(
    "draw",
    [
        baujat_plot,
        influence_plot,
        gosh_plot,
        specification_curve,
        calibration_plot,
        drapery,
        radial_plot,
        funnel,
        bubble,
        comparison_forest,
    ],
)
def test_something_else_than_the_result_is_refused(draw):
    with pytest.raises(ArgumentError, match="must be a result of"):
        draw(pd.DataFrame())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gosh_plot(gosh_of("twelve"), study="Yau"), "'Yao'"),
        (lambda: gosh_plot(gosh_of("twelve"), points=0), "points=0 must be a whole number of at least 1"),
        (lambda: specification_curve(multiverse_of("evidence"), most=1), "most=1 must be"),
        (lambda: funnel(fit_of("twelve"), contours=(5,)), "between 0 and 1"),
        (lambda: funnel(fit_of("twelve"), contours=3), "must be a sequence"),
        (lambda: baujat_plot(influence_of("twelve"), ax=3), "not int"),
    ],
)
def test_wrong_choices_are_refused_by_name(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


@pytest.mark.parametrize("name", PLAIN)
def test_every_figure_has_a_description_made_from_its_numbers(name):
    text = _alternative(PLAIN[name]())
    assert sum(c.isdigit() for c in text) >= 6


def test_untrusted_names_are_drawn_as_they_are():
    panels = influence_plot(influence_of("hostile names"))
    assert HOSTILE in texts(panels[0])
    for label in (t for t in panels[0].texts if "$" in t.get_text()):
        assert not label.get_parse_math()
    ax = plane("one")
    assert LONG.split()[0] in words_of(ax)
    frame = plane_of("one").assign(group=HOSTILE)
    # A long word is broken where a line ends.
    shown = ["".join(t.split()) for t in texts(benefit_risk_plane(frame, benefit="a", risk="b"))]
    assert "".join(HOSTILE.split()) in shown


def test_points_at_the_ends_of_the_axis_are_whole():
    ax = funnel(fit_of("no events"))
    (dots,) = [c for c in ax.collections if c.get_label() == "_studies"]
    assert not dots.get_clip_on()
    assert in_points(ax, [0.0], [20.0])[0, 0] == pytest.approx(0.0)
