"""The result of a pooling: the numbers once, in a frozen object, with the method stamp that travels with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.models.listed import Listed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from metanet.models.data import Data
    from metanet.models.inputs import Studies
    from metanet.models.study_table import StudyTable


class Method(Mapping[str, Any]):
    """The method stamp: every choice that moved a number, the versions, and the notes. Read-only, JSON-able."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Method({self._entries!r})"

    def sentence(self) -> str:
        """The choices in one sentence, for a figure's foot or a methods section."""
        return str(self._entries["sentence"])


@dataclass(frozen=True, eq=False)
class Pooled(Listed):
    """A pooled rate (or effect) with everything that belongs to it.

    Rates are fractions. A quantity that does not exist is None, with the reason in ``method["notes"]``.

    Attributes
    ----------
    status
        "pooled"; "not pooled" (one study, shown as itself); "no events", "only events" (exact interval on the sum);
        "not estimable" (the likelihood has no maximum).
    estimate, ci_lower, ci_upper
        The pooled mean on the response scale: for a normal random effect on a link's scale the *median* of the distribution of
        rates; for the beta-binomial model its mean. Two groups: a ratio, or a difference.
    pi_lower, pi_upper
        Prediction interval for the rate (or effect) of a new setting.
    marginal_estimate, marginal_ci_lower, marginal_ci_upper
        The population-averaged rate, integrated over the random effect; None for two groups and for effects.
    median
        The median of the fitted beta distribution (beta-binomial model).
    mu, se, mu_lower, mu_upper
        The mean on the model scale.
    tau2, tau2_lower, tau2_upper, tau
        Heterogeneity variance on the model scale, its interval, its square root. Beta-binomial: the variance of the logits
        under the fitted distribution.
    rho, rho_lower, rho_upper
        Intraclass correlation of the beta-binomial model, with its interval.
    i2, i2_lower, i2_upper, h2, h2_lower, h2_upper
        Share of variance beyond chance (fraction) and H2, by the definition in ``method["i2"]``.
    q, q_df, q_pvalue
        Cochran's Q (inverse variance) or the Wald test of equal effects (exact models).
    lrt, lrt_pvalue
        Likelihood-ratio test of equal effects with k - 1 degrees of freedom (exact models).
    loglik
        Log-likelihood, constants included (exact models).
    k, n, events
        Rows pooled (studies, or arms of studies), patients (or what else `units` names), events (None for effects without counts).
    weights
        Each study's share in the estimate, summing to one, in the order of `studies`.
    """

    _listed = (
        "estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "marginal_estimate", "tau", "i2",
        "studies", "notes", "method", "summary", "sentence", "to_frame", "to_dict", "forest", "funnel",
    )  # fmt: skip

    status: str
    model: str
    measure: str
    level: float
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    pi_lower: float | None
    pi_upper: float | None
    marginal_estimate: float | None
    marginal_ci_lower: float | None
    marginal_ci_upper: float | None
    median: float | None
    mu: float | None
    se: float | None
    mu_lower: float | None
    mu_upper: float | None
    tau2: float | None
    tau2_lower: float | None
    tau2_upper: float | None
    rho: float | None
    rho_lower: float | None
    rho_upper: float | None
    i2: float | None
    i2_lower: float | None
    i2_upper: float | None
    h2: float | None
    h2_lower: float | None
    h2_upper: float | None
    q: float | None
    q_df: int | None
    q_pvalue: float | None
    lrt: float | None
    lrt_pvalue: float | None
    loglik: float | None
    k: int
    n: int | None
    events: int | None
    method: Method
    _weights: NDArray[np.float64] = field(repr=False)
    _table: StudyTable = field(repr=False)

    @property
    def response(self) -> str:
        """What the estimate is: "rate", "ratio", "difference", "rate per person-time", or "effect" for effects given as such."""
        return str(self.method["response"])

    @property
    def title(self) -> str:
        """The model by its name."""
        from metanet.models.display import MODEL_NAMES

        return MODEL_NAMES["poisson" if self.method["link"] == "log" else self.model]

    @property
    def average(self) -> str:
        """What the estimate is of the distribution of true rates: its "median", its "mean", or the one "common" rate."""
        if self.method["tau2"] is None:
            return "common"
        return "mean" if self.model == "beta_binomial" else "median"

    @property
    def tau(self) -> float | None:
        """Standard deviation of the true effects on the model scale."""
        return None if self.tau2 is None else float(np.sqrt(self.tau2))

    @property
    def weights(self) -> NDArray[np.float64]:
        """Each study's share in the estimate, a copy."""
        return self._weights.copy()

    @property
    def studies(self) -> pd.DataFrame:
        """One row for each study: name, counts (or `yi`, `vi`), `rate` or `effect`, interval, weight, shrunken; then `data`."""
        return self._table.frame().copy()

    @property
    def inputs(self) -> Studies:
        """The studies as they were read: what a diagnostic pools anew in part."""
        return self._table.studies

    @property
    def data(self) -> Data:
        """The studies as arrays, a batch of one analysis: what diagnostics mask and refit."""
        return self._table.studies.data()

    @property
    def study_count(self) -> int:
        """Number of different studies: less than `k` where several arms of one study (column `study_id`) are pooled."""
        from metanet.models.inputs import count_studies

        return count_studies(self._table.frame())

    @property
    def units(self) -> tuple[str, ...]:
        """What was counted, by the column `unit` of the data: "patients" (also where it is not told), "procedures", "lesions"."""
        from metanet.models.units import units_of

        return units_of(self._table.frame())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the numbers; also ``method["notes"]``."""
        return tuple(self.method["notes"])

    def __repr__(self) -> str:
        from metanet.models.views import short_text

        return short_text(self)

    def _repr_html_(self) -> str:
        from metanet.models.views import html_card

        return html_card(self)

    def summary(self) -> str:
        """The result as text, complete."""
        from metanet.models.views import summary_text

        return summary_text(self)

    def sentence(self) -> str:
        """The result in one plain sentence."""
        from metanet.models.views import sentence

        return sentence(self)

    def numbers(self) -> dict[str, Any]:
        """Every number by name, without studies and method."""
        return {name: getattr(self, name) for name in NUMBERS}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values; infinite limits become the text "inf"."""
        from metanet.models.views import plain

        return {
            **{name: plain(value) for name, value in self.numbers().items()},
            "weights": [plain(float(w)) for w in self._weights],
            "studies": [{str(c): plain(v) for c, v in row.items()} for row in self._table.frame().to_dict("records")],
            "method": plain(dict(self.method)),
        }

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([self.numbers()])

    def forest(self, **options: Any) -> Axes:
        """Draw the forest plot; see `metanet.figures.forest.forest`."""
        return self._drawn("forest", "forest", **options)

    def funnel(self, **options: Any) -> Axes:
        """Draw the funnel plot, of rates against size; see `metanet.figures.funnel.funnel`."""
        return self._drawn("funnel", "funnel", **options)

    def labbe(self, **options: Any) -> Axes:
        """Draw the event rates of two groups against each other; see `metanet.figures.labbe.labbe`."""
        return self._drawn("labbe", "labbe", **options)

    def spread(self, **options: Any) -> Axes:
        """Draw how far the true rates lie apart; see `metanet.figures.heterogeneity.heterogeneity_plot`."""
        return self._drawn("heterogeneity", "heterogeneity_plot", **options)

    def drapery(self, **options: Any) -> Axes:
        """Draw the p-value of every value; see `metanet.figures.drapery.drapery`."""
        return self._drawn("drapery", "drapery", **options)

    def radial(self, **options: Any) -> Axes:
        """Draw Galbraith's radial plot; see `metanet.figures.radial.radial_plot`."""
        return self._drawn("radial", "radial_plot", **options)

    def baujat(self, **options: Any) -> Axes:
        """Draw heterogeneity against influence of each study; see `metanet.figures.baujat.baujat_plot`."""
        from importlib import import_module

        axes: Axes = import_module("metanet.diagnostics.influence").influence(self).baujat(**options)
        return axes

    def _drawn(self, module: str, function: str, **options: Any) -> Axes:
        from importlib import import_module

        # Drawing lies in a later room; it is reached by name so that this room does not depend on it.
        axes: Axes = getattr(import_module(f"metanet.figures.{module}"), function)(self, **options)
        return axes


#: Names of the numbers of a result, in the order of its fields.
NUMBERS = (*(f.name for f in fields(Pooled) if f.name not in ("method", "_weights", "_table")), "tau")
