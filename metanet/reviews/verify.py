"""RevMan's own results, computed again from the counts of its file by its own method, when the file is imported.

Pooled analyses of two groups by counts are compared: outcomes, and subgroups where the file states their results. An analysis agrees
where estimate, confidence limits, tau2 and Q do. A number that is written with few digits agrees where it is ours, rounded.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, isfinite, isnan, log

import numpy as np

from metanet.base.arrays import Array
from metanet.base.display import ABSENT
from metanet.base.untrusted import counted, harmless_cell, html_text, listing, visible
from metanet.effects.measures import MEASURES
from metanet.models.options import Options, check_options
from metanet.models.pooling.batch import Data, pool_batch
from metanet.reviews.importers.labels import plain_text
from metanet.reviews.importers.two_groups import DICHOTOMOUS, Analysis, GroupRow

#: Relative difference up to which two numbers agree: both sides print 15 digits of closed forms.
TOLERANCE = 1e-6
#: The same where tau2 was searched for: the search of the other program stops before its root.
SEARCHED = 1e-3
#: No group has so many patients; such a number is a fault of the file.
_MOST = 1e10
_COUNTS = ("events", "total", "events_control", "total_control")
_OF_ROW = ("events_1", "total_1", "events_2", "total_2")
_NUMBERS = ("estimate", "ci_lower", "ci_upper", "tau2", "q")

#: The columns of RevMan Web and of the CSV of RevMan 5, by their letters, and the attributes of an .rm5 file.
_SAME = {
    "METHOD": "method", "statisticalmethod": "method",
    "EFFECT_MEASURE": "measure", "effectmeasure": "measure",
    "RANDOM": "random", "analysismodel": "random",
    "CI_TOTAL": "level", "cipilevel": "level", "estimateci": "level", "totalconfidenceinterval": "level",
    "EFFECT_SIZE": "estimate", "mean": "estimate", "effectestimate": "estimate",
    "CI_START": "ci_lower", "cistart": "ci_lower",
    "CI_END": "ci_upper", "ciend": "ci_upper",
    "TAU2": "tau2", "heterogeneitytau": "tau2",
    "CHI2": "q", "heterogeneitychi": "q",
    "ESTIMABLE": "estimable",
    "SWAP_EVENTS": "swapped", "swapeventandnonevent": "swapped",
    "TOTALS": "totals", "totals": "totals", "overallestimates": "totals",
    "TOTAL_1": "total_1", "TOTAL_2": "total_2", "experimentaln": "total_1", "controln": "total_2",
    "heterogeneityestimator": "estimator", "cimethod": "ci",
}  # fmt: skip
_METHODS = {"mh": "MH", "mantelhaenszel": "MH", "iv": "IV", "inversevariance": "IV", "peto": "PETO"}
_BY_NAME = {
    "or": "OR", "oddsratio": "OR", "rr": "RR", "riskratio": "RR", "rd": "RD", "riskdifference": "RD",
    "petoor": "PETO", "petooddsratio": "PETO",
}  # fmt: skip
_MODELS = {
    ("MH", True): "mantel_haenszel_random", ("MH", False): "mantel_haenszel",
    ("IV", True): "inverse_variance", ("IV", False): "common",
    ("PETO", False): "peto",
}  # fmt: skip
_TITLES = {"MH": "Mantel-Haenszel", "IV": "inverse variance", "PETO": "Peto"}


@dataclass(frozen=True)
class Compared:
    """One pooled result of a file beside ours; None where a side has no such number.

    `difference` is the largest relative difference of the five pairs of numbers, `why` what is wrong where they do not agree.
    """

    analysis: str
    name: str
    subgroup: str
    measure: str
    method: str
    studies: int
    ours: Mapping[str, float | None]
    theirs: Mapping[str, float | None]
    difference: float | None
    agrees: bool
    why: str

    @property
    def title(self) -> str:
        """The analysis and its subgroup, harmless in a message."""
        where = f" / {self.subgroup}" if self.subgroup else ""
        return visible(f"{self.analysis} {self.name}{where}"[:160])


@dataclass(frozen=True)
class Agreement:
    """The pooled results that a file states, each beside ours."""

    rows: tuple[Compared, ...]

    @property
    def agreeing(self) -> int:
        """How many agree."""
        return sum(row.agrees for row in self.rows)

    @property
    def differing(self) -> tuple[Compared, ...]:
        """Those that do not."""
        return tuple(row for row in self.rows if not row.agrees)

    @property
    def worst(self) -> float:
        """The largest relative difference of those that agree."""
        return max((row.difference for row in self.rows if row.agrees and row.difference is not None), default=0.0)

    def summary(self) -> str:
        """How many agree, with the largest difference, and each that does not with the reason."""
        if not self.rows:
            return "RevMan's own results: the file states none that can be computed again"
        what = counted(len(self.rows), "analysis", "analyses")
        found = f"RevMan's own results: {self.agreeing} of {what} {'agrees' if len(self.rows) == 1 else 'agree'}"
        if self.agreeing:
            found += f" (largest relative difference {self.worst:.0e})" if self.worst else " (no difference)"
        return "\n".join([found, *(f"  {row.title}: {row.why}" for row in self.differing)])

    def csv(self) -> bytes:
        """All of them as a table."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        named = [f"{side}_{name}" for name in _NUMBERS for side in ("ours", "revman")]
        writer.writerow(["analysis", "name", "subgroup", "measure", "method", "studies", *named, "difference", "agrees", "why"])
        for row in self.rows:
            numbers = [_text(side[name]) for name in _NUMBERS for side in (row.ours, row.theirs)]
            texts = [harmless_cell(text) for text in (row.analysis, row.name, row.subgroup, row.measure, row.method)]
            difference = "" if row.difference is None else f"{row.difference:.1e}"
            agrees = "yes" if row.agrees else "no"
            writer.writerow([*texts, row.studies, *numbers, difference, agrees, harmless_cell(row.why)])
        return out.getvalue().encode("utf-8", "surrogatepass")


def _text(value: float | None) -> str:
    return "" if value is None else repr(float(value))


@dataclass(frozen=True)
class _Task:
    """One pooled result to compute: the choices, the rows, and what the file says of it."""

    analysis: Analysis
    subgroup: str
    rows: tuple[GroupRow, ...]
    settings: Mapping[str, str]
    stated: Mapping[str, str]


def verify(analyses: Iterable[Analysis]) -> Agreement:
    """Compute every dichotomous result that the analyses state, and compare.

    Parameters
    ----------
    analyses
        As an importer reads them: with the method of each analysis, the results stated for it and for its subgroups, and all its rows.

    Returns
    -------
    Agreement
        A row for each result that is stated, in the order of the file.
    """
    tasks = [task for analysis in analyses if analysis.kind == DICHOTOMOUS for task in _tasks(analysis)]
    made: dict[int, Compared] = {}
    batches: dict[Options, list[int]] = {}
    for place, task in enumerate(tasks):
        options = _options(task.settings)
        if isinstance(options, str):
            made[place] = _compared(task, None, None, None, options)
        else:
            batches.setdefault(options, []).append(place)
    for options, places in batches.items():
        counts = [_counts(tasks[place]) for place in places]
        widest = max(1, *(each.shape[1] for each in counts))
        padded = np.stack([np.pad(each, ((0, 0), (0, widest - each.shape[1]))) for each in counts], axis=1)
        fitted = pool_batch(Data(dict(zip(_COUNTS, padded, strict=True))), options)
        for row, place in enumerate(places):
            ours = {name: float(getattr(fitted, name)[row]) for name in _NUMBERS}
            made[place] = _compared(tasks[place], options, ours, counts[row].shape[1], "")
    return Agreement(tuple(made[place] for place in sorted(made)))


def _folded(words: Mapping[str, str]) -> dict[str, str]:
    """What a file says, by our names."""
    found: dict[str, str] = {}
    for name, text in words.items():
        key = _SAME.get(name) or _SAME.get(re.sub(r"[^a-z]", "", name.casefold()))
        if key is not None and key not in found and text.strip():
            found[key] = text.strip()
    return found


def _tasks(analysis: Analysis) -> list[_Task]:
    """The results that the file states of an analysis, its subgroups first."""
    settings = _folded(analysis.stated)
    found = []
    names = Counter(row.subgroup for row in analysis.rows)
    for name, words in analysis.stated_subgroups.items():
        stated = _folded(words)
        if names[name] and _has_result(stated) and settings.get("totals", "").upper() != "NO":
            found.append(_Task(analysis, name, tuple(row for row in analysis.rows if row.subgroup == name), settings, stated))
    if _has_result(settings) and settings.get("totals", "YES").upper() not in ("SUB", "NO", "FALSE"):
        found.append(_Task(analysis, "", tuple(analysis.rows), settings, settings))
    return found


def _has_result(stated: Mapping[str, str]) -> bool:
    """Whether a result is stated, if only that there is none."""
    return "estimate" in stated or "estimable" in stated


def _options(settings: Mapping[str, str]) -> Options | str:
    """The choices that give the method of the file, or why there are none."""
    method = _METHODS.get(_letters(settings.get("method", "")))
    measure = "PETO" if method == "PETO" else _BY_NAME.get(_letters(settings.get("measure", "")))
    random = _letters(settings.get("random", "")).startswith(("yes", "random"))
    model = None if method is None else _MODELS.get((method, random and method != "PETO"))
    if model is None or measure is None or (measure == "PETO" and method != "PETO"):
        return f"the method is not known ({visible(settings.get('method', 'none'))}, {visible(settings.get('measure', 'none'))})"
    percent = _number(settings.get("level", "95").rstrip("% "))
    level = 0.95 if percent is None else percent / 100 if percent > 1 else percent
    if not 0 < level < 1:
        return f"the level of the interval is not known ({visible(settings['level'])})"
    preset, tau2 = "revman5", None
    if random and _letters(settings.get("estimator", "")).startswith(("reml", "restricted")):
        # RevMan since 2025 weights by inverse variances under both names.
        preset, tau2, model = "revman", "REML", "inverse_variance"
    knapp = random and any(word in _letters(settings.get("ci", "")) for word in ("hksj", "hartung"))
    return check_options(
        model=model, measure=measure, tau2=tau2, ci="HK" if knapp else "z", prediction=None, level=level, preset=preset, groups=2
    )


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.casefold())


def _number(text: str | None) -> float | None:
    try:
        value = float((text or "").strip())
    except ValueError:
        return None
    return value if isfinite(value) else None


def _counts(task: _Task) -> Array:
    """Events and totals ``[4, k]`` of the rows with patients in both groups, as the analysis takes them."""
    rows = []
    swapped = task.analysis.swapped or task.settings.get("swapped", "").casefold() in ("yes", "true")
    for row in task.rows:
        numbers = [_number(row.numbers.get(name)) for name in _OF_ROW]
        e, n, ec, nc = (0.0 if number is None else number for number in numbers)
        # Counts that are none are faults of the import, which stops it.
        if 0 < n < _MOST and 0 < nc < _MOST and 0 <= e <= n and 0 <= ec <= nc:
            rows.append((n - e, n, nc - ec, nc) if swapped else (e, n, ec, nc))
    return np.array(rows, dtype=float).reshape(-1, 4).T


def _theirs(stated: Mapping[str, str]) -> dict[str, float | None]:
    found: dict[str, float | None] = {name: _number(stated.get(name)) for name in _NUMBERS}
    return dict.fromkeys(_NUMBERS) if stated.get("estimable", "YES").upper() == "NO" else found


def _compared(task: _Task, options: Options | None, fitted: Mapping[str, float] | None, studies: int | None, why: str) -> Compared:
    theirs = _theirs(task.stated)
    ours: dict[str, float | None] = dict.fromkeys(_NUMBERS)
    difference = None
    if options is not None and fitted is not None:
        ours = {name: None if isnan(value) else value for name, value in fitted.items()}
        difference, why = _difference(ours, theirs, task.stated, options)
        if why:
            why = _reason(task, why, options)
    method = _METHODS.get(_letters(task.settings.get("method", "")), "")
    spread = "random" if options is not None and options.tau2 is not None else "fixed"
    return Compared(
        task.analysis.number,
        plain_text(task.analysis.name),
        plain_text(task.subgroup),
        visible(task.settings.get("measure", "")) if options is None else options.measure,
        f"{_TITLES.get(method, visible(task.settings.get('method', '')))}, {spread} effects" if method else "",
        len(task.rows) if studies is None else studies,
        ours,
        theirs,
        difference,
        not why,
        why,
    )


def _difference(
    ours: Mapping[str, float | None], theirs: Mapping[str, float | None], stated: Mapping[str, str], options: Options
) -> tuple[float | None, str]:
    """The largest relative difference, and what differs."""
    if ours["estimate"] is None or theirs["estimate"] is None:
        if ours["estimate"] is None and theirs["estimate"] is None:
            return None, ""
        side = "RevMan has none" if theirs["estimate"] is None else "none from the counts of the file"
        value = ours["estimate"] if theirs["estimate"] is None else theirs["estimate"]
        return None, f"estimate {value:.6g}, and {side}"
    worst, found, limit = 0.0, [], SEARCHED if options.tau2 == "REML" else TOLERANCE
    for name in _NUMBERS:
        mine, other = ours[name], theirs[name]
        if mine is None and name in ("tau2", "q"):
            # A common effect has no tau2 and one study no Q; RevMan writes zero.
            mine = 0.0
        if mine is None or other is None:
            continue
        gap = abs(mine - other) / _scale(name, other, theirs, options)
        allowed = max(limit, _last_digit(stated[name]) / _scale(name, other, theirs, options))
        worst = max(worst, gap)
        if gap > allowed:
            found.append(f"{_WORDS[name]} {mine:.7g} from the counts, {other:.7g} in the file")
    return worst, "; ".join(found)


_WORDS = {"estimate": "estimate", "ci_lower": "lower limit", "ci_upper": "upper limit", "tau2": "tau²", "q": "Q"}


def _scale(name: str, value: float, theirs: Mapping[str, float | None], options: Options) -> float:
    """What a difference is relative to: the number itself, but not less than what is small beside the error of the estimate."""
    low, high = theirs["ci_lower"], theirs["ci_upper"]
    if options.measure != "RD":
        low, high = (log(end) if end is not None and end > 0 else None for end in (low, high))
    width = abs(high - low) if low is not None and high is not None else 1.0
    least = {"tau2": 1e-3 * width * width, "q": 1.0}.get(name, width if options.measure == "RD" else 0.0)
    return max(abs(value), least, 1e-300)


def _last_digit(text: str) -> float:
    """Half a unit of the last digit that is written, where the number is a rounded one; zero for one written in full."""
    digits, _, power = text.strip().lstrip("+-").lower().partition("e")
    whole, _, decimals = digits.partition(".")
    if len((whole + decimals).strip("0")) > 9 or not decimals.strip("0"):
        # Full precision, or a whole number such as 0.0, which a program writes in full as well.
        return 0.0
    return 0.5 * 10.0 ** (int(power or 0) - len(decimals))


def _reason(task: _Task, difference: str, options: Options) -> str:
    """A difference with what explains it, where the file shows it."""
    for side, name in (("first", "total_1"), ("second", "total_2")):
        said = _number(task.stated.get(name))
        summed = sum(_number(row.numbers.get(name)) or 0.0 for row in task.rows)
        if said is not None and said != summed:
            return f"{difference}; the result is of {said:,.0f} patients in the {side} group, and the studies have {summed:,.0f}"
    studies = _own(task, options)
    if studies:
        return f"{difference}; the file states another effect than that of the counts for {listing(studies, 5)} as well"
    return difference


def _own(task: _Task, options: Options) -> list[str]:
    """Studies whose own effect is another in the file than their counts give."""
    found = []
    for row in task.rows:
        stated = _folded(row.stated)
        theirs = _theirs(stated)["estimate"]
        counts = _counts(_Task(task.analysis, task.subgroup, (row,), task.settings, stated))
        if theirs is None or not counts.size:
            continue
        rules = {"add": 0.5, "to": "only0", "drop00": options.drop00, "convention": "revman"}
        effect = MEASURES[options.measure].effects(*counts, **rules)  # type: ignore[arg-type]
        if not np.isfinite(effect.vi[0]):
            continue
        own = float(effect.yi[0]) if options.measure == "RD" else exp(float(effect.yi[0]))
        if abs(own - theirs) > max(1e-5 * max(abs(theirs), 1e-2), _last_digit(stated["estimate"])):
            found.append(visible(row.study))
    return found


def agreement_page(found: Agreement, file: str) -> str:
    """A page on the results of a file: how many agree with ours, and each that does not, number by number."""
    from metanet.reporting.page import page

    title = f"Results of {file} and of its counts"
    first, *_ = found.summary().splitlines()
    parts = [
        f"<h1>{html_text(title)}</h1><p>{html_text(first)}.</p>",
        "<p>Every pooled result of two groups that the file states was computed again from the counts of the file, by the method that "
        "the file names. Beside this page, agreement.csv has both sides of each.</p>",
    ]
    if not found.differing:
        parts.append("<p>Estimates, confidence limits, τ² and Q are the same.</p>")
    for row in found.differing:
        cells = "".join(
            f"<tr><td>{_WORDS[name]}</td><td>{_shown(row.ours[name])}</td><td>{_shown(row.theirs[name])}</td></tr>"
            for name in _NUMBERS
        )
        what = f"{row.measure}, {row.method}, {counted(row.studies, 'study', 'studies')}"
        parts.append(
            f"<h2>{html_text(row.title)}</h2><p>{html_text(what)}. {html_text(row.why[:1].upper() + row.why[1:])}.</p>"
            f"<table><thead><tr><th></th><th>from the counts</th><th>in the file</th></tr></thead><tbody>{cells}</tbody></table>"
        )
    return page(title, f'<main id="main" class="tex2jax_ignore">{"".join(parts)}</main>')


def _shown(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.7g}".replace("-", "−")
