"""The leave-one-out plot shows the rows that it is given, in their order."""

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.display import interval, number, per_cent
from metanet.base.errors import ArgumentError
from metanet.figures.page.save import description_of
from metanet.figures.plots.leave_one_out import cumulative_plot, leave_one_out_plot
from tests.figures.cases import EVENTS, NAMES, TOTAL, corners, diamonds, figure_of, fit_of, lines, texts
from tests.figures.forest.test_forest_layout import _check


@pytest.fixture(scope="module")
def frame():
    rows = []
    for i, name in enumerate(NAMES):
        fit = mn.pool(events=EVENTS[:i] + EVENTS[i + 1 :], total=TOTAL[:i] + TOTAL[i + 1 :])
        rows.append({"study": name, **{n: getattr(fit, n) for n in ("estimate", "ci_lower", "ci_upper", "tau2", "i2")}})
    return pd.DataFrame(rows)


def test_rows_stand_in_the_order_given_with_their_numbers(frame):
    ax = leave_one_out_plot(frame, fit_of("twelve"))
    shown = texts(ax)
    placed = sorted((t.get_position()[1], t.get_text()) for t in ax.texts if t.get_text() in NAMES)
    assert [name for _, name in placed] == NAMES
    for row, line in zip(frame.itertuples(), lines(ax, "_interval"), strict=True):
        assert f"{per_cent(row.estimate)} ({interval(row.ci_lower, row.ci_upper)})" in shown
        assert number(row.tau2**0.5) in shown
        assert f"{per_cent(row.i2)} %" in shown
        np.testing.assert_allclose(line.get_xdata(), [100 * row.ci_lower, 100 * row.ci_upper])
    (dots,) = ax.collections
    np.testing.assert_allclose(dots.get_offsets()[:, 0], 100 * frame["estimate"])
    _check(ax, 144)


def test_the_estimate_of_all_studies_is_a_dashed_line_and_a_diamond(frame):
    fit = fit_of("twelve")
    ax = leave_one_out_plot(frame, fit, title="Leave one out")
    (line,) = lines(ax, "_reference")
    assert list(line.get_xdata()) == pytest.approx([100 * fit.estimate] * 2)
    assert corners(diamonds(ax)[0])["left"] == pytest.approx(100 * fit.ci_lower)
    assert {"All studies", "Leave one out", "Study left out"} <= set(texts(ax))
    title, _, text = description_of(figure_of(ax))
    assert title == "Leave one out"
    low, high = frame["estimate"].idxmin(), frame["estimate"].idxmax()
    assert f"without {NAMES[low]} to" in text
    assert f"without {NAMES[high]};" in text


def test_without_a_result_there_is_neither_line_nor_diamond(frame):
    ax = leave_one_out_plot(frame[["study", "estimate", "ci_lower", "ci_upper"]], level=0.9)
    assert not lines(ax, "_reference")
    assert not diamonds(ax)
    shown = texts(ax)
    assert "Rate, % (90 % CI)" in shown
    assert not {"τ", "I²"} & set(shown)


def test_a_study_that_cannot_be_left_out_has_a_row_without_a_mark(frame):
    gap = frame.copy()
    gap.loc[3, ["estimate", "ci_lower", "ci_upper", "tau2", "i2"]] = np.nan
    ax = leave_one_out_plot(gap, fit_of("twelve"))
    assert len(lines(ax, "_interval")) == 11
    assert texts(ax).count("–") == 3
    assert NAMES[3] in texts(ax)


def test_a_result_of_leave_one_out_draws_itself():
    from metanet.diagnostics.studies.series import leave_one_out

    for name in ("two", "near zero", "effects"):
        fit = fit_of(name)
        found = leave_one_out(fit)
        ax = found.plot()
        assert len(lines(ax, "_interval")) == fit.k
        _check(ax, 144)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pd.DataFrame({"study": ["a"]}), "no column 'estimate'"),
        (pd.DataFrame({"study": [], "estimate": [], "ci_lower": [], "ci_upper": []}), "no rows"),
        ([1, 2], "must be a pandas DataFrame"),
        (pd.DataFrame({"study": ["a"], "estimate": ["x"], "ci_lower": [0], "ci_upper": [1]}), "'x'"),
    ],
)
def test_a_frame_that_cannot_be_drawn_is_refused(data, words):
    with pytest.raises(ArgumentError, match=words):
        leave_one_out_plot(data)


def test_of_many_studies_those_that_move_the_estimate_are_drawn_and_all_where_that_is_asked_for():
    rng = np.random.default_rng(5)
    estimates = 0.4 + rng.normal(0, 0.002, 90)
    estimates[7] = 0.33
    frame = pd.DataFrame({"study": [f"S{i:02d}" for i in range(90)], "estimate": estimates, "ci_lower": 0.3, "ci_upper": 0.5})
    ax = leave_one_out_plot(frame)
    shown = [text for text in texts(ax) if text[:1] == "S" and len(text) == 3]
    assert len(shown) == 30
    far = set(frame["study"].iloc[np.argsort(-np.abs(estimates - np.median(estimates)))[:28]])
    assert far <= set(shown)
    assert {"S07", frame["study"][int(estimates.argmax())]} <= set(shown)
    assert "Of 90 studies the 30 that move the estimate most are shown." in texts(ax)
    assert "of 90 studies" in description_of(figure_of(ax)).text
    assert len(lines(leave_one_out_plot(frame, fold=False), "_interval")) == 90
    steps = frame.assign(k=range(1, 91))
    course = cumulative_plot(steps)
    assert len(lines(course, "_interval")) == 30
    assert {"S00", "S89", "Of 90 steps 30 at equal distances are shown."} <= set(texts(course))
    assert len(lines(cumulative_plot(steps, fold=False), "_interval")) == 90


def test_of_many_studies_influence_shows_the_influential_ones_and_the_largest():
    result = mn.influence(fit_of("sixty"))
    frame = result.to_frame()
    shown = {t.get_text() for t in result.plot()[0].texts}
    assert set(frame["study"][frame["influential"]]) <= shown
    assert frame["study"][int(frame["cook_d"].argmax())] in shown
    assert len(shown & set(frame["study"])) == 30
    assert set(frame["study"]) <= {t.get_text() for t in result.plot(fold=False)[0].texts}
