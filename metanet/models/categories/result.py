"""The result of pooling response categories: one distribution, its two directions, and what is pooled apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scipy import special

from metanet.base.arguments import checked, choice
from metanet.base.display import ABSENT, RATE, level_text, number, sentence_case
from metanet.base.drawing import draw
from metanet.base.results import Method, Result
from metanet.base.untrusted import counted, listing, visible
from metanet.kernels.beta_binomial import fit as single, sequence
from metanet.models.categories.directions import STAGES, CompleteStage, Direction, Share
from metanet.models.categories.reporting import ReportingPattern
from metanet.models.comparison.response_categories import ResponseArm

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Outcome -> the share that it is.
OUTCOMES = {"complete_response": "CR", "objective_response": "CR+PR", "disease_control": "CR+PR+SD"}
#: The share of complete among all responses, which both directions have.
COMPLETE = "complete response of patients with response"


@dataclass(frozen=True, eq=False, repr=False)
class PooledCategories(Result):
    """Complete and partial response, stable and progressive disease as one distribution, whose shares add up to 100 %.

    Attributes
    ----------
    status
        "pooled", "not pooled" (one arm, shown as itself) or "not estimable"; `reason` then says why.
    modality
        The modality class or modality, or several; empty for a frame.
    direction
        The direction of the first answer, "response first" or "control first".
    arms
        The study arms with their counts.
    left_out
        Arms that were left out: study, study_id, arm, reason.
    reporting
        The objective response of arms that report disease control (complete response) and of those that do not.
    level
        Coverage of the intervals.
    """

    status: str
    modality: str
    level: float
    reason: str | None
    arms: tuple[ResponseArm, ...] = field(repr=False)
    left_out: tuple[Mapping[str, str], ...] = field(repr=False)
    reporting: ReportingPattern = field(repr=False)
    method: Method = field(repr=False)
    _both: tuple[Direction, ...] = field(repr=False)
    _complete_arms: tuple[Direction, ...] = field(repr=False)
    _complete: CompleteStage = field(repr=False)
    _separate: pd.DataFrame = field(repr=False)

    _entries = (
        "status", "reason", "modality", "level", "direction", ("shares", "_frame"), "objective_response", "disease_control",
        "complete_response", "directions", "complete_only", "separate", "rho", "reporting", "left_out",
    )  # fmt: skip

    @property
    def _frame(self) -> pd.DataFrame:
        return self.to_frame()

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return f"Pooled response categories{f': {visible(self.modality)}' if self.modality else ''}"

    @property
    def main(self) -> Direction | None:
        """The direction of the first answer."""
        return self._both[0] if self._both and self._both[0].reason is None else None

    @property
    def direction(self) -> str | None:
        """Its name."""
        return None if self.main is None else self.main.title

    @property
    def k(self) -> int:
        """Number of arms."""
        return len(self.arms)

    @property
    def shares(self) -> Mapping[str, Share]:
        """The shares of the first answer by name: CR, PR (where some arm tells them apart), CR+PR, SD, PD, CR+PR+SD."""
        return {} if self.main is None else self.main.shares

    @property
    def objective_response(self) -> Share | None:
        """CR + PR."""
        return self.shares.get("CR+PR")

    @property
    def disease_control(self) -> Share | None:
        """CR + PR + SD."""
        return self.shares.get("CR+PR+SD")

    @property
    def complete_response(self) -> Share | None:
        """CR; None where no arm with a response tells complete from partial ones."""
        return self.shares.get("CR")

    def categories(self) -> tuple[Share, ...]:
        """The categories of the first answer from best to worst, which add up to 1: CR, PR, SD, PD, or CR+PR, SD, PD."""
        shares = self.shares
        names = ("CR", "PR", "SD", "PD") if "CR" in shares else ("CR+PR", "SD", "PD")
        return tuple(shares[name] for name in names if name in shares)

    def to_frame(self) -> pd.DataFrame:
        """One row for each category: category, title, estimate (fraction), ci_lower, ci_upper, k (arms that report it), indirect."""
        import pandas as pd

        columns = ["category", "title", "estimate", "ci_lower", "ci_upper", "k", "indirect"]
        rows = [(s.name, s.title, s.estimate, s.ci_lower, s.ci_upper, s.k, s.indirect) for s in self.categories()]
        return pd.DataFrame(rows, columns=columns)

    @property
    def directions(self) -> pd.DataFrame:
        """Both directions, that of the first answer first: direction, loglik, objective_response and disease_control with limits,
        rho and arms of both stages. The log-likelihoods compare directly: same counts, same number of parameters."""
        return _rows(self._both)

    @property
    def complete_only(self) -> pd.DataFrame:
        """The same from the arms alone that report both objective response and disease control."""
        return _rows(self._complete_arms)

    @property
    def separate(self) -> pd.DataFrame:
        """The outcomes pooled apart, each from all arms that report it: outcome, k, mean rate (beta-binomial model) with limits."""
        return self._separate.copy()

    @property
    def rho(self) -> pd.DataFrame:
        """Intraclass correlation of every stage: direction, stage, k, rho. For intervals see `profile`."""
        import pandas as pd

        rows = [
            (each.title, STAGES[each.key][i], each.stage_k[i], each.rho[i])
            for each in self._both
            for i in (0, 1)
            if each.reason is None
        ]
        if self._complete.known:
            rows.append(("both", COMPLETE, self._complete.k, self._complete.rho))
        return pd.DataFrame(rows, columns=["direction", "stage", "k", "rho"])

    def profile(self) -> pd.DataFrame:
        """Profile-likelihood intervals of what each direction has as a parameter.

        Returns
        -------
        pandas.DataFrame
            direction, quantity ("objective response" of response first, "disease control" of control first, "rho: ..." of every
            stage), estimate, lower, upper. It takes seconds where arms report one outcome alone.
        """
        import pandas as pd

        rows: list[tuple[str, str, float, float, float]] = []
        for each in self._both:
            if each.reason is not None:
                continue
            means, spreads = sequence.profile_intervals(each.paths, each.fit, self.level)
            # Control first models progressive disease, whose complement is disease control.
            ends = special.expit(means[0]) if each.key == "response" else 1.0 - special.expit(means[0][::-1])
            share = each.shares["CR+PR" if each.key == "response" else "CR+PR+SD"]
            rows.append((each.title, share.title, share.estimate, float(ends[0]), float(ends[1])))
            rows += [
                (each.title, f"rho: {STAGES[each.key][i]}", each.rho[i], float(spreads[i, 0]), float(spreads[i, 1])) for i in (0, 1)
            ]
        if (own := self._complete).known and not own.edge:
            x, n = own.events[None], own.total[None]
            low, high = single.rho_interval(x, n, single.fit(x, n), self.level)
            rows.append(("both", f"rho: {COMPLETE}", own.rho, float(low[0]), float(high[0])))
        return pd.DataFrame(rows, columns=["direction", "quantity", "estimate", "lower", "upper"])

    @checked(outcome=choice(*OUTCOMES))
    def range_of(self, outcome: str = "disease_control") -> tuple[float, float] | None:
        """The lowest and the highest estimate of an outcome in the two directions; None where one of them has none."""
        found = [each.shares.get(OUTCOMES[outcome]) for each in self._both]
        values = [share.estimate for share in found if share is not None]
        return (min(values), max(values)) if len(values) == 2 else None

    @checked(outcome=choice(*OUTCOMES))
    def outside(self, outcome: str = "disease_control") -> str | None:
        """A sentence where the outcome, pooled apart, lies outside the range of the two directions; else None."""
        ends, apart = self.range_of(outcome), self._separate[self._separate["outcome"] == outcome]
        if self.status != "pooled" or ends is None or apart.empty:
            return None
        row = apart.iloc[0]
        if row["status"] != "pooled":
            return None
        value, low, high = (RATE.text(x) for x in (float(row["estimate"]), *ends))
        # What is printed alike is not outside.
        if value in (low, high) or ends[0] <= row["estimate"] <= ends[1]:
            return None
        span = f"{low} %" if low == high else f"{low} to {high} %, depending on whether response or control is modelled first"
        return (
            f"{OUTCOMES_TITLES[outcome]} pooled by itself has a mean rate of {value} % (beta-binomial model, "
            f"{counted(int(row['k']), 'arm')}). In one distribution of response categories it is {span}{self._why()}."
        )

    def _why(self) -> str:
        """Why an outcome by itself differs, where arms that report one alone are the reason."""
        told = [(arm.at_least("PR") is not None, arm.at_least("SD") is not None) for arm in self.arms]
        return "" if all(both == (True, True) for both in told) else ": not all arms report both response and control"

    def sentence(self) -> str:
        """The shares of the first answer, those of the other direction, and what each rests on."""
        main = self.main
        if main is None:
            return str(self.reason)
        units: dict[str, int] = {}
        for arm in self.arms:
            units[arm.unit] = units.get(arm.unit, 0) + arm.total
        many = ", ".join(f"{n:,} {visible(unit)}" for unit, n in units.items())
        order = ("CR+PR", "CR+PR+SD", "CR", "SD", "PD")
        shown = [f"{main.shares[name].title} {main.shares[name].text(self.level)}" for name in order if name in main.shares]
        text = f"{counted(self.k, 'study arm')} ({many}): {listing(shown)}"
        if self.status != "pooled":
            return f"{text}. One arm is not pooled."
        text += f" ({main.title}, log-likelihood {number(main.loglik)})."
        for other in self._both[1:]:
            if other.reason is None:
                orr, dcr = (RATE.value(other.shares[name].estimate) for name in ("CR+PR", "CR+PR+SD"))
                text += f" With {other.title} ({number(other.loglik)}) objective response is {orr} and disease control {dcr}."
        return text

    def rows(self) -> list[tuple[str, str]]:
        """The first answer, its alternatives, and what they rest on."""
        main = self.main
        if main is None:
            return []
        total = sum(arm.total for arm in self.arms)
        units = listing(sorted({arm.unit for arm in self.arms}))
        out = [("Data", f"{counted(self.k, 'study arm')}, {total:,} {units}")]
        if self.status == "pooled":
            out += [(f"Log-likelihood, {each.title}", number(each.loglik)) for each in self._both if each.reason is None]
        rho = self.rho
        out += [(f"rho, {stage}", number(value, 3)) for stage, value in zip(rho["stage"], rho["rho"], strict=True)]
        return out

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """A row for each share: both directions, complete arms alone, pooled apart, and the arms that report it."""
        if self.main is None:
            return (), []
        level = level_text(self.level)
        answered = [each for each in self._both if each.reason is None]
        head = ["Share"]
        head += [f"{sentence_case(each.title)}, % ({level} CI)" for each in answered]
        complete = next((each for each in self._complete_arms if each.title == self.main.title and each.reason is None), None)
        head += ["Complete arms alone, %", "Pooled apart, % (arms)", "Arms", "Indirect"]
        apart = {OUTCOMES[row["outcome"]]: row for row in self._separate.to_dict("records")}
        order = [name for name in ("CR", "PR", "CR+PR", "SD", "CR+PR+SD", "PD") if name in self.main.shares]
        out = []
        for name in order:
            share = self.main.shares[name]
            cells = [f"{sentence_case(share.title)} ({name})"]
            cells += [
                each.shares[name].text(self.level).replace(" %", "").replace(f"{level.replace(' %', '')} CI ", "") for each in answered
            ]
            alone = complete.shares.get(name) if complete is not None else None
            cells.append(ABSENT if alone is None else RATE.text(alone.estimate))
            cells.append(f"{RATE.text(apart[name]['estimate'])} ({apart[name]['k']})" if name in apart else ABSENT)
            out.append((*cells, str(share.k), str(share.indirect)))
        return head, out

    def figure(self, **options: Any) -> Axes:
        """Draw a stacked bar for each arm and the pooled distribution; see `metanet.figures.plots.pooled_categories`."""
        axes: Axes = draw("pooled_categories", self, **options)
        return axes


OUTCOMES_TITLES = {
    "complete_response": "Complete response",
    "objective_response": "Objective response",
    "disease_control": "Disease control",
}


def _rows(found: Sequence[Direction]) -> pd.DataFrame:
    import pandas as pd

    columns = ["direction", "loglik"]
    columns += [f"{name}{end}" for name in ("objective_response", "disease_control") for end in ("", "_lower", "_upper")]
    columns += ["rho_first", "rho_second", "k_first", "k_second"]
    return pd.DataFrame([each.row() for each in found], columns=columns)
