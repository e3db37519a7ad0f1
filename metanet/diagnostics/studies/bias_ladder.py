"""`bias_ladder`: the pooled estimate as studies at a high risk of bias are left out, a level at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.arguments import checked, choice, whole
from metanet.base.display import ABSENT, difference_scale, known, level_text, per_cent, plural
from metanet.base.errors import ArgumentError, as_given, check_choice, no_column
from metanet.base.groups import absent, name_of
from metanet.base.results import Method, Result, Test
from metanet.base.untrusted import listing, visible
from metanet.evidence.bias.filter import NOT_ASSESSED, PREFIX
from metanet.evidence.bias.rungs import RUNGS, rung_title, rungs_of
from metanet.evidence.bias.tools import OVERALL, Level, Tool, tool_named
from metanet.evidence.sources import Rates, is_result, rates_of
from metanet.models.comparison.compare import compare
from metanet.models.comparison.result import Comparison
from metanet.models.pooling.pool import CHOICES, DATA_ARGUMENTS, pool
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("rung", "title", "k", "n", "estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "weight_left_out", "status")


@dataclass(frozen=True, eq=False, repr=False)
class BiasLadder(Result):
    """The pooled estimate with all studies and without those at a high risk of bias.

    Attributes
    ----------
    by : str
        "overall", a domain of the tool, or the column of the levels.
    tool : Tool
        The tool of the levels.
    fit : Pooled
        All studies, pooled.
    reason : str or None
        Why there is no ladder: no study has a level.
    shift : float or None
        Estimate of the strictest pooled rung minus that of all studies, in percentage points for rates; None where only one is pooled.
    comparison : Comparison or None
        The levels compared; `no_test` says why there is none.
    """

    by: str
    tool: Tool
    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    shift: float | None
    comparison: Comparison | None = field(repr=False)
    no_test: str | None
    _frame: pd.DataFrame = field(repr=False)

    _entries = ("by", ("tool", "_tool_key"), "reason", "shift", "no_test", ("rows", "_frame"), ("test", "_test"))

    @property
    def _tool_key(self) -> str:
        return self.tool.key

    @property
    def _test(self) -> Test:
        return self.tests["lrt"]

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return f"Estimates by risk of bias ({self.tool.title})"

    @property
    def tests(self) -> dict[str, Test]:
        """The likelihood-ratio test of equal estimates between the levels, or the reason why there is none."""
        if self.comparison is None:
            return {"lrt": Test("likelihood ratio", "equal estimates at every level", reason=self.no_test)}
        return self.comparison.tests

    def to_frame(self) -> pd.DataFrame:
        """One row for each rung; a copy.

        Returns
        -------
        pandas.DataFrame
            rung ("all", "without critical", "without high", "low only"), title, k, n (patients), estimate, interval, prediction
            interval, weight_left_out (share of the weight in the estimate of all studies) and status: that of `pool`, "no studies"
            where no study is left.
        """
        return self._frame.copy()

    def sentence(self) -> str:
        """The estimates at both ends, and the test."""
        if self.reason:
            return self.reason
        first, last = self._frame.to_dict("records")[0], self._strictest()
        text = f"All {_studies(first)}: {self._shown(first)}."
        if all(row["k"] == first["k"] for row in self._frame.to_dict("records")):
            return f"{text} No study is left out at any level."
        if last is None:
            return f"{text} No analysis without some of them has two studies."
        left = f"{per_cent(last['weight_left_out'], 0)} % of the weight left out"
        text += f" {visible(last['title'])} ({_studies(last)}, {left}): {self._shown(last)}."
        if self.shift is not None:
            shift = self.shift / 100 if self.fit.scale.is_rate else self.shift
            text += f" Shift: {difference_scale(self.fit.response).value(shift)}."
        test = next(iter(self.tests.values())).text()
        return f"{text} Between the levels: {test}{'' if test.endswith('.') else '.'}"

    def _strictest(self) -> dict[Any, Any] | None:
        """The last rung that is pooled and leaves a study out."""
        first, *others = self._frame.to_dict("records")
        rows = [row for row in others if 1 < row["k"] < first["k"] and row["estimate"] == row["estimate"]]
        return rows[-1] if rows else None

    def _shown(self, row: Mapping[Any, Any]) -> str:
        fit = self.fit
        return fit.scale.estimate(row["estimate"], row["ci_lower"], row["ci_upper"], fit.level, fit.interval_name)

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """A row for each rung: studies, patients, estimate, intervals, share of the weight left out, status."""
        scale, rows = self.fit.scale, self._frame.to_dict("records")
        digits = scale.column((row["estimate"], row["ci_lower"], row["ci_upper"]) for row in rows)

        def limits(low: float, high: float) -> str:
            return scale.limits(low, high, digits, unit=False) if low == low and high == high else ABSENT

        out: list[tuple[str, ...]] = [
            (
                visible(row["title"]),
                f"{row['k']:,}",
                ABSENT if row["n"] != row["n"] else f"{row['n']:,.0f}",
                scale.text(row["estimate"], digits) if row["estimate"] == row["estimate"] else ABSENT,
                limits(row["ci_lower"], row["ci_upper"]),
                limits(row["pi_lower"], row["pi_upper"]),
                f"{per_cent(row['weight_left_out'], 0)} %",
                str(row["status"]),
            )
            for row in rows
        ]
        level = level_text(self.fit.level)
        intervals = (f"{level} {self.fit.interval_name}", f"{level} prediction interval")
        head = ["Studies", "k", "Patients", scale.name, *intervals, "Weight left out", "Status"]
        return head, out


def _studies(row: Mapping[Any, Any]) -> str:
    return plural(int(row["k"]), "study", "studies")


@checked(not_assessed=choice(*NOT_ASSESSED), bootstrap=whole(0))
def bias_ladder(
    data: Rates,
    by: str = OVERALL,
    *,
    tool: str | None = None,
    not_assessed: str = "drop",
    bootstrap: int | None = None,
    **choices: Any,
) -> BiasLadder:
    """Pool all studies, then without those at a critical, a high and any risk of bias.

    Parameters
    ----------
    data
        What `Evidence.rates` returned where the risk of bias was judged, a result of such rates, or a frame with a column of levels.
    by
        "overall", a domain of the tool, or a column of `data`.
    tool
        The tool of the levels, of a frame that does not come from `Evidence.rates`.
    not_assessed
        Studies without a level, or with one that says nothing: "drop" leaves them out of every rung but the first, "keep" keeps them.
    bootstrap
        Data sets of the test between the levels, as in `compare`.
    **choices
        Other choices of `pool`, for the model of all rungs.

    Returns
    -------
    BiasLadder
        A row for each rung with studies, patients, estimate, interval, prediction interval, share of the weight left out and
        status; the shift between the ends; and the likelihood-ratio test between the levels, where two of them have studies.

    Raises
    ------
    ArgumentError
        No such column, a level that the tool does not have, or no tool.

    Notes
    -----
    Studies are left out or kept, never weighted by quality: the Cochrane Handbook advises against such weights (section 7.6.2,
    doi:10.1002/9781119536604.ch7). The test of the exact models is that of maximum likelihood.
    """
    for name in choices:
        check_choice("argument", name, (*CHOICES, *DATA_ARGUMENTS, "study", "missing"), where="to mn.bias_ladder")
    frame = rates_of(data)
    column = next((name for name in (f"{PREFIX}{by}", by) if name in frame.columns), None)
    if column is None:
        raise _no_levels(by, frame)
    chosen = _tool(tool, frame, column)
    domain = by.removeprefix(PREFIX) if column.startswith(PREFIX) else OVERALL
    fit: Any = data if is_result(data) and not choices else pool(data, **choices)
    rows: pd.DataFrame = fit.rates()
    levels = [_level(chosen, domain, value, study) for value, study in zip(rows[column], rows["study"], strict=True)]
    marks = ["silent" if level is None else level.mark for level in levels]
    notes = list(fit.notes)
    silent = marks.count("silent")
    if silent:
        what = "kept in every analysis" if not_assessed == "keep" else "in the first analysis alone"
        notes.append(f"Without a judgement of the risk of bias, and therefore {what}: {plural(silent, 'study', 'studies')}.")
    reason = None if silent < len(marks) else f"No study has a judgement of {visible(by)} by {chosen.title}."
    made = _rungs(fit, chosen, domain, marks, not_assessed == "keep")
    comparison, no_test = (None, reason) if reason else _compared(fit, rows, levels, bootstrap)
    method = Method({**fit.method, "tool": chosen.key, "by": by, "not_assessed": not_assessed, "notes": notes})
    found = BiasLadder(by, chosen, fit, method, reason, None, comparison, no_test, made)
    last = found._strictest()
    if last is None or not known(fit.estimate):
        return found
    factor = 100.0 if fit.scale.is_rate else 1.0
    return BiasLadder(by, chosen, fit, method, reason, factor * (last["estimate"] - fit.estimate), comparison, no_test, made)


def _no_levels(by: str, frame: pd.DataFrame) -> ArgumentError:
    have = [str(name).removeprefix(PREFIX) for name in frame.columns if str(name).startswith(PREFIX)]
    if have:
        return no_column("by", by, have, of="the judgements")
    if by != OVERALL:
        return no_column("by", by, frame.columns)
    return ArgumentError(
        f"data has no judgements of the risk of bias (column {PREFIX}{OVERALL}). Fix: give rates of an evidence with risk_of_bias.csv "
        "(with tool= where several tools were used), or name the column of the levels as by= and the tool."
    )


def _tool(given: str | None, frame: pd.DataFrame, column: str) -> Tool:
    own = frame.attrs.get("bias_tool") if column.startswith(PREFIX) else None
    if given is None and not isinstance(own, str):
        raise ArgumentError(
            f"tool is missing: it says what the levels of the column {as_given(column)} are. Fix: tool='robins_i', or another."
        )
    chosen = tool_named(own if given is None else given)
    if isinstance(own, str) and own != chosen.key:
        raise ArgumentError(
            f"tool={given!r}, and the judgements of data are by {own!r}. Fix: leave it out, or select the rates with tool={given!r}."
        )
    return chosen


def _level(tool: Tool, domain: str, value: object, study: object) -> Level | None:
    """The level of a cell; None where it is empty, an error where the tool does not know it."""
    if absent(value):
        return None
    word = " ".join(name_of(value).replace("_", " ").split()).casefold()
    levels = tool.levels_of(domain)
    found = next((each for each in levels if word in (each.key.replace("_", " "), each.title.casefold())), None)
    if found is None:
        words = listing((each.key for each in levels), 20)
        raise ArgumentError(f"{as_given(value)} of {as_given(study)} is not a level of {tool.title}. Its levels are {words}.")
    return found


def _rungs(fit: Pooled, tool: Tool, domain: str, marks: list[str], keep_silent: bool) -> pd.DataFrame:
    import pandas as pd

    weights = np.asarray(fit.weights, dtype=float)
    out = []
    for rung in rungs_of(tool, domain):
        stays = {*RUNGS[rung], *(["silent"] if keep_silent else [])}
        keep = np.array([mark in stays for mark in marks])
        out.append((rung, rung_title(rung, tool, domain), *_numbers(fit, keep, weights)))
    return pd.DataFrame(out, columns=list(_COLUMNS))


def _numbers(fit: Pooled, keep: NDArray[np.bool_], weights: NDArray[np.float64]) -> tuple[Any, ...]:
    """Everything of a rung behind its names."""
    nan = float("nan")
    k = int(keep.sum())
    totals = [fit.inputs.columns[name] for name in ("total", "total_control") if name in fit.inputs.columns]
    n = float(sum(float(values[keep].sum()) for values in totals)) if totals else nan
    total = float(weights.sum())
    left = float(weights[~keep].sum()) / total if total > 0 else nan
    if not k:
        return (0, 0.0 if totals else nan, *(nan,) * 5, left, "no studies")
    part = fit if keep.all() else fit.subset(keep)
    shown = (part.estimate, part.ci_lower, part.ci_upper, part.pi_lower, part.pi_upper)
    return (k, n, *(nan if value is None else float(value) for value in shown), left, part.status)


def _compared(
    fit: Pooled, rows: pd.DataFrame, levels: list[Level | None], bootstrap: int | None
) -> tuple[Comparison | None, str | None]:
    """The levels that have studies, compared; or why they cannot be."""
    import pandas as pd

    titles = [None if level is None or level.mark == "silent" else level.title for level in levels]
    order = list(dict.fromkeys(level.title for level in levels if level is not None and level.mark != "silent"))
    if len(order) < 2:
        return None, "All judged studies have one level, so there is nothing to compare."
    name = "risk of bias"
    frame = rows[[*fit.inputs.columns, "study"]].assign(**{name: pd.Categorical(titles, categories=order)})
    frame = frame[frame[name].notna()]
    own = fit.options
    exact = own.model in ("bayes", "glmm", "beta_binomial") and fit.data.groups == 1
    model = "glmm" if exact else "inverse_variance"
    measure: dict[str, Any] = {} if own.measure == "GEN" or exact else {"measure": own.measure}
    try:
        return compare(frame, name, model=model, level=own.level, bootstrap=bootstrap, **measure), None
    except ArgumentError as error:
        return None, f"The levels cannot be compared: {error}"
