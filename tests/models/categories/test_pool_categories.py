"""Response categories as one distribution: reference values, both directions, what is pooled apart, hostile frames."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import t as student

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.models.categories.arms import COLUMNS
from metanet.models.comparison.response_categories import ResponseArm
from tests.figures.cases import HOSTILE

REFERENCE = json.loads((Path(__file__).parents[2] / "reference" / "categories.json").read_text())
MODALITIES = sorted(REFERENCE)
SHARE, LOGLIK, LOGLIK_AT_BOUND = 1e-5, 1e-6, 1e-5


@pytest.fixture(scope="module")
def curated():
    return mn.load_evidence()


def frame_of(modality):
    """The arms of the reference as a frame with a column for each category or combination."""
    rows = [
        {"study": arm["study"], "total": arm["total"], **{name.replace("+", "_").lower(): n for name, n in arm["parts"].items()}}
        for arm in REFERENCE[modality]["arms"]
    ]
    return pd.DataFrame(rows)


def complete_frame():
    return pd.DataFrame(
        {
            "study": list("ABCDEF"),
            "cr": [1, 0, 2, 0, 3, 1],
            "pr": [9, 4, 8, 5, 12, 6],
            "sd": [10, 8, 5, 12, 9, 7],
            "pd": [5, 3, 6, 2, 8, 4],
        }
    )


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize(("first", "key", "stages"), [("response", "forward", ("R", "S")), ("control", "backward", ("D", "RgivenD"))])
def test_both_directions_have_the_independent_values(modality, first, key, stages):
    pooled = mn.pool_categories(frame_of(modality), first=first)
    wanted = REFERENCE[modality]["generalised_dirichlet"][key]
    assert pooled.direction == f"{first} first"
    assert pooled.objective_response.estimate == pytest.approx(wanted["ORR"], abs=SHARE)
    assert pooled.disease_control.estimate == pytest.approx(wanted["DCR"], abs=SHARE)
    rho = [wanted[f"rho_{stage}"] for stage in stages]
    row = pooled.directions.iloc[0]
    assert [row["rho_first"], row["rho_second"]] == pytest.approx(rho, abs=1e-5)
    assert row["loglik"] == pytest.approx(wanted["loglik"], abs=LOGLIK if min(rho) > 1e-6 else LOGLIK_AT_BOUND)


@pytest.mark.parametrize("modality", MODALITIES)
def test_complete_among_all_responses_is_the_reference(modality):
    pooled, wanted = (
        mn.pool_categories(frame_of(modality)),
        REFERENCE[modality]["generalised_dirichlet"]["response_given_responder_stage"],
    )
    if wanted is None:
        assert pooled.complete_response is None
        assert [share.name for share in pooled.categories()] == ["CR+PR", "SD", "PD"]
        assert any("stay together" in note for note in pooled.notes)
        return
    share = pooled.complete_response.estimate / pooled.objective_response.estimate
    assert share == pytest.approx(wanted["mean"], abs=SHARE)
    stage = pooled.rho.iloc[-1]
    assert stage["k"] == wanted["k"]
    assert stage["rho"] == pytest.approx(wanted["rho"], abs=1e-5)


@pytest.mark.parametrize("modality", MODALITIES)
def test_shares_of_both_directions_add_up_to_one(modality):
    for first in ("response", "control"):
        pooled = mn.pool_categories(frame_of(modality), first=first)
        assert sum(share.estimate for share in pooled.categories()) == pytest.approx(1.0, abs=1e-12)
        assert pooled.to_frame()["estimate"].sum() == pytest.approx(1.0, abs=1e-12)


def test_best_puts_the_larger_log_likelihood_first_and_never_averages():
    assert mn.pool_categories(frame_of("TACE")).direction == "response first"
    assert mn.pool_categories(frame_of("TARE")).direction == "control first"
    found = mn.pool_categories(frame_of("TARE")).directions
    assert found["loglik"].is_monotonic_decreasing
    other = mn.pool_categories(frame_of("TARE"), first="response").directions
    assert other["direction"].tolist() == found["direction"].tolist()[::-1]


@pytest.mark.parametrize("modality", MODALITIES)
def test_arms_of_the_curated_evidence_are_those_of_the_reference(curated, modality):
    """Arms that the evidence has gained since are others; those of the reference are there with the same counts."""
    arms = {(arm.study.split(" (")[0], arm.total, arm.parts) for arm in mn.pool_categories(curated, modality).arms}
    wanted = {(arm["study"].split(" (")[0], arm["total"], tuple(arm["parts"].items())) for arm in REFERENCE[modality]["arms"]}
    assert wanted <= arms


def test_evidence_gives_the_same_as_a_frame_of_its_arms(curated):
    pooled = mn.pool_categories(curated, "TACE")
    arms = mn.response_categories(curated, "TACE")
    again = mn.pool_categories(arms)
    assert again.to_frame().equals(pooled.to_frame())
    names = [arm["study"].split(" (")[0] for arm in REFERENCE["TACE"]["arms"]]
    if len(pooled.arms) == len(names):
        assert pooled.objective_response.estimate == pytest.approx(
            REFERENCE["TACE"]["generalised_dirichlet"]["forward"]["ORR"], abs=SHARE
        )


def test_of_complete_arms_alone_nothing_else_enters():
    pooled = mn.pool_categories(frame_of("TACE"), arms="complete")
    assert pooled.k == 7
    assert all(share.indirect == 0 for name, share in pooled.shares.items() if name not in ("CR", "PR"))
    every = mn.pool_categories(frame_of("TACE"))
    assert every.complete_only.equals(pooled.directions)
    gone = {entry["study"]: entry["reason"] for entry in pooled.left_out}
    assert gone["Bloomston 2007"] == "reports disease control alone"
    assert gone["Liapi 2008"] == "reports objective response alone"


def test_stages_of_complete_arms_are_beta_binomial_pools():
    pooled = mn.pool_categories(complete_frame(), first="response")
    frame = complete_frame()
    total = frame[["cr", "pr", "sd", "pd"]].sum(axis=1)
    response = mn.pool(events=(frame["cr"] + frame["pr"]).to_numpy(), total=total.to_numpy(), model="beta_binomial")
    assert pooled.objective_response.estimate == pytest.approx(response.estimate, rel=1e-10)
    # The same interval as well: Wald on the logit with k - 1 degrees of freedom.
    reach = student.ppf(0.975, 5) * response.se
    assert pooled.objective_response.ci_lower == pytest.approx(float(expit(logit(response.estimate) - reach)), rel=1e-8)
    control = mn.pool(events=(frame["cr"] + frame["pr"] + frame["sd"]).to_numpy(), total=total.to_numpy(), model="beta_binomial")
    other = mn.pool_categories(complete_frame(), first="control")
    assert other.disease_control.estimate == pytest.approx(control.estimate, rel=1e-10)
    assert other.separate.set_index("outcome")["estimate"]["disease_control"] == pytest.approx(control.estimate, rel=1e-12)


def test_a_delta_method_interval_agrees_with_draws_of_the_means():
    pooled = mn.pool_categories(frame_of("TARE"), first="response")
    fit = pooled.main.fit
    draws = np.random.default_rng(2).multivariate_normal(fit.mu, fit.covariance, 200_000)
    control = logit(expit(draws[:, 0]) + expit(-draws[:, 0]) * expit(draws[:, 1]))
    share = pooled.disease_control
    half = student.ppf(0.975, min(pooled.main.stage_k) - 1) * control.std()
    assert logit(share.ci_upper) - logit(share.estimate) == pytest.approx(half, rel=0.02)


def test_intervals_nest_in_the_level():
    wide, narrow = (mn.pool_categories(frame_of("PRRT"), level=level) for level in (0.95, 0.5))
    for name, share in wide.shares.items():
        other = narrow.shares[name]
        assert share.ci_lower < other.ci_lower < share.estimate < other.ci_upper < share.ci_upper


def test_the_order_of_rows_changes_nothing():
    frame = frame_of("PRRT")
    one, other = mn.pool_categories(frame), mn.pool_categories(frame.sample(frac=1, random_state=4))
    assert other.to_frame()["estimate"].to_numpy() == pytest.approx(one.to_frame()["estimate"].to_numpy(), abs=1e-8)


def test_profile_limits_hold_the_estimates_and_the_parameters_of_both_directions():
    pooled = mn.pool_categories(frame_of("TACE"))
    frame = pooled.profile()
    assert frame["quantity"].tolist()[0] == "objective response"
    control = frame[(frame["direction"] == "control first") & (frame["quantity"] == "disease control")].iloc[0]
    assert control["lower"] < control["estimate"] < control["upper"]
    assert control["estimate"] == pytest.approx(0.8764363528387066, abs=SHARE)
    assert ((frame["lower"] <= frame["estimate"]) & (frame["estimate"] <= frame["upper"])).all()
    assert frame["quantity"].str.startswith("rho").sum() == 5


def test_the_separate_rates_are_those_of_the_outcomes_by_themselves(curated):
    pooled = mn.pool_categories(curated, "TACE")
    for row in pooled.separate.to_dict("records"):
        fit = mn.pool(curated.rates(row["outcome"], modality="TACE"), model="beta_binomial")
        assert (row["k"], row["estimate"], row["ci_lower"]) == (fit.k, fit.estimate, fit.ci_lower)


def test_what_lies_outside_the_two_directions_is_said_with_its_numbers(curated):
    pooled = mn.pool_categories(curated, "TACE")
    low, high = pooled.range_of("disease_control")
    apart = pooled.separate.set_index("outcome")["estimate"]["disease_control"]
    said = pooled.outside("disease_control")
    assert (said is None) == (low <= apart <= high)
    if said:
        assert f"{100 * apart:.1f} %" in said
        assert f"{100 * low:.1f} to {100 * high:.1f} %" in said
    complete = mn.pool_categories(complete_frame())
    assert complete.outside("disease_control") is None


def test_arms_of_one_study_are_named_as_such(curated):
    arms = mn.pool_categories(curated, "TACE")
    studies = {arm.study_id for arm in arms.arms}
    said = [note for note in arms.notes if "as if they were independent" in note]
    assert bool(said) == (len(studies) < arms.k)
    assert not said or said[0].startswith(f"{arms.k} arms of {len(studies)} studies")


def test_an_arm_with_one_border_is_counted_as_indirect_for_the_other():
    frame = pd.DataFrame({"cr_pr": [5, 6, None, 7], "sd": [6, 8, None, None], "pd": [4, 6, 3, None], "sd_pd": [None, None, None, 9],
                          "cr_pr_sd": [None, None, 12, None]})  # fmt: skip
    pooled = mn.pool_categories(frame)
    assert (pooled.objective_response.k, pooled.objective_response.indirect) == (3, 1)
    assert (pooled.disease_control.k, pooled.disease_control.indirect) == (3, 1)
    assert pooled.shares["SD"].k == 2
    assert pooled.objective_response.arms == ("Study 1", "Study 2", "Study 4")
    assert pooled.complete_response is None


def test_one_arm_is_shown_as_itself_with_exact_intervals():
    pooled = mn.pool_categories(complete_frame().head(1))
    assert pooled.status == "not pooled"
    assert pooled.objective_response.estimate == pytest.approx(10 / 25)
    exact = mn.pool(events=[10], total=[25])
    assert pooled.objective_response.ci_lower == pytest.approx(exact.ci_lower)
    assert "not pooled" in pooled.sentence()


def test_a_category_that_nobody_has_gets_the_exact_interval_on_the_sum():
    frame = complete_frame().assign(cr=0, pd=0)
    for first in ("response", "control"):
        pooled = mn.pool_categories(frame, first=first)
        n = int(frame[["cr", "pr", "sd", "pd"]].to_numpy().sum())
        share = pooled.shares["PD"]
        assert share.estimate == 0
        assert (share.ci_lower, share.ci_upper) == pytest.approx((0.0, 1 - 0.025 ** (1 / n)), rel=1e-9)
        assert pooled.disease_control.estimate == 1
        assert pooled.complete_response.estimate == 0
        assert sum(each.estimate for each in pooled.categories()) == pytest.approx(1.0)


def test_without_one_of_the_borders_there_is_a_reason_instead_of_a_number():
    frame = pd.DataFrame({"cr_pr": [5, 6], "sd_pd": [9, 8]})
    pooled = mn.pool_categories(frame)
    assert pooled.status == "not estimable"
    assert "No study arm reports disease control" in pooled.reason
    assert pooled.objective_response is None
    assert pooled.to_frame().empty
    assert pooled.reason in pooled.summary()
    assert json.dumps(pooled.to_dict())


def test_arms_at_both_ends_have_a_reason():
    pooled = mn.pool_categories(pd.DataFrame({"cr_pr": [0, 9, 0], "sd": [3, 0, 4], "pd": [2, 0, 5]}))
    assert "no maximum" in str(pooled.reason or pooled.notes)
    assert all(not np.isnan(share.estimate) for share in pooled.shares.values())


def test_complete_responses_without_the_response_are_not_used_and_are_named():
    frame = complete_frame().assign(pr_sd=np.nan)
    frame = frame.astype(object)
    frame.loc[0, ["pr", "sd", "pr_sd"]] = [None, None, 19]
    pooled = mn.pool_categories(frame)
    assert any("not used: A" in note for note in pooled.notes)


def test_lesions_are_left_out_by_name():
    frame = complete_frame().assign(unit=["lesions", *["patients"] * 5])
    pooled = mn.pool_categories(frame)
    assert pooled.k == 5
    assert pooled.left_out[0] == {"study": "A", "study_id": "A", "arm": "all", "reason": "counts lesions, not patients"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cr": [1.5, 0, 2, 0, 3, 1]}, r"row 0 \(A\).*cr=1.5.*whole number"),
        ({"cr": [-1, 0, 2, 0, 3, 1]}, "cr=-1"),
        ({"cr": ["x", 0, 2, 0, 3, 1]}, "cr='x'"),
        ({"cr": [True, 0, 2, 0, 3, 1]}, "cr=True"),
        ({"cr": [np.inf, 0, 2, 0, 3, 1]}, "cr=inf"),
        ({"cr": [np.nan, 0, 2, 0, 3, 1]}, "pr, sd and pd, which do not cover"),
        ({"cr_pr": [10, *[np.nan] * 5]}, "do not cover"),
        ({"total": [26, *[np.nan] * 5]}, "sum to 25, and total is 26"),
        ({"cr": [1e12, 0, 2, 0, 3, 1]}, "cr=1000000000000"),
    ],
)
def test_counts_that_are_no_categories_are_refused_with_row_and_column(change, words):
    with pytest.raises(ArgumentError, match=words):
        mn.pool_categories(complete_frame().assign(**change))


def test_other_faults_of_a_frame_are_named():
    with pytest.raises(ArgumentError, match="no rows"):
        mn.pool_categories(complete_frame().head(0))
    with pytest.raises(ArgumentError, match="two columns called 'cr'"):
        mn.pool_categories(complete_frame().assign(CR=1))
    with pytest.raises(ArgumentError, match="sum to 0"):
        mn.pool_categories(complete_frame().assign(cr=0, pr=0, sd=0, pd=0))
    with pytest.raises(ArgumentError, match="modality='TARE' applies to evidence"):
        mn.pool_categories(complete_frame(), "TARE")
    with pytest.raises(ArgumentError, match=r"first='bst'.*Did you mean 'best'"):
        mn.pool_categories(complete_frame(), first="bst")
    with pytest.raises(ArgumentError, match="arms="):
        mn.pool_categories(complete_frame(), arms="some")


def test_arms_too_large_to_sum_over_are_refused_with_a_fix_that_works():
    frame = pd.DataFrame({"cr_pr": [5, 6, None], "sd": [6, 8, None], "pd": [4, 6, 3], "cr_pr_sd": [None, None, 900_000]})
    with pytest.raises(ArgumentError, match="arms='complete'"):
        mn.pool_categories(frame)
    assert mn.pool_categories(frame, arms="complete").k == 2


def test_names_from_a_file_do_no_harm():
    frame = complete_frame().assign(study=[HOSTILE, "$x^2$", "<script>alert(1)</script>", "D", "E", "F"])
    pooled = mn.pool_categories(frame)
    page = pooled._repr_html_()
    assert "<script" not in page
    assert "\n" not in repr(pooled)
    assert json.dumps(pooled.to_dict())


def test_every_combination_of_neighbours_is_a_column():
    assert {"cr", "pr", "sd", "pd", "cr_pr", "pr_sd", "sd_pd", "cr_pr_sd", "pr_sd_pd"} <= set(COLUMNS)
    assert "cr_sd" not in COLUMNS


def test_large_counts_with_little_overdispersion_keep_their_digits():
    frame = pd.DataFrame({"cr_pr": [40_000, 41_000, 39_500], "sd": [30_000, 30_500, 29_000], "pd": [30_000, 28_500, 31_500]})
    pooled = mn.pool_categories(frame, first="response")
    assert pooled.objective_response.estimate == pytest.approx(120_500 / 300_000, abs=1e-4)
    assert pooled.main.settled


def test_an_arm_is_what_response_categories_makes_of_it(curated):
    for arm in mn.pool_categories(curated, "PRRT").arms:
        assert isinstance(arm, ResponseArm)
        assert sum(n for _, n in arm.parts) == arm.total
