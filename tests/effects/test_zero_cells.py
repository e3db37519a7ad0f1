"""The zero-cell rules: which studies, which cells, which row; the numbers are written out by hand."""

import numpy as np
import pytest

from metanet.effects.formulas import RULES, one_group, one_rate, two_groups, two_rates
from metanet.effects.measures import MEASURES

EVENTS, TOTAL = [0, 4, 20], [20, 20, 20]


@pytest.mark.parametrize(
    ("to", "events", "others"),
    [
        ("only0", [0.5, 4, 20.5], [20.5, 16, 0.5]),
        ("if0all", [0.5, 4.5, 20.5], [20.5, 16.5, 0.5]),
        ("all", [0.5, 4.5, 20.5], [20.5, 16.5, 0.5]),
        ("none", [0, 4, 20], [20, 16, 0]),
    ],
)
def test_each_rule_adds_to_both_cells_of_its_studies(to, events, others):
    made = one_group(EVENTS, TOTAL, to=to)
    assert [cell.tolist() for cell in made.cells] == [events, others]
    assert made.corrected.tolist() == [x != y for x, y in zip(events, EVENTS, strict=True)]


def test_if0all_leaves_a_table_without_empty_cells_alone_and_all_does_not():
    assert not one_group([4, 3], [20, 10], to="if0all").corrected.any()
    assert one_group([4, 3], [20, 10], to="all").corrected.all()


def test_if0all_looks_at_one_row_at_a_time():
    made = one_group([[0, 4], [3, 4]], [[20, 20], [20, 20]], to="if0all")
    assert made.corrected.tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("to", ["if0all", "all"])
def test_an_absent_study_is_neither_looked_at_nor_corrected(to):
    made = one_group([0, 4], [0, 20], to=to)
    assert made.present.tolist() == [False, True]
    assert made.corrected.tolist() == [False, to == "all"]
    assert two_groups([3, 4], [9, 20], [0, 3], [0, 10], to=to).corrected.tolist() == [False, to == "all"]
    assert two_rates([3, 4], [9, 20], [0, 3], [0, 10], to=to).corrected.tolist() == [False, to == "all"]


def test_two_groups_get_the_correction_on_all_four_cells():
    made = two_groups([0, 4], [20, 20], [3, 2], [10, 10], add=0.25)
    assert [cell.tolist() for cell in made.cells] == [[0.25, 4], [20.25, 16], [3.25, 2], [7.25, 8]]


def test_person_time_is_not_corrected():
    assert [cell.tolist() for cell in one_rate([0, 4], [2.5, 3]).cells] == [[0.5, 4]]
    assert [cell.tolist() for cell in two_rates([0, 4], [2.5, 3], [3, 2], [1, 1]).cells] == [[0.5, 4], [3.5, 2]]


def test_drop00_takes_out_studies_at_the_same_end_in_both_groups():
    counts = [0, 20, 0, 4], [20, 20, 20, 20], [0, 10, 3, 2], [10, 10, 10, 10]
    made = two_groups(*counts, drop00=True)
    assert made.dropped.tolist() == [True, True, False, False]
    assert made.present.tolist() == [False, False, True, True]
    assert made.corrected.tolist() == [False, False, True, False]
    assert not two_groups(*counts).dropped.any()


def test_drop00_with_person_time_looks_at_no_events_only():
    assert two_rates([0, 4, 0], [2, 2, 2], [0, 4, 1], [2, 2, 2], drop00=True).dropped.tolist() == [True, False, False]


def test_a_dropped_study_does_not_make_if0all_correct_the_others():
    counts = [0, 4], [20, 20], [0, 2], [10, 10]
    assert not two_groups(*counts, to="if0all", drop00=True).corrected.any()
    assert two_groups(*counts, to="if0all").corrected.all()


def test_adding_nothing_corrects_nothing():
    for to in RULES:
        assert not one_group(EVENTS, TOTAL, add=0, to=to).corrected.any()


def test_an_unknown_rule_is_refused_by_every_measure():
    for measure in MEASURES.values():
        with pytest.raises(ValueError, match="only0"):
            measure.effects(*([[1.0]] * len(measure.arguments)), to="zero")


def test_a_dropped_study_has_no_weight_and_says_so():
    made = MEASURES["OR"].effects([0, 4], [20, 20], [0, 2], [10, 10], drop00=True)
    assert made.dropped.tolist() == [True, False]
    assert (made.yi[0], made.vi[0]) == (0, np.inf)
    assert np.isfinite(made.vi[1])


@pytest.mark.parametrize(
    ("name", "counts", "undefined"),
    [
        ("PLN", ([0, 20, 4], [20, 20, 20]), [True, False, False]),
        ("PLO", ([0, 20, 4], [20, 20, 20]), [True, True, False]),
        ("PR", ([0, 20, 4], [20, 20, 20]), [False, False, False]),
        ("IRLN", ([0, 4], [2.5, 3]), [True, False]),
        ("OR", ([0, 4], [20, 20], [3, 2], [10, 10]), [True, False]),
        ("RR", ([20, 0, 4], [20, 20, 20], [10, 3, 2], [10, 10, 10]), [False, True, False]),
        ("PETO", ([0, 0, 4], [20, 20, 20], [3, 0, 2], [10, 10, 10]), [False, True, False]),
        ("IRR", ([0, 4], [2.5, 3], [3, 2], [1, 1]), [True, False]),
        ("RD", ([0, 4], [20, 20], [0, 2], [10, 10]), [False, False]),
        ("IRD", ([0, 4], [2.5, 3], [0, 2], [1, 1]), [False, False]),
    ],
)
def test_without_a_correction_an_effect_that_is_not_finite_has_no_weight(name, counts, undefined):
    made = MEASURES[name].effects(*counts, add=0)
    assert made.undefined.tolist() == undefined
    assert (made.vi[made.undefined] == np.inf).all()
    assert (made.yi[made.undefined] == 0).all()
    assert np.isfinite(made.vi[~made.undefined]).all()
