"""Moderators of a network: a regression of all contrasts on one number of the studies, and networks of groups of studies.

The regression has one coefficient: in a study with the value x (less the mean of the studies) the effect of every treatment against
the reference is changed by ``b x``, and contrasts between two other treatments are not changed. It asks whether the reference does
relatively better or worse in studies with more of x; a moderator of one treatment alone is another model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from metanet.base.arrays import Array
from metanet.base.display import Scale, in_sentence, level_text, plural, title_of
from metanet.base.errors import ArgumentError, as_given, no_column, shorten
from metanet.base.groups import absent, name_of, read_groups
from metanet.base.results import Method, Result, Test
from metanet.base.untrusted import listing, visible
from metanet.kernels.network import exact_network
from metanet.kernels.network.exact import ExactLikelihood
from metanet.kernels.network.regression import fit_design
from metanet.kernels.numerics.distributions import chi2_upper_tail, two_sided_z
from metanet.models.network.cells import Cells
from metanet.models.network.fit import fitted
from metanet.models.network.part import Part, arms_of, counts_of
from metanet.models.network.result import Network
from metanet.models.results.method import versions

if TYPE_CHECKING:
    import pandas as pd

_MOST_GROUPS, _NAMED = 40, 12


@dataclass(frozen=True, eq=False, repr=False)
class NetworkRegression(Result):
    """A network whose contrasts with the reference change with a number of the studies.

    Attributes
    ----------
    covariate, title, reference
        The column, what a reader calls it, and the reference.
    coefficient, se, ci_lower, ci_upper
        Change of every contrast with the reference for one more of the covariate, on the model scale; None with `reason`.
    test
        Of no change: normal in two steps, the likelihood ratio in the exact model.
    tau2
        Heterogeneity beside the covariate.
    mean, low, high
        Mean of the covariate in the studies used, at which `contrasts` are given, and its range.
    contrasts
        Frame of the treatments against the reference at the mean: first, second, mu, se, estimate, ci_lower, ci_upper.
    """

    covariate: str
    title: str
    reference: str
    level: float
    coefficient: float | None
    se: float | None
    ci_lower: float | None
    ci_upper: float | None
    test: Test
    tau2: float | None
    k: int
    mean: float
    low: float
    high: float
    ratio: bool
    reason: str | None
    method: Method = field(repr=False)
    _contrasts: pd.DataFrame = field(repr=False)
    _scale: Scale = field(repr=False)

    _entries = (
        "covariate", "reference", "level", "coefficient", "se", "ci_lower", "ci_upper", "tau2", "k", "mean", "low", "high", "reason",
        "contrasts",
    )  # fmt: skip

    @property
    def contrasts(self) -> pd.DataFrame:
        """Treatments against the reference at the mean of the covariate; a copy."""
        return self._contrasts.copy()

    @property
    def tests(self) -> dict[str, Test]:
        """The test of the coefficient."""
        return {"covariate": self.test}

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return f"Network meta-regression on {visible(self.title)}"

    def to_frame(self) -> pd.DataFrame:
        """The contrasts at the mean of the covariate."""
        return self.contrasts

    def sentence(self) -> str:
        """By how much contrasts with the reference change, and whether that differs from nothing."""
        if self.reason is not None or self.coefficient is None:
            return str(self.reason)
        change = self._shown()
        what = "multiplied by" if self.ratio else "changed by"
        return (
            f"For each unit of {visible(self.title)} the effects against {visible(self.reference)} are {what} {change}; "
            f"{self.test.text()}; {plural(self.k, 'study', 'studies')}, from {self.low:g} to {self.high:g}."
        )

    def _shown(self) -> str:
        back = np.exp if self.ratio else float
        value, low, high = (None if each is None else float(back(each)) for each in (self.coefficient, self.ci_lower, self.ci_upper))
        return self._scale.estimate(value, low, high, self.level)

    def rows(self) -> list[tuple[str, str]]:
        """The coefficient, its test and the range of the covariate."""
        if self.reason is not None:
            return []
        return [
            ("Change for one unit", self._shown()),
            ("Test of no change", self.test.text()),
            ("τ²", "–" if self.tau2 is None else f"{self.tau2:.4f}"),
            ("Studies", str(self.k)),
            ("Mean (range) of the covariate", f"{self.mean:.4g} ({self.low:g} to {self.high:g})"),
        ]

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """The treatments against the reference at the mean of the covariate."""
        head = ["Treatment", self._scale.name, f"{level_text(self.level)} CI"]
        rows: list[tuple[str, ...]] = [
            (
                visible(row["first"]),
                self._scale.text(row["estimate"]),
                self._scale.limits(row["ci_lower"], row["ci_upper"], unit=False),
            )
            for row in self._contrasts.to_dict("records")
        ]
        return head, rows


@dataclass(frozen=True, eq=False, repr=False)
class NetworkSubgroups(Result):
    """A network of each group of studies.

    Attributes
    ----------
    by
        The column.
    groups
        Name -> `Network`.
    test
        Of equal contrasts in all groups, among contrasts that more than one group has: what Q loses when each group has its own.
    contrasts
        Frame of all contrasts with the reference by group.
    """

    by: str
    title: str
    groups: dict[str, Network]
    test: Test
    reason: str | None
    method: Method = field(repr=False)

    _entries = ("by", "reason", "contrasts")

    @property
    def contrasts(self) -> pd.DataFrame:
        """The contrasts of every group; a copy."""
        import pandas as pd

        frames = [each.contrasts.assign(group=name) for name, each in self.groups.items()]
        columns = [
            "group",
            "first",
            "second",
            "studies",
            "estimate",
            "ci_lower",
            "ci_upper",
            "mu",
            "se",
            "pvalue",
            "note",
            "component",
        ]
        return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)

    @property
    def tests(self) -> dict[str, Test]:
        """The test of a difference."""
        return {"groups": self.test}

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return f"Networks by {visible(self.title)}"

    def to_frame(self) -> pd.DataFrame:
        """The contrasts of every group."""
        return self.contrasts

    def sentence(self) -> str:
        """How many studies each group has, and whether contrasts differ."""
        if self.reason is not None:
            return self.reason
        sizes = listing((f"{visible(name)} ({plural(each.k, 'study', 'studies')})" for name, each in self.groups.items()), _NAMED)
        return f"Networks by {visible(self.title)}: {sizes}. Test of a difference between them: {self.test.text()}."

    def rows(self) -> list[tuple[str, str]]:
        """What each group says, and the test."""
        shown = [(visible(name), each.sentence()) for name, each in self.groups.items()]
        return [*shown, ("Test of a difference", self.test.text())]


def _column(found: Network, argument: str, name: str) -> list[Any]:
    """The value of each study in a column of the data; one that differs within a study is refused."""
    about = found._cells.about
    if about is None:
        raise ArgumentError(
            f"{argument}={as_given(name)} names a column, but the network was made without data. Fix: give data=frame."
        )
    if name not in about.columns:
        raise no_column(argument, name, about.columns)
    if about[name].ndim != 1:
        raise ArgumentError(f"{argument}={as_given(name)} names several columns of data. Fix: rename them.")
    values: list[Any] = about[name].tolist()
    if name in about.attrs["varies"]:
        study = about.attrs["varies"][name]
        raise ArgumentError(
            f"{argument}={as_given(name)} differs between the rows of a study ({as_given(study)}). Fix: one value a study."
        )
    return values


def _numbers(found: Network, covariate: str) -> Array:
    out = np.full(found.k, np.nan)
    for place, value in enumerate(_column(found, "covariate", covariate)):
        if absent(value):
            continue
        try:
            out[place] = float(value)
        except (TypeError, ValueError):
            raise ArgumentError(
                f"covariate={as_given(covariate)}: {as_given(value)} (study {as_given(found._cells.studies[place])}) is not a number. "
                "Fix: use subgroups(by=...) for groups."
            ) from None
    if not np.isfinite(out[~np.isnan(out)]).all():
        raise ArgumentError(f"covariate={as_given(covariate)} has an infinite value. Fix: correct it, or leave the study out.")
    return out


def network_regression(found: Network, covariate: str) -> NetworkRegression:
    """Fit the component of the reference with the covariate; studies without a value are left out, with a note."""
    values = _numbers(found, covariate)
    cells, notes = found._cells, [_MEANING.format(reference=visible(found.reference))]
    kept = np.flatnonzero(~np.isnan(values))
    if kept.size < found.k:
        gone = [shorten(cells.studies[i], 40) for i in np.flatnonzero(np.isnan(values))]
        notes.append(f"{plural(len(gone), 'study', 'studies')} without the covariate left out: {listing(gone, _NAMED)}.")
    title = in_sentence(title_of(covariate, cells.about))
    part, rows = None, kept
    if kept.size:
        own = fitted(cells.only(kept.tolist()), {**found._choices, "model": found.model, "reference": found.reference})
        part = own.part_of(str(found.reference))
    if part is None or np.unique(values[kept]).size < 2:
        why = "No study with a value compares the reference." if part is None else "All studies have the same value of the covariate."
        return _regression(found, covariate, title, why, notes, values[kept])
    place = {name: i for i, name in enumerate(cells.studies)}
    rows = np.array([place[name] for name in part.studies])
    x = values[rows]
    fit = _exact_slope(part, found, x) if found.model.startswith("exact") else _two_step_slope(part, found, x)
    return _regression(found, covariate, title, fit, notes, x, part)


_MEANING = (
    "One coefficient: every contrast with {reference} changes alike with the covariate; contrasts of other treatments do not change. "
    "It is an association across studies."
)

#: Effects of the treatments, the coefficient last, ``[t]``, their covariance, tau2 and the test; the treatments but the reference.
_Fit = tuple[Array, Array, float | None, Test, list[str]]


def _null(found: Network) -> str:
    return f"Contrasts with {found.reference} do not change with the covariate"


def _design(cells: Cells, base: int, x: Array) -> tuple[Array, list[int]]:
    """Indicators of all treatments but the reference, and the centred covariate where the treatment is not it, ``[s, K, t]``."""
    node = cells.padded(cells.treatment.astype(np.float64))
    others = [i for i in range(len(cells.treatments)) if i != base]
    z = np.where(np.isnan(node) | (node == base), 0.0, (x - x.mean())[:, None])
    return np.concatenate([(node[:, :, None] == np.array(others)).astype(np.float64), z[:, :, None]], axis=2), others


def _two_step_slope(part: Part, found: Network, x: Array) -> _Fit | str:
    arms, _ = arms_of(part.cells, found.measure)
    base = part.treatments.index(str(found.reference))
    design, others = _design(part.cells, base, x)
    method = {"REML": "REML", "DL": "DL"}.get(str(found._choices["tau2"]), "none") if found.model == "inverse_variance" else "none"
    fit = fit_design(arms.effect, arms.variance, design, method)
    if not fit.full_rank:
        return "The covariate cannot be told apart from the treatments: no coefficient can be estimated."
    b, se = float(fit.beta[-1]), float(np.sqrt(fit.covariance[-1, -1]))
    test = Test("z", _null(found), b / se, "normal", (), 2.0 * float(special.ndtr(-abs(b / se))))
    tau2 = fit.tau2 if found.model == "inverse_variance" else None
    return fit.beta, fit.covariance, tau2, test, [part.treatments[i] for i in others]


def _exact_slope(part: Part, found: Network, x: Array) -> _Fit | str:
    counts, base = counts_of(part.cells), part.treatments.index(str(found.reference))
    parts, _ = exact_network.bounds(counts)
    used = counts.only(counts.present & (parts[counts.node] == parts[base])).informative()
    if not len(used.y):
        return "No treatment has a finite contrast with the reference."
    rows = used.origin
    inside = sorted({*used.node[used.present].tolist()} - {base})
    z = np.where(used.present & (used.node != base), (x[rows] - x.mean())[:, None], 0.0)
    design = ((used.node[:, :, None] == np.array(inside)) & used.present[:, :, None]).astype(np.float64)
    random = found.model == "exact"
    full = ExactLikelihood(used.y, used.n, np.concatenate([design, z[:, :, None]], axis=2)).fit(random=random)
    plain = ExactLikelihood(used.y, used.n, design).fit(random=random)
    if not (full.converged and np.isfinite(full.covariance).all() and np.abs(full.beta).max() < 25):
        return "The coefficient has no finite estimate in the exact model."
    statistic = max(0.0, 2.0 * (full.loglik - plain.loglik))
    test = Test("likelihood ratio", _null(found), statistic, "chi-squared", (1,), float(chi2_upper_tail(statistic, 1)))
    return full.beta, full.covariance, full.tau2 if random else None, test, [part.treatments[i] for i in inside]


def _regression(
    found: Network, covariate: str, title: str, fit: _Fit | str, notes: list[str], x: Array, part: Part | None = None
) -> NetworkRegression:
    import pandas as pd

    z = two_sided_z(found.level)
    reason = fit if isinstance(fit, str) else None
    coefficient = se = tau2 = None
    test = Test("z", _null(found), reason=reason)
    records: list[dict[str, Any]] = []
    if not isinstance(fit, str):
        beta, covariance, tau2, test, names = fit
        errors = np.sqrt(np.diagonal(covariance))
        coefficient, se = float(beta[-1]), float(errors[-1])
        records = [
            {
                "first": name,
                "second": found.reference,
                "mu": mu,
                "se": error,
                **{key: found._back(mu + side * z * error) for key, side in (("estimate", 0), ("ci_lower", -1), ("ci_upper", 1))},
            }
            for name, mu, error in zip(names, beta[:-1].tolist(), errors[:-1].tolist(), strict=True)
        ]
    columns = ["first", "second", "mu", "se", "estimate", "ci_lower", "ci_upper"]
    stamp = {**found.method, "analysis": "network regression", "covariate": covariate, **versions(), "notes": notes}
    stamp["sentence"] = f"Network meta-regression on {visible(title)}; {found.method['sentence']!s}"
    return NetworkRegression(
        covariate=covariate,
        title=title,
        reference=str(found.reference),
        level=found.level,
        coefficient=coefficient,
        se=se,
        ci_lower=None if coefficient is None or se is None else coefficient - z * se,
        ci_upper=None if coefficient is None or se is None else coefficient + z * se,
        test=test,
        tau2=tau2,
        k=0 if part is None else len(part.studies),
        mean=float(x.mean()) if x.size else float("nan"),
        low=float(x.min()) if x.size else float("nan"),
        high=float(x.max()) if x.size else float("nan"),
        ratio=found.measure in ("OR", "RR"),
        reason=reason,
        method=Method(stamp),
        _contrasts=pd.DataFrame(records, columns=columns),
        _scale=found.scale,
    )


def network_subgroups(found: Network, by: str) -> NetworkSubgroups:
    """Fit the studies of each group by themselves, and test whether the contrasts that several groups have are equal."""
    groups = read_groups(_column(found, "by", by))
    if len(groups.names) > _MOST_GROUPS:
        raise ArgumentError(f"by={as_given(by)} makes {len(groups.names)} groups; at most {_MOST_GROUPS} can be fitted.")
    title, notes = in_sentence(title_of(by, found._cells.about)), []
    if groups.gaps:
        gone = [shorten(found._cells.studies[i], 40) for i in groups.gaps]
        notes.append(f"{plural(len(gone), 'study', 'studies')} without a group left out: {listing(gone, _NAMED)}.")
    choices = {**found._choices, "model": found.model, "reference": found.reference}
    place = np.array(groups.place)
    fits = {name: fitted(found._cells.only(np.flatnonzero(place == i).tolist()), choices) for i, name in enumerate(groups.names)}
    whole = fitted(found._cells.only(np.flatnonzero(place >= 0).tolist()), choices) if groups.names else found
    test = _difference(whole, list(fits.values()))
    for name, each in fits.items():
        notes += [f"{visible(shorten(name, 40))}: {note}" for note in each.notes]
    reason = (
        None if len(fits) > 1 else f"{'No study has a value' if not fits else 'All studies are in one group'} of {visible(title)}."
    )
    stamp = {**found.method, "analysis": "network by groups", "by": by, **versions(), "notes": list(dict.fromkeys(notes))}
    stamp["sentence"] = f"Networks by {visible(name_of(title))}; {found.method['sentence']!s}"
    return NetworkSubgroups(by, title, fits, test, reason, Method(stamp))


def _difference(whole: Network, parts: Sequence[Network]) -> Test:
    """What Q loses when every group has contrasts of its own, in the weights without heterogeneity."""
    null = "The contrasts are the same in all groups"

    def sums(found: Network) -> tuple[float, int]:
        tests = [part.q for part in found.parts]
        return sum(test.statistic or 0.0 for test in tests), sum(int(test.df[0]) for test in tests if test.df)

    (q, df), inner = sums(whole), [sums(each) for each in parts]
    free = df - sum(each[1] for each in inner)
    if len(parts) < 2 or free < 1:
        return Test("Q between groups", null, reason="No contrast is in more than one group.")
    statistic = max(0.0, q - sum(each[0] for each in inner))
    return Test("Q between groups", null, statistic, "chi-squared", (free,), float(chi2_upper_tail(statistic, free)))
