"""The examples of the pages: code to run, and the output that stands behind it.

`python -m tests.docs.blocks` runs them all and writes what they print into the pages. A block of python is followed by a
block of text where it prints; a line `$ metanet ...` in a block of console is followed by what the command prints.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import runpy
import shlex
import shutil
import tempfile
from pathlib import Path

import click
from click.testing import CliRunner

from metanet.base.errors import MetanetError
from metanet.cli import cli
from metanet.evidence.folders import curated_folder

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_PYTHON = re.compile(r"```python\n(?P<code>.*?)```(?P<out>\n\n```text\n.*?```)?", re.DOTALL)
_CONSOLE = re.compile(r"```console\n\$ (?P<command>metanet (?:validate my_data|pool |counts )[^\n]*)\n(?P<out>.*?)```", re.DOTALL)
_HELP = re.compile(r"```text\nUsage: (?P<command>metanet[a-z ]*?) \[OPTIONS\].*?```", re.DOTALL)
_SUMMARY = re.compile(r"```console\n\$ python benchmarks/(?P<name>coverage|defaults).py\n```\n\n```text\n.*?```", re.DOTALL)
_TABLE = re.compile(r"```text\n(?P<rows>study,[^`]*)```")

#: What somebody spoilt in the folder `my_data` of the README: file, line, column, what stands there now.
SPOILT = (
    ("arms.csv", 2, "modality_class", "TARE"),
    ("mortality.csv", 2, "events", "3-5"),
    ("objective_response.csv", 2, "events", "21"),
    ("objective_response.csv", 4, "study_id", "Baum2061"),
)


def spoil(folder: Path) -> None:
    """Copy the curated tables to `folder` and put the mistakes in."""
    shutil.copytree(curated_folder(), folder)
    for file, line, column, value in SPOILT:
        with (folder / file).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines))
        rows[line - 1][rows[0].index(column)] = value
        with (folder / file).open("w", encoding="utf-8", newline="") as out:
            csv.writer(out, lineterminator="\n").writerows(rows)


def run_python(code: str, names: dict[str, object]) -> str:
    """What a block prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "example", "exec"), names)
    return out.getvalue()


def run_command(command: str) -> str:
    """What a `metanet` command prints to standard output."""
    result = CliRunner().invoke(cli, shlex.split(command)[1:])
    if result.exception and not isinstance(result.exception, (SystemExit, MetanetError)):
        raise result.exception
    return result.stdout


def help_text(command: str) -> str:
    """The help of a command, 80 characters wide."""
    found: click.Command = cli
    context = click.Context(cli, info_name="metanet", terminal_width=80, **cli.context_settings)
    for name in command.split()[1:]:
        found = cli.commands[name]
        context = click.Context(found, info_name=name, parent=context)
    return found.get_help(context)


def summary_of(name: str) -> str:
    """The summary of the table of a simulation as its file in benchmarks prints it."""
    names = runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"))
    summary: str = names["summary"](ROOT / "docs" / f"{name}_table.csv")
    return summary


def renewed(text: str) -> str:
    """A page with every output as it is now; relative paths belong to the working folder."""
    names: dict[str, object] = {}
    for found in _TABLE.finditer(text):
        name = "trials.csv" if "events_control" in found["rows"] else "rates.csv"
        Path(name).write_text(found["rows"], encoding="utf-8")
    if "my_data" in text:
        spoil(Path("my_data"))

    def python(found: re.Match[str]) -> str:
        out = run_python(found["code"], names)
        return f"```python\n{found['code']}```" + (f"\n\n```text\n{out}```" if out else "")

    def console(found: re.Match[str]) -> str:
        return f"```console\n$ {found['command']}\n{run_command(found['command'])}```"

    def simulated(found: re.Match[str]) -> str:
        return f"```console\n$ python benchmarks/{found['name']}.py\n```\n\n```text\n{summary_of(found['name'])}\n```"

    text = _SUMMARY.sub(simulated, text)
    text = _PYTHON.sub(python, text)
    text = _CONSOLE.sub(console, text)
    return _HELP.sub(lambda found: f"```text\n{help_text(found['command'])}\n```", text)


def main() -> None:
    """Write every output anew."""
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            before = page.read_text(encoding="utf-8")
            after = renewed(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"renewed {page.relative_to(ROOT)}")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    main()
