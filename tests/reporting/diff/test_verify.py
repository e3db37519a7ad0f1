"""Reports made again from their evidence: what was forged, journal and all, is found."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.cli import cli
from metanet.reporting.run import journal as journals
from metanet.reporting.run.batch import report


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("verify") / "out"
    assert report("hepatotoxicity", out=out).ok
    return out


def test_reports_of_the_evidence_are_found_to_be_that(made):
    found = mn.verify(made)
    assert found.ok, found.summary()
    assert found.checked >= 5
    assert found.sentence() == f"{found.checked} reports made again: all numbers are those of the evidence."
    ran = CliRunner().invoke(cli, ["verify", str(made), "--json"])
    assert ran.exit_code == 0
    assert json.loads(ran.output)["ok"] is True


def test_forged_numbers_and_their_journal_are_found(made):
    place = made / "hepatotoxicity/TACE/numbers.json"
    before, journal = place.read_bytes(), made / journals.HOME / "journal.jsonl"
    said = journal.read_bytes()
    try:
        content = json.loads(before)
        content["result"]["estimate"] = 0.001
        place.write_text(json.dumps(content, indent=2))
        lines = [json.loads(line) for line in said.decode().splitlines()]
        for entry in lines:
            if entry["folder"] == "hepatotoxicity/TACE":
                entry["files"]["numbers.json"] = list(journals.file_of(place))
        journal.write_text("".join(json.dumps(entry) + "\n" for entry in lines))
        # The journal has nothing against it.
        assert report("hepatotoxicity", "TACE", out=made).kept == 1
        ran = CliRunner().invoke(cli, ["verify", str(made)])
        assert ran.exit_code == 1
        assert re.search(r"hepatotoxicity/TACE: changed\n  estimate: 0\.001 in the report, 0\.0\d+ again", ran.output)
    finally:
        place.write_bytes(before)
        journal.write_bytes(said)


def test_a_page_that_says_something_else_is_found(made):
    place = made / "hepatotoxicity/TAE/report.html"
    before = place.read_bytes()
    try:
        place.write_bytes(before.replace(b"Hepatotoxicity", b"Nothing", 1))
        found = mn.verify(made)
        assert not found.ok
        assert found.pages == (("hepatotoxicity/TAE", ("report.html",)),)
        assert "report.html would be written otherwise" in found.summary()
    finally:
        place.write_bytes(before)


def test_what_cannot_be_made_again_is_named_and_not_run(made, tmp_path):
    import shutil

    out = tmp_path / "out"
    shutil.copytree(made / "hepatotoxicity/TACE", out / "x/mine")
    about = json.loads((out / "x/mine/about.json").read_text())
    (tmp_path / "evil.ipynb").write_text("{}")
    for name in ("../evil.ipynb", str(tmp_path / "evil.ipynb"), "unknown.ipynb"):
        (out / "x/mine/about.json").write_text(json.dumps({**about, "notebook": name}))
        found = mn.verify(out)
        assert found.checked == 0
        assert "none of metanet's" in found.left[0][1]
    with pytest.raises(mn.ArgumentError, match="has no reports"):
        mn.verify(tmp_path / "nowhere")


def test_other_evidence_gives_other_numbers(made, tmp_path):
    mn.load_evidence().save(tmp_path / "data")
    table = tmp_path / "data" / "hepatotoxicity.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    kept = [line for number, line in enumerate(lines) if number != 1]
    table.write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert not mn.verify(made, tmp_path / "data").ok
