"""Networks against netmeta on four published sets; `networks.R` made the values.

Effects, standard errors, Q and P-scores are closed forms once tau2 is known: 1e-8. Splits and designs are differences of such numbers:
1e-7. netmeta's REML comes to rest at a change of tau2, not at a root: 1e-6 of tau2, and what follows from tau2 is computed at its own.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.kernels.network.consistency import split
from metanet.kernels.network.ranks import p_scores
from metanet.kernels.network.two_step import Estimates, Fit, Restricted, contrasts
from metanet.models.network.part import arms_of

FILE = json.loads(Path(__file__).with_name("networks.json").read_text(encoding="utf-8"))
SETS = FILE["sets"]
TIGHT = {"rtol": 1e-8, "atol": 1e-10}
DIFFERENCE = {"rtol": 1e-7, "atol": 1e-9}
#: In these more events are worse.
LOWER = {"Dong2013": True, "Gurusamy2011": True, "Baker2009": True, "Linde2015_response": False}
FITS = [(name, tau2) for name in SETS for tau2 in ("DL", "REML") if "error" not in SETS[name][tau2]]


@cache
def found(name, tau2="DL", model="inverse_variance"):
    frame = pd.DataFrame(SETS[name]["arms"])
    # Names in the order of netmeta, so that matrices are alike.
    order = SETS[name]["DL"]["trts"]
    frame["treatment"] = pd.Categorical(frame["treatment"], order)
    options = {} if model == "common" else {"tau2": tau2}
    return mn.network(frame, measure="OR", model=model, better="lower" if LOWER[name] else "higher", **options)


def part(name, tau2="DL", model="inverse_variance"):
    return found(name, tau2, model).parts[0]


def at(name, tau2):
    """Estimates at the tau2 of the reference."""
    arms, _ = arms_of(part(name).cells, "OR")
    fit = Fit(arms, np.array([float(tau2)]))
    return arms, Estimates(np.array([float(tau2)]), fit.effect, fit.covariance, arms.linked, arms.used, fit.q, arms.df)


def matrix(value):
    return np.array(value, dtype=float)


def test_the_file_is_complete_and_says_what_made_it():
    assert FILE["made_by"].keys() == {"script", "R", "netmeta", "meta", "metafor"}
    assert set(SETS) == {"Dong2013", "Gurusamy2011", "Baker2009", "Linde2015_response"}
    assert len(FITS) == 7
    assert "did not converge" in SETS["Baker2009"]["REML"]["error"]


@pytest.mark.parametrize(("name", "tau2"), FITS)
def test_heterogeneity(name, tau2):
    fit, reference = found(name, tau2), SETS[name][tau2]
    np.testing.assert_allclose(fit.tau2, reference["tau2"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(fit.q, reference["Q"], **TIGHT)
    assert fit.q_df == reference["df_Q"]
    np.testing.assert_allclose(fit.i2, reference["I2"], **TIGHT)


@pytest.mark.parametrize("name", SETS)
def test_contrasts_and_errors_by_dersimonian_and_laird(name):
    fit, reference = found(name), SETS[name]["DL"]
    assert list(fit.treatments) == reference["trts"]
    np.testing.assert_allclose(fit.tau2, reference["tau2"], **TIGHT)
    np.testing.assert_allclose(part(name).mu, matrix(reference["TE_random"]), **TIGHT)
    np.testing.assert_allclose(part(name).se, matrix(reference["seTE_random"]), **TIGHT)


@pytest.mark.parametrize("name", SETS)
def test_a_common_effect(name):
    fit, reference = part(name, model="common"), SETS[name]["DL"]
    np.testing.assert_allclose(fit.mu, matrix(reference["TE_common"]), **TIGHT)
    np.testing.assert_allclose(fit.se, matrix(reference["seTE_common"]), **TIGHT)
    scores = fit.p_scores(not LOWER[name])
    np.testing.assert_allclose(scores, [reference["pscore_common"][t] for t in reference["trts"]], **TIGHT)
    assert found(name, model="common").tau2 is None


@pytest.mark.parametrize(("name", "tau2"), FITS)
def test_contrasts_at_the_tau2_of_the_reference(name, tau2):
    reference = SETS[name][tau2]
    _, estimates = at(name, reference["tau2"])
    mu, se = contrasts(estimates.effect[0], estimates.covariance[0], estimates.linked[0])
    np.testing.assert_allclose(mu, matrix(reference["TE_random"]), **TIGHT)
    np.testing.assert_allclose(se, matrix(reference["seTE_random"]), **TIGHT)
    expected = [reference["pscore_random"][t] for t in reference["trts"]]
    np.testing.assert_allclose(p_scores(mu, se, not LOWER[name]), expected, **TIGHT)


@pytest.mark.parametrize("name", SETS)
def test_prediction_intervals(name):
    reference, frame = SETS[name]["DL"], found(name).contrasts
    places = {t: i for i, t in enumerate(reference["trts"])}
    for row in frame.itertuples():
        i, j = places[row.first], places[row.second]
        np.testing.assert_allclose(np.log(row.pi_lower), reference["lower_predict"][i][j], **TIGHT)
        np.testing.assert_allclose(np.log(row.pi_upper), reference["upper_predict"][i][j], **TIGHT)


@pytest.mark.parametrize("name", SETS)
def test_p_scores_are_those_of_the_ranking(name):
    ranking = found(name).ranking.set_index("treatment")["p_score"]
    for treatment, value in SETS[name]["DL"]["pscore_random"].items():
        np.testing.assert_allclose(ranking[treatment], value, **TIGHT)


@pytest.mark.parametrize(("name", "tau2"), FITS)
def test_direct_and_indirect_evidence(name, tau2):
    reference = SETS[name][tau2]
    places = {t: i for i, t in enumerate(reference["trts"])}
    arms, estimates = at(name, reference["tau2"])
    both, table = split(arms, estimates), reference["netsplit_random"]
    seen = 0
    columns = {
        "direct": both.direct, "se_direct": both.direct_se, "indirect": both.indirect, "se_indirect": both.indirect_se,
        "diff": both.difference, "se_diff": both.difference_se, "prop": both.proportion,
    }  # fmt: skip
    for row, comparison in enumerate(table["comparison"]):
        first, second = comparison.split(":")
        i, j = places[first], places[second]
        assert both.studies[0, i, j] == table["k"][row]
        for column, values in columns.items():
            expected = table[column][row]
            assert np.isfinite(values[0, i, j]) == (expected is not None), (comparison, column)
            if expected is not None:
                np.testing.assert_allclose(values[0, i, j], expected, **DIFFERENCE)
                seen += 1
    assert seen > 3 * len(table["comparison"])


@pytest.mark.parametrize("name", SETS)
def test_the_split_of_the_result(name):
    table, frame = SETS[name]["DL"]["netsplit_random"], found(name).split()
    rows = {(row.first, row.second): row for row in frame.itertuples()}
    for place, comparison in enumerate(table["comparison"]):
        first, second = comparison.split(":")
        row, sign = (rows[first, second], 1) if (first, second) in rows else (rows[second, first], -1)
        for column, expected in (
            ("direct", table["direct"][place]),
            ("indirect", table["indirect"][place]),
            ("difference", table["diff"][place]),
        ):
            value = sign * getattr(row, column)
            if expected is None:
                assert np.isnan(value)
            else:
                np.testing.assert_allclose(value, expected, **DIFFERENCE)
        if table["p"][place] is not None:
            np.testing.assert_allclose(row.pvalue, table["p"][place], **DIFFERENCE)
        np.testing.assert_allclose(row.proportion_direct, table["prop"][place], **DIFFERENCE)


@pytest.mark.parametrize("name", SETS)
def test_designs(name):
    fit, reference = found(name), SETS[name]["DL"]
    np.testing.assert_allclose(fit.q_within, reference["Q_heterogeneity"], **DIFFERENCE)
    np.testing.assert_allclose(fit.q_between, reference["Q_inconsistency"], **DIFFERENCE)
    assert (fit.q_within_df, fit.q_between_df) == (reference["df_het"], reference["df_inc"])
    table, frame = reference["Q_het_design"], fit.designs()
    own = {frozenset(row.design.split(", ")): row for row in frame[frame["kind"] == "design"].itertuples()}
    assert len(own) == len(table["design"])
    for design, q, df in zip(table["design"], table["Q"], table["df"], strict=True):
        row = own[frozenset(design.split(":"))]
        assert row.df == df
        np.testing.assert_allclose(row.q, q, **DIFFERENCE)


@pytest.mark.parametrize("name", SETS)
def test_designs_with_heterogeneity(name):
    reference, test = SETS[name]["DL"]["Q_between_designs_random"], part(name).between_random
    if reference["tau.within"] == 0:
        assert test is None
    else:
        np.testing.assert_allclose(test.statistic, reference["Q"], **DIFFERENCE)
        np.testing.assert_allclose(test.pvalue, reference["pval"], **DIFFERENCE)
        assert test.df == (reference["df"],)


def test_restricted_likelihood_has_its_maximum_where_netmeta_stops():
    fit = found("Baker2009", "REML")
    np.testing.assert_allclose(fit.tau2, 0.00439017, atol=5e-9)
    arms, _ = arms_of(fit.parts[0].cells, "OR")
    near = np.array([fit.tau2 * share for share in (0.0, 0.5, 0.999, 1.0, 1.001, 2.0, 50.0)])
    heights = np.array([Restricted(arms).loglik(np.array([tau2]))[0] for tau2 in near])
    assert heights.argmax() == 3


#: Coefficients and standard errors of the exact model: R's glm at tau = 0, a direct likelihood otherwise. Printed digits.
EXACT = {
    ("Linde2015_response", "exact_common"): {"SSRI": (0.521468, 0.074039), "TCA": (0.528835, None)},
    ("Linde2015_response", "exact"): {"SSRI": (0.52226, 0.08171), "TCA": (0.5415, None), "Hypericum": (0.69549, None)},
    ("Dong2013", "exact"): {
        "ICS": (0.030806, None), "LABA": (-0.073715, None), "LABA-ICS": (-0.229655, None), "TIO-HH": (-0.086147, None),
        "TIO-SMI": (0.412716, None),
    },
    ("Baker2009", "exact_common"): {"Tiotropium": (-0.35756, 0.04673)},
}  # fmt: skip


@pytest.mark.parametrize(("name", "model"), EXACT)
def test_the_exact_model(name, model):
    fit = mn.network(pd.DataFrame(SETS[name]["arms"]), model=model, reference="Placebo")
    rows = {each.first: each for each in fit.against()}
    for treatment, (mu, se) in EXACT[name, model].items():
        # The last digits printed, and one more for a maximum that an optimiser of R stopped at.
        np.testing.assert_allclose(rows[treatment].mu, mu, atol=6e-6)
        if se is not None:
            np.testing.assert_allclose(rows[treatment].se, se, atol=6e-6)
    if name == "Dong2013":
        assert fit.tau2 == 0
    if (name, model) == ("Linde2015_response", "exact"):
        np.testing.assert_allclose(fit.tau, 0.12014, atol=6e-6)
