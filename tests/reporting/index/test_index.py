"""The list of reports: what it holds, that nothing but its own script runs, that it is the same for the same reports."""

import base64
import hashlib
import json
import re

import pytest

import metanet as mn
from metanet.reporting.index.index import SCRIPT, write_index
from metanet.reporting.index.lines import read_reports
from tests.work import counted, not_hanging


def put(out, folder, numbers, about=None, files=("report.html", "report.ipynb")):
    place = out / folder
    place.mkdir(parents=True)
    (place / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")
    (place / "about.json").write_text(json.dumps(about or {}), encoding="utf-8")
    for name in files:
        (place / name).write_text("", encoding="utf-8")


def rate(outcome="objective_response", group="TARE", estimate=0.4, **more):
    result = {
        "status": "pooled", "model": "bayes", "estimate": estimate, "ci_lower": estimate / 2, "ci_upper": min(1, estimate * 1.5),
        "marginal_estimate": estimate, "marginal_ci_lower": estimate / 2,
        "marginal_ci_upper": min(1, estimate * 1.6), "pi_lower": 0.01, "pi_upper": 0.99, "k": 7, "events": 30, "n": 100,
    }  # fmt: skip
    return {"outcome": outcome, "label": outcome.replace("_", " ").capitalize(), "modality_class": group, "result": result} | more


@pytest.fixture
def out(tmp_path):
    put(tmp_path, "objective_response/TARE", rate(), files=("report.html", "report.ipynb", "report.pdf", "forest.svg"))
    put(tmp_path, "objective_response/TARE.v", rate(variant="overlap keep_all"))
    put(tmp_path, "disease_control/TACE", rate("disease_control", "TACE", 0.9))
    put(tmp_path, "disease_control/PRRT", {"outcome": "disease_control", "modality_class": "PRRT", "error": "E: x"})
    title = {"title": "TARE: summary of findings", "sentence": "Per 1000."}
    put(tmp_path, "analyses/findings/TARE", title, {"subset": [None, "TARE"]})
    return tmp_path


def test_every_report_is_a_row_with_links_to_files_that_are_there(out):
    text = write_index(out).read_text(encoding="utf-8")
    assert len(re.findall(r'<tr[^>]* data-outcome="', text)) == 5
    for link in re.findall(r'href="([^"#:,]+)"', text):
        assert (out / link).is_file(), link
    assert 'href="objective_response/TARE/report.pdf"' in text
    assert "objective_response/TARE.v/report.pdf" not in text
    assert "TARE (overlap keep_all)" in text
    assert "4 reports, 3 of them pooled, 1 failed" in text


def test_rows_stand_in_the_order_of_the_evidence(out):
    rates, analyses, _ = read_reports(out, mn.load_evidence())
    assert [report.folder for report in rates] == [
        "objective_response/TARE", "objective_response/TARE.v", "disease_control/PRRT", "disease_control/TACE",
    ]  # fmt: skip
    assert [report.subset for report in analyses["findings"]] == [("", "TARE")]


def test_the_policy_lets_the_one_script_run_and_nothing_be_loaded(out):
    text = write_index(out).read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert script == f"\n{SCRIPT}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.count("script-src") == 1
    assert "unsafe-inline" not in policy.replace("style-src 'unsafe-inline'", "")
    assert not re.search(r"\s(on\w+|srcdoc)=", text.replace(SCRIPT, ""))


def test_hostile_names_are_text(tmp_path):
    evil = "<script>alert(1)</script>\"' onx=1"
    put(tmp_path, "a/b", rate(outcome=evil, group=evil, label=evil, variant=evil, definition=evil))
    put(tmp_path, "analyses/findings/x", {"title": evil, "sentence": evil}, {"subset": [evil, evil]})
    text = write_index(tmp_path).read_text(encoding="utf-8")
    assert text.count("<script") == 1
    assert "<script" not in (tmp_path / "overview.svg").read_text(encoding="utf-8")


def test_equal_reports_have_equal_pages_and_the_overview_is_drawn_once(out, monkeypatch):
    first = write_index(out).read_bytes()
    drawn = (out / "overview.png").stat().st_mtime_ns
    assert write_index(out).read_bytes() == first
    assert (out / "overview.png").stat().st_mtime_ns == drawn
    (out / ".metanet" / "overview.json").unlink()
    assert write_index(out).read_bytes() == first
    put(out, "disease_control/TAE", rate("disease_control", "TAE", 0.5))
    assert write_index(out).read_bytes() != first


def test_a_changed_overview_is_drawn_anew(out):
    write_index(out)
    good = (out / "overview.svg").read_bytes()
    (out / "overview.svg").write_bytes(b"<svg>other</svg>")
    write_index(out)
    assert (out / "overview.svg").read_bytes() == good


def test_the_overview_says_in_words_what_it_shows(out):
    text = write_index(out).read_text(encoding="utf-8")
    (alt,) = re.findall(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="([^"]+)"', text)
    assert alt.startswith("Overview of pooled rates in % of patients of ")
    assert "Objective response 40.0 % (TARE)" in alt
    assert len(alt) < 300
    assert "PRRT" not in alt


def cells(text, group):
    """The cells of the row of a modality class, and the class of the row."""
    (row,) = re.findall(rf'<tr([^>]*) data-outcome="[^"]*" data-group="{group}">(.*?)</tr>', text)
    return row[0].strip(), [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row[1])]


def test_median_and_average_stand_side_by_side_with_their_intervals(tmp_path):
    put(tmp_path, "a/TARE", rate(group="TARE"))
    mean = rate(group="mean")
    mean["result"] |= {"model": "beta_binomial", "median": 0.35}
    put(tmp_path, "a/mean", mean)
    single = rate(group="one")
    single["result"] |= {"status": "not pooled", "k": 1}
    put(tmp_path, "a/one", single)
    text = write_index(tmp_path).read_text(encoding="utf-8")
    assert cells(text, "TARE")[1][2:6] == ["40.0", "20.0 to 60.0", "40.0", "20.0 to 64.0"]
    # The interval of a beta-binomial model is that of its mean.
    assert cells(text, "mean")[1][2:6] == ["35.0", "–", "40.0", "20.0 to 64.0"]
    assert cells(text, "one")[1][2:6] == ["40.0", "20.0 to 60.0", "–", "–"]


def test_intervals_that_say_nothing_are_faint_and_worded(tmp_path):
    wide = rate(group="wide")
    wide["result"] |= {"ci_lower": 0.05, "ci_upper": 0.9}
    put(tmp_path, "a/wide", wide)
    put(tmp_path, "a/clear", rate(group="clear"))
    none = rate(group="none", estimate=0.01)
    none["result"] |= {"events": 0}
    put(tmp_path, "a/none", none)
    text = write_index(tmp_path).read_text(encoding="utf-8")
    assert cells(text, "wide")[0] == 'class="faint"'
    assert cells(text, "wide")[1][9] == "pooled; too few data to tell"
    assert cells(text, "clear")[0] == ""
    assert cells(text, "clear")[1][9] == "pooled"
    assert cells(text, "none")[1][9] == "pooled; no events: estimate partly from the prior"
    assert "Grey: the interval is wider than 60 points, too few data to tell." in text


def test_a_folder_without_reports_has_an_empty_list(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "numbers.json").write_text("[1, 2")
    text = write_index(tmp_path).read_text(encoding="utf-8")
    assert "0 reports" in text
    assert "<img" not in text


def test_odd_numbers_do_not_stop_the_list(tmp_path):
    odd = rate()
    odd["result"] |= {"estimate": "inf", "k": None, "ci_lower": True, "pi_upper": 7}
    odd["result"].pop("events")
    put(tmp_path, "a/b", {"result": [1]})
    put(tmp_path, "a/c", {"result": None, "outcome": 3, "modality_class": 4})
    put(tmp_path, "a/d", odd, {"subset": 5})
    assert "3 reports" in write_index(tmp_path).read_text(encoding="utf-8")


def test_the_calls_for_a_list_of_reports_are_in_proportion_to_them(tmp_path):
    evidence = mn.load_evidence()
    studies = [{"study": f"Study {i}", "events": i, "total": 100} for i in range(40)]
    calls = []
    for many in (100, 400, 1000):
        out = tmp_path / str(many)
        for number in range(many):
            numbers = rate(f"outcome_{number // 20}", f"group {number % 20}", 0.001 + number / 1001)
            numbers["result"]["studies"] = studies
            put(out, f"outcome_{number // 20}/group_{number % 20}", numbers)
        # Counting costs more than listing; what it says of four hundred is true of a thousand.
        with counted() if many < 1000 else not_hanging() as work:
            text = write_index(out, evidence).read_text(encoding="utf-8")
        calls.append(work)
        assert text.count('<th scope="row">') == many
    assert calls[1].calls < 4.4 * calls[0].calls


def test_reports_on_rows_that_are_gone_are_not_listed_and_named_below(out):
    """The invented studies of a new review, after an import has removed them."""
    put(out, "response/Treatment", rate("response", "Treatment"), {"subset": ["response", "Treatment"], "evidence": "x"})
    put(out, "objective_response/Other", rate(group="Other"), {"subset": ["objective_response", "Other"], "evidence": "x"})
    put(out, "analyses/comparison/response", {"title": "Compared", "sentence": "x"}, {"subset": ["response", None]})
    put(out, "analyses/benefit_risk/a", {"title": "Both", "sentence": "x"}, {"subset": [["objective_response", "response"], None]})
    put(out, "objective_response/PRRT", rate(group="PRRT"), {"subset": ["objective_response", "PRRT"], "evidence": "x"})
    rates, _, gone = read_reports(out, mn.load_evidence())
    assert {report.folder for report in gone} == {
        "response/Treatment", "objective_response/Other", "analyses/comparison/response", "analyses/benefit_risk/a",
    }  # fmt: skip
    assert "objective_response/PRRT" in {report.folder for report in rates}
    text = write_index(out, mn.load_evidence()).read_text(encoding="utf-8")
    assert 'href="response/Treatment' not in text
    assert "Not listed: 4 earlier reports on rows that the evidence no longer has" in text
    # Nothing of them is deleted, and without evidence nothing is known to be gone.
    assert (out / "response/Treatment/report.html").is_file()
    assert not read_reports(out, None)[2]
