"""Nothing on a forest plot overlaps, leaves the canvas or warns, whatever the data."""

from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from metanet.base.errors import MetanetWarning
from metanet.figures.forest.forest import forest
from metanet.figures.page.text import AlignedLabel
from tests.figures.cases import ALL, boxes, figure_of, fit_of, lines, with_columns

#: Boxes are rounded to pixels by the renderer.
PIXEL = 1.0


def _reach(a, b):
    """How far the boxes of two lists reach into each other, in pixels ``[a, b]``; zero or less where they do not."""
    a, b = np.asarray(a)[:, None], np.asarray(b)[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    return (high - low).min(-1)


def check_texts(ax, dpi):
    """No text meets another or leaves the canvas."""
    figure = ax.get_figure(root=True)
    found = boxes(ax, dpi)
    assert len(found) > 5
    names, extents = [text for text, _ in found], np.array([box.extents for _, box in found])
    outside = (extents[:, :2] < 0) | (extents[:, 2:] > [figure.bbox.x1, figure.bbox.y1])
    assert not outside.any(), [names[i] for i in np.flatnonzero(outside.any(-1))]
    met = _reach(extents, extents) >= PIXEL
    np.fill_diagonal(met, False)
    assert not met.any(), [(names[i], names[j]) for i, j in np.argwhere(met)]
    return names, extents


def _check(ax, dpi):
    names, extents = check_texts(ax, dpi)
    marks = [line.get_window_extent() for name in ("_interval", "_prediction", "_arrow") for line in lines(ax, name)]
    marks += [c.get_tightbbox() for c in ax.collections]
    met = _reach(extents, [ax.get_window_extent().extents, *(m.extents for m in marks)]) >= PIXEL
    assert not met.any(), [names[i] for i in np.flatnonzero(met.any(-1))]


@pytest.mark.parametrize("name", ALL)
def test_no_text_meets_another_or_a_mark_or_leaves_the_canvas(name):
    _check(forest(fit_of(name)), 144)


@pytest.mark.parametrize("name", ["twelve", "long names", "rare"])
def test_the_same_holds_at_print_resolution_with_every_option(name):
    second = fit_of("inverse variance") if name == "twelve" else None
    ax = forest(fit_of(name), title="Objective response " * 12, second=second, columns=("rate", "events/total", "weight"))
    _check(ax, 300)


def test_columns_of_the_data_have_their_place():
    ax = forest(with_columns(), columns=("year", "certainty", "events/total", "rate", "weight", "dose"))
    _check(ax, 144)


@pytest.mark.parametrize("size", [(7.0, 6.0), (12.0, 8.0), (5.0, 3.6)])
def test_a_table_fits_into_axes_that_are_given(size):
    figure = Figure(figsize=size)
    ax = figure.add_axes((0.1, 0.05, 0.88, 0.9))
    place = ax.get_position()
    with nullcontext() if size[0] > 6 else pytest.warns(MetanetWarning, match="too small"):
        assert forest(fit_of("twelve"), ax=ax) is ax
    assert tuple(figure.get_size_inches()) == size
    _check(ax, 200)
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in boxes(ax, 200):
        # A pixel or two of hinting apart, the whole table stays within the place that the axes had.
        assert box.x0 >= place.x0 * width - 2, text
        assert box.x1 <= place.x1 * width + 2, text
        assert box.y0 >= place.y0 * height - 2, text
        assert box.y1 <= place.y1 * height + 2, text


def test_subfigures_hold_forests_side_by_side():
    figure = Figure(figsize=(16, 6))
    left, right = figure.subfigures(1, 2)
    a, b = forest(fit_of("twelve"), ax=left.add_subplot()), forest(fit_of("near zero"), ax=right.add_subplot())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    middle = figure.bbox.width / 2
    assert max(t.get_window_extent(renderer).x1 for t in a.texts) <= middle
    assert min(t.get_window_extent(renderer).x0 for t in b.texts) >= middle


def test_axes_too_small_to_read_are_drawn_with_a_warning():
    figure = Figure(figsize=(2.0, 1.2))
    with pytest.warns(MetanetWarning, match="too small"):
        forest(fit_of("twelve"), ax=figure.add_subplot())


def test_pieces_of_one_number_keep_apart_and_stand_under_each_other():
    ax = forest(fit_of("near all"))
    figure = figure_of(ax)
    renderer = figure.canvas.get_renderer()
    rates = [t for t in ax.texts if isinstance(t, AlignedLabel) and " to " in t.get_text()]
    assert len(rates) == 8
    ends = []
    for text in rates:
        extents = [part.get_window_extent(renderer) for part in text._placed()]
        assert all(a.x1 < b.x0 for a, b in pairwise(extents))
        # Estimates end under one another and intervals begin so, one space after them.
        ends.append((extents[0].x1 if len(extents) > 1 else None, extents[-1].x0))
    for column in zip(*ends, strict=True):
        there = [x for x in column if x is not None]
        assert max(there) - min(there) <= 1.5
    assert not any("  " in text.get_text() for text in rates)


def test_labels_of_one_row_share_a_baseline():
    ax = forest(fit_of("twelve"))
    by_row = {}
    for text in ax.texts:
        if text.get_verticalalignment() == "baseline" and 0 < text.get_position()[1] < ax.get_ylim()[0]:
            by_row.setdefault(round(text.get_position()[1], 6), []).append(text.get_text())
    # The average and the prediction interval have a label and numbers.
    assert sorted(map(len, by_row.values())) == [2, 2] + [4] * 13


def test_text_moves_with_the_panel_when_a_figure_is_saved_tight_or_resized():
    ax = forest(fit_of("two"))
    figure = figure_of(ax)
    before = {t.get_text(): t.get_window_extent().x0 / figure.bbox.width for t in figure.findobj(Text) if t.get_text()}
    panel = ax.get_position().x0
    figure.set_size_inches(*(2 * figure.get_size_inches()))
    figure.canvas.draw()
    assert ax.get_position().x0 == panel
    for text in ax.texts:
        if not isinstance(text, AlignedLabel) and text.get_horizontalalignment() == "left":
            assert text.get_window_extent().x0 / figure.bbox.width == pytest.approx(before[text.get_text()], abs=2e-3)
