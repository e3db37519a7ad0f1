"""The multiverse: every defensible choice of data and method in one batch, and which choice moves the number most."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.arguments import checked, level, number_between, rate, whole
from metanet.base.display import Scale, difference_scale, per_cent, plural, scale_of
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.groups import absent
from metanet.base.progress import bar
from metanet.base.results import Method, Result, plain
from metanet.diagnostics.method.reporting import REPORTING, by_report
from metanet.effects.measures import MEASURES
from metanet.evidence.bias.filter import COLUMN as BIAS
from metanet.evidence.bias.rungs import RUNGS, rungs_of
from metanet.evidence.bias.tools import OVERALL, tools
from metanet.evidence.contract import CERTAINTIES
from metanet.evidence.evidence import Evidence
from metanet.evidence.rates import POLICIES
from metanet.evidence.sources import Tables, evidence_of, outcome_of, rates_of
from metanet.models.options import Options, check_options, lean, method_label, model_label
from metanet.models.pooling.batch import Data, pool_batch
from metanet.models.pooling.inputs import Studies, read_studies
from metanet.models.pooling.pool import CHOICES, DATA_ARGUMENTS, options_for, pad, takes_of, with_columns, with_control
from metanet.models.results.method import versions

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: A modality within a class is a grouping of its own from so many arms on.
_LEAST_ARMS = 3


@dataclass(frozen=True)
class DataChoices:
    """The levels of every choice of rows; the first of each is the one to start from."""

    overlap: tuple[str, ...] = ("keep_largest", "keep_newest", "keep_all")
    certainty: tuple[str, ...] = CERTAINTIES
    unit: tuple[str, ...] = ("any", "patients")
    derived: tuple[str, ...] = ("in", "out")
    risk_of_bias: tuple[str, ...] = tuple(RUNGS)
    grouping: bool = True
    reporting: tuple[str, ...] = ("all",)


@dataclass(frozen=True)
class RowSet:
    """Rows of one choice of data: `choices` says which, by dimension."""

    choices: Mapping[str, str]
    rows: pd.DataFrame


def check_choices(**given: object) -> DataChoices:
    """The levels that were named, each from its vocabulary; None takes the default."""
    known = {"overlap": POLICIES, "certainty": CERTAINTIES, "unit": ("any", "patients"), "derived": ("in", "out")}
    known["risk_of_bias"] = tuple(RUNGS)
    known["reporting"] = REPORTING
    out: dict[str, Any] = {}
    for name, allowed in known.items():
        value = given.get(name)
        if value is None:
            continue
        levels = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
        if not levels:
            raise ArgumentError(f"{name}={as_given(value)} must be one or several of {', '.join(map(repr, allowed))}.")
        out[name] = tuple(dict.fromkeys(check_choice(name, level, allowed) for level in levels))
    grouping = given.get("grouping", True)
    if not isinstance(grouping, bool):
        raise ArgumentError(f"grouping={as_given(grouping)} must be True or False.")
    return DataChoices(**out, grouping=grouping)


def row_sets(
    data: Evidence | pd.DataFrame,
    outcome: str | None,
    modality: str | Sequence[str] | None,
    definition: str | None,
    choices: DataChoices,
) -> list[RowSet]:
    """Every choice of rows, the most inclusive first. A choice whose column the data lack has no levels."""
    if isinstance(data, Evidence):
        if outcome is None:
            outcome = outcome_of(data, None)
        found = []
        known = choices.certainty if data.has_certainty(outcome) else (None,)
        for name, words in _groupings(data, outcome, modality, definition, choices):
            for overlap in choices.overlap:
                for certainty in known:
                    rows = data.rates(outcome, modality=words, definition=definition, overlap=overlap, certainty=certainty)
                    start = {"grouping": name, "overlap": overlap, **({"certainty": certainty} if certainty else {})}
                    for reporting, part in by_report(data, outcome, words, rows, choices.reporting):
                        found += _filtered(part, start | reporting, choices)
        return found
    if choices.reporting != ("all",):
        raise ArgumentError(f"reporting={choices.reporting!r} applies to evidence; a frame has one outcome. Fix: leave it out.")
    if outcome is not None or modality is not None or definition is not None:
        raise ArgumentError("outcome, modality and definition apply to evidence; a frame has one outcome.")
    for name in ("certainty", "unit", "derived"):
        if name in data.columns and data[name].ndim != 1:
            raise ArgumentError(f"data has several columns named {name!r}. Fix: rename all but one.")
    found = []
    levels = choices.certainty if "certainty" in data.columns else ("",)
    for certainty in levels:
        rows, start = data, {}
        if certainty:
            floor = CERTAINTIES.index(certainty)
            known_words = data["certainty"].isin(CERTAINTIES)
            if not known_words.all():
                bad = data.loc[~known_words, "certainty"].iloc[0]
                raise ArgumentError(f"certainty={as_given(bad)} is not one of {', '.join(map(repr, CERTAINTIES))}.")
            rows = data[[CERTAINTIES.index(word) >= floor for word in data["certainty"]]]
            start = {"certainty": certainty}
        found += _filtered(rows, start, choices)
    return found


def _groupings(
    data: Evidence, outcome: str, modality: str | Sequence[str] | None, definition: str | None, choices: DataChoices
) -> list[tuple[str, Any]]:
    """The whole selection, and every modality in it that has arms enough to stand alone."""
    name = "all" if modality is None else modality if isinstance(modality, str) else " + ".join(modality)
    found: list[tuple[str, Any]] = [(name, modality)]
    if choices.grouping:
        rows = data.rates(outcome, modality=modality, definition=definition, overlap="keep_all")
        counts = rows["modality"].value_counts()
        if len(counts) > 1:
            found += [(f"{word} alone", word) for word in counts.index if counts[word] >= _LEAST_ARMS]
    return found


def _is_filled(rows: pd.DataFrame, name: str) -> bool:
    """Whether a column is there and says something of any row."""
    return name in rows.columns and any(not absent(value) and value != "" for value in rows[name].tolist())


def _filtered(rows: pd.DataFrame, start: dict[str, str], choices: DataChoices) -> list[RowSet]:
    """The choices that are filters of rows: units, and counts that were derived."""
    units = choices.unit if _is_filled(rows, "unit") else ("",)
    derived = choices.derived if _is_filled(rows, "derived") else ("",)
    if derived != ("",) and not all(isinstance(value, (bool, np.bool_)) for value in rows["derived"].tolist()):
        raise ArgumentError("The column 'derived' must contain True or False. Fix: convert its texts.")
    rungs = _rungs(rows, choices)
    found = []
    for unit, origin, rung in product(units, derived, rungs):
        part, said = rows, dict(start)
        if rung:
            said["risk_of_bias"] = rung
            part = part[[mark in RUNGS[rung] for mark in _marks(part)]]
        if unit:
            said["unit"] = unit
            part = part if unit == "any" else part[part["unit"] == unit]
        if origin:
            said["derived"] = origin
            part = part if origin == "in" else part[~part["derived"].astype(bool)]
        found.append(RowSet(said, part))
    return found


def _rungs(rows: pd.DataFrame, choices: DataChoices) -> tuple[str, ...]:
    """The rungs of the risk of bias that were asked for and that the tool of the judgements has."""
    tool = tools().get(str(rows.attrs.get("bias_tool")))
    if tool is None or BIAS not in rows.columns:
        return ("",)
    return tuple(rung for rung in rungs_of(tool, OVERALL) if rung in choices.risk_of_bias) or ("",)


def _marks(rows: pd.DataFrame) -> list[str]:
    """What the overall judgement of each row says; nothing where there is none."""
    marks = {level.key: level.mark for level in tools()[rows.attrs["bias_tool"]].categories}
    return [marks.get(str(word), "silent") for word in rows[BIAS]]


_TAU2 = ("REML", "DL", "PM")
_TWO_STEP_CI = ("HK", "HK-adhoc", "z")


def analyses_for(scale: str, measure: str | None, level: float, given: Mapping[str, Any]) -> list[Options]:
    """The customary analyses of this kind of data, the recommended one first.

    Rates: the exact models, and two-step models on the logit, arcsine and Freeman-Tukey scales. Two groups keep their
    measure, because an odds ratio and a risk ratio are different numbers.
    """
    two_step = [{"model": "inverse_variance", "tau2": t, "ci": c} for t in _TAU2 for c in _TWO_STEP_CI]
    if scale == "rate":
        words: list[dict[str, Any]] = [{"model": "bayes"}, *({"model": "glmm", "ci": c} for c in ("t", "z", "profile"))]
        words += [{"model": "beta_binomial", "ci": c} for c in ("t", "z")]
        words += [{**each, "measure": m} for m in ("PLO", "PAS", "PFT") for each in two_step]
    elif scale == "rate per person-time":
        words = [
            {"model": "bayes", "measure": "IRLN"},
            *({"model": "glmm", "measure": "IRLN", "ci": c} for c in ("t", "z", "profile")),
        ]
        words += [{**each, "measure": m} for m in ("IRLN", "IRS", "IRFT") for each in two_step]
    else:
        words = [{**each, "measure": measure} for each in two_step]
        words.append({"model": "common", "measure": measure})
        if measure in ("OR", "RR", "RD") and not given["timed"]:
            words.append({"model": "mantel_haenszel", "measure": measure})
        if measure == "OR" and not given["timed"]:
            words += [{"model": name, "measure": "OR"} for name in ("CM.EL", "UM.FS")]
    return [check_options(**word, level=level, **given) for word in words]


#: Choices of data, in the order in which they are listed; then those of method.
DATA_DIMENSIONS = ("grouping", "overlap", "certainty", "risk_of_bias", "unit", "derived", "reporting")
METHOD_DIMENSIONS = ("model", "tau2", "ci")
#: Levels of the choices of rows, the most inclusive first.
_INCLUSIVE: Mapping[str, tuple[str, ...]] = {
    "overlap": POLICIES,
    "certainty": CERTAINTIES,
    "risk_of_bias": tuple(RUNGS),
    "unit": ("any", "patients"),
    "derived": ("in", "out"),
    "reporting": REPORTING,
}
#: Models of the primary analysis, and their methods by maximum likelihood, if they are there.
_RECOMMENDED = ("Bayesian binomial-normal model", "Bayesian Poisson-normal model")
_MAXIMUM = ("Binomial-normal model, t", "Poisson-normal model, t")
#: Answers that count as a number of the multiverse.
_ANSWERED = ("pooled", "no events", "only events")


@dataclass(frozen=True, eq=False, repr=False)
class Multiverse(Result):
    """Every analysis, each distinct set of rows once; `reason` says why there is none.

    Attributes
    ----------
    threshold
        The value on whose sides the analyses are counted, or None.
    drivers
        A frame by choice: ``choice``, ``levels``, ``share`` (of the variance of the estimates that its main effect accounts for),
        ``range`` (between the means of its levels), and the same for the ends of the interval; the strongest first.
    """

    reason: str | None
    response: str
    level: float
    threshold: float | None
    method: Method = field(repr=False)
    _frame: pd.DataFrame = field(repr=False)
    _drivers: pd.DataFrame = field(repr=False)
    #: Choices of data -> the choices under which an analysis of the same rows is listed.
    _same: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def drivers(self) -> pd.DataFrame:
        """Which choice moves the number most; a copy."""
        return self._drivers.copy()

    def to_frame(self) -> pd.DataFrame:
        """One row for each analysis, by its estimate: the choices, ``ways`` (how many choices of data leave these rows), ``method``,
        ``target``, ``status``, k, n, estimate, interval and tau2; a copy."""
        return self._frame.copy()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values."""
        settings = {"reason": self.reason, "level": self.level, "threshold": self.threshold, "shares": self.shares()}
        frames = {"analyses": self._frame, "drivers": self._drivers}
        out: dict[str, Any] = plain({**settings, **frames, "method": dict(self.method)})
        return out

    @checked()
    def shares(self, threshold: float | None = None) -> dict[str, float]:
        """Shares of the analyses with an answer whose estimate, and whose whole interval, lies below and above the threshold."""
        at = self.threshold if threshold is None else threshold
        answered = self._answered()
        if at is None or answered.empty:
            return {}
        estimate, lower, upper = (answered[name].to_numpy() for name in ("estimate", "ci_lower", "ci_upper"))
        return {
            "below": float((estimate < at).mean()),
            "above": float((estimate > at).mean()),
            "interval_below": float((upper < at).mean()),
            "interval_above": float((lower > at).mean()),
        }

    def _answered(self) -> pd.DataFrame:
        return self._frame[self._frame["status"].isin(_ANSWERED)]

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Multiverse"

    @property
    def scale(self) -> Scale:
        """How the estimates are written."""
        return scale_of(self.response)

    def sentence(self) -> str:
        """The range of the answers, the share on either side of the threshold, and the choice that moves them most."""
        if self.reason:
            return self.reason
        answered = self._answered()
        if answered.empty:
            return self._unpooled()
        estimate = answered["estimate"].to_numpy()
        middle = float(np.median(estimate))
        digits = self.scale.digits(middle, float(estimate.min()), float(estimate.max()))
        low, high, centre = (self.scale.value(float(v), digits) for v in (estimate.min(), estimate.max(), middle))
        text = f"{plural(len(answered), 'analysis', 'analyses')} put the estimate between {low} and {high} (median {centre})."
        missing = len(self._frame) - len(answered)
        if missing:
            text += f" {missing} more have one study or no estimate."
        if self.threshold is not None:
            shares = self.shares()
            at = self.scale.exact(self.threshold)
            text += f" {per_cent(shares['above'], 0)} % of them lie above {at}, {per_cent(shares['below'], 0)} % below; "
            text += f"the whole interval lies above in {per_cent(shares['interval_above'], 0)} % and below in "
            text += f"{per_cent(shares['interval_below'], 0)} %."
        if len(self._drivers) and self._drivers["range"].iloc[0] > 5e-4:
            first = self._drivers.iloc[0]
            text += f" The choice of {_WORDS[first['choice']]} has the largest effect (means of its levels differ by "
            text += f"{difference_scale(self.response).value(first['range'])})."
        return text

    def _unpooled(self) -> str:
        """What there is where no analysis pooled several studies."""
        many = len(self._frame)
        single = self._frame.loc[self._frame["status"] == "not pooled", "estimate"].dropna()
        if single.empty:
            return f"No estimate exists in any of {plural(many, 'analysis', 'analyses')}."
        low, high = float(single.min()), float(single.max())
        digits = self.scale.digits(low, high)
        first, last = self.scale.value(low, digits), self.scale.value(high, digits)
        shown = first if first == last else f"{first} to {last}"
        which = ("the" if many == 1 else "all") if len(single) == many else f"{len(single)} of"
        text = f"No analysis pooled several studies: {which} {plural(many, 'analysis', 'analyses')} used one study ({shown})"
        if len(single) < many:
            text += ", the others have no estimate"
        return f"{text}."

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """A row for each choice: its levels, the range of their means, its share of the variance."""
        scale = difference_scale(self.response)
        records = self._drivers.to_dict("records")
        digits = max([scale.least + 1, *(scale.digits(row["range"]) for row in records)])
        return ["Choice", "Levels", "Range of means", "Share of variance"], [
            (
                _WORDS[row["choice"]],
                plural(int(row["levels"]), "level"),
                scale.value(row["range"], digits),
                f"{per_cent(row['share'], 0)} %",
            )
            for row in records
        ]

    def plot(self, **options: Any) -> Axes:
        """Draw the specification curve; see `metanet.figures`."""
        axes: Axes = draw("specification_curve", self, **options)
        return axes


def main_choices(found: Multiverse, main: Mapping[str, str] | None = None) -> tuple[dict[str, str], str]:
    """The choices of data, by dimension, and the method of the primary analysis.

    Parameters
    ----------
    found
        What `multiverse` returned.
    main
        Other choices than the recommended method on the most inclusive rows: ``method`` and choices of data such as
        ``{"certainty": "moderate"}``, in the words of `to_frame`.
    """
    frame = found._frame
    dimensions = [name for name in DATA_DIMENSIONS if name in frame.columns]
    # A choice that the data do not have, such as the certainty of counts that state none, has its most inclusive level alone.
    given = {
        name: word for name, word in dict(main or {}).items() if name in dimensions or word != (_INCLUSIVE.get(name) or (None,))[0]
    }
    for name in given:
        check_choice("main", name, ("method", *dimensions))
    start = {}
    for place, name in enumerate(dimensions):
        levels = [str(level) for level in dict.fromkeys(frame[name].tolist())]
        every = list(dict.fromkeys([*levels, *(choices[place] for choices in found._same)]))
        order = _INCLUSIVE.get(name)
        if order is None:
            start[name] = next((level for level in levels if not level.endswith(" alone")), levels[0])
        else:
            start[name] = min(levels, key=order.index)
        if name in given:
            start[name] = check_choice(f"main[{name!r}]", given[name], every)
    # Choices that leave the same rows are one analysis, listed under the first of them.
    start = dict(zip(dimensions, found._same.get(tuple(start.values()), tuple(start.values())), strict=True))
    methods = list(dict.fromkeys(frame["method"].tolist()))
    if "method" in given:
        return start, check_choice("main['method']", given["method"], methods)
    named = dict(zip(frame["method"], frame["model"], strict=True))
    recommended = [name for name in methods if named[name] in _RECOMMENDED]
    recommended += [name for name in methods if name in _MAXIMUM]
    recommended += [name for name in methods if name.endswith(", REML, HK")]
    return start, str((recommended or sorted(methods))[0])


def rows_of(found: Multiverse, choices: Mapping[str, str]) -> pd.Series:
    """Which analyses used the rows of these choices of data."""
    frame = found._frame
    return (frame[list(choices)] == list(choices.values())).all(axis=1) if choices else frame["k"] > 0


def main_row(found: Multiverse, main: Mapping[str, str] | None = None) -> int | None:
    """The place of the primary analysis in `to_frame`; None where it has no row. `main` as in `main_choices`."""
    if found.reason:
        return None
    start, method = main_choices(found, main)
    places = np.flatnonzero((rows_of(found, start) & (found._frame["method"] == method)).to_numpy())
    return int(places[0]) if places.size else None


_WORDS = {
    "grouping": "grouping of modalities",
    "overlap": "overlap policy",
    "certainty": "least certainty",
    "risk_of_bias": "risk of bias",
    "unit": "unit",
    "derived": "derived counts",
    "reporting": "arms that report response and control",
    "model": "model",
    "tau2": "tau2 estimator",
    "ci": "interval",
}


@checked(level=level, threads=whole(1))
def multiverse(
    data: Tables,
    outcome: str | None = None,
    modality: str | Sequence[str] | None = None,
    *,
    threshold: float | None = None,
    definition: str | None = None,
    overlap: str | Sequence[str] | None = None,
    certainty: str | Sequence[str] | None = None,
    unit: str | Sequence[str] | None = None,
    derived: str | Sequence[str] | None = None,
    risk_of_bias: str | Sequence[str] | None = None,
    grouping: bool = True,
    reporting: str | Sequence[str] | None = None,
    analyses: Sequence[Mapping[str, Any]] | None = None,
    level: float = 0.95,
    threads: int = 1,
    **columns: Any,
) -> Multiverse:
    """Run every defensible combination of choices in one batch.

    Parameters
    ----------
    data
        Evidence (then `outcome`, and `modality` or None for all, name the question), a folder or file to be read, a frame with one
        row for each study, or a result, whose rows are taken.
    threshold
        A value of interest on the response scale: the shares of analyses on either side of it are counted.
    definition
        As in `Evidence.rates`.
    overlap, certainty, unit, derived
        Levels of each choice of rows: policies for overlapping cohorts; the least certainty of a row; "any" unit or "patients"
        only; counts that were derived "in" or "out". None takes all of them. A frame needs the columns ``certainty``, ``unit``
        and ``derived``.
    risk_of_bias
        Rungs of `bias_ladder`: "all", "without critical", "without high", "low only"; None takes those that the tool has. Only
        where the risk of bias of the rates was judged.
    grouping
        Whether every modality of the class with at least three arms is also analysed alone.
    reporting
        "all" arms, "both": those alone that report both objective response and disease control, of evidence on one of these two; or
        both choices, ("all", "both"). None takes all arms. See `reporting_pattern`.
    analyses
        Choices of `pool` for each analysis, such as ``[{"model": "glmm"}, {"measure": "PFT"}]``; None takes the customary ones.
    level
        Coverage of the intervals.
    threads
        As in `pool_arrays`.
    **columns
        The data arguments of `pool` (events, total, ...) as names of columns, ``measure`` for two groups, and ``study``.

    Returns
    -------
    Multiverse
        All analyses, and which choice moves the number most. Choices of data that leave the same rows are one analysis.

    Raises
    ------
    ArgumentError
        A word that is not known, or rows that cannot be pooled.

    Notes
    -----
    The analyses are not independent and none has a probability: their spread shows how far the answer rests on choices, not its
    sampling error. Beta-binomial models estimate a mean rate, the others a median; the column ``target`` says which.

    References
    ----------
    Steegen, Tuerlinckx, Gelman, Vanpaemel (2016), doi:10.1177/1745691616658637; Simonsohn, Simmons, Nelson (2020),
    doi:10.1038/s41562-020-0912-z; Voracek, Kossmeier, Tran (2019), doi:10.1027/2151-2604/a000357.
    """
    import pandas as pd

    source = data
    data = (
        evidence_of(data, "data") if isinstance(data, (str, os.PathLike)) else data if isinstance(data, Evidence) else rates_of(data)
    )
    study, given, base = _columns(columns)
    if isinstance(data, Evidence):
        given = with_control(given, source, data.rates(outcome_of(data, outcome)), base["measure"])
    else:
        given = with_columns(with_control(given, source, data, base["measure"]), data, base["measure"])
    choices = check_choices(
        overlap=overlap,
        certainty=certainty,
        unit=unit,
        derived=derived,
        risk_of_bias=risk_of_bias,
        grouping=grouping,
        reporting=reporting,
    )
    chosen = _analyses(analyses, base, given, level)
    if threshold is not None and chosen[0].scale == "rate":
        rate("threshold", threshold)
    elif threshold is not None:
        number_between("threshold", threshold, -1e30, 1e30)
    sets = row_sets(data, outcome, modality, definition, choices)
    studies, owner = _distinct(sets, given, study, chosen[0])
    if not studies:
        reason = "No row fits any of the choices."
        none = pd.DataFrame(columns=["choice", "levels", "share", "range"])
        return Multiverse(reason, chosen[0].scale, level, threshold, Method({**versions(), "notes": []}), pd.DataFrame(), none)
    full = _full(sets, owner, studies, chosen, threads)
    drivers = _drivers(full)
    distinct = full.drop_duplicates(["set", "analysis"]).copy()
    distinct["ways"] = distinct["set"].map(pd.Series(owner[owner >= 0]).value_counts())
    frame = distinct.sort_values(["estimate", "ci_lower"], kind="stable").drop(columns=["set", "analysis"]).reset_index(drop=True)
    stamp: dict[str, Any] = {**versions(), "analyses": sorted({method_label(each) for each in chosen}), "notes": []}
    if isinstance(data, Evidence):
        outcome = outcome_of(data, outcome)
        stamp |= {"outcome": outcome, "modality": plain(modality), "fingerprint": data.fingerprint_of(outcome, modality)}
        stamp |= {"label": data.label(outcome), "direction": data.direction(outcome)}
    elif data is not None:
        stamp |= {name: data.attrs[name] for name in ("label", "direction") if data.attrs.get(name)}
        stamp |= {"modality": plain((data.attrs.get("selection") or {}).get("modality"))}
    return Multiverse(None, chosen[0].scale, level, threshold, Method(stamp), frame, drivers, _same_rows(sets, owner, frame))


def _same_rows(sets: list[RowSet], owner: NDArray[np.intp], frame: pd.DataFrame) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Every choice of data with rows, and the choices under which the analyses of these rows are listed."""
    names = [name for name in DATA_DIMENSIONS if name in frame.columns]
    first: dict[int, tuple[str, ...]] = {}
    out = {}
    for i in np.flatnonzero(owner >= 0):
        choices = tuple(str(sets[i].choices[name]) for name in names)
        out[choices] = first.setdefault(int(owner[i]), choices)
    return out


def _columns(columns: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Name of the study column, the data arguments, and the measure."""
    known = ("study", "measure", *DATA_ARGUMENTS)
    for name in columns:
        check_choice("argument", name, known, where="to multiverse")
    given = {name: columns.get(name) for name in DATA_ARGUMENTS}
    return columns.get("study"), given, {"measure": columns.get("measure")}


def _analyses(
    analyses: Sequence[Mapping[str, Any]] | None, base: dict[str, Any], given: dict[str, Any], level: float
) -> list[Options]:
    if analyses is None:
        first = options_for(given, {**base, "level": level})
        kind = {
            "groups": first.groups,
            "by_effect": first.measure == "GEN",
            "timed": first.measure != "GEN" and MEASURES[first.measure].data == "person_time",
        }
        return [lean(each) for each in analyses_for(first.scale, first.measure, level, kind)]
    if isinstance(analyses, (str, Mapping)) or not len(analyses):
        raise ArgumentError("analyses must be a list of choices, each a dictionary such as {'model': 'glmm'}.")
    found = []
    for each in analyses:
        if not isinstance(each, Mapping):
            raise ArgumentError(f"analyses contains {as_given(each)}, which is not a dictionary of choices.")
        for name in each:
            check_choice("argument", name, CHOICES, where="to an analysis")
        found.append(lean(options_for(given, {**base, "level": level, **each})))
    if len({each.scale for each in found}) > 1:
        raise ArgumentError("analyses mix measures on different response scales, which cannot be in one curve.")
    return list(dict.fromkeys(found))


def _distinct(sets: list[RowSet], given: dict[str, Any], study: Any, options: Options) -> tuple[list[Studies], NDArray[np.intp]]:
    """The distinct sets of rows as studies, and which of them each choice of data leaves (-1 where nothing is left)."""
    found: dict[tuple[Any, ...], int] = {}
    studies: list[Studies] = []
    owner = np.full(len(sets), -1, dtype=np.intp)
    for i, each in enumerate(sets):
        if not len(each.rows):
            continue
        read = read_studies(each.rows, given, study=study, **takes_of(options))
        key = (read.labels, *(values.tobytes() for values in read.columns.values()))
        if key not in found:
            found[key] = len(studies)
            studies.append(read)
        owner[i] = found[key]
    return studies, owner


def _full(sets: list[RowSet], owner: NDArray[np.intp], studies: list[Studies], chosen: list[Options], threads: int) -> pd.DataFrame:
    """The whole factorial: one row for each choice of data and method; equal row sets are fitted once."""
    import pandas as pd

    data: Data = pad(studies)
    fitted = []
    with bar("Multiverse", len(chosen) * len(studies)) as shown:
        for number_of, options in enumerate(chosen, 1):
            fitted.append(pool_batch(data, options, threads=threads))
            shown.upto(number_of * len(studies))
    kept = np.flatnonzero(owner >= 0)
    place = owner[kept]
    choices = pd.DataFrame([dict(sets[i].choices) for i in kept])
    parts = []
    for number_of, (options, batch) in enumerate(zip(chosen, fitted, strict=True)):
        part = choices.copy()
        part["set"], part["analysis"] = place, number_of
        part["model"], part["tau2"], part["ci"] = model_label(options), options.tau2 or "none", options.ci
        part["method"] = method_label(options)
        rates = options.scale in ("rate", "rate per person-time")
        mean = options.model == "beta_binomial" or options.measure in ("PR", "IR")
        part["target"] = ("mean" if mean else "median") if rates else "effect"
        part["status"] = batch.status[place]
        part["k"] = batch.k[place].astype(int)
        part["n"] = batch.n[place]
        for name in ("estimate", "ci_lower", "ci_upper"):
            part[name] = getattr(batch, name)[place]
        part["heterogeneity"] = batch.tau2[place]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _drivers(full: pd.DataFrame) -> pd.DataFrame:
    """The share of the variance that each choice accounts for by itself, over the whole factorial."""
    import pandas as pd

    answered = full[full["status"].isin(_ANSWERED)]
    rows = []
    for name in (*DATA_DIMENSIONS, *METHOD_DIMENSIONS):
        if name not in full.columns or full[name].nunique() < 2:
            continue
        # Only two-step models have an estimator of tau2 to choose.
        rows_of = answered[~answered["tau2"].isin(["none", "ML"])] if name == "tau2" else answered
        if rows_of[name].nunique() < 2:
            continue
        row: dict[str, Any] = {"choice": name, "levels": int(rows_of[name].nunique())}
        for column, prefix in (("estimate", ""), ("ci_lower", "lower_"), ("ci_upper", "upper_")):
            if name == "ci" and not prefix:
                # An interval moves its ends, never the estimate; it only goes with other models.
                row |= {"share": 0.0, "range": 0.0}
                continue
            values = rows_of[column]
            groups = values.groupby(rows_of[name])
            means = groups.mean()
            between = float((groups.size() * (means - values.mean()) ** 2).sum())
            total = float(((values - values.mean()) ** 2).sum())
            row[f"{prefix}share"] = between / total if total > 0 else 0.0
            row[f"{prefix}range"] = float(means.max() - means.min()) if len(means) else 0.0
        rows.append(row)
    if not rows:
        return pd.DataFrame(columns=["choice", "levels", "share", "range"])
    return pd.DataFrame(rows).sort_values("share", ascending=False, kind="stable").reset_index(drop=True)
