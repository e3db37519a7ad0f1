"""Columns that state the outcome are no moderators; sizes and coincidences are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metanet as mn

ONE = pd.DataFrame(
    {
        "study": list("abcdefg"),
        "events": [3, 9, 4, 12, 7, 20, 1],
        "total": [20, 30, 25, 30, 22, 41, 18],
        "year": [2001, 2003, 2002, 2008, 2010, 2004, 2011],
        "g": list("aabbaab"),
    }
)
TWO = ONE.rename(columns={"events": "events", "total": "total"}).assign(
    events_control=[5, 8, 9, 11, 4, 19, 3], total_control=[21, 29, 24, 31, 25, 40, 19]
)
RATE = ONE["events"] / ONE["total"]


def refused(data, formula, **choices):
    with pytest.raises(mn.ArgumentError, match=r"cannot be a moderator\. Fix: leave it out") as error:
        mn.meta_regression(data, formula, **choices)
    return str(error.value)


@pytest.mark.parametrize(
    "formula", ["~ events", "~ log1p(events)", "~ C(events)", "~ I(events / total)", "~ year + events", "~ year:events"]
)
def test_the_column_of_the_events_is_refused_however_it_is_used(formula):
    assert "'events' is given as events" in refused(ONE, formula)


@pytest.mark.parametrize(
    "values",
    [
        ONE["events"], RATE, 100 * RATE, (100 * RATE).round(), (100 * RATE).round(1), RATE.round(2), RATE.round(3), 1000 * RATE,
        1 - RATE, 100 * (1 - RATE), ONE["total"] - ONE["events"], np.log(RATE / (1 - RATE)), np.arcsin(np.sqrt(RATE)), np.log(RATE),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ["glmm", "inverse_variance"])
def test_a_column_that_repeats_the_outcome_is_refused_under_any_name(values, model):
    refused(ONE.assign(copy=values), "~ copy", model=model)
    refused(ONE.assign(copy=values), "~ year + copy", model=model)


def test_named_columns_and_sequences_are_known():
    data = ONE.rename(columns={"events": "responders"})
    assert "'responders' is given as events" in refused(data, "~ responders", events="responders", total="total")
    assert "the number of events" in refused(data, "~ responders", events=ONE["events"].tolist(), total=ONE["total"].tolist())


def test_effects_and_their_variances_are_refused():
    made = mn.effect_sizes(measure="OR", data=TWO)
    data = ONE[["study", "year"]].assign(yi=made["yi"], vi=made["vi"], se=np.sqrt(made["vi"]), ratio=np.exp(made["yi"]))
    assert "small_study_effects" not in refused(data, "~ yi", yi="yi", vi="vi")
    for name in ("vi", "se"):
        assert "small_study_effects" in refused(data, f"~ {name}", yi="yi", vi="vi")
    refused(data, "~ ratio", yi="yi", vi="vi")
    refused(TWO.assign(copy=made["yi"]), "~ copy", measure="OR")


@pytest.mark.parametrize("name", ["events", "events_control"])
def test_the_events_of_either_group_are_refused(name):
    assert f"is given as {name}" in refused(TWO, f"~ {name}", measure="OR")
    refused(TWO.assign(base=TWO["events_control"] / TWO["total_control"]), "~ base", measure="OR")


def test_events_over_time_are_refused_and_time_is_not():
    data = ONE.assign(person_time=[40.0, 61.0, 44.0, 66.0, 45.0, 80.0, 39.0]).drop(columns="total")
    refused(data.assign(copy=100 * data["events"] / data["person_time"]), "~ copy", person_time="person_time")
    assert mn.meta_regression(data, "~ person_time", person_time="person_time", model="glmm").status == "fitted"


def test_sizes_and_other_columns_are_moderators():
    assert mn.meta_regression(ONE, "~ log(total)", model="glmm").status == "fitted"
    assert (
        mn.meta_regression(ONE.assign(half=[0, 1, 0, 1, 1, 0, 0], few=[1, 2, 1, 2, 3, 3, 1]), "~ half + few", model="glmm").status
        == "fitted"
    )
    # A column called rate that is not that of the studies: mg per hour.
    assert mn.meta_regression(ONE.assign(rate=[5, 10, 15, 5, 10, 15, 20]), "~ rate", model="glmm").status == "fitted"
    # Three equal small numbers are a coincidence.
    few = ONE.iloc[[0, 1, 2]].assign(grade=[3, 9, 4])
    assert mn.meta_regression(few, "~ grade", model="glmm").k == 3


def test_a_report_skips_the_outcome_with_its_reason():
    report = mn.heterogeneity_report(mn.pool(ONE, model="glmm"), moderators=["rate", "year"], subsets=False)
    assert list(report.moderators) == ["year"]
    assert "cannot be a moderator" in report.skipped["rate"]
