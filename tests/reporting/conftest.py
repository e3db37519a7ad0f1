"""Evidence folders and a notebook for the report tests."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from metanet.evidence.folders import curated_folder

HOSTILE = "<script>alert(1)</script> $\\frac{1}"


@pytest.fixture(scope="session")
def hostile_evidence(tmp_path_factory):
    """The curated tables with one study renamed to something that would like to run."""
    folder = tmp_path_factory.mktemp("evidence") / "data"
    shutil.copytree(curated_folder(), folder)
    path = folder / "studies.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["study_id"] == "Kennedy2008":
            row["first_author"] = HOSTILE
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def hostile_report(hostile_evidence, tmp_path_factory):
    """Two reports on those tables: one that pools the hostile study, one of a single study."""
    from metanet.reporting.run.batch import report

    out = tmp_path_factory.mktemp("reports")
    report("objective_response", "TARE", out=out, data=hostile_evidence)
    report("hepatotoxicity", "TAE", out=out, data=hostile_evidence)
    return out


@pytest.fixture
def notebook(tmp_path):
    """Makes a small parameterised notebook from the source of its second cell."""
    import nbformat

    def make(source: str, name: str = "small.ipynb") -> Path:
        book = nbformat.v4.new_notebook()
        book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
        first = nbformat.v4.new_code_cell("number = 1\nword = 'a'\nflag = True\nnothing = None\noutput_dir = None")
        first.metadata["tags"] = ["parameters"]
        book.cells = [first, nbformat.v4.new_code_cell(source)]
        path = tmp_path / name
        nbformat.write(book, path)
        return path

    return make


@pytest.fixture(scope="session", autouse=True)
def _shared(one_parent):
    """Reports are made by the one warm parent."""
