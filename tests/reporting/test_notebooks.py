"""The registry of notebooks: no notebook without a row, a test and a line on the page of reports, and no row without a notebook."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.cli import cli
from metanet.reporting.engine.preload import NAMES
from metanet.reporting.files import analyses_folder
from metanet.reporting.plan.jobs import known_parameters
from metanet.reporting.plan.registry import NOTEBOOKS
from metanet.reporting.run.batch import planned

from .conftest import network_evidence

ROOT = Path(__file__).parents[2]
#: Analysis -> a folder of a complete run; the notebooks themselves run in test_analyses and test_batch.
MADE = {
    "rates": "objective_response/TARE",
    "findings": "analyses/findings/TARE",
    "comparison": "analyses/comparison/objective_response",
    "network": "analyses/network/responders",
    "benefit_risk": "analyses/benefit_risk/objective_response-hepatotoxicity",
    "heterogeneity": "analyses/heterogeneity/objective_response-TARE",
    "sensitivity": "analyses/sensitivity/objective_response-TARE",
    "audit": "analyses/audit/counts",
    "search": "analyses/search/flow",
    "manuscript": "analyses/manuscript/review",
    "replication": "replication/devcic2014",
}
RUNS = "".join((Path(__file__).parent / name).read_text("utf-8") for name in ("test_analyses.py", "run/test_batch.py"))


def test_every_notebook_has_a_row_and_every_row_a_notebook():
    assert {path.name for path in analyses_folder().glob("*.ipynb")} == {row.file for row in NOTEBOOKS.values()}


def test_every_row_is_tested():
    assert list(MADE) == list(NOTEBOOKS)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    # The curated tables have no search and no network, of which there would be no report.
    made = planned(mn.load_evidence())
    assert not any(job.notebook.name in ("search.ipynb", "network.ipynb") for job in made)
    folder = mn.load_evidence().save(tmp_path_factory.mktemp("search") / "tables")
    (folder / "search_flow.csv").write_text("data,n\nrecords_screened,350\n", encoding="utf-8")
    compared = network_evidence().save(tmp_path_factory.mktemp("network") / "tables")
    more = [*planned(mn.load_evidence(folder), analyses=("search",)), *planned(mn.load_evidence(compared), analyses=("network",))]
    return {job.folder: job for job in [*made, *more]}


@pytest.mark.parametrize("row", NOTEBOOKS.values(), ids=lambda row: row.name)
def test_a_row_makes_reports_with_parameters_that_its_notebook_has(jobs, row):
    job = jobs[MADE[row.name]]
    assert job.notebook.name == row.file
    known = known_parameters(job.notebook)
    assert {"data", "output_dir", *job.parameters} <= set(known)
    assert (job.identity.get("kind") is None) == row.pools


@pytest.mark.parametrize("row", NOTEBOOKS.values(), ids=lambda row: row.name)
def test_a_row_is_run_by_a_test(row):
    assert row.name == "rates" or f'"{row.name}"' in RUNS


@pytest.mark.parametrize("row", NOTEBOOKS.values(), ids=lambda row: row.name)
def test_a_notebook_saves_its_numbers_under_the_name_of_its_row(row):
    text = (analyses_folder() / row.file).read_text(encoding="utf-8")
    kinds = re.findall(r'mn\.save_analysis\(output_dir, \\"(\w+)\\"', text)
    assert kinds == ([] if row.pools else [row.name])


@pytest.mark.parametrize("row", NOTEBOOKS.values(), ids=lambda row: row.name)
def test_a_notebook_is_in_the_documentation_the_help_and_the_complete_plan(row):
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    assert f"| `{row.name}` | `analyses/{row.file}` |" in page
    assert row.file.removesuffix(".ipynb") in (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^  {row.name} +\S", CliRunner().invoke(cli, ["report", "--help"]).output, re.MULTILINE)
    plan = tomllib.loads((ROOT / "analyses" / "plans" / "complete.toml").read_text(encoding="utf-8"))
    assert row.name in [entry["analysis"] for entry in plan["report"]]


def test_what_the_notebooks_use_is_loaded_once():
    assert len(NAMES) == len(set(NAMES))
