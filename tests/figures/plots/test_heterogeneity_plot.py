"""The figure of heterogeneity shows the fitted distribution and the figures of the result, and says what does not exist."""

import math
from dataclasses import replace
from functools import cache

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats
from scipy.special import expit, logit

import metanet as mn
from metanet.base.display import number, p_value, per_cent
from metanet.base.errors import ArgumentError
from metanet.figures.page.save import description_of, save_figure
from metanet.figures.plots.heterogeneity import heterogeneity_plot
from metanet.figures.plots.true_values import true_values
from tests.figures.cases import EVENTS, NAMES, TOTAL, fit_of, lines, texts
from tests.figures.chart_cases import cloud, text_boxes, words_of
from tests.figures.test_chart_layout import check
from tests.figures.two_groups import pooled


@cache
def curated():
    return mn.load_evidence()


@cache
def other(name):
    """Results of other models."""
    data = {"events": EVENTS, "total": TOTAL, "study": NAMES}
    makers = {
        "beta_binomial": lambda: mn.pool(**data, model="beta_binomial"),
        "common": lambda: mn.pool(**data, model="common"),
        "probit": lambda: mn.pool(**data, link="probit"),
        "PR": lambda: mn.pool(**data, model="inverse_variance", measure="PR"),
        "PAS": lambda: mn.pool(events=[0, 0, 1, 9, 30], total=[20, 18, 30, 12, 40], model="inverse_variance", measure="PAS"),
        "PFT": lambda: mn.pool(**data, model="inverse_variance", measure="PFT"),
        "person-time": lambda: mn.pool(events=[1, 4, 9, 20], person_time=[100, 120, 90, 400]),
        "odds ratio": lambda: pooled("sixty", "OR", "UM.FS"),
        "risk difference": lambda: pooled("six", "RD"),
        "one comparison": lambda: pooled("one"),
        "Mantel-Haenszel": lambda: pooled("six", "OR", "mantel_haenszel"),
        "two groups, ends": lambda: pooled("ends", "OR"),
        "giant effects": lambda: mn.pool(yi=[1e5, -3e5, 2e5, 4e4], vi=[1e9, 2e10, 1e10, 3e9]),
        "wide": lambda: mn.pool(events=[0, 0, 1, 9, 30, 12], total=[20, 18, 30, 9, 31, 12]),
    }
    return makers[name]()


OTHER_NAMES = ("beta_binomial", "common", "probit", "PR", "PAS", "PFT", "person-time", "odds ratio", "risk difference",
               "one comparison", "Mantel-Haenszel", "two groups, ends", "giant effects", "wide")  # fmt: skip
#: Results that have broken figures before, or would. Names of studies are not drawn.
HARD = ("one", "two", "sixty", "no events", "not estimable", "near all", "one giant", "effects")
OTHERS = ("beta_binomial", "PFT", "person-time", "odds ratio", "two groups, ends", "giant effects", "wide")


@cache
def drawn(name):
    """The figure of a case; no test changes it."""
    return heterogeneity_plot(other(name) if name in OTHER_NAMES else fit_of(name))


def _hill(ax):
    (line,) = lines(ax, "_density")
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def _mass(ax, low, high):
    """The share of the drawn hill between two places."""
    x, y = _hill(ax)
    up = y.max() - y
    fine = np.linspace(x[0], x[-1], 200_001)
    height = np.interp(fine, x, up)
    inside = (fine >= low) & (fine <= high)
    return height[inside].sum() / height.sum()


def _lower(ax):
    """The second panel."""
    return ax.get_figure().axes[-1]


#: The distributions by SciPy, from the fits' own parameters.
BY_SCIPY = {
    "twelve": lambda fit, x: stats.norm.cdf(logit(x), fit.mu, fit.tau),
    "forty": lambda fit, x: stats.norm.cdf(logit(x), fit.mu, fit.tau),
    "probit": lambda fit, x: stats.norm.cdf(stats.norm.ppf(x), fit.mu, fit.tau),
    "beta_binomial": lambda fit, x: stats.beta.cdf(
        x, expit(fit.mu) * (1 - fit.rho) / fit.rho, expit(-fit.mu) * (1 - fit.rho) / fit.rho
    ),
}


@pytest.mark.parametrize("name", BY_SCIPY)
def test_the_hill_holds_the_shares_of_the_fitted_distribution(name):
    fit = fit_of(name) if name in ("twelve", "forty") else other(name)
    ax = drawn(name)
    for low, high in ((0.0, 0.3), (0.3, 0.5), (0.5, 0.6), (0.6, 1.0)):
        ends = BY_SCIPY[name](fit, np.clip([low, high], 1e-12, 1 - 1e-12))
        # The hill is drawn by straight lines between some 600 places.
        assert _mass(ax, 100 * low, 100 * high) == pytest.approx(ends[1] - ends[0], abs=2e-3)


@pytest.mark.parametrize("name", BY_SCIPY)
def test_shares_and_quantiles_are_those_of_scipy(name):
    fit = fit_of(name) if name in ("twelve", "forty") else other(name)
    found = true_values(fit)
    x = np.linspace(0.02, 0.98, 25)
    # A grid of 18,001 places between which the normal distribution is taken as straight bounds this at about 1e-7.
    np.testing.assert_allclose(found.below(x), BY_SCIPY[name](fit, x), atol=2e-7)
    share = np.array([0.025, 0.25, 0.5, 0.9])
    np.testing.assert_allclose(BY_SCIPY[name](fit, found.quantile(share)), share, rtol=1e-9)
    assert found.beyond == pytest.approx(0, abs=1e-15)


def test_ratios_have_a_normal_hill_on_a_logarithmic_axis():
    fit = other("odds ratio")
    x, y = _hill(drawn("odds ratio"))
    up = (y.max() - y) / (y.max() - y).max()
    known = np.abs(x - fit.mu) < 2 * fit.tau
    np.testing.assert_allclose(up[known], np.exp(-(((x - fit.mu) / fit.tau)[known] ** 2) / 2), atol=2e-3)


def test_what_a_raw_scale_puts_where_no_rate_can_be_is_said():
    fit = other("PAS")
    beyond = stats.norm.cdf(0, fit.mu, fit.tau) + stats.norm.sf(math.pi / 2, fit.mu, fit.tau)
    assert beyond > 0.005
    assert true_values(fit).beyond == pytest.approx(beyond, rel=1e-6)
    assert f"The model places {per_cent(beyond)} % of the distribution outside the possible rates" in words_of(drawn("PAS"))


def test_the_middle_half_is_the_quartiles_in_words_and_colour():
    fit = fit_of("twelve")
    ends = expit(fit.mu + np.array([-1, 1]) * stats.norm.ppf(0.75) * fit.tau)
    ax = drawn("twelve")
    assert f"Middle half of the true rates: {per_cent(ends[0])} to {per_cent(ends[1])} %" in words_of(ax)
    (half,) = [c for c in ax.collections if c.get_label() == "_middle half"]
    x = half.get_paths()[0].vertices[:, 0]
    # Up to half of one cell of the hill.
    assert [x.min(), x.max()] == pytest.approx(list(100 * ends), abs=0.2)


def test_studies_stand_in_the_order_of_their_values_with_their_intervals():
    fit = fit_of("forty")
    frame = fit.studies.sort_values("rate", kind="stable")
    ax = drawn("forty")
    dots = cloud(ax, "_studies")
    dots = dots[np.argsort(dots[:, 1])]
    np.testing.assert_allclose(dots[:, 0], 100 * frame["rate"])
    (intervals,) = [c for c in ax.collections if c.get_label() == "_intervals"]
    ends = np.array([s[:, 0] for s in intervals.get_segments()])
    np.testing.assert_allclose(ends, 100 * frame[["ci_lower", "ci_upper"]].to_numpy(), atol=1e-9)


def test_the_pooled_value_and_the_prediction_interval_stand_at_their_numbers():
    fit = fit_of("twelve")
    ax = drawn("twelve")
    (diamond,) = [p for p in ax.patches if p.get_label() == "_diamond"]
    xy = diamond.get_xy()
    assert [xy[0, 0], xy[1, 0], xy[2, 0]] == pytest.approx([100 * v for v in (fit.ci_lower, fit.estimate, fit.ci_upper)])
    (bar,) = [p for p in ax.patches if p.get_label() == "_prediction"]
    assert [bar.get_x(), bar.get_x() + bar.get_width()] == pytest.approx([100 * fit.pi_lower, 100 * fit.pi_upper])


def test_figures_are_written_and_stand_on_their_scales():
    fit = fit_of("twelve")
    ax = drawn("twelve")
    words = words_of(ax)
    assert f"{number(fit.tau)} ({number(fit.tau2_lower**0.5)} to {number(fit.tau2_upper**0.5)})" in words
    assert f"{per_cent(fit.i2)} % ({per_cent(fit.i2_lower)} to {per_cent(fit.i2_upper)})" in words
    assert f"{number(fit.h2)} ({number(fit.h2_lower)} to {number(fit.h2_upper)})" in words
    assert f"likelihood ratio {number(fit.lrt)} on 11 df, {p_value(fit.lrt_pvalue)}" in words
    panel = _lower(ax)
    scales = [line for line in lines(panel, "_scale") if line.get_ydata()[0] == line.get_ydata()[1]]
    dots, bars = lines(panel, "_figure"), lines(panel, "_figure interval")
    assert len(scales) == len(dots) == len(bars) == 3
    words = [t.get_text() for t in panel.texts if t.get_label() == "_figure words" and t.get_ha() == "left"]
    tops = [float(text.removesuffix(" %")) for text in words[:3]]
    wanted = [
        (0, tops[0], (fit.tau, fit.tau2_lower**0.5, fit.tau2_upper**0.5)),
        (0, 1, (fit.i2, fit.i2_lower, fit.i2_upper)),
        (1, tops[2], (fit.h2, fit.h2_lower, fit.h2_upper)),
    ]
    assert tops[1] == 100
    for scale, dot, bar, (low, high, values) in zip(scales, dots, bars, wanted, strict=True):
        start, stop = scale.get_xdata()
        shown = (np.array([dot.get_xdata()[0], *bar.get_xdata()]) - start) / (stop - start)
        assert shown.tolist() == pytest.approx([(v - low) / (high - low) for v in values])


def test_an_interval_without_an_upper_end_is_an_arrow():
    fit = replace(fit_of("twelve"), tau2_upper=math.inf, h2_upper=math.inf)
    panel = _lower(heterogeneity_plot(fit))
    assert len(lines(panel, "_figure arrow")) == 2
    tau = lines(panel, "_figure")[0].get_xdata()[0]
    bar = lines(panel, "_figure interval")[0].get_xdata()
    scale = lines(panel, "_scale")[0].get_xdata()
    # The bar runs to the end of the scale, and the estimate stands well before it.
    assert bar[1] == pytest.approx(scale[1])
    assert tau < scale[0] + 0.6 * (scale[1] - scale[0])
    assert "∞" in words_of(panel)


def test_no_spread_is_one_line_and_words():
    fit = fit_of("near zero, ML")
    assert fit.tau == 0
    ax = drawn("near zero, ML")
    (spike,) = lines(ax, "_spike")
    assert spike.get_xdata()[0] == pytest.approx(100 * fit.estimate)
    assert not lines(ax, "_density")
    words = words_of(ax)
    assert "Estimated heterogeneity of zero: one rate for all" in words
    assert "does not show homogeneity" in words


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("one", "heterogeneity cannot be assessed"),
        ("no events, summed", "No distribution can be estimated"),
        ("not estimable", "the model has no finite estimate"),
        ("two, ML", "Needs 3 studies"),
        ("common", "The model has one rate for all"),
        ("Mantel-Haenszel", "The model has one ratio for all"),
        ("one comparison", "nothing was pooled"),
    ],
)
def test_what_does_not_exist_is_said(name, word):
    ax = drawn(name)
    assert word in words_of(ax)
    assert not lines(ax, "_density")


def test_without_events_the_spread_is_said_to_come_from_the_prior():
    words = words_of(drawn("no events"))
    assert "None of the 75 patients in 4 studies had the outcome." in words
    assert "comes mainly from its prior. So does the 95 % prediction interval" in words


def test_shares_beyond_thresholds_are_those_of_the_result():
    fit = mn.pool(events=EVENTS[:8], total=TOTAL[:8])
    share = mn.share_beyond(fit, 0.4)
    ax = fit.spread(thresholds=[0.4])
    words = words_of(ax)
    assert "Settings above 40 %" in words
    assert f"{per_cent(share.above, 0)} %" in words
    assert [line.get_xdata()[0] for line in lines(ax, "_threshold")] == [40.0]
    report = mn.heterogeneity_report(fit, thresholds=[0.4], subsets=False, moderators=())
    assert "Settings above 40 %" in words_of(report.plot())


def test_a_threshold_that_no_model_answers_is_answered_in_words():
    assert "for proportions on the logit scale" in words_of(heterogeneity_plot(other("PFT"), thresholds=[0.3]))


@pytest.mark.parametrize("name", [*HARD, *OTHERS])
def test_no_text_meets_another_or_leaves_the_canvas(name):
    check(drawn(name))


def test_a_long_heading_wraps():
    check(heterogeneity_plot(fit_of("twelve"), title="How far $x$ " * 20))


@pytest.mark.parametrize(
    ("outcome", "modality"),
    [("objective_response", "TARE"), ("objective_response", "PRRT"), ("hepatotoxicity", "TAE"), ("hepatotoxicity", None)],
)
def test_the_evidence_is_drawn(outcome, modality):
    fit = mn.pool(curated().rates(outcome, modality=modality))
    ax = heterogeneity_plot(fit)
    check(ax)
    assert f"{fit.k} stud" in " ".join(" ".join(t.split()) for t in texts(ax)) or fit.status == "not pooled"


def test_the_figure_fits_into_axes_that_are_given():
    figure = Figure(figsize=(9, 8))
    ax = figure.subplots(1, 2, width_ratios=[5, 1])[0]
    place = ax.get_position()
    assert heterogeneity_plot(fit_of("twelve"), ax=ax) is ax
    figure.axes[1].set_axis_off()
    check(ax)
    _, boxes = text_boxes(ax)
    edges = np.array([place.x0, place.y0, place.x1, place.y1]) * np.tile([figure.bbox.width, figure.bbox.height], 2)
    assert (boxes[:, :2] >= edges[:2] - 2).all()
    assert (boxes[:, 2:] <= edges[2:] + 2).all()


def test_the_alternative_text_holds_the_numbers():
    fit = fit_of("twelve")
    title, _, text = description_of(heterogeneity_plot(fit, title="Spread").get_figure())
    assert title == "Spread"
    assert "Heterogeneity of 12 studies" in text
    assert f"95 % prediction interval: {per_cent(fit.pi_lower)} to {per_cent(fit.pi_upper)} %" in text
    assert f"I²: {per_cent(fit.i2)} %" in text


def test_other_things_are_refused_in_words():
    with pytest.raises(ArgumentError, match=r"pool or mn\.heterogeneity_report"):
        heterogeneity_plot(3)
    with pytest.raises(ArgumentError, match="thresholds apply to results of rates"):
        heterogeneity_plot(fit_of("effects"), thresholds=[0.5])


def test_a_second_run_has_the_same_bytes_whatever_the_settings_of_the_caller(tmp_path):
    (one,) = save_figure(heterogeneity_plot(fit_of("twelve")), tmp_path / "a", ("svg",))
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9}):
        (two,) = save_figure(heterogeneity_plot(fit_of("twelve")), tmp_path / "b", ("svg",))
    assert one.read_bytes() == two.read_bytes()
