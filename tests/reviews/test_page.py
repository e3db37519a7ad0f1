"""The page on a review of one's own: every command on it runs, in its order, and prints what stands there.

`python -m tests.reviews.test_page` writes the outputs anew.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import tempfile
from pathlib import Path

from click.testing import CliRunner

from metanet.base.errors import MetanetError
from metanet.cli import cli

from .conftest import COVIDENCE, NAUSEA, RELIEF, SCORE, rm5
from .formats import xlsx

PAGE = Path(__file__).parents[2] / "docs" / "new_review.md"
_CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
_TABLE = re.compile(r"`(?P<name>\w+\.(?:csv|ris))`:\n\n```text\n(?P<rows>.*?)```", re.DOTALL)
#: Where a command that was shown before has left the folder in another state, it starts from a fresh one.
_FRESH = (
    "import revman5 ../pain.rm5 --into . --outcome",
    "import csv",
    "import covidence",
    "import excel",
    "import revman5 ../faulty.rm5",
)
#: The workbook of the page: a sheet of notes, and a sheet with a title and merged headings above its column names.
_BOOK = {
    "Notes": [["Extraction by A and B"]],
    "Trials": [
        ["Table 2. Pain relief", None, None, None, None, None],
        ["Study", "Year", "Drug A", None, "Placebo", None],
        [None, None, "events", "n", "events", "n"],
        ["Adams", 2010, 12, 40, 7, 41],
        ["Baker", 2011, 15, 52, 9, 50],
        ["Total", None, 27, 92, 16, 91],
    ],
}


def renewed(text):
    """The page with what its commands print in the folder in which this is called."""
    faulty = RELIEF.replace('EVENTS_1="14"', 'EVENTS_1="35%"').replace('TOTAL_2="51"', 'TOTAL_2="5"')
    for name, content in (("pain.rm5", rm5(RELIEF, SCORE, NAUSEA)), ("faulty.rm5", rm5(faulty)), ("extraction.csv", COVIDENCE)):
        Path(name).write_text(content, encoding="utf-8")
    Path("trials.xlsx").write_bytes(xlsx(_BOOK, merged={"Trials": "A1:F1 A2:A3 B2:B3 C2:D2 E2:F2"}))
    for found in _TABLE.finditer(text):
        Path(found["name"]).write_text(found["rows"], encoding="utf-8")
    start, number = Path.cwd(), iter(range(99))
    made = []

    def run(found):
        out = ""
        for line in found[1].splitlines():
            if line.startswith("$ cd "):
                contextlib.chdir(line[5:]).__enter__()
                out += f"{line}\n"
            elif line.startswith("$ "):
                if line[10:].startswith(_FRESH):
                    contextlib.chdir(start).__enter__()
                    CliRunner().invoke(cli, ["new", fresh := f"fresh{next(number)}", *made])
                    contextlib.chdir(fresh).__enter__()
                words = shlex.split(line)[2:]
                made[:] = words[2:] if words[0] == "new" else made
                out += f"{line}\n{printed(words)}"
        return f"```console\n{out}```"

    return _CONSOLE.sub(run, text)


def printed(words):
    """What a command prints to either stream."""
    result = CliRunner().invoke(cli, words)
    if isinstance(result.exception, MetanetError):
        return f"metanet: {result.exception}\n"
    assert result.exception is None, result.exception
    return result.stdout.rstrip("\n") + "\n"


def test_every_command_of_the_page_prints_what_stands_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    # When a change was meant: python -m tests.reviews.test_page
    assert renewed(text) == text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
