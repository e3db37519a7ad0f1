"""`three_level`: pool arms of studies, with a variance between studies and one between the arms of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from metanet.base.arguments import checked, choice
from metanet.base.arrays import Array
from metanet.base.display import level_text, plural
from metanet.base.errors import ArgumentError, check_choice
from metanet.base.results import Method
from metanet.effects.measures import MEASURES
from metanet.evidence.sources import Rates, rates_of
from metanet.kernels.inverse_variance import regression, two_step, two_step as prediction
from metanet.kernels.inverse_variance.three_level import Effects, ThreeLevelFit, fit as fit_levels
from metanet.kernels.normal_effect.random_effect import averaged
from metanet.kernels.numerics import distributions
from metanet.models.dependence.clustering import Grouping, read_grouping
from metanet.models.dependence.three_level_result import FEW, ThreeLevel
from metanet.models.options import Options
from metanet.models.pooling.fill import back, edges_of, effects_of, sizes_of
from metanet.models.pooling.inputs import Studies, read_studies
from metanet.models.pooling.pool import DATA_ARGUMENTS, options_for, pool_studies, takes_of, with_columns
from metanet.models.results.method import versions
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    pass


Column = str | Sequence[float] | ArrayLike | None

METHODS = ("REML", "ML")
CI = ("t", "z")
_INDEPENDENT = "as if they were independent studies."
_NAN = float("nan")


@checked(tau2=choice(*METHODS), ci=choice(*CI))
def three_level(
    data: Rates | None = None,
    *,
    cluster: str | Sequence[object] = "study_id",
    events: Column = None,
    total: Column = None,
    events_control: Column = None,
    total_control: Column = None,
    person_time: Column = None,
    person_time_control: Column = None,
    yi: Column = None,
    vi: Column = None,
    study: str | Sequence[str] | None = None,
    measure: str | None = None,
    model: str = "inverse_variance",
    tau2: str = "REML",
    ci: str = "t",
    level: float = 0.95,
    add: float | None = None,
    to: str | None = None,
    drop00: bool | None = None,
) -> ThreeLevel:
    """Pool arms that share studies: ``y_ij = mu + u_i + w_ij + e_ij``.

    Parameters
    ----------
    data, events, total, events_control, total_control, person_time, person_time_control, yi, vi, study, measure, add, to, drop00
        As in `pool`; one row for each arm. Effects are taken in two steps; the default for proportions is the logit ("PLO").
    cluster
        Column that says which arms belong to one study, or a sequence with one key for each arm. An arm without a key is a
        study of its own.
    model
        "inverse_variance". There is no exact three-level model: for rates near 0 % or 100 % take ``pool(model="glmm")`` with
        `cluster_robust`.
    tau2
        Estimator of both variances: "REML" or "ML".
    ci
        "t": Student's t with studies - 1 degrees of freedom, because studies, not arms, are the independent pieces of evidence on
        the mean.
        "z": the normal quantile, as metafor's default.
    level
        Coverage of every interval, as a fraction.

    Returns
    -------
    ThreeLevel
        Mean, both variances with profile-likelihood intervals, I2 by level, tests of each variance against zero. One arm in every
        study cannot tell the variances apart: the result says so and is that of two levels.

    Raises
    ------
    ArgumentError
        An argument that cannot be used.

    Notes
    -----
    Sampling errors of arms are taken as independent, as they are for different patients. The prediction interval is for a new
    arm of a new study, with studies - 2 degrees of freedom. The p-value of a variance is half that of chi-squared with one
    degree of freedom, because the null hypothesis lies on the boundary (Self and Liang 1987); where the other variance is
    small it is too large.

    References
    ----------
    Konstantopoulos (2011), doi:10.1002/jrsm.35; Cheung (2014), doi:10.1037/a0032968; Van den Noortgate, Lopez-Lopez,
    Marin-Martinez, Sanchez-Meca (2013), doi:10.3758/s13428-012-0261-6; Self, Liang (1987), doi:10.1080/01621459.1987.10478472.

    Examples
    --------
    >>> import metanet as mn
    >>> from metanet.models.dependence.three_level import three_level
    >>> fit = three_level(mn.load_evidence().rates("objective_response"))
    >>> fit.clusters < fit.k
    True
    """
    arguments = locals()
    if model == "glmm":
        raise ArgumentError(
            "model='glmm' has no three-level form here. Fix: pool(model='glmm') with cluster_robust for exact counts, or "
            "model='inverse_variance' for three levels."
        )
    check_choice("model", model, ("inverse_variance",), where="for three_level")
    frame = None if data is None else rates_of(data)
    given = with_columns({name: arguments[name] for name in DATA_ARGUMENTS}, frame, measure)
    chosen = {name: arguments[name] for name in ("measure", "level", "add", "to", "drop00")}
    options = options_for(given, {**chosen, "model": "inverse_variance", "tau2": tau2, "ci": ci})
    studies = read_studies(frame, given, study=study, **takes_of(options))
    return _result(studies, options, cluster)


def _result(studies: Studies, options: Options, cluster: str | Sequence[object]) -> ThreeLevel:
    counts = studies.data()
    y, v, corrected, dropped = effects_of(counts, options)
    used = np.isfinite(v[0])
    notes = [note for note in studies.notes if not note.endswith(_INDEPENDENT)]
    grouping = read_grouping(studies.extra, cluster, studies.k, used if used.any() else None)
    notes += grouping.notes
    two_level = pool_studies(studies, options)
    edge = _edge(studies, options)
    if edge is not None or int(used.sum()) < 2:
        return _plain(studies, options, grouping, two_level if edge is None else edge, notes)
    k, g = int(used.sum()), grouping.clusters.count
    status = "two levels" if g == k else "one study" if g == 1 else "pooled"
    free = {"two levels": (True, False), "one study": (False, True), "pooled": (True, True)}[status]
    effects = Effects.of(y[0, used], v[0, used], grouping.clusters, "restricted" if options.tau2 == "REML" else "full")
    found = fit_levels(effects, free, options.level)
    numbers = _numbers(found, v[:, used], g, status, options)
    size = sizes_of(counts, options, np.isfinite(v))
    responses = {name: _back(options, numbers[source], size) for name, source in _RESPONSES.items()}
    averages = _averages(numbers, options, size)
    sums = _counted(studies)
    notes += _notes(found, numbers, grouping, status, options, int(corrected[0]), int(dropped[0]))
    return ThreeLevel(
        status=status,
        measure=options.measure,
        level=options.level,
        response=options.scale,
        k=k,
        clusters=g,
        arms=grouping.arms,
        method=_stamp(options, grouping, cluster, notes, status),
        two_level=two_level,
        n=sums["n"],
        events=sums["events"],
        **{name: None if np.isnan(value) else value for name, value in {**numbers, **responses, **averages}.items()},
    )


_RESPONSES = {
    "estimate": "mu", "ci_lower": "mu_lower", "ci_upper": "mu_upper", "pi_lower": "new_lower", "pi_upper": "new_upper",
}  # fmt: skip


def _numbers(found: ThreeLevelFit, v: Array, g: int, status: str, options: Options) -> dict[str, float]:
    """Everything on the model scale; NaN where it does not exist."""
    mu, se = found.mean, float(np.sqrt(found.variance))
    between, within = (float(x) for x in found.tau2)
    total = between + within
    df = np.inf if options.ci == "z" else float(g - 1)
    half = float(regression.critical(options.level, np.array([df]))[0]) * se
    at, error, spread = np.array([mu]), np.array([se]), np.array([total])
    if options.ci == "z":
        low, high = prediction.normal(at, error, spread, options.level)
    else:
        low, high = prediction.student(at, error, spread, np.array([g - 2.0]), options.level)
    if g < 3:
        low, high = np.array([_NAN]), np.array([_NAN])
    typical = float(two_step.typical_variance(v)[0])
    ratio = np.maximum(0.0, 2.0 * (found.loglik - found.loglik_without))
    # Half the mass of the null distribution stands at zero.
    p = np.where(ratio > 0, 0.5 * distributions.chi2_upper_tail(ratio, 1), 1.0)
    p = np.where(np.isnan(ratio), _NAN, p)
    both = status == "pooled"
    single = int(status == "one study")
    return {
        "mu": mu,
        "se": se,
        "df": df,
        "mu_lower": mu - half,
        "mu_upper": mu + half,
        "pvalue": float(regression.two_sided(np.array([mu / se]), np.array([df]))[0])
        if options.groups == 2 or options.measure == "GEN"
        else _NAN,
        "new_lower": float(low[0]),
        "new_upper": float(high[0]),
        "tau2": total,
        "tau2_lower": _NAN if both else float(found.lower[single]),
        "tau2_upper": _NAN if both else float(found.upper[single]),
        "tau2_between": between if both else _NAN,
        "tau2_between_lower": float(found.lower[0]) if both else _NAN,
        "tau2_between_upper": float(found.upper[0]) if both else _NAN,
        "tau2_within": within if both or single else _NAN,
        "tau2_within_lower": float(found.lower[1]) if both or single else _NAN,
        "tau2_within_upper": float(found.upper[1]) if both or single else _NAN,
        "i2": total / (total + typical),
        "i2_between": between / (total + typical) if both else _NAN,
        "i2_within": within / (total + typical) if both else _NAN,
        "icc": between / total if both and total > 0 else _NAN,
        "lrt_between": float(ratio[0]) if both else _NAN,
        "lrt_between_pvalue": float(p[0]) if both else _NAN,
        "lrt_within": float(ratio[1]) if both else _NAN,
        "lrt_within_pvalue": float(p[1]) if both else _NAN,
        "loglik": found.loglik + _constant(v.size, options),
    }


def _constant(k: int, options: Options) -> float:
    """What the data alone add to the log-likelihood; the restricted one with log |X'X| / 2."""
    if options.tau2 == "ML":
        return float(-0.5 * k * np.log(2 * np.pi))
    return float(-0.5 * (k - 1) * np.log(2 * np.pi) + 0.5 * np.log(k))


def _back(options: Options, value: float, size: Array | None) -> float:
    return float(back(options, np.array([value]), size)[0])


def _averages(numbers: dict[str, float], options: Options, size: Array | None) -> dict[str, float]:
    """The rate averaged over both random effects, at the mean and at its confidence limits."""
    out = dict.fromkeys(("marginal_estimate", "marginal_ci_lower", "marginal_ci_upper"), _NAN)
    if not options.scale.startswith("rate"):
        return out
    tau = np.array([numbers["tau2"] ** 0.5])
    spread = None if size is None else size[:, None]
    for name, source in zip(out, ("mu", "mu_lower", "mu_upper"), strict=True):
        if not np.isnan(numbers[source]):
            with np.errstate(over="ignore"):
                out[name] = float(
                    averaged(lambda x: back(options, x, spread), np.array([numbers[source]]), tau, edges_of(options, size))[0]
                )
    return out


def _edge(studies: Studies, options: Options) -> Pooled | None:
    """The exact answer where no arm of one group saw an event, or every patient did."""
    if options.groups != 1 or options.measure == "GEN":
        return None
    columns = studies.columns
    timed = "person_time" in columns
    x = columns["events"].sum()
    if x > 0 and (timed or x < columns["total"].sum()):
        return None
    exact = options_for(columns, {"model": "glmm", "level": options.level})
    return pool_studies(studies, exact)


def _plain(studies: Studies, options: Options, grouping: Grouping, shown: Pooled, notes: list[str]) -> ThreeLevel:
    """What is left without a model of three levels: one arm, an edge, or nothing."""
    own = [note for note in shown.notes if not note.endswith(_INDEPENDENT)]
    blank: dict[str, float | None] = dict.fromkeys(ThreeLevel.number_names())
    sums = _counted(studies)
    blank |= {name: getattr(shown, name) for name in ("estimate", "ci_lower", "ci_upper", "mu", "se", "mu_lower", "mu_upper")}
    notes = list(dict.fromkeys([*own, *notes]))
    return ThreeLevel(
        status=shown.status,
        measure=options.measure,
        level=options.level,
        response=options.scale,
        k=studies.k,
        clusters=grouping.clusters.count,
        arms=grouping.arms,
        method=Method({**_stamp(options, grouping, "", notes, shown.status), "sentence": shown.method.sentence()}),
        two_level=shown,
        n=sums["n"],
        events=sums["events"],
        **blank,
    )


def _counted(studies: Studies) -> dict[str, int | None]:
    columns = studies.columns
    sums = {"events": ("events", "events_control"), "n": ("total", "total_control")}
    return {
        name: int(sum(columns[c].sum() for c in parts if c in columns)) if parts[0] in columns else None
        for name, parts in sums.items()
    }


def _notes(
    found: ThreeLevelFit, numbers: dict[str, float], grouping: Grouping, status: str, options: Options, corrected: int, dropped: int
) -> list[str]:
    sizes = grouping.clusters.sizes
    out = [f"{grouping.sizes_text()}."]
    if status == "two levels":
        out.append(
            "Every study has one arm, so the variances between and within studies cannot be separated: this is the "
            "two-level result, and tau2 is their sum."
        )
    elif status == "one study":
        out.append(
            "All arms belong to one study: the variance between studies cannot be estimated. The mean is that of this study, "
            "and there is no interval."
            if options.ci == "t"
            else "All arms belong to one study: nothing is known of the variance between studies, and the interval is for this "
            "study alone."
        )
    else:
        several = int((sizes > 1).sum())
        if several < FEW:
            out.append(
                f"Only {plural(several, 'study has', 'studies have')} more than one arm: the variance within studies depends on "
                f"{'it' if several == 1 else 'them'} alone."
            )
        for name, word, place in (("between", "between studies", 0), ("within", "within studies", 1)):
            if found.tau2[place] == 0:
                out.append(
                    f"The variance {word} is estimated as zero, which does not show that there is none: read the upper end of its "
                    "interval."
                )
            if np.isinf(numbers[f"tau2_{name}_upper"]):
                out.append(f"The data set no upper limit to the variance {word}.")
        if numbers["tau2"] == 0:
            out.append("There is no intraclass correlation where both variances are zero.")
    if np.isnan(numbers["new_lower"]):
        out.append(f"No prediction interval: it needs at least three studies, here {plural(sizes.size, 'study', 'studies')}.")
    if corrected:
        out.append(
            f"{plural(corrected, 'arm')} with an empty cell: {options.add:g} was added, which changes estimates of rates near "
            "0 % or 100 %. Compare it with pool(model='glmm') and cluster_robust."
        )
    if dropped:
        out.append(f"{plural(dropped, 'arm')} without an estimable effect excluded.")
    return out


def _stamp(options: Options, grouping: Grouping, cluster: object, notes: Sequence[str], status: str) -> Method:
    quantile = "normal quantile" if options.ci == "z" else "t with studies − 1 degrees of freedom"
    entries: dict[str, Any] = {
        "model": "three_level",
        "measure": options.measure,
        "response": options.scale,
        "tau2": options.tau2,
        "ci": options.ci,
        "ci_text": quantile,
        "prediction": "z" if options.ci == "z" else "HTS",
        "prediction_text": "normal quantile" if options.ci == "z" else "t with studies − 2 degrees of freedom",
        "tau2_interval": "profile likelihood",
        "level": options.level,
        "add": options.add,
        "to": options.to,
        "drop00": options.drop00,
        "cluster": cluster if isinstance(cluster, str) else "a sequence of keys",
        "status": status,
        "k": int(grouping.clusters.sizes.sum()),
        **versions(),
        "sources": ["three levels: doi:10.1002/jrsm.35", "I2 by level: doi:10.1037/a0032968", "tests of variances: "
                    "doi:10.1080/01621459.1987.10478472"],
        "notes": list(notes),
    }  # fmt: skip
    scale = "effects as given" if options.measure == "GEN" else MEASURES[options.measure].title
    entries["sentence"] = (
        f"Three-level random-effects model of the {scale}; both variances by {options.tau2}, their intervals by profile likelihood; "
        f"{level_text(options.level)} interval of the mean: {quantile}. metanet {entries['version']}."
    )
    return Method(entries)
