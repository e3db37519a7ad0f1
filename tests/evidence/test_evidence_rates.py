"""Selecting rates: which rows enter an analysis, and the reason for each that does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from metanet.base.errors import ArgumentError
from metanet.evidence.rates import choose_reports, row_labels, study_labels


def ids(frame):
    return frame["study_id"].tolist()


def left(frame):
    return {(entry["study_id"], entry["arm"]): entry["reason"] for entry in frame.attrs["left_out"]}


# Devcic 2014, whose study table is in the curated evidence


def test_the_twelve_studies_of_devcic_can_be_selected(curated):
    rates = curated.rates("objective_response", modality="TARE", overlap="keep_all")
    devcic = rates[rates["source"].str.contains("Devcic 2014")]
    assert len(devcic) == 12
    assert set(devcic["modality"]) == {"TARE-resin"}
    assert set(devcic["unit"]) == {"procedures"}
    assert (devcic["events"].sum(), devcic["total"].sum()) == (235, 435)
    kennedy = devcic.set_index("study_id").loc["Kennedy2008"]
    assert (kennedy["events"], kennedy["total"], kennedy["pct_pancreatic"]) == (117, 168, 19)


def test_mixed_units_are_said_in_a_note(curated):
    notes = curated.rates("objective_response", modality="TARE").attrs["notes"]
    assert "Units are mixed: 12 rows of procedures and 6 rows of patients." in notes


# Overlap


def test_keep_largest_keeps_one_report_of_a_cohort_and_names_it(folder):
    rates = folder.load().rates("objective_response", modality="TARE")
    assert ids(rates) == ["Adams2010", "Clark2015"]
    assert rates.attrs["left_out"] == [
        {
            "study": "Adams 2014",
            "study_id": "Adams2014",
            "arm": "all",
            "events": 18,
            "total": 45,
            "reason": "shares patients (Oslo) with Adams 2010, which is kept",
        }
    ]


def test_where_one_report_is_kept_nothing_is_said_to_count_twice(folder):
    assert folder.load().rates("objective_response").attrs["notes"] == []


def test_keep_newest_keeps_the_later_report(folder):
    rates = folder.load().rates("objective_response", overlap="keep_newest")
    assert "Adams2014" in ids(rates)
    assert "Adams2010" not in ids(rates)


def test_keep_all_keeps_both_and_says_what_is_counted_twice(folder):
    rates = folder.load().rates("objective_response", overlap="keep_all")
    assert {"Adams2010", "Adams2014"} < set(ids(rates))
    assert any("twice" in note and "Oslo" in note for note in rates.attrs["notes"])


def test_a_tie_in_size_goes_to_the_newer_report(folder):
    folder.set("objective_response.csv", 2, "total", "45")
    assert "Adams2014" in ids(folder.load().rates("objective_response"))


def test_a_report_keeps_all_of_its_arms(folder):
    folder.set("studies.csv", 4, "overlap_group", "Oslo")
    rates = folder.load().rates("objective_response")
    assert rates.loc[rates["study_id"] == "Baker2012", "arm"].tolist() == ["TACE", "TAE"]
    assert "Adams2010" not in ids(rates)  # 61 patients in two arms are more than 50 in one


def test_a_report_of_another_modality_displaces_none_in_this_one(folder):
    folder.set("studies.csv", 4, "overlap_group", "Oslo")
    assert "Adams2010" in ids(folder.load().rates("objective_response", modality="TARE"))


def test_a_report_that_cannot_be_pooled_displaces_none_that_can(folder):
    folder.set("objective_response.csv", 2, "poolable", "false")
    rates = folder.load().rates("objective_response")
    assert "Adams2014" in ids(rates)
    assert left(rates)["Adams2010", "all"].startswith("not poolable")


@pytest.mark.parametrize("outcome", ["objective_response", "disease_control", "mortality", "symptomatic_response"])
@pytest.mark.parametrize("policy", ["keep_largest", "keep_newest"])
def test_in_the_curated_evidence_no_cohort_is_in_one_selection_twice(curated, outcome, policy):
    rates = curated.rates(outcome, overlap=policy)
    grouped = rates[rates["overlap_group"] != ""]
    assert (grouped.groupby("overlap_group")["study_id"].nunique() == 1).all()


def test_the_curated_rotterdam_cohort_is_represented_by_its_largest_report(curated):
    everything = curated.rates("objective_response", modality="PRRT", overlap="keep_all")
    rotterdam = everything[everything["overlap_group"] == "Rotterdam_PRRT"]
    sizes = rotterdam.groupby("study_id")["total"].sum()
    assert len(sizes) > 1
    kept = curated.rates("objective_response", modality="PRRT")
    assert set(kept.loc[kept["overlap_group"] == "Rotterdam_PRRT", "study_id"]) == {sizes.idxmax()}
    reasons = left(kept)
    for study in set(sizes.index) - {sizes.idxmax()}:
        assert any(key[0] == study and "Rotterdam PRRT" in reason for key, reason in reasons.items())


@pytest.mark.parametrize("outcome", ["objective_response", "hepatotoxicity", "mortality", "local_control"])
@pytest.mark.parametrize("policy", ["keep_largest", "keep_newest", "keep_all"])
def test_no_row_vanishes_without_a_reason(curated, outcome, policy):
    rates = curated.rates(outcome, overlap=policy)
    rows = curated.outcomes[curated.outcomes["outcome"] == outcome]
    families = curated.definitions(outcome)
    if families:
        rows = rows[rows["definition"].isin(next(iter(families.values())))]
    assert len(rates) + len(rates.attrs["left_out"]) == len(rows)


reports = st.lists(
    st.fixed_dictionaries({"study_id": st.sampled_from("ABCDEFGH"), "arm": st.sampled_from("xyz"), "total": st.integers(1, 50)}),
    max_size=20,
    unique_by=lambda row: (row["study_id"], row["arm"]),
)


def cohort(rows):
    group = {name: ("", "g", "h")[place % 3] for place, name in enumerate("ABCDEFGH")}
    return [row | {"overlap_group": group[row["study_id"]], "year": 2000 + ord(row["study_id"]) % 4} for row in rows]


@given(reports, st.sampled_from(["keep_largest", "keep_newest"]))
def test_each_group_keeps_exactly_one_whole_report(rows, policy):
    rows = cohort(rows)
    kept, out, _ = choose_reports(rows, policy)
    assert len(kept) + len(out) == len(rows)
    for group in ("g", "h"):
        present = {row["study_id"] for row in rows if row["overlap_group"] == group}
        chosen = {row["study_id"] for row in kept if row["overlap_group"] == group}
        assert len(chosen) == min(1, len(present))
        assert {row["study_id"] for row, _ in out if row["overlap_group"] == group} == present - chosen
    assert [row for row in rows if not row["overlap_group"]] == [row for row in kept if not row["overlap_group"]]


@given(reports, st.randoms())
def test_the_order_of_the_rows_does_not_move_the_choice(rows, random):
    rows = cohort(rows)
    chosen = {row["study_id"] for row in choose_reports(rows, "keep_largest")[0]}
    random.shuffle(rows)
    assert {row["study_id"] for row in choose_reports(rows, "keep_largest")[0]} == chosen


# Definitions


def test_hepatotoxicity_is_graded_unless_said_otherwise_and_takes_the_widest_definition(folder):
    rates = folder.load().rates("hepatotoxicity")
    assert rates[["study_id", "definition", "events"]].to_numpy().tolist() == [
        ["Adams2010", "ctcae_grade3plus_any", 5],
        ["Clark2015", "ctcae_grade3plus_laboratory", 2],
    ]
    assert rates.attrs["definition"] == "graded"
    assert "the row for CTCAE grade 3 or worse (any) is kept" in left(rates)["Adams2010", "all"]
    assert any("biliary injury (1) and radioembolisation-induced liver disease (1)" in note for note in rates.attrs["notes"])


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("liver_failure", [("Adams2010", "reild")]),
        ("ctcae_grade3plus_laboratory", [("Adams2010", "ctcae_grade3plus_laboratory"), ("Clark2015", "ctcae_grade3plus_laboratory")]),
        ("structural", []),
        ("ascites_any_grade", []),
    ],
)
def test_a_family_or_one_definition_is_taken_alone(folder, definition, expected):
    rates = folder.load().rates("hepatotoxicity", definition=definition)
    assert list(zip(rates["study_id"], rates["definition"], strict=True)) == expected


@pytest.mark.parametrize("family", ["graded", "liver_failure", "structural", "other"])
def test_each_family_of_the_curated_evidence_holds_its_own_definitions_alone(curated, family):
    rates = curated.rates("hepatotoxicity", definition=family, poolable_only=False)
    assert set(rates["definition"]) <= set(curated.definitions("hepatotoxicity")[family])
    assert len(rates) > 0
    assert not rates.duplicated(["study_id", "arm"]).any()


def test_mortality_is_periprocedural_unless_said_otherwise(curated):
    assert set(curated.rates("mortality")["definition"]) == {"30-day or periprocedural"}
    assert set(curated.rates("mortality", definition="90-day", poolable_only=False)["definition"]) == {"90-day"}


def test_a_definition_for_an_outcome_without_definitions_is_an_error(curated):
    with pytest.raises(ArgumentError, match="has one definition"):
        curated.rates("objective_response", definition="graded")


def test_an_arm_counted_in_two_units_gives_one_row_of_patients(curated):
    rates = curated.rates("local_control", poolable_only=False, overlap="keep_all")
    assert not rates.duplicated(["study_id", "arm"]).any()
    kose = rates.set_index("study_id").loc["Kose2020"]
    assert (kose["unit"], kose["events"], kose["total"]) == ("patients", 101, 129)
    assert "another unit (lesions)" in left(rates)["Kose2020", "all"]


# Other filters


def test_a_class_and_its_modalities_select_the_same_rows(curated):
    by_class = curated.rates("objective_response", modality="TARE")
    names = ["TARE-resin", "TARE-glass", "TARE-Ho166", "TARE-unspecified"]
    by_modality = curated.rates("objective_response", modality=names)
    assert by_class["study"].tolist() == by_modality["study"].tolist()
    assert set(by_class["modality_class"]) == {"TARE"}


def test_one_modality_is_narrower_than_its_class(curated):
    rates = curated.rates("objective_response", modality="TARE-resin")
    assert set(rates["modality"]) == {"TARE-resin"}


def test_a_certainty_is_the_least_one(folder):
    evidence = folder.load()
    assert "Clark2015" in ids(evidence.rates("objective_response", certainty="low"))
    moderate = evidence.rates("objective_response", certainty="moderate", overlap="keep_all")
    assert ids(moderate) == ["Adams2010", "Baker2012", "Baker2012", "Adams2014"]
    assert left(moderate)["Clark2015", "all"] == "certainty is low, below moderate"
    assert "Adams2014" not in ids(evidence.rates("objective_response", certainty="high", overlap="keep_all"))


def test_rows_not_for_pooling_come_only_when_asked_for(curated):
    alone = curated.rates("technical_success")
    assert alone.empty
    assert alone.attrs["notes"] == ["No row fits this selection."]
    assert alone.attrs["left_out"][0]["reason"] == "not poolable: counts lesions"
    assert len(curated.rates("technical_success", poolable_only=False)) == 1


def test_an_empty_selection_has_the_same_columns_and_types(curated):
    assert curated.rates("technical_success").dtypes.equals(curated.rates("objective_response").dtypes)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"outcome": "objective_respons"}, "Did you mean 'objective_response'"),
        ({"outcome": "Objective_response"}, "Did you mean 'objective_response'"),
        ({"outcome": None}, "outcome=None must be a text"),
        ({"modality": "TARA"}, "Did you mean 'TARE'"),
        ({"modality": "tare"}, "Did you mean 'TARE'"),
        ({"modality": ["TARE", "TARE-resine"]}, "Did you mean 'TARE-resin'"),
        ({"modality": []}, "empty list"),
        ({"modality": 3}, "modality=3 must be a text or a sequence"),
        ({"overlap": "keep_larges"}, "Did you mean 'keep_largest'"),
        ({"certainty": "hihg"}, "Did you mean 'high'"),
        ({"outcome": "hepatotoxicity", "definition": "grade"}, "Did you mean 'graded'"),
        ({"poolable_only": "no"}, "poolable_only='no' must be True or False"),
    ],
)
def test_an_unknown_word_is_an_error_with_the_nearest_known(curated, arguments, words):
    with pytest.raises(ArgumentError) as caught:
        curated.rates(**({"outcome": "objective_response"} | arguments))
    assert words in str(caught.value)


# The frame


def test_the_frame_names_the_columns_that_analyses_call(curated):
    frame = curated.rates("objective_response")
    assert list(frame.columns[:11]) == [
        *("study", "study_id", "arm", "modality", "modality_class", "events", "total", "year", "unit", "criteria"),
        "definition",
    ]
    for name in ("pct_pancreatic", "median_age", "n", "source_locator", "double_extracted", "overlap_group"):
        assert name in frame
    assert frame["events"].dtype == "int64"
    assert frame["pct_pancreatic"].dtype == "float64"


def test_the_attributes_are_plain_json(curated):
    for outcome in curated.outcome_names:
        attrs = curated.rates(outcome, modality=list(curated.modality_classes)).attrs
        assert json.loads(json.dumps(attrs)) == attrs


def test_the_attributes_survive_a_filter_and_a_copy(curated):
    frame = curated.rates("objective_response")
    assert frame[frame["year"] > 2010].copy().attrs == frame.attrs
    assert frame.attrs["label"] == "Objective response"
    assert frame.attrs["direction"] == "higher_is_better"


def test_changing_a_frame_changes_no_later_selection(folder):
    evidence = folder.load()
    before = evidence.rates("objective_response")
    evidence.outcomes.loc[:, "events"] = 0
    before.loc[:, "total"] = 1
    assert evidence.rates("objective_response")["events"].tolist() == [20, 9, 7, 10]


# Labels


def test_an_arm_is_named_only_where_its_study_has_several(folder):
    evidence = folder.load()
    both = evidence.rates("objective_response")["study"].tolist()
    assert both == ["Adams 2010", "Baker 2012 (TACE)", "Baker 2012 (TAE)", "Clark 2015"]
    assert evidence.rates("objective_response", modality="TAE")["study"].tolist() == ["Baker 2012"]


def test_reports_of_one_author_and_year_get_letters(curated):
    labels = curated.rates("objective_response", overlap="keep_all")["study"].tolist()
    assert {"Braat 2020a", "Braat 2020b"} <= set(labels)


def test_a_study_without_an_author_is_called_by_its_id(curated):
    labels = study_labels(curated.studies.to_dict("records"))
    assert labels["PMID28329738"] == "PMID28329738 2017"
    assert labels["Newcastle2024"] == "Newcastle 2024"


@pytest.mark.parametrize("policy", ["keep_largest", "keep_all"])
def test_every_label_of_the_curated_evidence_is_unique(curated, policy):
    for outcome in curated.outcome_names:
        labels = curated.rates(outcome, overlap=policy, poolable_only=False)["study"]
        assert labels.is_unique


names = st.sampled_from(["Lee", "Lee 2000", "Lee 2000a", "", "not printed", "O'Neil"])


@given(st.lists(st.tuples(names, st.integers(2000, 2001)), max_size=40))
def test_no_two_studies_ever_share_a_label(studies):
    rows = [{"study_id": f"S{i}", "first_author": name, "year": year} for i, (name, year) in enumerate(studies)]
    labels = study_labels(rows)
    assert len(set(labels.values())) == len(rows)


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["x", "x)", "A (x"])), unique=True, max_size=6))
def test_no_two_rows_ever_share_a_label(pairs):
    rows = [{"study_id": study, "arm": arm} for study, arm in pairs]
    made = row_labels(rows, {"A": "Lee 2000", "B": "Lee 2000 (x)"})
    assert len(set(made)) == len(rows)


# What there is to pool


def test_poolable_counts_what_rates_gives(curated):
    frame = curated.poolable()
    for row in frame.itertuples(index=False):
        rates = curated.rates(row.outcome, modality=row.modality_class)
        assert (row.k, row.arms) == (rates["study_id"].nunique(), len(rates))
        assert (row.events, row.total) == (rates["events"].sum(), rates["total"].sum())
    assert {"objective_response", "hepatotoxicity", "mortality"} <= set(frame["outcome"])


def test_poolable_by_a_definition_lists_the_outcomes_that_know_it(curated):
    frame = curated.poolable("90-day")
    assert set(frame["outcome"]) == {"mortality"}
    with pytest.raises(ArgumentError, match="Did you mean '90-day'"):
        curated.poolable("90day")


@pytest.mark.parametrize("by", ["modality_class", "modality"])
def test_overlap_decided_within_each_group_gives_the_rows_of_each_group_alone(curated, by):
    shared = 0
    for outcome in curated.outcome_names:
        rates = curated.rates(outcome, within=by)
        for name, part in rates.groupby(by):
            alone = curated.rates(outcome, modality=name)
            alone = alone[alone[by] == name]
            keys = ["study_id", "arm", "events", "total"]
            assert part[keys].values.tolist() == alone[keys].values.tolist()
        shared += len(rates) > len(curated.rates(outcome))
        assert rates.attrs["selection"]["within"] == by
    # Some cohort has reports in two groups.
    assert shared


def test_groups_of_another_column_are_refused(curated):
    with pytest.raises(ArgumentError, match=r"within='modality_clas' is not known\. Did you mean 'modality_class'"):
        curated.rates("objective_response", within="modality_clas")


def test_an_outcome_may_be_written_as_its_label(curated):
    for word in ("Objective response", "objective  RESPONSE", "objective_response"):
        assert curated.rates(word, modality="TARE").attrs["outcome"] == "objective_response"
        assert curated.label(word) == "Objective response"
        assert curated.fingerprint_of(word, "TARE") == curated.fingerprint_of("objective_response", "TARE")
    with pytest.raises(ArgumentError, match="Did you mean 'objective_response'"):
        curated.rates("objektive response")


def test_a_report_takes_the_label_of_an_outcome(curated):
    from metanet.reporting.run.batch import planned

    (job,) = planned(curated, "Objective response", "TARE")
    assert job.parameters["outcome"] == "objective_response"
    assert job.folder == "objective_response/TARE"
