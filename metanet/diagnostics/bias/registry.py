"""The tests for small-study effects: what each one asks, what it needs, and where it misleads."""

from __future__ import annotations

from dataclasses import dataclass

from metanet.base.errors import ArgumentError
from metanet.diagnostics.study_effects import is_rate
from metanet.models.results.pooled import Pooled


@dataclass(frozen=True)
class SmallStudyTest:
    """One test.

    Attributes
    ----------
    name, title
        Its code, and what it is called in a sentence.
    predictor
        What the effects are related to, in words.
    falls_with_size
        Whether the predictor is large in small studies, so that its zero is a study without limit.
    weights
        The weight of a study in words.
    source
        DOI.
    biased_on_rates
        Whether it finds asymmetry in rates where there is none.
    """

    name: str
    title: str
    predictor: str
    falls_with_size: bool
    weights: str
    source: str
    biased_on_rates: bool


_ALL = (
    SmallStudyTest(
        "peters", "Peters' test", "1 / number of patients", True, "the pooled rate's information", "10.1001/jama.295.6.676", False
    ),
    SmallStudyTest(
        "macaskill", "Macaskill's test", "number of patients", False, "the pooled rate's information", "10.1002/sim.698", False
    ),
    SmallStudyTest(
        "egger", "Egger's test", "standard error", True, "1 / v, dispersion estimated", "10.1136/bmj.315.7109.629", True
    ),
    SmallStudyTest(
        "egger_mixed",
        "Egger's test with heterogeneity (meta-regression)",
        "standard error",
        True,
        "1 / (v + tau2)",
        "10.1002/0470870168.ch6",
        True,
    ),
    SmallStudyTest("begg", "Begg's rank test", "sampling variance", True, "none: ranks", "10.2307/2533446", True),
    SmallStudyTest(
        "thompson_sharp",
        "Thompson and Sharp's test",
        "standard error",
        True,
        "1 / (v + tau2), tau2 by moments",
        "10.1002/(SICI)1097-0258(19991030)18:20<2693::AID-SIM235>3.0.CO;2-V",
        True,
    ),
    SmallStudyTest(
        "harbord", "Harbord's test", "1 / square root of the score's information", True, "the score's information V",
        "10.1002/sim.2380", False,
    ),
    SmallStudyTest(
        "deeks", "Deeks' test", "1 / square root of the effective sample size", True, "effective sample size",
        "10.1016/j.jclinepi.2005.01.016", False,
    ),
    SmallStudyTest(
        "pustejovsky", "Pustejovsky and Rodgers' test", "square root of 1 / n1 + 1 / n2", True, "n1 n2 / (n1 + n2)",
        "10.1002/jrsm.1332", False,
    ),
    SmallStudyTest(
        "rucker",
        "Rücker's arcsine test",
        "standard error of the arcsine difference",
        True,
        "1 / (v + tau2), tau2 by moments",
        "10.1002/sim.2971",
        False,
    ),
    SmallStudyTest("lfk", "LFK index", "normal quantile of the rank", True, "none", "10.1097/XEB.0000000000000141", True),
)  # fmt: skip

#: Every test by its code.
TESTS = {test.name: test for test in _ALL}

#: Unbiased reviews of 15 rates (true rates of 3 and 8 %, tau 0 and 0.5 on the logit scale, sizes log-uniform from 15 to
#: 150), per cent called asymmetric, lowest and highest cell. By `small_study_simulation` with 10,000 sets a cell; Egger and
#: LFK with 2,000 in an earlier run.
FALSE_ALARMS = {"egger": (45, 81), "egger_mixed": (26, 70), "begg": (3, 23), "thompson_sharp": (18, 64), "lfk": (87, 97)}

_RATIOS = ("OR", "RR", "PETO")


def default_test(fit: Pooled) -> str:
    """The test that suits the data: Peters for rates, Harbord for ratios of counts, Egger where effect and error are unrelated."""
    if is_rate(fit):
        return "peters"
    if fit.measure in _RATIOS:
        return "harbord"
    return "peters" if fit.measure == "IRR" else "egger"


def check_biased(fit: Pooled, what: str, allow_biased: object, reason: str) -> str | None:
    """The warning that a biased method on rates carries; run only with ``allow_biased=True``."""
    if not is_rate(fit):
        return None
    if not allow_biased:
        raise ArgumentError(
            f"{what} misleads on rates of single groups. {reason} "
            "It is run only with allow_biased=True. Fix: small_study_effects(fit, method='peters')."
        )
    return f"Misleading on rates: {reason}"


def bias_reason(name: str) -> str:
    """Why a test is biased on rates, with what that does."""
    low, high = FALSE_ALARMS[name]
    rule = "exceeds 1" if name == "lfk" else "is below p = 0.05"
    return (
        "The standard error of a rate depends on the rate, which makes low (or high) rates look less precise by construction. In "
        f"simulated reviews of 15 studies without any bias, at true rates of 3 to 8 %, this check {rule} in {low} to {high} of 100."
    )


def inapplicable(name: str, fit: Pooled, *, sizes: bool) -> str | None:
    """Why a test has no meaning for this fit, or None; `sizes` tells whether group sizes were given beside effects."""
    measure, rate = fit.measure, is_rate(fit)
    given = measure == "GEN"
    timed = fit.data.timed
    if name in ("peters", "macaskill"):
        if given and not sizes:
            return f"{TESTS[name].title} needs the number of patients of each study: give total=, a column or a sequence."
        if not (rate or given or measure in (*_RATIOS, "IRR")):
            return f"{TESTS[name].title} is made for rates and ratios; for a difference use method='egger'."
    if name == "harbord" and measure not in _RATIOS:
        return "Harbord's test is made of the score of an odds ratio or risk ratio; these data have none."
    if name == "deeks" and measure not in ("OR", "PETO"):
        return "Deeks' test is made for odds ratios (as of diagnostic studies); these effects are none."
    if name == "rucker" and (rate or given or timed):
        return "Rücker's arcsine test needs events and patients of two groups; these data have none."
    if name == "pustejovsky" and not given:
        return "Pustejovsky and Rodgers' test is for standardised mean differences; no form of it for rates or ratios is published."
    if name == "pustejovsky" and not sizes:
        return (
            "Pustejovsky and Rodgers' test needs the size of both groups of each study: give total= and total_control=. It is for "
            "standardised mean differences alone."
        )
    return None
