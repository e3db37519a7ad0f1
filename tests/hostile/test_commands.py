"""The command with hostile words and files: the exit codes of the documentation, clear words, nothing that acts on a terminal."""

from __future__ import annotations

import json
import os
import sys

import pytest

from metanet.cli import main
from metanet.evidence.reading.text import MOST_ROWS
from tests.work import at_most

from .conftest import acting
from .corpus import TEXTS, write_evidence

#: Calls that any command may make here, with those of what is loaded for the first time.
LOADED = 12_000_000


@pytest.fixture
def run(monkeypatch, capfd, never_run):
    """Run the command: its exit code, what it printed, what it complained of."""

    def call(*arguments: str, calls: int = LOADED) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["metanet", *map(str, arguments)])
        code = 0
        with at_most(calls):
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
        out, complaint = capfd.readouterr()
        assert not acting(out), ascii(out)
        assert not acting(complaint.replace("\r", "")), ascii(complaint)
        assert "Traceback" not in complaint
        return code, out, complaint

    return call


HARM = (*TEXTS["invisible"][:4], *TEXTS["invisible"][12:16], TEXTS["code"][8], TEXTS["html"][0], "../../etc/passwd", "\udcff")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return str(write_evidence(tmp_path_factory.mktemp("small") / "data", ["a", "b", "c"]))


@pytest.mark.parametrize("text", HARM)
def test_a_hostile_word_is_refused_with_code_2_and_nothing_is_made(run, never_run, small, text):
    parameters = [("-p", text, "1"), *(("-p", name, text) for name in ("overlap", "certainty", "level", "definition"))]
    named = [(option, text) for option in ("--outcome", "--modality", "--analysis", "--format", "--engine", "--plan")]
    counts = ("--events", text, "--total", text)
    for options in (
        *(("report", "--data", small, *more) for more in (*parameters, *named)),
        *(("report", "--data", text), ("validate", text), ("pool", text, *counts), ("diff", text, text), ("lab", text)),
        *(("counts", "--", text), ("counts", "--of", "56", "--", text), ("counts", "--between", "2", "9", "--", "5%", text)),
        *(("counts", "5%", "--of", "9", "--rounding", text), ("counts", "5%", "--between", "2", "9", "--together", text)),
    ):
        code, _, complaint = run(*options)
        assert code == 2, (options, complaint)
    assert list(never_run.iterdir()) == []


def table(path, content):
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    return path


def test_names_in_any_csv_act_on_no_terminal(run, never_run):
    for place, text in enumerate(TEXTS["invisible"]):
        if "\x00" in text:
            continue
        cell = '"' + text.replace('"', '""') + '"'
        rows = "".join(f"{cell},{cell},{n},20\n" for n in (1, 2, 3))
        file = table(never_run / f"{place}.csv", f"study,group,events,total\n{rows}")
        for more in ((), ("--by", "group"), ("--json",), ("--by", "group", "--json"), ("--by", "gruop"), ("--study", "studie")):
            code, out, _ = run("pool", file, "--events", "events", "--total", "total", *more)
            assert code == (2 if {"gruop", "studie"} & set(more) else 0)
            if "--json" in more:
                json.loads(out)
        head = table(never_run / f"h{place}.csv", f"{cell},events,total\na,1,20\nb,2,20\n")
        assert run("pool", head, "--events", "events", "--total", "totla")[0] == 2


def test_json_of_a_validation_acts_on_no_terminal(run, never_run):
    for place, text in enumerate(TEXTS["invisible"]):
        folder = write_evidence(never_run / str(place), [text])
        code, out, _ = run("validate", folder, "--json")
        assert code in (0, 2)
        json.loads(out)


def test_a_million_rows_of_any_csv_are_refused_after_the_most_that_are_read(run, never_run):
    small = table(never_run / "s.csv", "study,events,total\na,1,20\n")
    assert run("pool", small, "--events", "events", "--total", "total")[0] == 0
    file = table(never_run / "m.csv", "study,events,total\n" + "a,1,20\n" * 1_000_000)
    code, _, complaint = run("pool", file, "--events", "events", "--total", "total", calls=30 * MOST_ROWS)
    assert code == 2
    assert f"more than {MOST_ROWS:,} rows" in complaint


def test_groups_without_end_are_refused(run, never_run):
    file = table(never_run / "g.csv", "group,events,total\n" + "".join(f"g{n},1,20\n" for n in range(5_000)))
    code, _, complaint = run("pool", file, "--events", "events", "--total", "total", "--by", "group")
    assert code == 2
    assert "5,000 groups" in complaint


@pytest.mark.parametrize("words", ["report --plan x", "validate x", "pool x --events e --total t", "diff x x"])
@pytest.mark.parametrize("kind", ["pipe", "device", "circle", "nothing"])
def test_what_is_no_file_is_not_waited_for(run, never_run, words, kind):
    place = never_run / "x"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind != "nothing":
        place.symlink_to("/dev/zero" if kind == "device" else place)
    assert run(*words.split())[0] == 2


@pytest.mark.parametrize("kind", ["file", "below a file", "device", "circle", "name without end"])
def test_an_out_that_is_no_folder_is_refused_in_words(run, never_run, kind):
    (never_run / "f").write_text("mine")
    (never_run / "c").symlink_to(never_run / "c")
    out = {"file": "f", "below a file": "f/x", "device": "/dev/null", "circle": "c", "name without end": "x" * 5_000}
    code, _, complaint = run("report", "--outcome", "hepatotoxicity", "--modality", "TACE", "--out", out[kind])
    # Bad usage, or a report that could not be made.
    assert code in (1, 2)
    assert complaint.strip()
    assert (never_run / "f").read_text() == "mine"
    assert sorted(path.name for path in never_run.iterdir()) == ["c", "f"]


def test_titles_of_a_dry_run_act_on_no_terminal(run, never_run):
    names = {text: text for text in TEXTS["html"][:5]}
    folder = write_evidence(never_run / "data", ["a", "b", "c", "d"], names, ["A\u0301" + "\u0301" * 40, "B"])
    code, out, _ = run("report", "--data", folder, "--dry-run")
    assert code == 0
    assert "reports would be made" in out
