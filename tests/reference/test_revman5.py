"""`preset="revman5"` against the algorithms of RevMan 5, written anew with many digits (`revman5.py`)."""

import json
from pathlib import Path

import pytest

import metanet as mn
from tests.reference.revman5 import SETS, records

RECORDS = json.loads(Path(__file__).with_name("revman5.json").read_text(encoding="utf-8"))
MODELS = {
    ("MH", True): "mantel_haenszel_random", ("MH", False): "mantel_haenszel",
    ("IV", True): "inverse_variance", ("IV", False): "common",
    ("PETO", False): "peto",
}  # fmt: skip
NAMES = ("events", "total", "events_control", "total_control")


def counts(name):
    return dict(zip(NAMES, map(list, zip(*SETS[name], strict=True)), strict=True))


def test_the_values_are_those_of_the_script():
    assert list(records()) == RECORDS


@pytest.mark.parametrize(
    "record", RECORDS, ids=lambda r: f"{r['set']}-{r['measure']}-{r['method']}-{'random' if r['random'] else 'fixed'}"
)
def test_every_method_of_revman_5_is_reproduced(record):
    fit = mn.pool(
        **counts(record["set"]), preset="revman5", measure=record["measure"], model=MODELS[record["method"], record["random"]]
    )
    wanted = record
    if wanted["k"] == 0:
        assert fit.estimate is None
        assert fit.status == "not estimable"
        return
    for name in ("estimate", "ci_lower", "ci_upper"):
        assert getattr(fit, name) == pytest.approx(wanted[name], rel=1e-9, abs=1e-12), name
    if wanted["k"] == 1:
        assert fit.status == "not pooled"
        return
    assert fit.status == "pooled"
    assert fit.q == pytest.approx(wanted["q"], rel=1e-9, abs=1e-12)
    assert fit.q_df == wanted["df"]
    assert (fit.tau2 or 0.0) == pytest.approx(wanted["tau2"], rel=1e-9, abs=1e-12)
    assert (fit.i2 or 0.0) == pytest.approx(wanted["i2"], rel=1e-9, abs=1e-12)
    assert fit.k - fit.method["studies_dropped"] == wanted["k"]
    assert abs(fit.mu) / fit.se == pytest.approx(wanted["z"], rel=1e-9, abs=1e-12)
