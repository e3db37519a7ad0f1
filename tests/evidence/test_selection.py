"""What is said of a selection holds for the rows that are there, or is not said."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import metanet as mn
from metanet.evidence.selection import selection_of


@pytest.fixture(scope="module")
def rates():
    return mn.load_evidence().rates("objective_response", modality="TARE")


def _text(frame):
    return mn.report_text(mn.pool(frame, study="study")).items.get("13a", "")


def _numbers(frame, tmp_path):
    mn.save_results(tmp_path, mn.pool(frame), rates=frame)
    return json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))


def test_the_whole_selection_is_claimed(rates, tmp_path):
    record = selection_of(rates)
    assert record is not None
    assert record.is_whole
    assert "left out afterwards" not in _text(rates)
    saved = _numbers(rates, tmp_path)
    assert saved["evidence"] == rates.attrs["fingerprint"]
    assert saved["removed"] == {}
    assert saved["selection"]["modality"] == ["TARE"]


@pytest.mark.parametrize("how", ["mask", "head", "drop", "query", "explorer"])
def test_rows_removed_by_hand_are_counted(rates, how, tmp_path):
    names = rates["study"].tolist()
    part = {
        "mask": lambda: rates[rates["study"] != names[0]],
        "head": lambda: rates.iloc[1:],
        "drop": lambda: rates.drop(index=rates.index[0]),
        "query": lambda: rates.query(f"study != {names[0]!r}"),
        "explorer": lambda: rates[~rates["study"].isin([names[0]])],
    }[how]()
    assert f"Of the {len(names)} rows of this selection 1 was left out afterwards (for a reason not recorded)." in _text(part)
    saved = _numbers(part, tmp_path)
    assert saved["removed"] == {names[0]: ""}
    # The digest is that of all rows of the selection.
    assert saved["evidence"] is None
    assert names[0] in mn.left_out_table(part).summary()


def test_the_reason_of_update_and_subset_is_recorded(rates):
    fit = mn.pool(rates)
    name = rates["study"].iloc[0]
    assert "1 was left out afterwards (by name)" in mn.report_text(fit.update(without=name)).items["13a"]
    text = mn.report_text(fit.subset("year > 2012").update(without="Fan 2016")).items["13a"]
    assert "by the condition year > 2012, 11; by name, 1" in text


def test_rows_that_are_not_of_the_selection_claim_nothing(rates, tmp_path):
    other = mn.load_evidence().rates("objective_response", modality="PRRT")
    changed = rates.assign(events=rates["events"].where(rates.index != 0, rates["events"] + 1))
    renamed = rates.assign(study=[f"Study {place}" for place in range(len(rates))])
    file = tmp_path / "rates.csv"
    rates.to_csv(file, index=False)
    left = pd.DataFrame({"study_id": rates["study_id"], "extra": 1})
    joined = rates.merge(left, on="study_id")
    twice = pd.concat([rates, rates.iloc[:1]], ignore_index=True)
    for frame in (
        pd.concat([rates, other], ignore_index=True),
        changed,
        renamed,
        pd.read_csv(file),
        twice,
        rates.drop(columns="study").assign(name=rates["study"]),
    ):
        assert selection_of(frame) is None
        fit = mn.pool(frame)
        text = mn.report_text(fit, rates=frame)
        assert "13a" not in text.items
        assert "was excluded" not in text.methods
        saved = _numbers(frame, tmp_path / "out")
        assert (saved["selection"], saved["evidence"], saved["left_out"], saved["removed"]) == (None, None, [], {})
    # A join that keeps every row once keeps what is true of them.
    record = selection_of(joined)
    assert record is None or record.is_whole


def test_a_frame_of_ones_own_claims_no_selection():
    frame = pd.DataFrame({"study": ["A", "B", "C"], "events": [4, 9, 12], "total": [20, 31, 40]})
    text = mn.report_text(mn.pool(frame), rates=frame)
    assert "13a" not in text.items
    assert "Certainty" not in text.results
    assert "marked" not in text.methods


def test_the_certainty_that_an_import_wrote_is_not_called_a_judgement(tmp_path):
    from metanet.reviews.importing import import_review
    from metanet.reviews.new import new_review

    review = new_review(tmp_path / "mine", outcomes=["response"], modalities=["Drug"])
    (tmp_path / "table.csv").write_text("study,events,total\nAdam 2010,4,20\nBaker 2012,9,31\nClark 2015,3,9\n", encoding="utf-8")
    import_review("csv", tmp_path / "table.csv", review, values=["modality=Drug", "modality_class=Drug"], outcomes=["response"])
    rates = mn.load_evidence(review).rates("response")
    results = mn.report_text(mn.pool(rates), rates=rates).results
    assert "Certainty of the counts: not yet judged (3)" in results
    assert "moderate" not in results
    assert "moderate" not in mn.study_table(rates).summary()
    assert "moderate" not in mn.characteristics_table(rates).summary()


def test_notes_of_a_selection_are_true_of_the_rows_that_are_left(rates, tmp_path):
    assert rates.attrs["notes"] == ["Units are mixed: 12 rows of procedures and 6 rows of patients."]
    for unit, note in {"patients": [], "procedures": ["Every row counts procedures, not patients."]}.items():
        part = rates[rates["unit"] == unit]
        assert selection_of(part).notes == note
        assert _numbers(part, tmp_path / unit)["notes"] == note
        assert "mixed" not in repr(mn.heading(part, "TARE", mn.pool(part)))
    part = rates[(rates["unit"] == "procedures") | (rates["study"] == "Fan 2016")]
    assert selection_of(part).notes == ["Units are mixed: 12 rows of procedures and 1 row of patients."]
    every = mn.load_evidence().rates("objective_response", modality="PRRT", overlap="keep_all")
    assert any("Patients may be counted twice" in note for note in every.attrs["notes"])
    assert selection_of(every.drop_duplicates("overlap_group")).notes == []
    warsaw = every[every["overlap_group"] == "Warsaw_PRRT"]
    assert len(warsaw) > 1
    assert selection_of(warsaw).notes == [
        "Patients may be counted twice: 1 group of overlapping cohorts with several reports each (Warsaw PRRT)."
    ]


def test_a_report_that_gave_way_to_one_that_was_removed_says_so():
    prrt = mn.load_evidence().rates("objective_response", modality="PRRT")
    kept = prrt[prrt["study_id"] == "Kunikowska2011"]
    assert len(kept) == 2
    reasons = {entry["study"]: entry["reason"] for entry in selection_of(prrt.drop(index=kept.index)).left_out}
    assert reasons["Cwikla 2008"] == (
        "shares patients (Warsaw PRRT) with Kunikowska 2011, which was kept at first and removed afterwards"
    )
    # One of its arms still counts.
    reasons = {entry["study"]: entry["reason"] for entry in selection_of(prrt.drop(index=kept.index[0])).left_out}
    assert reasons["Cwikla 2008"].endswith("which is kept")


def test_rows_that_were_not_pooled_are_refused_wherever_they_are_given(rates, tmp_path):
    fit = mn.pool(rates)
    part = fit.subset("year > 2012")
    other = mn.load_evidence().rates("objective_response", modality="PRRT")
    changed = rates.assign(study=[f"Study {place}" for place in range(len(rates))], events=rates["events"] // 2)
    for result, frame in ((part, rates), (fit, other), (fit, changed)):
        for call in (
            lambda result=result, frame=frame: mn.report_text(result, rates=frame),
            lambda result=result, frame=frame: mn.save_results(tmp_path, result, rates=frame),
            lambda result=result, frame=frame: mn.heading(frame, "TARE", result),
        ):
            with pytest.raises(mn.ArgumentError, match="Fix: give the frame that was pooled, or leave rates out"):
                call()
    # Rows in another order, and counts that were given as sequences, are those that were pooled.
    assert "13a" in mn.report_text(fit, rates=rates.sample(frac=1, random_state=1)).items
    assert "13a" in mn.report_text(mn.pool(events=rates["events"], total=rates["total"]), rates=rates).items


def test_the_outcome_of_a_selection_is_not_claimed_of_other_counts_of_its_frame(rates, tmp_path):
    frame = rates.assign(others=rates["total"] - rates["events"])
    fit = mn.pool(frame, events="others", total="total")
    assert "13a" not in mn.report_text(fit, rates=frame).items
    mn.save_results(tmp_path, fit, rates=frame)
    saved = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert (saved["selection"], saved["evidence"], saved["evidence_name"]) == (None, None, None)


def test_edited_rows_are_not_said_to_be_of_the_evidence(rates, tmp_path):
    assert _numbers(rates, tmp_path / "a")["evidence_name"] == "the curated tables of metanet"
    changed = rates.assign(events=rates["events"].where(rates.index != 0, rates["events"] + 1))
    assert _numbers(changed, tmp_path / "b")["evidence_name"] is None
