"""statsmodels beside R: the same two-step models from the files of a report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import metanet as mn
from metanet.base.errors import ReportError
from metanet.models.comparison.fit import holm
from metanet.reporting.r_check import check_folder
from metanet.reporting.results_files import save_results
from metanet.reporting.second_opinion import TOLERANCES, second_opinion
from tests.work import HANG

EVENTS, TOTAL = [3, 5, 8, 2, 0, 14], [20, 22, 30, 40, 25, 31]
CONTROL = {"events_control": [1, 2, 3, 9, 4, 2], "total_control": [20, 22, 30, 40, 25, 31]}


def written(folder, **options):
    """The numbers of a report and the table of its studies."""
    given = {"events": EVENTS, "total": TOTAL, "model": "inverse_variance"} | options
    save_results(folder, mn.pool(**given))
    return json.loads((folder / "numbers.json").read_text(encoding="utf-8")), folder / "studies.csv"


@pytest.mark.parametrize("tau2", TOLERANCES)
@pytest.mark.parametrize(("ci", "compared"), [("z", 7), ("t", 7), ("HK", 7), ("HK-adhoc", 4), ("KR", 4)])
@pytest.mark.parametrize("measure", ["PLO", "PR", "PAS", "PFT", "PLN", "OR", "RD"])
def test_statsmodels_agrees(tmp_path, tau2, ci, compared, measure):
    control = CONTROL if measure in ("OR", "RD") else {}
    numbers, studies = written(tmp_path, tau2=tau2, ci=ci, measure=measure, level=0.9, **control)
    assert numbers["result"]["tau2"] > 0
    found = second_opinion(numbers, studies)
    assert found.missed == ()
    assert found.compared == compared
    assert found.largest <= TOLERANCES[tau2]


@pytest.mark.parametrize("seed", range(30))
def test_the_search_of_statsmodels_is_not_believed_where_it_breaks_off(tmp_path, seed):
    """Its Paule-Mandel returns 0 where rounding carries the last step beyond the root."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 60))
    total = rng.integers(8, 300, k)
    numbers, studies = written(tmp_path, events=rng.binomial(total, rng.beta(2, 5, k)), total=total, tau2="PM")
    found = second_opinion(numbers, studies)
    # Few studies can have no heterogeneity.
    assert (found is None) == (numbers["result"]["tau2"] == 0)
    assert found is None or found.missed == ()


@pytest.mark.parametrize(
    "options",
    [
        {"model": "glmm"},
        {"tau2": "REML"},
        {"model": "common"},
        {"tau2": "DL", "events": [6, 12, 18], "total": [20, 40, 60]},
        {"tau2": "DL", "events": [4], "total": [9]},
    ],
    ids=["glmm", "REML", "common", "tau2 = 0", "one study"],
)
def test_other_models_have_no_second_opinion(tmp_path, options):
    assert second_opinion(*written(tmp_path, **options)) is None


def test_the_rules_of_another_program_have_no_second_opinion(tmp_path):
    numbers, studies = written(tmp_path, model=None, preset="meta", measure="OR", tau2="DL", **CONTROL)
    assert numbers["result"]["tau2"] > 0
    assert second_opinion(numbers, studies) is None


def test_a_number_that_statsmodels_does_not_find_is_named(tmp_path):
    numbers, studies = written(tmp_path, tau2="DL")
    numbers["result"]["mu_upper"] *= 1 + 1e-6
    assert second_opinion(numbers, studies).missed == ("mu_upper",)


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs Rscript")
def test_the_sentence_stands_beside_that_of_r(tmp_path):
    written(tmp_path, tau2="PM")
    first, second = check_folder(tmp_path)
    assert first.startswith("R ")
    assert second.startswith("statsmodels ")
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert numbers["check_with_statsmodels"]["sentence"] == second
    assert numbers["check_with_r"]["sentence"] == first
    numbers["result"]["q"] *= 1.001
    (tmp_path / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")
    with pytest.raises(ReportError, match="statsmodels does not reproduce q "):
        check_folder(tmp_path)


def test_holm_is_the_definition_and_passes_over_gaps():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005, 0.6])
    assert holm(p) == pytest.approx([0.04, np.nan, 0.09, 0.09, 0.025, 0.6], rel=1e-12, nan_ok=True)
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert holm(np.array([])).size == 0


def test_a_pooled_rate_loads_no_statsmodels():
    code = (
        "import sys, metanet as mn\nmn.pool(events=[3, 5, 8], total=[20, 22, 30], model='inverse_variance', tau2='DL')\n"
        "assert not any(name.startswith('statsmodels') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG)
