"""Evidence and reports as people see them, with cell text that nobody can trust."""

from __future__ import annotations

import html.parser
import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from metanet.base.untrusted import html_text, listing, visible

HOSTILE = '<script>alert("$x$")</script>'


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)


def tags(text):
    parser = Tags()
    parser.feed(text)
    return parser.names


def test_the_summary_counts_and_gives_each_problem_a_line(folder):
    folder.set("arms.csv", 2, "n", "many")
    folder.set("arms.csv", 3, "pct_male", "40%")
    folder.files["zzz.csv"] = b"a\n"
    lines = str(folder.validate()).splitlines()
    assert lines[0].endswith(": 2 problems, 1 notice; 4 tables, 19 rows read")
    assert lines[2:5] == [
        "Problems:",
        "  arms.csv:2:n: 'many' is not a number. Fix: Write a number in digits",
        "  arms.csv:3:pct_male: '40%' has a per cent sign. Fix: Write 40 alone",
    ]


def test_notices_are_only_counted_where_they_are_not_asked_for(folder):
    folder.add("arms.csv", study_id="Baker2012", arm="later")
    report = folder.validate()
    assert len(report.notices) == 1
    assert "later" in report.summary()
    assert "later" not in report.summary(notices=False)
    assert "1 notice" in report.summary(notices=False)


def test_the_table_of_a_report_has_a_row_for_each_finding(folder):
    folder.set("arms.csv", 2, "n", "many")
    folder.files["zzz.csv"] = b"a\n"
    frame = folder.validate().to_frame()
    assert frame[["severity", "file", "row", "column", "value"]].astype(object).where(frame.notna(), None)[
        ["severity", "file", "row", "column", "value"]
    ].to_numpy().tolist() == [["problem", "arms.csv", 2, "n", "many"], ["notice", "zzz.csv", None, None, None]]


def test_a_report_without_findings_is_an_empty_table(folder):
    frame = folder.validate().to_frame()
    assert len(frame) == 0
    assert list(frame.columns) == ["severity", "file", "row", "column", "value", "wrong", "fix"]


def test_a_report_is_json(folder):
    folder.set("arms.csv", 2, "n", "many")
    made = json.loads(json.dumps(folder.validate().to_dict()))
    assert made["ok"] is False
    assert made["problems"][0]["column"] == "n"


@pytest.mark.parametrize("column", ["n", "study_id", "modality"])
def test_html_in_a_cell_is_shown_and_not_obeyed(folder, column):
    folder.set("arms.csv", 2, column, HOSTILE)
    made = folder.validate()._repr_html_()
    assert tags(made) <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert "&lt;script&gt;" in made
    assert made.startswith('<div class="metanet tex2jax_ignore mathjax_ignore">')


def test_html_in_a_column_name_is_shown_and_not_obeyed(folder):
    folder.files["arms.csv"] = folder.files["arms.csv"].replace(b"pct_g1", b"<img src=x>")
    made = folder.validate()._repr_html_()
    assert "img" not in tags(made)
    assert "&lt;img src=x&gt;" in made


@pytest.mark.parametrize("place", ["cell", "header", "file", "arm"])
def test_control_characters_never_reach_a_terminal(folder, place):
    evil = "\x1b[2J\u202e\x07"
    if place == "cell":
        folder.set("arms.csv", 2, "n", evil)
    elif place == "header":
        folder.files["arms.csv"] = folder.files["arms.csv"].replace(b"pct_g1", evil.encode())
    elif place == "file":
        folder.files[f"arms{evil}.csv"] = folder.files.pop("arms.csv")
    else:
        folder.set("objective_response.csv", 2, "arm", evil)
    report = folder.validate()
    assert not report.ok
    for text in (str(report), repr(report), report._repr_html_()):
        assert all(character.isprintable() or character == "\n" for character in text)


def test_a_very_long_list_is_cut_in_the_text_and_whole_in_the_problems(folder):
    rows = folder.rows("arms.csv")
    folder.put("arms.csv", [rows[0], *([row[0], f"a{i}", *row[2:4], "x", *row[5:]] for i in range(300) for row in rows[1:2])])
    report = folder.validate()
    assert sum(problem.column == "n" for problem in report.problems) == 300
    assert f"and {len(report.problems) - 200} more" in str(report)


@given(st.text(st.characters(), max_size=30))
def test_visible_text_is_one_printable_line_and_plain_text_stays(text):
    shown = visible(text)
    assert "\n" not in shown
    shown.encode("utf-8")
    assert not any(ord(c) < 32 or c in "\u202e\u200b\u2028" for c in shown)
    if text.isascii() and text.isprintable():
        assert shown == text


@given(st.text(max_size=30))
def test_html_text_has_no_markup(text):
    assert tags(html_text(text)) == set()
    assert '"' not in html_text(text)


def test_a_long_list_ends_in_how_many_more():
    assert listing("abc") == "a, b and c"
    assert listing(range(12), 3) == "0, 1, 2 and 9 more"


# Evidence


def test_evidence_says_what_it_is_in_one_line(curated):
    assert repr(curated) == (
        f"<Evidence: the curated tables of metanet; 150 studies, 169 arms, 334 rows of 11 outcomes, sha256 {curated.fingerprint[:12]}>"
    )


def test_evidence_in_a_notebook_is_escaped_and_not_typeset(folder):
    folder.path = folder.path.parent / "a<b>$x$"
    folder.path.mkdir()
    made = folder.load()._repr_html_()
    assert "a&lt;b&gt;$x$" in made
    assert 'class="metanet tex2jax_ignore mathjax_ignore"' in made
    assert "objective_response" in made


def test_the_long_table_of_outcomes_holds_every_row(curated):
    assert len(curated.outcomes) == 334
    assert set(curated.outcomes["outcome"]) == set(curated.outcome_names)
    kept = curated.outcomes.query("outcome == 'mortality' and study_id == 'PMID37022773'")
    assert kept[["events", "total"]].to_numpy().tolist() == [[11, 1163]]


def test_the_published_rates_are_there(curated):
    devcic = curated.published.query("key == 'Devcic2014' and outcome == 'objective_response'")
    assert devcic[["estimate", "studies", "patients"]].to_numpy().tolist() == [[0.50, 12, 435]]


def test_evidence_can_be_sent_to_another_process(curated):
    sent = pickle.loads(pickle.dumps(curated))
    for outcome in curated.outcome_names:
        assert sent.rates(outcome).equals(curated.rates(outcome))
    assert sent.fingerprint == curated.fingerprint


def test_evidence_is_frozen(curated):
    with pytest.raises(AttributeError):
        curated.path = None


def test_equal_tables_have_equal_fingerprints_and_one_changed_cell_another(folder):
    first = folder.load().fingerprint
    assert folder.load().fingerprint == first
    folder.set("objective_response.csv", 2, "note", "x")
    assert folder.load().fingerprint != first


def test_a_file_that_is_not_evidence_does_not_move_the_fingerprint(folder):
    first = folder.load().fingerprint
    folder.files["README.md"] = b"words"
    assert folder.load().fingerprint == first


def test_importing_the_room_loads_neither_pandas_nor_frictionless():
    code = "import sys, metanet.evidence; print(sorted({'pandas', 'frictionless', 'numpy'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_reading_the_curated_tables_takes_no_descriptor_check():
    # That check compiles the grammars of URIs and takes over a second.
    code = "import sys; from metanet.evidence import load_evidence; load_evidence(); print('jsonschema' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
