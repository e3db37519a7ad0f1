"""The overview of many pooled rates."""

import numpy as np
import pytest

from metanet.base.errors import ArgumentError
from metanet.figures.page import style
from metanet.figures.page.save import description_of, save_figure, svg_image
from metanet.figures.plots.overview import OverviewRow, overview

ROWS = [
    OverviewRow("Response", "TARE", 18, 0.423, 0.324, 0.528, 0.129, 0.785, average=0.431),
    OverviewRow("Response", "ablation", 1, 0.8, 0.4, 0.97, pooled=False),
    OverviewRow("Mortality", "TACE", 6, 0.035, 0.014, 0.084, 0.014, 0.09, old=True),
    OverviewRow("Mortality", "nothing", None, None, None, None),
]


def texts(axes):
    return [t.get_text() for ax in axes.get_figure(root=True).axes for t in ax.texts] + [
        a.get_text() for ax in axes.get_figure(root=True).axes for a in ax.artists if hasattr(a, "get_text")
    ]


def test_every_outcome_has_a_panel_with_its_rows_and_numbers():
    axes = overview(ROWS)
    panels = axes.get_figure(root=True).axes
    assert len(panels) == 2
    assert [len([line for line in ax.lines if line.get_label() == "_rate"]) for ax in panels] == [2, 1]
    shown = texts(axes)
    for words in ("Response", "Mortality", "TARE", "TACE *", "Median, %", "42.3", "32.4 to 52.8", "Average, %", "43.1", "18"):
        assert words in shown, words


def test_marks_stand_at_the_numbers():
    line = {m.get_label(): m for m in overview(ROWS).lines if m.get_ydata()[0] == 0.5}
    assert np.allclose(line["_rate"].get_xdata(), 42.3)
    assert np.allclose(line["_interval"].get_xdata(), [32.4, 52.8])
    assert np.allclose(line["_prediction"].get_xdata(), [12.9, 78.5])


def test_what_is_not_pooled_is_hollow_and_said():
    axes = overview(ROWS)
    hollow = [m.get_markerfacecolor() == "white" for m in axes.lines if m.get_label() == "_rate"]
    assert hollow == [False, True]
    alt = description_of(axes.get_figure(root=True)).text
    assert "ablation 80.0 % (40.0 to 97.0; k 1, not pooled)" in alt
    assert "TACE 3.5 % (1.4 to 8.4; k 6, made from an earlier version of the evidence)" in alt


def test_rows_whose_interval_says_nothing_are_grey_and_said():
    axes = overview([*ROWS, OverviewRow("Response", "TAE", 2, 0.4, 0.05, 0.9)])
    wide = [m for m in axes.lines if m.get_ydata()[0] == 2.5 and m.get_label() in ("_rate", "_interval")]
    assert {m.get_color() for m in wide} == {style.VAGUE}
    clear = [m for m in axes.lines if m.get_ydata()[0] == 0.5 and m.get_label() in ("_rate", "_interval")]
    assert {m.get_color() for m in clear} == {style.SQUARE}
    alt = description_of(axes.get_figure(root=True)).text
    assert "TAE 40.0 % (5.0 to 90.0; k 2, too few data to tell)" in alt
    assert any("Grey rows: the interval is wider than 60 points" in " ".join(text.split()) for text in texts(axes))


def test_each_outcome_has_an_axis_that_holds_its_intervals():
    first, second = overview(ROWS).get_figure(root=True).axes
    assert first.get_xlim() == (0, 100)
    assert second.get_xlim() == (0, 10)


def test_nothing_to_draw_is_said():
    assert "no pooled rate" in svg_image(overview([]))[1]


def test_a_long_list_is_cut_and_says_so():
    many = [OverviewRow(f"o{i // 10}", f"m{i}", 3, 0.5, 0.4, 0.6) for i in range(200)]
    assert "40 more rows in the list" in description_of(overview(many).get_figure(root=True)).text


def test_hostile_and_long_names_are_text(tmp_path):
    rows = [OverviewRow("$x^2$\n" * 30, "<script>\u202e" + "w" * 300, 3, 0.5, 0.4, 0.6)]
    (path,) = save_figure(overview(rows), tmp_path / "a", ("svg",))
    assert "<script" not in path.read_text(encoding="utf-8")


def test_two_drawings_have_the_same_bytes():
    assert svg_image(overview(ROWS)) == svg_image(overview(ROWS))


def test_other_rows_are_refused():
    with pytest.raises(ArgumentError, match="OverviewRow"):
        overview([{"outcome": "x"}])
