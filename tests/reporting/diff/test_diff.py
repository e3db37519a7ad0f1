"""Changes between two runs: numbers, choices, rows, each row's own share; and nothing where nothing moved."""

from __future__ import annotations

import json
import shutil

import pytest

import metanet as mn
from metanet.cli import cli
from metanet.reporting.diff.compare import alike
from metanet.reporting.plan.jobs import Job
from metanet.reporting.run.run import ABOUT, about

BASE = [("A", 17, 33), ("B", 6, 9), ("C", 20, 51), ("D", 1, 8), ("E", 14, 30)]


@pytest.fixture
def run(tmp_path, notebook):
    """Writes a folder of reports as a run leaves it: folder -> rows (or another content of numbers.json)."""
    place = notebook("1")

    def make(name, reports, **options):
        for folder, content in reports.items():
            to = tmp_path / name / folder
            to.mkdir(parents=True)
            job = Job(place, {}, f"Report {folder}", folder, {"outcome": "x"})
            (to / ABOUT).write_text(json.dumps(about(job)))
            if isinstance(content, dict):
                (to / "numbers.json").write_text(json.dumps(content))
            else:
                import pandas as pd

                frame = pd.DataFrame(content, columns=["study_id", "events", "total"])
                mn.save_results(to, mn.pool(frame.assign(study=frame["study_id"], arm="all"), study="study", **options))
        return tmp_path / name

    return make


def test_equal_runs_have_not_moved(run):
    old, new = run("old", {"x/a": BASE}), run("new", {"x/a": BASE})
    found = mn.diff(old, new)
    assert found.same
    assert "No changes: 1 report" in found.sentence()
    assert found.rows().empty


def test_every_number_and_row_that_moved_is_told_with_its_own_share(run):
    changed = [("A", 20, 33), *BASE[1:3], BASE[4], ("F", 14, 17)]
    found = mn.diff(run("old", {"x/a": BASE}), run("new", {"x/a": changed}))
    old, new = (mn.pool(events=[r[1] for r in rows], total=[r[2] for r in rows]) for rows in (BASE, changed))
    change = found.changes[0]
    assert change.status == "changed"
    assert change.moved == pytest.approx(new.estimate - old.estimate, rel=1e-9)
    numbers = {name: (one, two) for name, one, two in change.numbers}
    for name in ("estimate", "ci_lower", "ci_upper", "tau", "events", "n"):
        assert numbers[name] == (pytest.approx(getattr(old, name)), pytest.approx(getattr(new, name)))
    assert "k" not in numbers
    rows = {row.study: row for row in change.rows}
    assert {name: row.what for name, row in rows.items()} == {"A": "changed", "D": "removed", "F": "added"}
    assert rows["A"].text == "17/33 → 20/33"
    alone = {"A": [("A", 20, 33), *BASE[1:]], "D": [row for row in BASE if row[0] != "D"], "F": [*BASE, ("F", 14, 17)]}
    for name, data in alone.items():
        fit = mn.pool(events=[r[1] for r in data], total=[r[2] for r in data])
        assert rows[name].shift == pytest.approx(fit.estimate - old.estimate, rel=1e-9)
    text = found.summary()
    assert "row changed: A 17/33 → 20/33 (alone: +" in text
    assert "percentage points" in text


def test_a_two_step_run_is_taken_apart_by_its_own_method(run):
    options = {"model": "inverse_variance", "tau2": "DL", "ci": "z"}
    changed = [*BASE, ("F", 14, 17)]
    found = mn.diff(run("old", {"x/a": BASE}, **options), run("new", {"x/a": changed}, **options))
    fits = [mn.pool(events=[r[1] for r in rows], total=[r[2] for r in rows], **options) for rows in (BASE, changed)]
    assert found.changes[0].rows[0].shift == pytest.approx(fits[1].estimate - fits[0].estimate, rel=1e-9)


def test_another_method_is_named(run):
    found = mn.diff(run("old", {"x/a": BASE}), run("new", {"x/a": BASE}, model="beta_binomial"))
    change = found.changes[0]
    assert ("model", "bayes", "beta_binomial") in change.method
    assert not change.rows
    assert "method, model: Bayesian binomial-normal model → Beta-binomial model" in found.summary()


def test_reports_that_are_new_gone_failed_or_mended(run):
    broken = {"outcome": "x", "error": "ValueError: <b>no</b>"}
    old = run("old", {"x/gone": BASE, "x/fails": BASE, "x/fixed": broken, "x/same": BASE, "x/still": broken})
    new = run("new", {"x/new": BASE, "x/fails": broken, "x/fixed": BASE, "x/same": BASE, "x/still": broken})
    found = mn.diff(old, new)
    assert {change.folder: change.status for change in found.changes} == {
        "x/gone": "removed", "x/new": "added", "x/fails": "failed", "x/fixed": "fixed", "x/same": "same", "x/still": "same",
    }  # fmt: skip
    assert found.changes[0].status == "failed"
    assert "ValueError" in found.summary()


def test_analyses_are_compared_value_by_value(run):
    one = {"kind": "comparison", "sentence": "p = 0.04", "analysis": {"lrt": 4.0, "groups": [{"a": 1}], "fingerprint": "x"}}
    two = {"kind": "comparison", "sentence": "p = 0.03", "analysis": {"lrt": 4.5, "groups": [{"a": 1}, {"a": 2}], "fingerprint": "y"}}
    change = mn.diff(run("old", {"analyses/comparison/x": one}), run("new", {"analyses/comparison/x": two})).changes[0]
    assert [path for path, _, _ in change.values] == ["sentence", "analysis.lrt", "analysis.groups (entries)"]


def test_one_study_no_events_and_new_estimates_are_told(run):
    old = run("old", {"x/one": BASE[:1], "x/none": [("A", 0, 10), ("B", 0, 20)]}, model="glmm")
    new = run("new", {"x/one": BASE[:2], "x/none": [("A", 0, 10), ("B", 1, 20)]}, model="glmm")
    found = {change.folder: change for change in mn.diff(old, new).changes}
    assert ("status", "not pooled", "pooled") in found["x/one"].numbers
    assert ("status", "no events", "pooled") in found["x/none"].numbers
    assert found["x/none"].rows[0].shift is not None


def test_hostile_names_are_text_on_the_page_and_in_the_terminal(run, tmp_path):
    evil = "<script>alert(1)</script>\x1b[31m"
    found = mn.diff(run("old", {"x/a": BASE}), run("new", {"x/a": [*BASE, (evil, 1, 9)]}))
    page = found.to_html(tmp_path / "diff.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert "\x1b" not in found.summary()
    assert "<script" not in found._repr_html_()


def test_the_views_agree(run):
    found = mn.diff(run("old", {"x/a": BASE}), run("new", {"x/a": BASE[:4]}))
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    frame = found.to_frame()
    assert set(frame["name"]) == {entry["name"] for entry in content["changes"][0]["numbers"]}
    assert list(found.rows()["study"]) == ["E"]


def test_the_command_prints_and_writes(run, tmp_path):
    from click.testing import CliRunner

    old, new = run("old", {"x/a": BASE}), run("new", {"x/a": BASE[:4]})
    done = CliRunner().invoke(cli, ["diff", str(old), str(new), "--html", str(tmp_path / "d.html")])
    assert done.exit_code == 0, done.output
    assert "row removed: E 14/30" in done.output
    assert (tmp_path / "d.html").is_file()
    said = CliRunner().invoke(cli, ["diff", str(old), str(new), "--json"])
    assert json.loads(said.stdout)["changes"][0]["rows"][0]["study"] == "E"


def test_what_is_no_run_is_refused(run, tmp_path):
    old = run("old", {"x/a": BASE})
    with pytest.raises(mn.ArgumentError, match="not a folder of reports"):
        mn.diff(old, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(mn.ArgumentError, match="contains no report"):
        mn.diff(tmp_path / "empty", old)
    for wrong in (-1, 2, "x", True, float("nan")):
        with pytest.raises(mn.ArgumentError, match="tolerance"):
            mn.diff(old, old, tolerance=wrong)
    # Nonsense in a folder is passed over.
    shutil.copytree(old, tmp_path / "spoilt")
    (tmp_path / "spoilt/x/b").mkdir()
    (tmp_path / "spoilt/x/b/numbers.json").write_text("[" * 100000)
    (tmp_path / "spoilt/x/b" / ABOUT).write_text("{}")
    assert mn.diff(old, tmp_path / "spoilt").same


def test_numbers_are_alike_up_to_rounding_and_words_exactly():
    assert alike(0.1 + 0.2, 0.3, 1e-9)
    assert not alike(0.3, 0.3001, 1e-9)
    assert alike(None, None, 1e-9)
    assert not alike(0, None, 1e-9)
    assert not alike("1", 1, 1e-9)
    assert not alike(True, 1.5, 1e-9)
