"""`compare`: are the rates of several groups of studies the same, and how far apart are they?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.arguments import checked, choice, whole
from metanet.base.display import in_sentence, plural, title_of
from metanet.base.errors import ArgumentError, as_given, check_choice, no_column
from metanet.base.groups import absent, read_groups
from metanet.base.results import Method
from metanet.base.untrusted import listing
from metanet.evidence.selection import selection_of
from metanet.evidence.sources import Rates, rates_of
from metanet.kernels.inverse_variance import two_step as prediction
from metanet.kernels.normal_effect.random_effect import averaged
from metanet.kernels.numerics import distributions
from metanet.kernels.two_groups import differences
from metanet.models.comparison.fit import CommonFit, common_fit, holm, pairs_of, ratio_common, test_groups
from metanet.models.comparison.posterior import fit_groups, pairs_of as posterior_pairs
from metanet.models.comparison.result import OBSERVATIONAL, Comparison
from metanet.models.options import Options, lean
from metanet.models.pooling.batch import Data, pool_batch
from metanet.models.pooling.inputs import Studies, gap_note, no_groups, read_studies
from metanet.models.pooling.pool import (
    CHOICES,
    DATA_ARGUMENTS,
    inherited,
    options_for,
    pool_studies,
    takes_of,
    with_columns,
    with_control,
)
from metanet.models.pooling.simulate import Truth, draw
from metanet.models.results.method import joint_sentence, posterior_sentence
from metanet.models.results.pooled import Pooled, edges_at, responses_at

if TYPE_CHECKING:
    import pandas as pd


HETEROGENEITY = ("common", "separate")
MODELS = ("bayes", "glmm", "inverse_variance", "common", "CM.EL", "CM.AL")
_SINGLE = (
    "One study in each group: the difference between the groups cannot be told from the difference between the studies, so there is "
    "no test of it; the intervals are those of the single studies."
)
_MOST_GROUPS, _MOST_SETS = 60, 100_000
#: Data sets of the bootstrap that runs unasked, where a group stands at an edge: fewer where many studies make each of them long.
_SETS, _LEAST_SETS, _WORK = 1_999, 199, 3_000_000


@checked(heterogeneity=choice(*HETEROGENEITY), bootstrap=whole(0, _MOST_SETS), seed=whole(0))
def compare(
    data: Rates,
    by: str = "modality_class",
    *,
    heterogeneity: str = "common",
    tau2: str | None = None,
    preset: str | None = None,
    study: str | None = None,
    bootstrap: int | None = None,
    seed: int = 0,
    **choices: Any,
) -> Comparison:
    """Compare groups of studies.

    Parameters
    ----------
    data
        One row for each study (arm), in a form that `pool` takes; of a result also its model, measure and level, unless others are
        named.
    by
        Column that forms the groups. They keep the order of the categories of a pandas Categorical; numbers, and names that differ
        only in a number ("10 mg", "20 mg"), are in order of size, other names in order of appearance. Rows without a value are
        left out, with a note.
    heterogeneity
        "common": one tau2 for all groups in differences and tests; in likelihood-ratio tests it is estimated again under equal means,
        as nested mixed models are compared. "separate": a tau2 of its own for each group; likelihood-ratio tests hold it fixed, which
        is then the analogue of Q between groups. A common tau2 is more stable with few studies in a group, and its test has an error
        rate closer to nominal.
    tau2
        Estimator of tau2 in two-step models, as in `pool`.
    preset
        Another program's defaults for the groups, as in `pool`. The test of equal groups stays that of this function.
    study
        Column of the names of the studies.
    bootstrap
        Data sets of a parametric bootstrap, under equal means, of the likelihood ratio with one tau. None runs 1,999 (fewer
        with many studies) where a group has no events or only events, where no reference distribution is to be trusted, and
        none elsewhere; 0 runs none. The posterior has no bootstrap.
    seed
        Of the bootstrap.
    **choices
        events, total and the other data arguments of `pool` as names of columns; measure, model ("bayes", the default for the counts
        of one group, "glmm", "inverse_variance", "common", "CM.EL", "CM.AL"), ci, prediction, level, link, add, to, drop00.

    Returns
    -------
    Comparison
        Groups, the test of equal rates (or effects) and all pairs. It is labelled as observational wherever it is printed; for arms
        of the same study see `within_studies`.

    Raises
    ------
    ArgumentError
        A column that is not there, or a choice that is not known.

    Notes
    -----
    With ``model="bayes"`` each group is shown as pooled by itself. Differences, ratios and their p-values are those of one posterior
    with independent means of the groups, and with one tau or a tau for each. The p-value of a pair is the level at which its credible
    interval touches no difference; that of more than two groups is the level at which the ellipsoid of their contrasts does.

    With the other models differences and ratios join the intervals of the two groups (MOVER), so that the exact interval of a group
    without events carries over. Pairs are tested by the likelihood ratio of the two groups alone. With few studies in a
    group chi-squared refuses equal means too often (in our simulation in 7 to 14 % instead of 5 % for two or three groups of
    three or four studies), so the ratio over its df is also referred to F with k - G degrees of freedom (0 to 4 %), and
    pairs are adjusted from that. Two-step models are tested by their full (not restricted) likelihood.

    References
    ----------
    Hauck, Donner (1977), doi:10.1080/01621459.1977.10479969; Zou, Donner (2008), doi:10.1002/sim.3095; Donner, Zou (2012),
    doi:10.1177/0962280210383082; Holm (1979), Scandinavian Journal of Statistics 6:65-70; Fisher (1922), doi:10.2307/2340521.
    """
    rows = rates_of(data)
    given, options = _options(data, rows, inherited(data, {**choices, "preset": preset}, MODELS), tau2)
    frame, names, group, notes = _groups(rows, by)
    record = selection_of(rows)
    left_out = () if record is None or record.chosen.get("within") is not None else record.left_out
    if any(str(entry.get("reason", "")).startswith("shares patients") for entry in left_out):
        notes.append(
            "Where cohorts overlap, one report is kept across all groups, so that groups share no patients; a group "
            "pooled alone can include other reports."
        )
    studies = read_studies(frame, given, study=study, **takes_of(options))
    counts = studies.data()
    parts = {name: pool_studies(_quiet(studies).only(group == g), options) for g, name in enumerate(names)}
    # Between single studies nothing is left that tells a difference of groups from one of studies.
    single = len(names) > 1 and all(fit.k < 2 for fit in parts.values())
    if options.model == "bayes":
        return _by_posterior(studies, (frame, group, names, notes), parts, options, by, heterogeneity)
    common = None
    if heterogeneity == "common" and options.tau2 is not None and len(names) > 1 and not single:
        common = common_fit(counts, group, len(names), options)
        parts = {
            name: _joined(fit, common, g, options) if fit.status == "pooled" else fit for g, (name, fit) in enumerate(parts.items())
        }
    test, no_test = (None, _SINGLE) if single else test_groups(counts, group, len(names), options, heterogeneity)
    notes += [no_test] if no_test else []
    edge = any(fit.status in ("no events", "only events") or _one_sided(fit) for fit in parts.values())
    unasked = max(_LEAST_SETS, min(_SETS, _WORK // max(1, studies.k * len(names)))) if edge else 0
    sets = unasked if bootstrap is None else int(bootstrap)
    boot = None
    if test is not None and sets:
        boot, why = _bootstrap(counts, group, len(names), options, sets, seed)
        notes += [why] if why else []
    exact, exact_method = _exact(parts, options) if edge and len(names) > 1 and not single else (None, None)
    pairs = _pairs(pairs_of(counts, group, parts, options, heterogeneity), parts, options)
    alone = [name for name, fit in parts.items() if fit.k < 2]
    lost = pairs["first"].isin(alone) & pairs["second"].isin(alone) & pairs["pvalue"].isna()
    if lost.any() and not single:
        notes.append(
            f"One study in each of {listing(alone, 12)}: a pair of them has no test, because a difference between the groups cannot "
            "be told from one between the studies."
        )
    if exact is not None:
        notes.append("Fisher's exact test compares the summed counts: it takes the studies of a group as alike.")
    notes += _notes(studies, frame, group, names, options, parts, common, heterogeneity)
    method = {
        "by": in_sentence(title_of(by, rows)),
        "comparison": "likelihood ratio, means of the groups against one mean" if test is not None else "no likelihood-ratio test",
        "heterogeneity": heterogeneity,
        "groups": list(names),
        "bootstrap_seed": seed,
        **next(iter(parts.values())).method,
    }
    method |= {"notes": list(dict.fromkeys(notes)), "k": studies.k, "status": "pooled"}
    if common is not None:
        method["sentence"] = joint_sentence(options, common.df)
    return Comparison(
        by=by,
        heterogeneity=heterogeneity,
        level=options.level,
        response=options.scale,
        groups=parts,
        lrt=None if test is None else test.statistic,
        lrt_df=None if test is None else test.df,
        lrt_pvalue=None if test is None else test.pvalue,
        lrt_pvalue_f=None if test is None or np.isnan(test.pvalue_f) else test.pvalue_f,
        lrt_df_f=studies.k - len(names),
        exact_pvalue=exact,
        exact_method=exact_method,
        bootstrap_pvalue=boot,
        bootstrap=sets if boot is not None else 0,
        no_test=no_test,
        tau2_common=None if common is None or np.isnan(common.tau2) else common.tau2,
        tau2_total=_total(counts, options) if len(names) > 1 else None,
        method=Method(method),
        _differences=pairs,
    )


def _by_posterior(
    studies: Studies,
    rows: tuple[pd.DataFrame, NDArray[np.intp], tuple[str, ...], list[str]],
    parts: Mapping[str, Pooled],
    options: Options,
    by: str,
    spread: str,
) -> Comparison:
    """The comparison by the posterior model: each group as pooled by itself, differences and their p-values from one posterior."""
    frame, group, names, notes = rows
    counts = studies.data()
    alone = np.array([fit.k < 2 for fit in parts.values()])
    single = len(names) > 1 and bool(alone.all())
    found = fit_groups(counts, group, len(names), options, spread)
    no_test = "One group: no comparison is possible." if len(names) < 2 else _SINGLE if single else None
    pairs = posterior_pairs(found, names, alone, options)
    lost = [names[g] for g in np.flatnonzero(alone)]
    notes = [*notes, *([no_test] if no_test else [])]
    if len(lost) > 1 and not single:
        notes.append(
            f"One study in each of {listing(lost, 12)}: a pair of them has no test, because a difference between the groups cannot "
            "be told from one between the studies."
        )
    notes += _notes(studies, frame, group, names, options, parts, None, spread)
    of = "one tau for all groups" if spread == "common" else "a tau for each group"
    method = {
        "by": in_sentence(title_of(by, frame)),
        "comparison": f"posterior of the means of the groups, {of}",
        "heterogeneity": spread,
        "groups": list(names),
        "bootstrap_seed": 0,
        **next(iter(parts.values())).method,
    }
    method |= {"notes": list(dict.fromkeys(notes)), "k": studies.k, "status": "pooled", "sentence": posterior_sentence(options, of)}
    return Comparison(
        by=by,
        heterogeneity=spread,
        level=options.level,
        response=options.scale,
        groups=parts,
        lrt=None,
        lrt_df=None,
        lrt_pvalue=None,
        lrt_pvalue_f=None,
        lrt_df_f=studies.k - len(names),
        exact_pvalue=None,
        exact_method=None,
        bootstrap_pvalue=None,
        bootstrap=0,
        no_test=no_test,
        tau2_common=found.tau2,
        tau2_total=_total(counts, options) if len(names) > 1 else None,
        method=Method(method),
        _differences=pairs,
        posterior_pvalue=None if no_test else found.pvalue,
        joint={name: {key: float(value[g]) for key, value in found.table.items()} for g, name in enumerate(names)},
    )


def _options(data: object, rows: object, choices: Mapping[str, Any], tau2: str | None) -> tuple[dict[str, Any], Options]:
    known = (*(name for name in CHOICES if name != "tau2"), *DATA_ARGUMENTS)
    for name in choices:
        check_choice("argument", name, known, where="to compare")
    preset = choices.get("preset")
    measure = choices.get("measure")
    given = with_columns(with_control({name: choices.get(name) for name in DATA_ARGUMENTS}, data, rows, measure), rows, measure)
    named = {name: value for name, value in choices.items() if name not in DATA_ARGUMENTS}
    if named.get("model") is not None:
        check_choice("model", named["model"], MODELS, where="for compare")
    options = options_for(given, {"tau2": tau2, **named})
    if options.model not in MODELS:
        raise ArgumentError(
            f"preset={preset!r} takes model={options.model!r} here, which compare does not have. Fix: model='inverse_variance'."
        )
    if options.ci == "KR":
        raise ArgumentError("ci='KR' is not known for compare. Fix: ci='HK'.")
    return given, options


def _groups(data: Any, by: object) -> tuple[pd.DataFrame, tuple[str, ...], NDArray[np.intp], list[str]]:
    """The rows with a group, the groups' names, the group of each row, and what was left out."""
    if not isinstance(by, str) or by not in data.columns:
        raise no_column("by", by, data.columns)
    column = data[by]
    if column.ndim != 1:
        raise ArgumentError(f"by={as_given(by)} names several columns of data. Fix: rename one of them.")
    found = read_groups(column)
    names = found.names
    if not names:
        raise no_groups(by)
    if len(names) > _MOST_GROUPS:
        raise ArgumentError(f"by={by!r} makes {len(names)} groups; at most {_MOST_GROUPS} can be compared.")
    place = np.array(found.place, dtype=np.intp)
    return data[place >= 0].reset_index(drop=True), names, place[place >= 0], gap_note(data, found.gaps, by)


def _quiet(studies: Studies) -> Studies:
    """Without notes on the whole frame, which do not belong to a group."""
    return replace(studies, notes=())


def _one_sided(fit: Pooled) -> bool:
    """Whether a group is a single study without events, or with events only."""
    return fit.status == "not pooled" and fit.events is not None and fit.n is not None and fit.events in (0, fit.n)


def _joined(fit: Pooled, common: CommonFit, g: int, options: Options) -> Pooled:
    """A group's result with mean, tau2 and intervals of the joint model."""
    mu, se = float(common.mu[g]), float(common.se[g])
    if not np.isfinite(mu + se + common.tau2):
        return fit
    critical = (
        distributions.two_sided_z(options.level)
        if options.ci in ("z", "profile")
        else float(distributions.two_sided_t(options.level, common.df))
    )
    tau2 = np.array([common.tau2])
    ends = np.array([mu, mu - critical * se, mu + critical * se])
    pi: tuple[float | None, float | None] = (None, None)
    if options.prediction is not None and common.df > 1:
        at, error = np.array([mu]), np.array([se])
        low, high = (
            prediction.normal(at, error, tau2, options.level)
            if options.prediction == "z"
            else prediction.student(at, error, tau2, np.array([common.df - 1]), options.level)
        )
        pi = (float(responses_at(fit, low)[0]), float(responses_at(fit, high)[0]))
    estimate, lower, upper = (float(x) for x in responses_at(fit, ends))
    mean: tuple[float | None, ...] = (None, None, None)
    if fit.response.startswith("rate"):
        # As in two-step models: averaged at the mean and at its confidence limits, tau taken as known.
        mean = tuple(averaged(lambda x: responses_at(fit, x), ends, np.full(3, common.tau2**0.5), edges_at(fit)).tolist())
    notes = [*fit.method["notes"], "Mean, tau and intervals are those of the joint model with one tau for all groups."]
    return replace(
        fit,
        estimate=estimate, ci_lower=lower, ci_upper=upper, pi_lower=pi[0], pi_upper=pi[1],
        marginal_estimate=mean[0], marginal_ci_lower=mean[1], marginal_ci_upper=mean[2],
        mu=mu, se=se, mu_lower=float(ends[1]), mu_upper=float(ends[2]),
        tau2=common.tau2, tau2_lower=None, tau2_upper=None,
        i2=None, i2_lower=None, i2_upper=None, h2=None, h2_lower=None, h2_upper=None, loglik=None,
        method=Method(
            {**fit.method, "heterogeneity": "common", "sentence": joint_sentence(options, common.df), "notes": notes}
        ),
    )  # fmt: skip


def _total(counts: Data, options: Options) -> float | None:
    """tau2 of the same studies taken as one group, by the same choices."""
    if options.tau2 is None:
        return None
    whole = pool_batch(counts, lean(options))
    return float(whole.tau2[0]) if whole.status[0] == "pooled" else None


def _bootstrap(
    counts: Data, group: NDArray[np.intp], count: int, options: Options, sets: int, seed: int
) -> tuple[float | None, str | None]:
    """p-value of the likelihood ratio with one tau2, from data sets in which all groups have one mean."""
    null = pool_batch(counts, lean(options))
    if null.status[0] != "pooled":
        return None, "No bootstrap: the studies as one group have no estimate to simulate from."
    tau2 = float(np.nan_to_num(null.tau2[0]))
    kind = "effect"
    if options.scale in ("rate", "rate per person-time"):
        if options.model != "glmm":
            return None, "No bootstrap for two-step models of rates. Fix: model='glmm'."
        kind = str(options.link)
    drawn = draw(Truth(kind, float(null.mu[0]), tau2**0.5), counts, options, sets, np.random.default_rng(seed))
    observed = ratio_common(counts, group, count, options)[0]
    statistic = ratio_common(drawn, group, count, options)
    # Data sets without any event (or with events only) cannot tell the groups apart.
    statistic = np.where(np.isnan(statistic), 0.0, statistic)
    return float((1 + (statistic >= observed - 1e-9).sum()) / (1 + sets)), None


def _exact(parts: Mapping[str, Pooled], options: Options) -> tuple[float | None, str | None]:
    """Fisher's test on the patients of the groups; None where all groups are at one edge, which it cannot tell apart."""
    if options.scale != "rate":
        return None, None
    events = np.array([fit.events or 0 for fit in parts.values()], dtype=float)
    total = np.array([fit.n or 0 for fit in parts.values()], dtype=float)
    if events.sum() in (0, total.sum()):
        return None, None
    p, listed = differences.fisher(events, total)
    return p, "all tables" if listed else "200,000 random tables"


def _pairs(pairs: pd.DataFrame, parts: Mapping[str, Pooled], options: Options) -> pd.DataFrame:
    """The pairs without a test of two single studies, and with Fisher's test where the likelihood ratio does not exist."""
    exact: list[float] = []
    for at, row in enumerate(pairs.to_dict("records")):
        two = {str(row[name]): parts[str(row[name])] for name in ("first", "second")}
        single = all(fit.k < 2 for fit in two.values())
        if single and row["pvalue_f"] != row["pvalue_f"]:
            pairs.loc[pairs.index[at], ["lrt", "pvalue"]] = np.nan
        p = _exact(two, options)[0] if row["pvalue"] != row["pvalue"] and not single else None
        exact.append(np.nan if p is None else p)
    chosen = pairs["pvalue_f"].where(pairs["pvalue_f"].notna(), pairs["pvalue"])
    pairs["pvalue_adjusted"] = holm(chosen.to_numpy(dtype=float))
    pairs["pvalue_exact"] = np.array(exact, dtype=float)
    return pairs


def _shared(frame: pd.DataFrame, group: NDArray[np.intp], names: tuple[str, ...]) -> list[str]:
    """Cohorts that are in several groups with different reports, each with these groups."""
    if "overlap_group" not in frame.columns or frame["overlap_group"].ndim != 1:
        return []
    found: dict[str, dict[Any, set[int]]] = {}
    for cohort, study, g in zip(frame["overlap_group"].tolist(), frame["study_id"].tolist(), group.tolist(), strict=True):
        if not absent(cohort) and str(cohort):
            found.setdefault(str(cohort), {}).setdefault(study, set()).add(g)
    out = []
    for cohort, reports in found.items():
        groups = sorted(set().union(*reports.values()))
        if len(reports) > 1 and len(groups) > 1:
            out.append(f"{cohort.replace('_', ' ')} ({listing([names[g] for g in groups], 12)})")
    return out


def _notes(
    studies: Studies,
    frame: pd.DataFrame,
    group: NDArray[np.intp],
    names: tuple[str, ...],
    options: Options,
    parts: Mapping[str, Pooled],
    common: CommonFit | None,
    spread: str,
) -> list[str]:
    notes = [OBSERVATIONAL, *studies.notes]
    small = [name for name, fit in parts.items() if fit.k < 3]
    if small:
        notes.append(f"Fewer than three studies in {listing(small, 12)}.")
    if common is not None and common.shrunk:
        notes.append(
            "The Hartung-Knapp intervals are narrower than the common-effect intervals because the groups agree closely; "
            "ci='HK-adhoc' avoids this."
        )
    if common is not None and not common.settled:
        notes.append("The joint model did not converge; each group has a separate tau2.")
    if (
        options.model != "bayes"
        and spread == "separate"
        and any(fit.k < 2 or fit.status in ("no events", "only events") for fit in parts.values())
    ):
        notes.append("The test assumes tau2 = 0 for groups of one study and for groups without events or with events only.")
    if "study_id" in frame.columns and frame["study_id"].ndim == 1:
        seen: dict[Any, set[int]] = {}
        for key, g in zip(frame["study_id"].tolist(), group.tolist(), strict=True):
            if not absent(key):
                seen.setdefault(key, set()).add(g)
        both = [key for key, found in seen.items() if len(found) > 1]
        shared = _shared(frame, group, names)
        if shared:
            notes.append(
                f"Reports on overlapping cohorts in different groups: {listing(shared, 12)}. Their patients are compared as if they "
                "were different patients."
            )
        if both:
            notes.append(
                f"{plural(len(both), 'study has', 'studies have')} arms in several groups, which are compared as if they came from "
                "different studies; a within-study comparison avoids this."
            )
    return notes
