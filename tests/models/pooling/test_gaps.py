"""Missing values, rows that sum the others, and counts that are whole but for rounding, in `pool` and in `metanet pool`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.base.gaps import is_gap, names_sum
from metanet.cli import cli

GAPS = ["NA", "N/A", "NR", "n/r", "-", ".", "", "  ", None, float("nan"), pd.NA]
NAMES = ["Adam", "Berg", "Cruz", "Diaz"]


@pytest.mark.parametrize("gap", GAPS, ids=repr)
def test_a_missing_value_is_named_with_its_study_and_the_way_out_that_works(gap):
    frame = pd.DataFrame({"study": NAMES, "events": [12, gap, 9, 20], "total": [40, 30, 51, 44]}, dtype=object)
    with pytest.raises(mn.ArgumentError, match=r"events\[1\]=.* \(study 'Berg'\) is missing.*missing='skip'"):
        mn.pool(frame)
    fit = mn.pool(frame, missing="skip")
    assert (fit.k, fit.events, fit.n) == (3, 41, 135)
    assert "1 study left out, because a number is missing: Berg." in fit.notes
    assert fit.estimate == mn.pool(events=[12, 9, 20], total=[40, 51, 44]).estimate


def test_every_missing_value_is_named_in_one_message():
    with pytest.raises(mn.ArgumentError) as caught:
        mn.pool(events=[1, None, 3, "NR"], total=[10, 20, np.nan, 30], study=NAMES)
    for words in ("events[1]=None (study 'Berg')", "total[2]=nan (study 'Cruz')", "events[3]='NR' (study 'Diaz') are missing"):
        assert words in str(caught.value)


def test_a_column_that_one_word_made_text_is_read_as_the_numbers_that_it_has(tmp_path):
    (tmp_path / "sheet.csv").write_text("study,events,total\nAdam,12,40\nBerg,NR,30\nCruz,9,51\n")
    frame = pd.read_csv(tmp_path / "sheet.csv", dtype=str)
    assert mn.pool(frame, missing="skip").events == 21


@pytest.mark.parametrize("events", [["12", "9,5"], ["12", "about 9"], ["12", "1,234"], [12, "9"]])
def test_texts_that_are_no_plain_numbers_stay_refused(events):
    with pytest.raises(mn.ArgumentError, match=r"events\[1\]=.* is not a number"):
        mn.pool(events=events, total=[4000, 3000])


def test_nothing_but_gaps_is_refused():
    with pytest.raises(mn.ArgumentError, match="No study has events and total"):
        mn.pool(events=["NA", None], total=[10, 20], missing="skip")


def test_groups_name_the_studies_that_they_left_out():
    frame = pd.DataFrame({"g": list("aabb"), "study": NAMES, "events": [1, "NR", 3, 4], "total": [10, 20, 30, 40]})
    with pytest.raises(mn.ArgumentError, match=r"In the group g='a': .*'Berg'.* is missing.*missing='skip'"):
        mn.pool_many(frame, "g")
    pooled = mn.pool_many(frame, "g", missing="skip")
    assert pooled["k"].tolist() == [1, 2]
    assert ["Berg" in notes for notes in pooled["notes"]] == [True, False]


@pytest.mark.parametrize(
    "name", ["Total", "Overall", "Sum", "All", "Pooled", "TOTAL (95% CI)", "Grand total", "All studies", "Subtotal:"]
)
def test_a_row_that_is_called_a_sum_is_refused_and_pooled_without_it(name):
    frame = pd.DataFrame({"study": ["Adam", "Berg", name], "events": [1, 2, 3], "total": [10, 20, 30]})
    assert names_sum(name)
    with pytest.raises(mn.ArgumentError, match=r"study\[2\]=.*count twice"):
        mn.pool(frame)
    assert mn.pool(frame[:2]).k == 2


@pytest.mark.parametrize(
    "name", ["Totaro 2001", "Allan", "Sumner 2004", "Pool", "All-Ages Trial", "Overall Survival Study Group 2004"]
)
def test_a_study_is_not_taken_for_a_sum(name):
    assert not names_sum(name)


def test_a_sum_whose_name_is_in_an_unnamed_column_is_refused():
    frame = pd.DataFrame({"who": ["Adam", "Berg", "Overall"], "events": [1, 2, 3], "total": [10, 20, 30]})
    with pytest.raises(mn.ArgumentError, match=r"Row 2 of data .'Overall'. has the sums"):
        mn.pool(frame)


def test_a_study_that_equals_the_sum_of_the_others_is_noted():
    note = "Diaz has exactly the sums of the other studies. Check that it is a study."
    assert note in mn.pool(events=[1, 2, 3, 6], total=[10, 20, 9, 39], study=NAMES).notes
    assert note not in mn.pool(events=[1, 2, 3, 6], total=[10, 20, 9, 40], study=NAMES).notes


def test_a_study_without_patients_is_refused_by_its_name_with_the_fix():
    with pytest.raises(mn.ArgumentError, match=r"total\[1\]=0 \(study 'Berg'\).*leave the study out"):
        mn.pool(events=[1, 0], total=[10, 0], study=NAMES[:2])


def test_counts_that_are_whole_but_for_rounding_are_whole():
    events = [0.29 * 100, 3.0]
    assert events[0] != 29
    assert mn.pool(events=events, total=[100, 1.1 * 10]).events == 32
    assert mn.pool_arrays(events=[events], total=[[100, 11]]).estimate == mn.pool_arrays(events=[[29, 3]], total=[[100, 11]]).estimate
    assert (
        mn.effect_sizes(measure="PLO", events=events, total=[100, 11])["yi"].tolist()
        == mn.effect_sizes(measure="PLO", events=[29, 3], total=[100, 11])["yi"].tolist()
    )
    with pytest.raises(mn.ArgumentError, match="not a whole number"):
        mn.pool(events=[28.9999], total=[100])


def _pool(path, *more):
    return CliRunner().invoke(cli, ["pool", str(path), "--events", "Response", "--total", "n", "--study", "Author", *more])


@pytest.mark.parametrize("gap", ["", " ", "NA", "NR", "-"])
def test_the_command_names_every_row_and_its_fix_works(tmp_path, gap):
    path = tmp_path / "sheet.csv"
    path.write_text(f"Author,n,Response\nAdam,40,12\nBerg,30,{gap}\nCruz,NR,7\nDiaz,44,28.999999999999996\n")
    fault = str(_pool(path).exception)
    assert "line 3 (Berg, Response) and line 4 (Cruz, n)" in fault
    assert "--skip-missing" in fault
    shown = _pool(path, "--skip-missing")
    assert shown.exit_code == 0, shown.output
    assert "2 studies left out, because a number is missing: Berg and Cruz." in shown.output


@pytest.mark.parametrize("text", ["none", "0", "Adam", "12"])
def test_a_value_is_no_gap(text):
    assert not is_gap(text)
