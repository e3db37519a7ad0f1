"""The audit of the counts: what each row rests on, wrong denominators, totals of one arm, counts of 0."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import metanet as mn
from metanet.evidence.proof.printed import parse
from metanet.evidence.proof.rows import closes, noticed, says_none, verdict

FILE = "objective_response.csv"


def put(folder, line, **cells):
    for column, value in cells.items():
        folder.set(FILE, line, column, value)


def only(audit, outcome="Objective response"):
    (row,) = audit.counts[audit.counts["outcome"] == outcome].to_dict("records")
    return row


def test_each_row_is_counted_by_what_it_rests_on(folder):
    # Line 3 is 18 of 45, 40 %: one count fits.
    put(folder, 2, events="20", derived="true", derivation="39% of 443", printed="39% of 443")
    put(folder, 4, derived="true", derivation="30% of 30")
    put(folder, 5, derived="true", derivation="all but 24 of them")
    put(folder, 6, derived="true", derivation="x", printed="26% of 40")
    found = mn.audit(folder.load(check=False))
    row = only(found)
    kinds = {name: row[name] for name in ("rows", "as_printed", "one", "several", "unfit", "percentage", "otherwise", "unrecorded")}
    assert kinds == {"rows": 5, "as_printed": 0, "one": 1, "several": 0, "unfit": 2, "percentage": 1, "otherwise": 1, "unrecorded": 0}
    # 39 % of 443 and 26 % of 40 do not fit; 30 % has no figures.
    assert (row["from_percentages"], row["proved"]) == (4, 1)
    assert found.unfit["why"].tolist()[0] == "is 171, 172, 173 or 174, and the events are 20"
    assert "26 % of 40 is no whole number" in found.unfit["why"][1]
    assert found.unproved["from_percentage"].tolist() == [True, False]
    assert found.total["rows"] == sum(found.counts["rows"])
    words = found.paragraphs()["figures"]
    assert "another denominator, a misprint and missing patients" in words
    assert "error" not in words


def test_an_open_count_is_listed_with_its_set(folder):
    folder.set("arms.csv", 2, "n", "500")
    put(folder, 2, events="173", total="443", derived="true", derivation="39% of 443 -> 173", printed="39% of 443")
    found = mn.audit(folder.load())
    assert found.open[["study", "printed", "events", "total", "fits"]].to_numpy().tolist() == [
        ["Adams 2010", "39% of 443", 173, 443, "171, 172, 173 or 174"]
    ]
    assert found.share_proved == 0.5
    assert "Of the 2 that are derived from percentages, 1 (50.0 %) is proved" in found.sentence()


@pytest.mark.parametrize(
    ("text", "events", "total", "kind"),
    [
        ("16.1% of 56", 9, 56, "proved"),
        ("39% of 443", 173, 443, "open"),
        ("39% of 443", 170, 443, "unfit"),
        ("20% of 200", 39, 39, "proved"),  # 39, 40 or 41, and none is above the total
        ("KM 20%", 4, 20, "unfit"),
        ("3 + 6", 9, 35, "proved"),
    ],
)
def test_a_row_is_proved_open_or_unfit(text, events, total, kind):
    found = verdict(text, events, total)
    assert ("proved" if found.proved else "open" if found.open else "unfit") == kind
    assert bool(found.why) == (kind == "unfit")


def test_a_wrong_denominator_is_noticed_where_no_count_fits():
    # Of 53 to 59 without 56, 16.1 % is a count of none.
    by_hand = [any(f"{100 * x / n:.1f}" == "16.1" for x in range(n + 1)) for n in (53, 54, 55, 57, 58, 59)]
    assert noticed(parse("16.1% of 56")) == (by_hand.count(False), 6)
    assert noticed(parse("50% of 2")) == (3, 4)  # 1, 3, 4 and 5: only 2 of 4 is 50 %
    assert noticed(parse("3 + 6")) is None


def test_a_sum_is_closed_where_the_total_minus_the_others_gives_the_same():
    assert closes(parse("3 + 6 = 35 - 21 - 5"), 35)
    assert not closes(parse("3 + 6"), 35)
    assert not closes(parse("3 + 6 = 25.7% of 35"), 35)
    assert not closes(parse("3 + 6 = 35 - 21 - 4"), 35)


@pytest.mark.parametrize(
    ("derivation", "said"),
    [
        ("no hepatotoxicity in any patient -> 0 of 79", True),
        ("None observed", True),
        ("without any mortality", True),
        ("0 of 44", True),
        ("0%", True),
        ("deaths did not occur", True),
        ("free of complications", True),
        ("no deaths were reported", True),
        ("events listed are lymphopenia only -> 0 hepatic of 15", False),
        ("not reported -> 0", False),
        ("hepatic events are not explicitly mentioned", False),
        ("no mention of liver failure", False),
        ("grade 3 in 0.5% to 10%", False),
        ("another study; noted", False),
        ("10 of 20 lesions", False),
        ("", False),
    ],
)
def test_a_word_of_absence_is_a_whole_word_about_the_patients(derivation, said):
    assert says_none(derivation) is said


def test_counts_of_0_without_such_a_word_are_listed(folder):
    put(folder, 2, events="0", derived="true", derivation="liver events are not reported")
    put(folder, 3, events="0", derived="true", derivation="0% of 45", printed="0% of 45")
    put(folder, 4, events="0")
    put(folder, 5, events="0", derived="true", derivation="none of 31")
    found = mn.audit(folder.load())
    assert found.zeros[["study", "total", "derivation"]].to_numpy().tolist() == [["Adams 2010", 50, "liver events are not reported"]]
    assert found.paragraphs()["zeros"].startswith(
        "4 counts are 0: 1 printed as such, 1 with printed figures, 1 derived with a word that nobody had the outcome"
    )


def test_different_totals_in_one_arm_are_listed_with_their_notes(folder):
    rows = folder.rows(FILE)
    folder.put("complete_response.csv", rows)
    folder.set("complete_response.csv", 2, "events", "1")
    folder.set("complete_response.csv", 2, "total", "40")
    folder.set("complete_response.csv", 2, "note", "Ten had no scan.")
    # Another time point is another question.
    folder.set("complete_response.csv", 3, "total", "44")
    folder.set("complete_response.csv", 3, "timepoint_months", "6")
    put(folder, 3, timepoint_months="3")
    found = mn.audit(folder.load())
    assert found.arms.to_numpy().tolist() == [
        ["Adams 2010", "Complete response 40; objective response 50", "Complete response: Ten had no scan."]
    ]
    assert "They differ in 1 arm." in found.paragraphs()["arms"]


def test_the_curated_totals_agree_with_a_comparison_by_hand(curated):
    nested = {"complete_response": 0, "objective_response": 1, "disease_control": 2}
    rows = curated.outcomes[curated.outcomes["outcome"].isin(nested)]
    groups = rows.groupby(["study_id", "arm", "unit"])
    several = groups.filter(lambda part: part["outcome"].nunique() > 1).groupby(["study_id", "arm", "unit"])
    found = mn.audit(curated)
    assert found._facts["compared"] == several.ngroups
    assert len(found.arms) == sum(part["total"].nunique() > 1 for _, part in several)


def test_every_curated_row_is_in_one_column(curated):
    found = mn.audit(curated)
    kinds = found.counts[["as_printed", "one", "several", "unfit", "percentage", "otherwise", "unrecorded"]]
    assert kinds.sum(axis=1).tolist() == found.counts["rows"].tolist()
    assert found.total["rows"] == len(curated.outcomes)
    assert found.unfit.empty
    assert 0 < found.share_noticed < 1


def test_an_audit_needs_no_column_beside_the_counts(folder):
    """A contract of its own: study, arm, events and total."""
    described = {
        "name": "own",
        "resources": [
            {
                "name": name,
                "path": f"{name}.csv",
                "metanet": {"role": role},
                "schema": {
                    "fields": [{"name": column, "type": kind, "constraints": {"required": True}} for column, kind in columns.items()]
                },
            }
            for name, role, columns in (
                ("studies", "studies", {"study_id": "string", "year": "integer"}),
                ("arms", "arms", {"study_id": "string", "arm": "string", "modality": "string", "modality_class": "string"}),
                ("cured", "outcome", {"study_id": "string", "arm": "string", "events": "integer", "total": "integer"}),
            )
        ],
    }
    folder.files = {
        "datapackage.json": json.dumps(described).encode(),
        "studies.csv": b"study_id,year\nA,2001\nB,2002\n",
        "arms.csv": b"study_id,arm,modality,modality_class\nA,all,x,x\nB,all,x,x\n",
        "cured.csv": b"study_id,arm,events,total\nA,all,0,9\nB,all,3,9\n",
    }
    found = mn.audit(folder.load())
    assert found.total["unrecorded"] == 2
    assert (
        found.sentence() == "2 counts in 1 table, all without a record of how they were obtained. None is derived from a percentage."
    )
    words = found.paragraphs()
    assert words["figures"] == "No count has printed figures."
    assert words["zeros"] == "1 count is 0: 1 without a record of how the count was obtained."
    assert words["denominators"] == "No count has a printed percentage that could be held against its denominator."
    for part in ("counts", "open", "unfit", "unproved", "denominators", "decimals", "arms", "zeros"):
        table = mn.audit_table(found, part)
        assert table.to_html()
        assert isinstance(table.to_frame(), pd.DataFrame)
        assert bool(table.rows) == (part == "counts")
    assert "Not recorded" in mn.audit_table(found).labels


def test_rows_without_an_arm_are_named_as_left_out(folder):
    folder.set(FILE, 6, "study_id", "Nobody1999")
    found = mn.audit(folder.load(check=False))
    assert found.notes == ("1 row without a study or an arm in the tables is not part of the audit.",)
    assert only(found)["rows"] == 4


def test_the_tables_print_the_numbers_of_the_audit(curated):
    found = mn.audit(curated)
    table = mn.audit_table(found, "counts")
    assert table.closing[0][1] == str(found.total["rows"])
    assert table.to_frame()["proved"].sum() == found.total["proved"]
    for part in ("open", "unproved", "denominators", "decimals", "zeros"):
        assert len(mn.audit_table(found, part).rows) == len(getattr(found, part))
