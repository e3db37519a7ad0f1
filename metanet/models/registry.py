"""The registry of what a pooling may choose: models, estimators of tau2, intervals, predictions and links.

Each row says what a choice is called, what it is in a sentence, where it comes from and where it is allowed. The checks of options,
the method stamp, the help of the command line, the page of methods and the tests read these rows and nothing else. A new estimator
of tau2 is its function in `metanet.kernels.inverse_variance.tau2` and its row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from metanet.effects.measures import MEASURES

Family = Literal["exact", "two-step", "fixed"]
_ALL = (*MEASURES, "GEN")


@dataclass(frozen=True)
class Choice:
    """One choice: its code, its name, what it is in a phrase of the method sentence, and the DOI of its source."""

    code: str
    title: str
    phrase: str
    source: str | None = None


@dataclass(frozen=True)
class Estimator(Choice):
    """An estimator of tau2. `likelihood` names the likelihood that it maximises: only such a one has a profile."""

    likelihood: Literal["restricted", "full"] | None = None


@dataclass(frozen=True)
class Model(Choice):
    """One model.

    Attributes
    ----------
    family
        "exact": the likelihood of the counts with a random effect. "two-step": effect sizes weighted by their variances. "fixed":
        counts under one common effect.
    groups
        1, 2, or 0 for any data.
    measures
        The measures it pools; the first is its default.
    tau2, ci, tau2_ci, prediction
        The choices it knows, the default first; None stands for "has none" or "may be left out".
    remark
        What a report says of it beside its name.
    weights
        What the weights of the studies are.
    fills
        The function that fits it: module and name below `metanet.models.pooling`.
    r
        The function that gives its R form: module and name below `metanet.models.r`.
    """

    family: Family = "exact"
    groups: int = 0
    measures: tuple[str, ...] = _ALL
    tau2: tuple[str | None, ...] = (None,)
    ci: tuple[str, ...] = ("z",)
    tau2_ci: tuple[str | None, ...] = (None,)
    prediction: tuple[str | None, ...] = (None,)
    remark: str = ""
    weights: str = "share of the observed information on mu"
    fills: tuple[str, str] = ("fill", "fill_two_step")
    r: tuple[str, str] = ("", "")

    @property
    def name(self) -> str:
        """How a reader calls it in a heading or a table."""
        return self.title


def _table(*rows: Choice) -> dict[str, Choice]:
    return {row.code: row for row in rows}


_HARDY = "10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A"

#: Estimators of tau2 in two steps; the first is the default.
TAU2: Mapping[str, Estimator] = MappingProxyType(
    {
        row.code: row
        for row in (
            Estimator("REML", "restricted maximum likelihood", "REML", "10.3102/10769986030003261", likelihood="restricted"),
            Estimator("DL", "DerSimonian-Laird", "DL", "10.1016/0197-2456(86)90046-2"),
            Estimator("PM", "Paule-Mandel", "PM", "10.6028/jres.087.022"),
            Estimator("ML", "maximum likelihood", "ML", _HARDY, likelihood="full"),
            Estimator("SJ", "Sidik-Jonkman", "SJ", "10.1111/j.1467-9876.2005.00489.x"),
            Estimator("HS", "Hunter-Schmidt", "HS", "10.4135/9781483398105"),
            Estimator("HSk", "Hunter-Schmidt, small samples", "HSk", "10.1177/1094428117741966"),
            Estimator("HE", "Hedges", "HE", "10.1037/0033-2909.93.2.388"),
            Estimator("EB", "empirical Bayes", "EB", "10.1080/01621459.1983.10477920"),
        )
    }
)

#: Intervals of the mean.
CI: Mapping[str, Choice] = MappingProxyType(
    _table(
        Choice("z", "normal", "normal quantile"),
        Choice("t", "t", "t quantile with k − 1 degrees of freedom", "10.1111/j.0006-341X.1999.00732.x"),
        Choice("profile", "profile likelihood", "profile likelihood", _HARDY),
        Choice("HK", "Hartung-Knapp", "Hartung-Knapp method, t with k − 1 degrees of freedom", "10.1002/sim.791"),
        Choice(
            "HK-adhoc",
            "Hartung-Knapp, not narrower than t",
            "Hartung-Knapp method, not narrower than the t interval, k − 1 degrees of freedom",
            "10.1002/sim.1482",
        ),
        Choice("KR", "Kenward-Roger", "Kenward-Roger method, t with estimated degrees of freedom", "10.1002/sim.7140"),
        Choice("credible", "equal-tailed credible", "credible interval with equal tails", "10.1002/jrsm.1475"),
    )
)

#: Intervals of tau2.
TAU2_CI: Mapping[str, Choice] = MappingProxyType(
    _table(
        Choice("Q-profile", "Q-profile", "Q-profile", "10.1002/sim.2514"),
        Choice("profile", "profile likelihood", "profile likelihood", _HARDY),
        Choice("Jackson", "Jackson's generalised Q", "Jackson", "10.1002/jrsm.1081"),
        Choice("credible", "equal-tailed credible", "credible interval with equal tails", "10.1002/jrsm.1475"),
    )
)

#: Prediction intervals.
PREDICTION: Mapping[str, Choice] = MappingProxyType(
    _table(
        Choice(
            "HTS",
            "Higgins-Thompson-Spiegelhalter",
            "Higgins-Thompson-Spiegelhalter method, t with k − 2 degrees of freedom",
            "10.1111/j.1467-985X.2008.00552.x",
        ),
        Choice("V", "t with k − 1 degrees of freedom", "t quantile with k − 1 degrees of freedom", "10.1002/jrsm.1319"),
        Choice("HK", "Hartung-Knapp", "Hartung-Knapp method, t with k − 1 degrees of freedom", "10.1002/sim.791"),
        Choice("KR", "Kenward-Roger", "Kenward-Roger method, t with estimated degrees of freedom", "10.1002/sim.7140"),
        Choice("bootstrap", "parametric bootstrap", "parametric bootstrap, integrated", "10.1177/0962280218773520"),
        Choice("z", "normal", "normal quantile"),
        Choice("posterior", "posterior predictive", "posterior predictive distribution"),
    )
)

#: Links of the exact models of one group, by measure; the first is the default.
LINKS: Mapping[str, tuple[str, ...]] = MappingProxyType({"PLO": ("logit", "probit", "cloglog"), "IRLN": ("log",)})


@dataclass(frozen=True)
class Prior:
    """The priors of the posterior model on one scale: ``mu ~ N(mean, sd^2)``, ``tau ~ half-normal(scale)``.

    `scale_text` says what tau is measured on, `mean_text` what the mean of mu is where it depends on the data.
    """

    mean: float
    sd: float
    scale: float
    scale_text: str
    mean_text: str | None = None

    def text(self) -> str:
        """The priors as the method sentence names them."""
        return f"tau ~ half-normal({self.scale:g}), mu ~ normal({self.mean_text or f'{self.mean:g}'}, {self.sd:g})"


#: Prior scale of tau on the logit scale, and standard deviation of mu: decided by simulation (docs/methods.md).
TAU_SCALE, MU_SD = 1.25, 2.5
#: Priors by link; None is the log odds ratio of two groups. Those of probit and cloglog say the same of rates about 50 %: the scale of
#: the logit times the slope of the link there (0.627, 0.721).
PRIORS: Mapping[str | None, Prior] = MappingProxyType(
    {
        "logit": Prior(0.0, MU_SD, TAU_SCALE, "the logit scale"),
        "probit": Prior(0.0, round(0.627 * MU_SD, 2), round(0.627 * TAU_SCALE, 2), "the probit scale"),
        "cloglog": Prior(-0.37, round(0.721 * MU_SD, 2), round(0.721 * TAU_SCALE, 2), "the complementary log-log scale"),
        "log": Prior(0.0, 5.0, TAU_SCALE, "the logarithm of the rate", "log of one event in the mean person-time of a study"),
        None: Prior(0.0, MU_SD, 0.5, "the log odds ratio"),
    }
)


def prior_of(link: str | None) -> Prior:
    """The priors of the posterior model with this link."""
    return PRIORS[link]


#: Definitions of I2.
I2: Mapping[str, Choice] = MappingProxyType(
    _table(
        Choice("tau2", "from tau²", "tau2 / (tau2 + typical within-study variance)", "10.1002/sim.1186"),
        Choice("Q", "from Q", "(Q − df) / Q", "10.1002/sim.1186"),
    )
)

_AS_THEY_ARE = "This model uses the counts directly: studies without events, or with events only, need no correction and are kept."
_GLMM: dict[str, object] = {
    "tau2": ("ML",),
    "ci": ("t", "z", "profile"),
    "tau2_ci": ("profile",),
    "prediction": ("HTS", "z", "V", None),
}
_TWO_STEP_CI = ("HK", "z", "t", "HK-adhoc", "KR", "profile")


def _two_groups(code: str, title: str, phrase: str, remark: str, form: str) -> Model:
    """A logistic mixed model of two groups (Stijnen 2010, Jackson 2018)."""
    return Model(
        code, title, f"{phrase} ({code}, maximum likelihood)", "10.1002/sim.7588", groups=2, measures=("OR",),
        remark=remark, fills=("two_groups", "fill_two_groups"), r=("forms", form), **_GLMM,  # type: ignore[arg-type]
    )  # fmt: skip


_COUNTS = "This model uses the counts of both groups directly."
_CONDITIONAL = "This model uses the counts of both groups directly, conditional on the events of each study."

#: Every model by its code.
MODELS: Mapping[str, Model] = MappingProxyType(
    {
        row.code: row
        for row in (
            Model(
                "glmm", "Binomial-normal model", "binomial-normal model (GLMM, {link} link, maximum likelihood)", "10.1002/sim.4040",
                groups=1, measures=("PLO", "IRLN"), remark=_AS_THEY_ARE, fills=("fill", "fill_one_group"), r=("forms", "glmm"),
                **_GLMM,  # type: ignore[arg-type]
            ),
            Model(
                "bayes", "Bayesian binomial-normal model", "Bayesian binomial-normal model ({link} link; {prior})",
                "10.1002/jrsm.1475",
                measures=("PLO", "IRLN", "OR"), tau2=("posterior",), ci=("credible",), tau2_ci=("credible",),
                prediction=("posterior", None), remark=_AS_THEY_ARE, weights="share of the information on mu, averaged over tau",
                fills=("two_groups", "fill_two_groups"), r=("forms", "posterior"),
            ),
            Model(
                "beta_binomial", "Beta-binomial model", "beta-binomial model (maximum likelihood)", "10.1002/sim.6383",
                groups=1, measures=("PLO",), tau2=("ML",), ci=("t", "z", "profile"), tau2_ci=("profile",),
                prediction=("HTS", None), remark=_AS_THEY_ARE, fills=("fill", "fill_one_group"), r=("forms", "beta_binomial"),
            ),
            Model(
                "inverse_variance", "Inverse-variance model", "inverse-variance random-effects model",
                family="two-step", tau2=tuple(TAU2), ci=_TWO_STEP_CI, tau2_ci=tuple(TAU2_CI),
                prediction=("HTS", "HK", "KR", "bootstrap", "z", "V", None), weights="1 / (v + tau2)",
                remark="Each study was weighted by the inverse of the sum of its variance and the variance between studies.",
                r=("classic", "inverse_variance"),
            ),
            Model(
                "common", "Common-effect model", "inverse-variance common-effect model", family="two-step", weights="1 / v",
                remark="Each study was weighted by the inverse of its variance; one common effect was assumed.",
                r=("classic", "common"),
            ),
            Model(
                "mantel_haenszel", "Mantel-Haenszel", "Mantel-Haenszel common-effect model", "10.1093/jnci/22.4.719",
                family="fixed", groups=2, measures=("OR", "RR", "RD"), weights="share in the Mantel-Haenszel sums",
                remark="Studies were weighted by the Mantel-Haenszel method, which assumes one common effect and suits sparse data.",
                fills=("two_groups", "fill_two_groups"), r=("classic", "mantel_haenszel"),
            ),
            Model(
                "mantel_haenszel_random", "Mantel-Haenszel random effects",
                "Mantel-Haenszel random-effects model (inverse-variance weights; τ² by DerSimonian-Laird from Q about the "
                "Mantel-Haenszel estimate)", "10.1016/0197-2456(86)90046-2",
                family="two-step", groups=2, measures=("OR", "RR", "RD"), tau2=("DL",), ci=("z", "HK", "t", "HK-adhoc"),
                tau2_ci=("Q-profile", "Jackson"), prediction=("HTS", "HK", "z", "V", None), weights="1 / (v + tau2)",
                remark="Each study was weighted by the inverse of the sum of its variance and the variance between studies, which was "
                "estimated about the Mantel-Haenszel estimate of a common effect.",
                r=("classic", "mantel_haenszel_random"),
            ),
            Model(
                "peto", "Peto", "Peto common-effect model", "10.1016/S0033-0620(85)80003-7",
                family="fixed", groups=2, measures=("PETO",), weights="hypergeometric variance",
                remark="Studies were weighted by Peto's method, which assumes one common effect and suits rare events in groups of "
                "similar size.",
                fills=("two_groups", "fill_two_groups"), r=("classic", "peto"),
            ),
            _two_groups(
                "UM.FS", "Logistic mixed model, fixed study effects", "logistic mixed model with a fixed effect for each study",
                _COUNTS, "fixed_studies",
            ),
            _two_groups(
                "UM.RS", "Logistic mixed model, random study effects", "logistic mixed model with random study effects",
                _COUNTS, "random_studies",
            ),
            _two_groups(
                "CM.EL", "Conditional logistic mixed model, exact", "conditional logistic mixed model, exact likelihood", _CONDITIONAL,
                "conditional_exact",
            ),
            _two_groups(
                "CM.AL", "Conditional logistic mixed model, approximate", "conditional logistic mixed model, approximate likelihood",
                _CONDITIONAL, "conditional_approximate",
            ),
        )
    }
)  # fmt: skip

#: The binomial-normal model of person-time goes by another name.
POISSON = Choice("poisson", "Poisson-normal model", "Poisson-normal model (GLMM, log link, maximum likelihood)")
#: The posterior model by the likelihood of its data.
POSTERIOR = {
    "log": Choice("bayes", "Bayesian Poisson-normal model", "Bayesian Poisson-normal model (log link; {prior})", "10.1002/jrsm.1475"),
    None: Choice(
        "bayes", "Bayesian hypergeometric-normal model", "Bayesian hypergeometric-normal model (log odds ratio; {prior})",
        "10.1002/jrsm.1475",
    ),
}  # fmt: skip

#: Models of the exact likelihood of the counts.
EXACT = tuple(code for code, model in MODELS.items() if model.family == "exact")
#: Models with a normal random effect on two groups.
TWO_GROUP_GLMM = tuple(code for code in EXACT if MODELS[code].groups == 2)
#: Models of effect sizes and their variances.
TWO_STEP = tuple(code for code, model in MODELS.items() if model.family == "two-step")

#: Models of a network of treatments by their code: the first is the default where counts are small, the second elsewhere.
NETWORK_MODELS: Mapping[str, Choice] = MappingProxyType(
    _table(
        Choice(
            "exact", "Exact binomial network model",
            "exact binomial model with study intercepts and a random effect of every arm (one stage, maximum likelihood)",
            "10.1177/0272989X14545789",
        ),
        Choice(
            "inverse_variance", "Inverse-variance network model", "inverse-variance random-effects network model",
            "10.1002/jrsm.1058",
        ),
        Choice("common", "Common-effect network model", "inverse-variance common-effect network model", "10.1002/jrsm.1058"),
        Choice(
            "exact_common", "Exact network model without heterogeneity",
            "logistic regression with an intercept for each study (one stage, no heterogeneity)", "10.1177/0272989X14545789",
        ),
    )
)  # fmt: skip
#: The estimators of tau2 that each knows, the default first.
NETWORK_TAU2: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"exact": ("ML",), "inverse_variance": ("REML", "DL"), "common": (), "exact_common": ()}
)

#: Exact intervals of single rates and of sums of studies: name -> DOI.
INTERVAL_SOURCES = MappingProxyType(
    {
        "Clopper-Pearson": "10.1093/biomet/26.4.404",
        "Wilson": "10.1080/01621459.1927.10502953",
        "Agresti-Coull": "10.1080/00031305.1998.10480550",
        "Jeffreys": "10.1214/ss/1009213286",
        "Garwood": "10.1093/biomet/28.3-4.437",
    }
)


def source_title(code: str, link: str | None = None) -> str:
    """What a list of sources calls a choice, whatever its kind."""
    if code in MODELS:
        return model_row(code, link).title
    if code in (*CI, *PREDICTION):
        return f"{(CI.get(code) or PREDICTION[code]).title} interval"
    row = TAU2.get(code) or TAU2_CI.get(code)
    return row.title if row else MEASURES[code].title if code in MEASURES else {"I2": "I²"}.get(code, code)


def source_of(code: str) -> str | None:
    """The DOI of a choice, whatever its kind."""
    if code == "I2":
        return I2["tau2"].source
    for table in (MODELS, TAU2, CI, PREDICTION, TAU2_CI):
        if code in table:
            return table[code].source
    if code in INTERVAL_SOURCES:
        return INTERVAL_SOURCES[code]
    return MEASURES[code].source if code in MEASURES else None


def model_row(model: str, link: str | None) -> Choice:
    """The row whose name and phrase a model goes by: with the log link it is the Poisson-normal model."""
    if model == "bayes" and link in POSTERIOR:
        return POSTERIOR[link]
    return POISSON if model == "glmm" and link == "log" else MODELS[model]
