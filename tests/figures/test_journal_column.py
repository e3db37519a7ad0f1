"""Figures laid out for the column of a journal: its width exactly, texts apart, a warning where they get too small."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

import metanet as mn
from metanet.base.errors import ArgumentError, MetanetWarning
from metanet.figures.page.canvas import COLUMNS, column_width
from tests.figures.cases import figure_of, fit_of
from tests.figures.chart_cases import calibration_of, comparison_of, gosh_of, influence_of, multiverse_of
from tests.figures.forest.test_forest_layout import check_texts

DRAWN = {
    "forest": lambda: fit_of("twelve").forest(),
    "leave-one-out": lambda: mn.leave_one_out(fit_of("twelve")).plot(),
    "funnel": lambda: fit_of("twelve").funnel(),
    "drapery": lambda: fit_of("twelve").drapery(),
    "radial": lambda: fit_of("twelve").radial(),
    "baujat": lambda: fit_of("twelve").baujat(),
    "influence": lambda: influence_of("twelve").plot()[0],
    "gosh": lambda: gosh_of("twelve").plot(),
    "specification curve": lambda: multiverse_of("effects").plot(),
    "comparison": lambda: comparison_of("hard").forest(),
    "calibration": lambda: calibration_of("twelve").plot(),
}


@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_as_wide_as_its_column_and_its_texts_keep_apart(name, width):
    with column_width(width), warnings.catch_warnings():
        warnings.simplefilter("ignore", MetanetWarning)
        ax = DRAWN[name]()
    assert figure_of(ax).get_size_inches()[0] * 25.4 == pytest.approx(COLUMNS[width], rel=2e-3)
    # At the resolution of print, where hinting moves small letters least.
    check_texts(ax, 300)


def test_text_keeps_its_size_where_there_is_room():
    with column_width("double"):
        ax = fit_of("twelve").forest()
    assert {t.get_fontsize() for t in ax.texts if t.get_text() == "Study"} == {9.0}


def test_a_column_too_narrow_to_read_is_told():
    with column_width(45), pytest.warns(MetanetWarning, match="too narrow"):
        fit_of("twelve").forest()


def test_given_axes_keep_their_place():
    figure = Figure(figsize=(9, 7))
    with column_width("single"):
        fit_of("twelve").funnel(ax=figure.add_subplot())
    assert tuple(figure.get_size_inches()) == (9, 7)


def test_the_width_ends_with_its_block_also_after_an_error():
    natural = figure_of(fit_of("two").funnel()).get_size_inches()
    with pytest.raises(ZeroDivisionError), column_width(60):
        raise ZeroDivisionError
    np.testing.assert_array_equal(figure_of(fit_of("two").funnel()).get_size_inches(), natural)


@pytest.mark.parametrize("width", ["tripel", 10, -3, float("nan"), True, None, 5000])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ArgumentError, match="width"), column_width(width):
        pass
