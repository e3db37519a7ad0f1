"""`meta_regression`: do moderators of the studies account for the differences between them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanet.base.arguments import checked, whole
from metanet.base.arrays import Array
from metanet.base.display import plural
from metanet.base.errors import ArgumentError, as_given, check_choice, shorten
from metanet.base.groups import name_of
from metanet.base.untrusted import listing
from metanet.effects.measures import MEASURES
from metanet.evidence.sources import Rates, rates_of
from metanet.kernels.inverse_variance.regression_tau2 import gram_schmidt
from metanet.models.options import Options
from metanet.models.pooling.batch import Data
from metanet.models.pooling.inputs import Studies, read_studies
from metanet.models.pooling.pool import DATA_ARGUMENTS, inherited, options_for, with_columns, with_control
from metanet.models.regression.fit import fit_counts, fit_two_step, permute, usable
from metanet.models.regression.formulas import Design, read_formula
from metanet.models.regression.notes import notes_for, reference_notes, stamp
from metanet.models.regression.outcomes import refuse_outcomes
from metanet.models.regression.posterior import fit_posterior
from metanet.models.regression.result import Regression

if TYPE_CHECKING:
    import pandas as pd


Column = str | Sequence[float] | ArrayLike | None

MODELS = ("glmm", "bayes", "inverse_variance")
#: Intervals of the coefficients; the first is the default.
CI = {"glmm": ("t", "z"), "bayes": ("credible",), "inverse_variance": ("HK", "z", "t", "HK-adhoc")}
_CHOICES = ("measure", "model", "tau2", "ci", "level", "link", "add", "to", "drop00")
#: Arrangements of a permutation test that can be held.
_MOST = 1_000_000


@checked(permutations=whole(2, _MOST), seed=whole(0))
def meta_regression(
    data: Rates,
    formula: str,
    *,
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
    model: str | None = None,
    tau2: str = "REML",
    ci: str | None = None,
    level: float = 0.95,
    link: str | None = None,
    add: float | None = None,
    to: str | None = None,
    drop00: bool | None = None,
    permutations: int | None = None,
    seed: int = 1,
) -> Regression:
    """Regress the rates (or effects) of studies on their moderators, with a random effect for what these leave.

    Parameters
    ----------
    data
        A frame with one row for each study, its moderators among the columns.
    formula
        Moderators, such as ``"~ pct_pancreatic + year"``: names of columns (others than plain words in backticks), joined by
        ``+``, ``:`` (interaction) or ``*`` (both). Columns of texts are categories, whose first is the reference (in the order
        of a pandas Categorical, else numbers by size and texts by alphabet);
        ``C(column)`` makes numbers so, ``C(column, 'level')`` chooses the reference, and ``- 1`` gives every category its own
        coefficient. A first category without events, or with events only, is no reference by maximum likelihood: "glmm" takes the
        first that has both, with a note. Numbers may stand in ``center``,
        ``scale``, ``log``, ``log2``, ``log10``, ``log1p``, ``sqrt``, ``exp`` and, with arithmetic, ``I()``. Nothing else is
        read, and nothing is run as Python. Studies that miss a moderator are left out and named in the notes.
    events, total, events_control, total_control, person_time, person_time_control, yi, vi, study, measure, add, to, drop00
        As in `pool`.
    model
        "bayes" (default for one group: the posterior of the exact binomial or Poisson likelihood with a normal random effect, under
        the priors of ``pool(model="bayes")``, see Notes), "glmm" (the maximum of the same likelihood) or "inverse_variance" (two
        steps; default for two groups and effects).
    tau2
        Estimator of the inverse-variance model: "REML", "DL", "PM", "ML", "SJ", "HS", "HSk", "HE", "EB".
    ci
        Tests and intervals of the coefficients. "bayes": "credible", with equal tails. "glmm": "t" with k - p degrees of freedom
        (default) or "z". Inverse variance: "HK" (Knapp and Hartung; default), "HK-adhoc", "t" or "z".
    level
        Coverage of every interval, as a fraction.
    link
        "bayes" and "glmm" of proportions: "logit" (default), "probit" or "cloglog".
    permutations
        Also test by permutation: all different arrangements of the moderators over the studies if there are at most so many,
        else so many, random ones beside the observed. With "glmm" by the likelihood ratio; not with "bayes".
    seed
        Of the random arrangements.

    Returns
    -------
    Regression
        With "bayes" every coefficient has an estimate. By maximum likelihood a coefficient without a finite maximum (a category whose
        studies saw no event) has none, and the likelihood-ratio test of the moderators is still given. See `status` and `notes`.

    Raises
    ------
    ArgumentError
        An argument that cannot be used; a formula beyond the above; a moderator that is constant, or that is the outcome (events,
        effects, variances, rates of the same studies; sizes are allowed); columns of which one follows
        from others; as many coefficients as studies.

    Notes
    -----
    R2 compares tau2 with that of the same studies without moderators, by the same estimator (Raudenbush 2009); with few studies
    it is unreliable (Lopez-Lopez et al. 2014, doi:10.1111/bmsp.12002), and a note says so.

    With ``model="bayes"`` the priors are on predictors, so that neither the coding of categories nor the centre and scale of numbers
    moves a result. Where the moderators form as many groups as there are coefficients, the predictor of each group has the prior of
    the mean of a single group. Otherwise the prior precision of the coefficients is ``(p / k) X'X / sd^2``, and every predictor has
    the prior mean of a single group. The p-value of a coefficient is the level at which its credible interval touches zero, twice the
    smaller posterior probability of a sign; that of several moderators is the level at which the ellipsoid of their joint posterior
    touches zero, with a normal distribution at each tau. Numbers are by quadrature; where a coefficient stands beside more than two
    others (groups apart), these are integrated by Laplace's approximation.

    References
    ----------
    Berkey, Hoaglin, Mosteller, Colditz (1995), doi:10.1002/sim.4780140406; Knapp, Hartung (2003), doi:10.1002/sim.1482; Higgins,
    Thompson (2004), doi:10.1002/sim.1752; Stijnen, Hamza, Ozdemir (2010), doi:10.1002/sim.4040.

    Examples
    --------
    >>> import metanet as mn
    >>> rates = mn.load_evidence().rates("objective_response", modality="TARE")
    >>> fit = mn.meta_regression(rates, "~ pct_pancreatic")
    >>> fit.coefficients.columns[:3].tolist()
    ['term', 'estimate', 'se']
    """
    arguments = locals()
    if data is None:
        raise ArgumentError("data is missing: the moderators of the formula are columns of a DataFrame.")
    rows_given = rates_of(data)
    arguments = inherited(data, arguments, MODELS)
    own = with_control({name: arguments[name] for name in DATA_ARGUMENTS}, data, rows_given, arguments["measure"])
    given = with_columns(own, rows_given, arguments["measure"])
    options = _options(given, {name: arguments[name] for name in _CHOICES})
    if permutations is not None and options.model == "bayes":
        raise ArgumentError(
            f"permutations={permutations} has no meaning for model='bayes': a permutation test needs a statistic whose distribution "
            "the arrangements give, and a posterior has none. Fix: model='glmm', or leave permutations out."
        )
    takes = ("yi", "vi") if options.measure == "GEN" else MEASURES[options.measure].arguments
    frame = rows_given.reset_index(drop=True)
    read = read_formula(formula, frame)
    known = read.usable(frame)
    if not known.any():
        raise ArgumentError(f"formula: no study has {listing(read.names)}. Fix: take moderators that studies report.")
    studies = read_studies(rows_given, given, study=study, arguments=takes, takes=f"measure={options.measure!r}")
    # An outcome is checked in every row, a moderator decides which of them count.
    without = [label for label, there in zip(studies.labels, known, strict=True) if not there]
    rows = np.flatnonzero(known)
    told = usable(_data(studies, rows), options)
    dropped = [studies.labels[i] for i in rows[~told]]
    rows = rows[told]
    labels = [studies.labels[i] for i in rows]
    if not rows.size:
        raise ArgumentError("No study with the moderators has an estimable effect.")
    part = frame.iloc[rows].reset_index(drop=True)
    counts = _data(studies, rows)
    refuse_outcomes(read.names, part, given, counts, options)
    # With effects every coefficient is finite, and in a posterior as well.
    has_rate = partial(informative, counts) if options.exact else None
    design = read.design(part, labels, None if options.model == "bayes" else has_rate)
    _check_design(design, part)
    contrast = moderator_contrast(design)
    fit = fit_posterior if options.model == "bayes" else fit_counts if options.exact else fit_two_step
    numbers = fit(counts, design.matrix, contrast, options)
    permuted = None
    if permutations is not None:
        permuted = permute(counts, design.matrix, contrast, options, int(permutations), seed)
    notes = notes_for(numbers, design, contrast, options, permuted, without=without, dropped=dropped)
    notes += reference_notes(numbers, design, has_rate, posterior=options.model == "bayes")
    notes += list(studies.notes)
    return Regression(
        status=numbers.status,
        formula=read.text,
        model=options.model,
        measure=options.measure,
        level=options.level,
        k=len(labels),
        method=stamp(numbers, design, options, permuted, notes, seed),
        _numbers=numbers,
        _design=design,
        _contrast=contrast,
        _permuted=permuted,
        _options=options,
        _studies=tuple(labels),
        _frame=part,
        counts=counts,
    )


def informative(counts: Data, chosen: NDArray[np.bool_]) -> bool:
    """Whether the chosen studies together have events and, unless these are counted over time, non-events."""
    events = float(counts["events"][0, chosen].sum())
    return events > 0 and (counts.timed or events < float(counts["total"][0, chosen].sum()))


def _data(studies: Studies, rows: NDArray[np.intp]) -> Data:
    return Data({name: values[rows][None] for name, values in studies.columns.items()})


def _options(given: dict[str, Any], choices: dict[str, Any]) -> Options:
    """The choices of a regression: those of `pool`, fewer models and other intervals."""
    if choices["model"] is not None:
        check_choice("model", choices["model"], MODELS, where="for meta_regression")
    options = options_for(given, {**choices, "ci": None})
    check_choice("model", options.model, MODELS, where="for meta_regression")
    if options.model == "bayes" and options.groups == 2:
        raise ArgumentError(
            f"model='bayes' regresses the rates of one group, and measure={options.measure!r} compares two. Fix: "
            "model='inverse_variance'."
        )
    known = CI[options.model]
    ci = known[0] if choices["ci"] is None else choices["ci"]
    if options.model == "bayes" and ci in CI["glmm"]:
        raise ArgumentError(
            f"ci={ci!r} is not known for model='bayes', which knows 'credible'. Fix: name the model as well, such as model='glmm'."
        )
    return replace(options, ci=check_choice("ci", ci, known, where=f"for meta_regression with model={options.model!r}"))


def _check_design(design: Design, frame: pd.DataFrame) -> None:
    """Refuse what no method could estimate: a constant moderator, too many coefficients, columns that follow from others."""
    k, p = design.matrix.shape
    for name in design.formula.names:
        values = {name_of(v) for v in frame[name].tolist()}
        if len(values) == 1 and k > 1:
            raise ArgumentError(
                f"formula: {name!r} is {shorten(values.pop(), 40)!r} in every one of {plural(k, 'study', 'studies')}, so it "
                "cannot account for differences between them. Fix: leave it out."
            )
    for factor in design.factors:
        if factor.categories and len(factor.categories) == k > 1:
            name = shorten(factor.names[0], 40)
            raise ArgumentError(
                f"formula: {name!r} has one study in each category: the difference between the categories cannot be told from the "
                f"difference between the studies. Fix: leave {name!r} out, or join categories."
            )
    if k <= p:
        raise ArgumentError(
            f"formula: {plural(k, 'study', 'studies')} for {plural(p, 'coefficient')} ({listing(design.terms)}): more "
            "studies than coefficients are needed. Fix: fewer moderators, or fewer categories."
        )
    active = gram_schmidt(np.ascontiguousarray(design.matrix.T)[:, :, None], np.ones((k, 1))).active[:, 0]
    if not active.all():
        followed = [term for term, free in zip(design.terms, active, strict=True) if not free]
        raise ArgumentError(
            f"formula: {listing(followed)} {'follows' if len(followed) == 1 else 'follow'} from the other columns in these "
            f"{k} studies (collinear), so their coefficients cannot be estimated. Fix: leave "
            f"{'it' if len(followed) == 1 else 'them'} out."
        )


def moderator_contrast(design: Design) -> Array:
    """The rows ``[m, p]`` that are zero where the moderators do nothing: all coefficients but the intercept.

    Without an intercept the columns must make one up (a category coded in full); the contrast then says that all are alike.
    """
    k, p = design.matrix.shape
    if "Intercept" in design.terms:
        return np.delete(np.eye(p), design.terms.index("Intercept"), axis=0)
    size = np.abs(design.matrix).max(0)
    made = np.linalg.lstsq(design.matrix / size, np.ones(k), rcond=None)[0]
    if np.abs(design.matrix / size @ made - 1.0).max() > 1e-8:
        raise ArgumentError(
            f"formula={as_given(design.formula.text)} has no intercept: it would fix the rate at moderators of zero. Fix: "
            "leave the '0' or '- 1' out."
        )
    along = made / size
    # Coefficients proportional to `along` give one predictor for all studies.
    contrast = np.linalg.svd(along[None])[2][1:]
    return np.where(np.abs(contrast) < 1e-14, 0.0, contrast)
