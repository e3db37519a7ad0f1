"""The notes and the method stamp of a meta-regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import scipy

from metanet._version import __version__
from metanet.base.arrays import Array
from metanet.base.display import level_text, number, plural
from metanet.base.results import Method
from metanet.base.untrusted import listing, visible
from metanet.effects.measures import MEASURES
from metanet.kernels.numerics.distributions import two_sided_t, two_sided_z
from metanet.models.options import Options
from metanet.models.registry import PREDICTION, TAU2_CI, prior_of
from metanet.models.regression.fit import Numbers, Permuted
from metanet.models.regression.formulas import Design, Informative, choice_of

#: Studies for each coefficient below which a regression is seldom reliable (Cochrane Handbook, chapter 10.11.5.1).
STUDIES_EACH = 10
#: The likelihood ratio over Wald's statistic, both on the scale of chi-squared, beyond which a reader is warned.
_DISAGREE = 2.0
_CI = {
    "z": "normal quantile, model-based error",
    "t": "Student's t with k − p df",
    "HK": "Knapp-Hartung, t with k − p df",
    "HK-adhoc": "Knapp-Hartung, never below the model-based error",
    "credible": "credible intervals with equal tails",
}
_SOURCES = {
    "inverse_variance": "10.1002/sim.4780140406",
    "glmm": "10.1002/sim.4040",
    "bayes": "10.1002/jrsm.1475",
    "Laplace": "10.1080/01621459.1986.10478240",
    "HK": "10.1002/sim.1482",
    "HK-adhoc": "10.1002/sim.1482",
    "permutation": "10.1002/sim.1752",
    "Q-profile": "10.1002/sim.2514",
    "R2": "10.1111/bmsp.12002",
}
_TITLES = {
    "inverse_variance": "Inverse-variance meta-regression", "glmm": "Meta-regression by a mixed model", "R2": "R²",
    "bayes": "Posterior under weakly informative priors", "Laplace": "Laplace's approximation",
    "HK": "Knapp-Hartung", "HK-adhoc": "Knapp-Hartung, never below the model-based error", "permutation": "Permutation test",
}  # fmt: skip


def notes_for(
    numbers: Numbers,
    design: Design,
    contrast: Array,
    options: Options,
    permuted: Permuted | None,
    *,
    without: Sequence[str],
    dropped: Sequence[str],
) -> list[str]:
    """Notes on one regression, in the order of the numbers."""
    out = []
    if without:
        counted = plural(len(without), "study", "studies")
        out.append(f"{counted} excluded because a moderator is missing: {listing(without, 12)}.")
    if dropped:
        counted = plural(len(dropped), "study", "studies")
        out.append(f"{counted} excluded because no effect with a variance above zero exists: {listing(dropped, 12)}.")
    k = design.matrix.shape[0]
    m = contrast.shape[0]
    if k < STUDIES_EACH * m:
        out.append(
            f"{plural(k, 'study', 'studies')} for {plural(m, 'moderator coefficient')}: fewer than {STUDIES_EACH} for each. The "
            "regression is exploratory."
        )
    out += _posterior(numbers, design, options) if options.model == "bayes" else _estimates(numbers, design, options, m)
    if numbers.status == "not estimable":
        return out
    out += _heterogeneity(numbers, options, k)
    if permuted is not None:
        what = "all different" if permuted.complete else "the observed and random"
        out.append(
            f"Permutation test over {permuted.arrangements} arrangements of the moderators ({what}); the smallest possible p-value "
            f"is {1 / permuted.arrangements:.2g}."
        )
        if permuted.arrangements < 20:
            out.append("With so few arrangements a p-value of 0.05 cannot be reached.")
    out.append(
        "Moderators belong to studies, not to patients: an association between studies need not hold within them, and is "
        "observational."
    )
    return out


def reference_notes(numbers: Numbers, design: Design, informative: Informative | None, *, posterior: bool = False) -> list[str]:
    """What the categories are compared with, and how another reference is chosen where one costs every coefficient."""
    if numbers.status == "not estimable":
        return []
    out = []
    place = design.terms.index("Intercept") if "Intercept" in design.terms else None
    lost = place is not None and bool(np.isnan(numbers.beta[place]))
    for factor in design.compared:
        name, (reference, *others) = factor.names[0], factor.categories
        texts = np.array(design.texts(name), dtype=object)
        text = f"The reference category of {visible(name)} is {visible(reference)}"
        choices = [choice_of(name, other) for other in others if informative is None or informative(texts == other)]
        ways = [f"{found} chooses another" for found in choices if found][:1]
        if len(design.formula.names) == 1:
            ways.append(f"{design.formula.text} - 1 gives the rate of every category")
        if factor.passed is not None:
            text += f", because {visible(factor.passed)}, the first one, has no events or events only and gives no finite estimates"
        elif posterior and informative is not None and not informative(texts == reference):
            text += ", which has no events or events only: how far its rate lies from those of the others depends on the prior"
        elif lost and informative is not None and not informative(texts == reference):
            text += (
                ", which has no events or events only, so the intercept and the coefficients of the other categories have no estimates"
            )
            text += f". Fix: {'; '.join(ways)}" if ways else ""
            ways = []
        out.append(f"{text}. {'; '.join(ways)}{'.' if ways else ''}".strip())
    return out


def _estimates(numbers: Numbers, design: Design, options: Options, tested: int) -> list[str]:
    if numbers.status == "not estimable":
        if not numbers.settled:
            return [
                "The maximum of the likelihood was not located with the required accuracy, so no number is given. Use "
                "model='inverse_variance' for an approximate result, and please report these data."
            ]
        if numbers.one_sided:
            return ["No patient had the event, or all patients had it: there are no differences to explain. No number is given."]
        return [
            "No coefficient has a finite estimate: the studies have no events or events only, and the likelihood has no unique "
            "maximum. No number is given."
        ]
    out = []
    if numbers.status == "separated":
        lost = [term for term, value in zip(design.terms, numbers.beta, strict=True) if np.isnan(value)]
        out.append(
            f"{listing(lost, 12)}: no finite estimate, because the informative studies have no events (or only events) and the "
            "likelihood increases as the coefficient goes to infinity (separation). The likelihood-ratio test is valid; Wald's test "
            "is not given."
        )
    # F times its first degrees of freedom is on the scale of chi-squared, as the likelihood ratio is.
    wald = numbers.qm * (tested if np.isfinite(numbers.df) else 1)
    if options.exact and numbers.lrt_pvalue < 0.05 and wald < numbers.lrt / _DISAGREE:
        out.append(
            f"Wald's statistic ({number(wald)} on the scale of chi-squared) is less than half of the likelihood ratio "
            f"({number(numbers.lrt)}), as is known where a category has few events (Hauck and Donner 1977, "
            "doi:10.1080/01621459.1977.10479969): its tests and intervals of the coefficients understate what the data say; use the "
            "likelihood-ratio test."
        )
    if options.ci == "HK" and np.isfinite(numbers.df):
        model = numbers.combine(np.eye(numbers.beta.size))
        width = two_sided_t(options.level, numbers.df) * model[1]
        if np.isnan(model[1]).any():
            out.append(
                "The studies lie exactly on the line, so the Knapp-Hartung errors are zero, an artefact of the method. "
                "No interval and no test is given. Use ci='z' or the exact model."
            )
        elif (width < two_sided_z(options.level) * model[2]).any():
            out.append(
                "Knapp-Hartung intervals are narrower than the normal ones here: the studies agree better than expected by "
                "chance. Compare them with ci='HK-adhoc' or ci='z'."
            )
    if numbers.corrected:
        out.append(
            f"{plural(numbers.corrected, 'study', 'studies')} with an empty cell: {options.add:g} was added, which changes the "
            "coefficients; the exact model of one group needs none."
        )
    return out


def priors_text(design: Design, options: Options) -> str:
    """The priors in words."""
    row = prior_of(options.link)
    mean = row.mean_text or f"{row.mean:g}"
    if np.unique(design.matrix, axis=0).shape[0] == design.matrix.shape[1]:
        predictors = f"the predictor of each group of studies with the same moderators ~ normal({mean}, {row.sd:g}), independently"
    else:
        predictors = (
            f"coefficients ~ normal with the precision (p / k) X'X / {row.sd:g}\u00b2, where every predictor has the mean {mean}"
        )
    return f"tau ~ half-normal({row.scale:g}) on {row.scale_text}; {predictors}"


def _posterior(numbers: Numbers, design: Design, options: Options) -> list[str]:
    """What comes from the priors, and how far the numbers are exact."""
    out = [
        f"Priors: {priors_text(design, options)}. They depend neither on the coding of categories nor on the centre and scale of "
        "numbers.",
        "Estimates are posterior medians, SE posterior standard deviations. A p-value is the level at which the credible interval, or "
        "the joint credible region of several coefficients, touches zero.",
    ]
    if numbers.one_sided:
        out.append(
            "No patient had the event, or all patients had it: the data bound the rates on one side only; estimates and the other "
            "limits come from the priors."
        )
    elif numbers.free:
        lost = listing([design.terms[i] for i in numbers.free], 12)
        out.append(f"{lost}: the likelihood alone has no finite maximum, so that estimate and limits depend on the prior.")
    if numbers.approximate:
        out.append(
            "More than two other coefficients were integrated by Laplace's approximation, so that the posteriors of the coefficients "
            "and of tau are approximate."
        )
    if not numbers.settled:
        out.append("Half the quadrature nodes do not agree with all of them: the last digits of the numbers are uncertain.")
    return out


def _heterogeneity(numbers: Numbers, options: Options, k: int) -> list[str]:
    out = []
    if numbers.empty_tau2:
        out.append("The Q-profile interval of tau2 is empty: the studies lie nearer to the line than expected by chance for any tau2.")
    elif numbers.tau2 == 0:
        out.append(
            "tau2 is estimated as zero, which does not show that no heterogeneity remains; see the upper limit of its interval."
        )
    if numbers.tau2_upper == float("inf"):
        out.append("The data give no upper limit of tau below 30; the upper limit of tau2 is infinity.")
    if numbers.tau2_without == 0:
        out.append("R2 does not exist: tau2 is zero without moderators.")
    elif not np.isnan(numbers.tau2_without):
        if numbers.tau2 > numbers.tau2_without:
            out.append("tau2 is larger with the moderators than without, so R2 is set to zero.")
        if k < 40:
            out.append(
                f"R2 is a ratio of two estimated variances and unreliable with {plural(k, 'study', 'studies')}; no interval is given."
            )
    return out


def stamp(numbers: Numbers, design: Design, options: Options, permuted: Permuted | None, notes: Sequence[str], seed: int) -> Method:
    """Every choice that changes a number."""
    exact, posterior = options.exact, options.model == "bayes"
    used = [
        options.model,
        *([options.ci] if options.ci in _SOURCES else []),
        *(["Laplace"] if numbers.approximate else []),
        *([] if exact else ["Q-profile"]),
        "R2",
    ]
    if permuted is not None:
        used.append("permutation")
    entries: dict[str, Any] = {
        **{field.name: getattr(options, field.name) for field in fields(options)},
        "formula": design.formula.text,
        "terms": list(design.terms),
        "references": design.references,
        "prediction": "posterior" if posterior else "HTS",
        "prediction_text": PREDICTION["posterior"].phrase if posterior else "Student's t with k − p − 1 df",
        "prior": priors_text(design, options) if posterior else None,
        "tau2_interval": TAU2_CI["credible"].title if posterior else "profile likelihood" if exact else "Q-profile",
        "ci_text": _CI[options.ci],
        "quadrature": "trapezoidal, adaptive" if numbers.nodes else None,
        "other_coefficients": ("Laplace's approximation" if numbers.approximate else "trapezoidal, adaptive") if posterior else None,
        "quadrature_nodes": numbers.nodes or None,
        "studies_corrected": numbers.corrected,
        "permutations": None if permuted is None else permuted.arrangements,
        "permutations_complete": None if permuted is None else permuted.complete,
        "seed": None if permuted is None or permuted.complete else int(seed),
        "status": numbers.status,
        "k": numbers.k,
        "package": "metanet",
        "version": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "sources": [f"{_TITLES.get(name, name)}: doi:{_SOURCES[name]}" for name in used],
        "notes": list(notes),
    }
    entries["sentence"] = _sentence(entries, options)
    return Method(entries)


def _sentence(entries: dict[str, Any], options: Options) -> str:
    kind = "Poisson" if options.link == "log" else "Binomial"
    if options.model == "bayes":
        model = f"Bayesian {kind.replace('B', 'b')}-normal meta-regression ({options.link} link; {entries['prior']}"
        model += (
            "; Laplace's approximation of the other coefficients)" if entries["other_coefficients"] != "trapezoidal, adaptive" else ")"
        )
        return f"{model}; {level_text(options.level)} {entries['ci_text']}. metanet {entries['version']}."
    if options.exact:
        model = f"{kind}-normal meta-regression ({options.link} link, maximum likelihood)"
    else:
        scale = "effects as given" if options.measure == "GEN" else MEASURES[options.measure].title
        model = f"Inverse-variance meta-regression of the {scale}; tau² by {options.tau2}"
    parts = [model, f"{level_text(options.level)} intervals: {entries['ci_text']}"]
    if entries["permutations"]:
        parts.append(f"permutation test over {entries['permutations']} arrangements")
    return "; ".join(parts) + f". metanet {entries['version']}."
