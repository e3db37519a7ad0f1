"""The PRISMA 2020 flow diagram: its boxes, its arrows, what is left out, and what it refuses."""

from __future__ import annotations

import re
import warnings
from itertools import combinations, pairwise

import pytest
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

import metanet as mn
from metanet.base.errors import DataError
from metanet.figures.page.save import FORMATS, description_of
from tests.evidence.search import FLOW, UPDATED
from tests.figures.chart_cases import shown_texts
from tests.figures.every_kind import figure
from tests.figures.test_chart_layout import check

_OTHER = ("other_", "website", "organisation", "citations")
ONLY = {key: n for key, n in FLOW.items() if not key.startswith(_OTHER)} | {"new_studies": "24", "new_reports": "25"}
_LONG = (
    "Population was not the one of the protocol, because more than half of the patients had another primary tumour, 25; "
    "Outcome reported per lesion, and no counts of patients could be obtained from the authors, 15"
)
SHAPES = {
    "two columns": ONLY,
    "with a meta-analysis": {**ONLY, "total_studies_ma": "20", "total_reports_ma": "21"},
    "other methods": FLOW,
    "an updated review": UPDATED,
    "an updated review without other methods": {**ONLY, **{key: n for key, n in UPDATED.items() if key.startswith("previous")},
                                                "total_studies": "34", "total_reports": "37"},
    "twenty reasons": {**UPDATED, "dbr_excluded": "; ".join(f"Reason {i}, 2" for i in range(20))},
    "long reasons": {**FLOW, "dbr_excluded": _LONG},
    "many databases": {**ONLY, "database_specific_results": "; ".join(f"Database {i}, 40" for i in range(10))},
    "large numbers": {"database_results": 123_456, "duplicates": 23_456, "records_screened": 100_000, "records_excluded": 99_000},
    "other methods alone": {key: n for key, n in FLOW.items() if key.startswith(_OTHER)} | {"new_reports": "2"},
    "one number": {"new_studies": 3},
    "no reasons": {**ONLY, "dbr_excluded": "40"},
}  # fmt: skip


def drawn(name: str, **options):
    return mn.prisma_flow(SHAPES[name]).figure(**options)


def boxes_of(ax):
    """Left, right, top and bottom of every box, heading and bar."""
    found = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return [(p.get_x(), p.get_x() + p.get_width(), p.get_y(), p.get_y() + p.get_height(), p) for p in found]


def words(ax) -> str:
    return " ".join(text.get_text() for text in shown_texts(figure(ax)))


@pytest.mark.parametrize("name", SHAPES)
def test_no_text_and_no_box_meets_another(name):
    ax = drawn(name)
    check(ax, 130)
    for (l0, r0, t0, b0, _), (l1, r1, t1, b1, _) in combinations(boxes_of(ax), 2):
        assert min(r0, r1) <= max(l0, l1) + 1e-9 or min(b0, b1) <= max(t0, t1) + 1e-9


@pytest.mark.parametrize("name", SHAPES)
def test_arrows_follow_the_axes_and_cross_no_box(name):
    ax = drawn(name)
    lines = [line for line in ax.lines if isinstance(line, Line2D)]
    assert lines or name == "one number"
    for line in lines:
        path = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
        for (x0, y0), (x1, y1) in pairwise(path):
            assert x0 == pytest.approx(x1) or y0 == pytest.approx(y1)
            for left, right, top, bottom, _ in boxes_of(ax):
                inside = (
                    max(min(x0, x1), left + 1e-6) < min(max(x0, x1) + 1e-9, right - 1e-6)
                    and max(min(y0, y1), top + 1e-6) < min(max(y0, y1) + 1e-9, bottom - 1e-6)
                )  # fmt: skip
                assert not inside


@pytest.mark.parametrize("name", SHAPES)
def test_texts_stay_in_their_boxes(name):
    ax = drawn(name)
    root = figure(ax)
    root.set_dpi(130)
    root.draw_without_rendering()
    frames = [patch.get_window_extent() for patch in ax.patches if isinstance(patch, Rectangle)]
    for text in ax.texts + [a for a in ax.artists if hasattr(a, "get_text")]:
        if text.get_label() in ("_name", "_text"):
            extent = text.get_window_extent()
            assert any(f.x0 <= extent.x0 and extent.x1 <= f.x1 and f.y0 <= extent.y0 and extent.y1 <= f.y1 for f in frames), text


@pytest.mark.parametrize("name", SHAPES)
def test_no_letter_is_below_six_points_at_17_centimetres(name):
    with mn.column_width(170), warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = drawn(name)
    check(ax, 130)
    assert min(text.get_fontsize() for text in shown_texts(figure(ax))) >= 6
    own = drawn(name)
    shrunk = min(1.0, 170 / 25.4 / figure(own).get_figwidth())
    assert min(text.get_fontsize() for text in shown_texts(figure(own))) * shrunk >= 5.99


@pytest.mark.parametrize("name", SHAPES)
def test_the_alternative_text_is_short_and_the_description_is_the_flow_in_words(name):
    flow = mn.prisma_flow(SHAPES[name])
    title, alt, text = description_of(figure(flow.figure()))
    assert title == "PRISMA 2020 flow diagram"
    assert 30 < len(alt) < 300
    assert text == f"PRISMA 2020 flow diagram. {flow.sentence()}"


def test_the_acceptance_numbers_are_in_their_boxes():
    shown = words(drawn("other methods"))
    for text in ("Databases (n = 400)", "Registers (n = 20)", "(n = 70)", "(n = 350)", "(n = 280)", "(n = 40)", "No rate (n = 15)"):
        assert text in shown
    _, alt, _ = description_of(figure(drawn("other methods")))
    assert alt == (
        "PRISMA 2020 flow diagram: 420 records identified, 350 screened, 70 reports sought, 65 assessed, 40 excluded, 5 of other "
        "methods assessed, 27 reports included, 24 studies included."
    )


def test_columns_and_boxes_without_numbers_are_left_out():
    assert "other methods" not in words(drawn("two columns"))
    assert "revious" not in words(drawn("other methods"))
    assert "meta-analysis" not in words(drawn("two columns"))
    assert "meta-analysis" in words(drawn("with a meta-analysis"))
    assert "total" in words(drawn("an updated review"))
    zeros = {"website_results": 0, "other_sought_reports": 0, "other_assessed": 0, "previous_studies": 0, "total_studies_ma": 0}
    assert words(mn.prisma_flow({**ONLY, **zeros}).figure()) == words(drawn("two columns"))


def test_many_reasons_are_told_together_and_the_caption_says_so():
    names = {f"Reason {i}": 1 for i in range(65)}
    ax = mn.prisma_flow({"dbr_assessed": 70, "dbr_excluded": names, "new_reports": 5}).figure()
    # As many as a page has room for, none lost: those of the list and the rest are all.
    listed = int(re.search(r"the first (\d+) entries", ax.metanet_caption)[1])
    rest = int(re.search(r"(\d+) more \(n = \1\)", words(ax))[1])
    assert listed + rest == 65
    assert ax.get_figure(root=True).get_size_inches()[1] * 72 <= 750


def test_a_flow_with_a_sum_that_does_not_hold_is_not_drawn():
    with pytest.raises(DataError, match="30, but reports assessed 65"):
        mn.prisma_flow({**FLOW, "new_reports": "30"}).figure()


def test_a_review_without_a_flow_says_so_in_the_figure():
    ax = mn.prisma_flow(mn.load_evidence()).figure()
    assert "has no flow of its search" in words(ax)


def test_headings_are_grey_and_every_format_is_written(tmp_path):
    ax = drawn("an updated review")
    assert sum(patch.get_facecolor() == pytest.approx((0.929, 0.929, 0.929, 1), abs=0.01) for patch in ax.patches) == 3
    files = mn.save_figure(ax, tmp_path / "flow", FORMATS)
    assert [file.suffix for file in files] == [f".{name}" for name in FORMATS]
    assert "Wrong population" in files[0].read_text(encoding="utf-8")
