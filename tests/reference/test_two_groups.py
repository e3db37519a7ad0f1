"""Two-group models against metafor: `bcg` and `nielweise2007`, and twelve more sets of `two_groups.R`."""

import numpy as np
import pytest
from scipy.optimize import minimize

from metanet.kernels.two_groups import mantel_haenszel, mantel_haenszel as peto, um_fs, um_rs
from tests.kernels.two_groups.direct_two_groups import fixed_intercepts, laplace, random_intercepts, rows

from .cases import load

CASES = load("two_groups")["cases"]
BOTH = ("bcg", "nielweise2007")
#: Bounded by the reference's optimiser (its tau2 moves in the fifth digit between optimisers).
GLMM = {"rtol": 1e-4, "atol": 1e-6}
#: Where lme4 stopped short of the maximum; `test_fixed_intercepts_ours_is_the_higher_point` shows that ours lies above.
STOPPED_EARLY = ("nielweise2007", "collins1985a", "graves2010", "heterogeneous")


def counts(name):
    file = load(name) if name in BOTH else CASES[name]
    return file["ai"], file["n1i"], file["ci"], file["n2i"]


def wanted_glmm(name, model):
    return load(name)["glmm"][model] if name in BOTH else CASES[name][model]


FIXED = [name for name in (*BOTH, *CASES) if wanted_glmm(name, "UM.FS")]
RANDOM = [name for name in (*BOTH, *CASES) if name != "empty_arm"]


def test_the_file_holds_twelve_cases_and_says_what_made_it():
    assert len(CASES) == 12
    assert set(load("two_groups")["made_by"]) == {"script", "R", "metafor", "lme4", "metadat", "nAGQ"}
    assert set(STOPPED_EARLY) <= set(FIXED)


@pytest.mark.parametrize("measure", ["OR", "RR", "RD"])
@pytest.mark.parametrize("name", BOTH)
def test_mantel_haenszel_agrees_on_the_older_files(name, measure):
    wanted, got = load(name)["mh"][measure], mantel_haenszel.pool_mantel_haenszel(measure, *rows(*counts(name)))
    np.testing.assert_allclose([got.estimate[0], got.se[0], got.q[0]], [wanted["estimate"], wanted["se"], wanted["Q"]], rtol=1e-8)


@pytest.mark.parametrize("name", BOTH)
def test_peto_agrees_on_the_older_files(name):
    wanted, got = load(name)["peto"], peto.pool_peto(*rows(*counts(name)))
    np.testing.assert_allclose([got.estimate[0], got.se[0], got.q[0]], [wanted["estimate"], wanted["se"], wanted["Q"]], rtol=1e-8)


@pytest.mark.parametrize("key", ["OR", "RR", "RD", "RR_drop00", "RD_drop00", "PETO"])
@pytest.mark.parametrize("name", CASES)
def test_closed_forms_agree(name, key):
    wanted = CASES[name][key]
    if key == "PETO":
        got = peto.pool_peto(*rows(*counts(name)))
    else:
        measure, _, dropped = key.partition("_")
        got = mantel_haenszel.pool_mantel_haenszel(measure, *rows(*counts(name)), drop00=(True, bool(dropped)))
    if wanted["estimate"] is None:
        # metafor gives no estimate where an arm has no events.
        assert not got.estimable[0]
        return
    for field in ("estimate", "se", "q", "q_df", "q_pvalue"):
        np.testing.assert_allclose(getattr(got, field)[0], wanted[field], rtol=1e-8, atol=1e-12)
    if not key.endswith("drop00"):
        np.testing.assert_allclose(got.weights[0], wanted["weights"], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_the_test_of_association_agrees(name):
    wanted = CASES[name]["association"]
    statistic, pvalue = mantel_haenszel.association_test(*rows(*counts(name)))
    np.testing.assert_allclose(statistic[0], wanted["statistic"], rtol=1e-10)
    np.testing.assert_allclose(pvalue[0], wanted["pvalue"], rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in FIXED if name not in STOPPED_EARLY])
def test_fixed_intercepts_agree(name):
    wanted, fit = wanted_glmm(name, "UM.FS"), um_fs.fit(*rows(*counts(name)))
    for field in ("se", "tau2"):
        np.testing.assert_allclose(getattr(fit, field)[0], wanted[field], **GLMM)
    np.testing.assert_allclose(fit.theta[0], wanted["estimate"], atol=1e-4 * fit.se[0])


@pytest.mark.parametrize("name", STOPPED_EARLY)
def test_fixed_intercepts_ours_is_the_higher_point(name):
    wanted, fit = wanted_glmm(name, "UM.FS"), um_fs.fit(*rows(*counts(name)))
    used = fit.used[0]
    data = [np.array(values, float)[used] for values in counts(name)]
    ours = fixed_intercepts(data, fit.theta[0], fit.tau[0], fit.alpha[0][used])
    # The best intercepts at their theta and tau, found by our climb and valued by direct integration.
    held = um_fs.count(*rows(*counts(name)), fit.used)
    x = np.array([[wanted["estimate"], np.sqrt(wanted["tau2"])]])
    alpha = um_fs.ascend(held, x, np.nan_to_num(fit.alpha), um_fs.RULES[2], ())[1][0]
    gap = ours - fixed_intercepts(data, x[0, 0], x[0, 1], alpha[used])
    assert 0 < gap < 1e-5
    # Two points that far apart in the likelihood may lie sqrt(2 gap) standard errors apart.
    assert abs(fit.theta[0] - wanted["estimate"]) <= 2 * np.sqrt(2 * gap) * fit.se[0]
    np.testing.assert_allclose(fit.se[0], wanted["se"], rtol=1e-3)
    np.testing.assert_allclose(fit.tau2[0], wanted["tau2"], rtol=5e-3)


@pytest.mark.parametrize("name", [name for name in FIXED if name in CASES])
def test_the_heterogeneity_test_with_fixed_intercepts_agrees(name):
    wanted, fit = CASES[name]["UM.FS"], um_fs.fit(*rows(*counts(name)))
    statistic, df, pvalue = um_fs.heterogeneity_test(fit)
    assert (df[0], fit.k[0]) == (wanted["lrt_df"], wanted["k"])
    np.testing.assert_allclose(statistic[0], wanted["lrt"], rtol=1e-7)
    np.testing.assert_allclose(pvalue[0], wanted["lrt_pvalue"], rtol=1e-6)


@pytest.mark.parametrize("name", BOTH)
def test_their_log_likelihood_is_not_the_marginal_one(name):
    # metafor prints the saturated log-likelihood less half of lme4's conditional deviance: at the modes, each study fits nearly.
    fit = um_fs.fit(*rows(*counts(name)))
    assert fit.loglik[0] < wanted_glmm(name, "UM.FS")["loglik"] < fit.loglik_saturated[0]


def test_an_arm_without_events_is_flagged_where_theirs_runs_off():
    wanted = CASES["empty_arm"]["UM.RS"]
    assert wanted["se"] > 1e6
    assert CASES["empty_arm"]["UM.FS"] is None
    for model in (um_fs, um_rs):
        assert model.fit(*rows(*counts("empty_arm"))).unbounded[0]


def best_laplace(data, start):
    """Maximum of the Laplace likelihood over theta, alpha and the logarithms of tau and sigma."""
    point = np.array([start[0], start[1], np.log(max(start[2], 1e-4)), np.log(max(start[3], 1e-4))])
    found = point
    for size in (0.1, 0.02, 0.005):
        simplex = np.vstack([found, found + size * np.eye(4)])
        found = minimize(
            lambda p: -laplace(data, p[0], p[1], *np.exp(p[2:])),
            found,
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000},
        ).x
    return found[0], found[1], *np.exp(found[2:])


@pytest.mark.parametrize("name", RANDOM)
def test_random_intercepts_differ_from_theirs_by_laplace_alone(name):
    wanted = wanted_glmm(name, "UM.RS")
    data = [np.array(values, float) for values in counts(name)]
    if name == "nielweise2007":
        # The older file was made with studies without events in both arms left out, which this model can use.
        kept = (data[0] + data[2] > 0) & (data[0] + data[2] < data[1] + data[3])
        data = [values[kept] for values in data]
    fit = um_rs.fit(*rows(*data))
    assert fit.settled[0]
    theta, alpha, tau, sigma = best_laplace(data, (fit.theta[0], fit.alpha[0], fit.tau[0], fit.sigma[0]))
    # lme4 stops up to 1e-4 below the top of its own approximation, hence up to sqrt(2e-4) standard errors away.
    top = laplace(data, theta, alpha, tau, sigma)
    assert wanted["loglik"] - 1e-6 <= top <= wanted["loglik"] + 1e-4
    np.testing.assert_allclose(theta, wanted["estimate"], atol=2e-3 * fit.se[0])
    np.testing.assert_allclose(tau**2, wanted["tau2"], rtol=2e-3, atol=2e-3)
    if "sigma2" in wanted:
        np.testing.assert_allclose(sigma**2, wanted["sigma2"], rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["heterogeneous", "double_zeros", "zero_cells"])
def test_the_exact_likelihood_is_higher_at_our_point_than_at_theirs(name):
    wanted, fit = CASES[name]["UM.RS"], um_rs.fit(*rows(*counts(name)))
    data = counts(name)
    exact = lambda *point: random_intercepts(data, *point, points=601)  # noqa: E731
    ours = exact(fit.theta[0], fit.alpha[0], fit.tau[0], fit.sigma[0])
    theirs = max(
        exact(wanted["estimate"], alpha, np.sqrt(wanted["tau2"]), np.sqrt(wanted["sigma2"]))
        for alpha in fit.alpha[0] + np.linspace(-0.2, 0.2, 9)
    )
    assert fit.loglik[0] == pytest.approx(ours, rel=1e-8)
    assert ours > theirs
