"""Evidence folders and a notebook for the report tests."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest

import metanet as mn
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


def network_evidence():
    """Tables of trials that compare four treatments, one study with a name that would like to run."""
    names = ["Drug A", "Drug B", "Drug C", "Control"]
    trials = [(0, 1), (0, 3), (1, 3), (2, 3), (0, 1, 2), (1, 2), (0, 3), (2, 3, 0)]
    rows = [
        {"study": HOSTILE if i == 0 else f"Trial {i}", "treatment": names[arm], "responders": 12 + 5 * arm + 2 * i, "n": 60 + 3 * i}
        for i, arms in enumerate(trials)
        for arm in arms
    ]
    return mn.read(pd.DataFrame(rows), events="responders", total="n", study="study", by="treatment")


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
