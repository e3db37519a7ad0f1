"""`response_categories`: complete and partial response, stable and progressive disease of every study arm, from its three rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.display import per_cent, plural
from metanet.base.drawing import draw
from metanet.base.groups import natural
from metanet.base.results import Method, Result
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.rates import row_labels
from metanet.evidence.sources import Tables, evidence_of
from metanet.models.pooling.inputs import missing
from metanet.models.results.method import versions

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: The categories from best to worst, and the outcome that divides each from the next.
CATEGORIES = ("CR", "PR", "SD", "PD")
BORDERS = ("complete_response", "objective_response", "disease_control")
MEANING = {"CR": "complete response", "PR": "partial response", "SD": "stable disease", "PD": "progressive disease or not evaluated"}
#: Whose row of an arm the others must agree with, and whose choice among reports of one cohort holds for all.
_FIRST = ("objective_response", "disease_control", "complete_response")
_PD_NOTE = "PD is everybody else who was assessed: progressive disease, or not evaluated."
_REPORT_NOTE = (
    "Of reports that share patients the one is taken that the analysis of objective response keeps (of cohorts without it: that of "
    "disease control, then of complete response), so that all categories of a cohort come from one report."
)

Record = Mapping[str, Any]


@dataclass(frozen=True)
class ResponseArm:
    """One arm: `parts` are (category, count) from best to worst and sum to `total`; "CR+PR" are two that were not told apart."""

    study: str
    study_id: str
    arm: str
    modality: str
    modality_class: str
    year: int | None
    unit: str
    total: int
    parts: tuple[tuple[str, int], ...]

    def at_least(self, category: str) -> int | None:
        """How many were in `category` or a better one ("PR": objective response); None where that is not told."""
        events = 0
        for name, count in self.parts:
            events += count
            if name.split("+")[-1] == category:
                return events
        return None

    def words(self) -> str:
        """The counts and shares in one line."""
        return ", ".join(f"{name} {count} ({per_cent(count / self.total)} %)" for name, count in self.parts)


@dataclass(frozen=True, eq=False, repr=False)
class ResponseCategories(Result):
    """Response categories of study arms, by year and name; `reason` says why there are none.

    Attributes
    ----------
    arms
        Study arms with their counts.
    left_out
        Arms that an outcome has and that are not here: study, study_id, arm, reason.
    method
        Selection, overlap policy, versions and notes.
    """

    arms: tuple[ResponseArm, ...]
    left_out: tuple[Mapping[str, str], ...]
    reason: str | None
    method: Method = field(repr=False)

    _entries = (("rows", "_frame"), "left_out", "reason")

    @property
    def _frame(self) -> pd.DataFrame:
        return self.to_frame()

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Response categories"

    def to_frame(self) -> pd.DataFrame:
        """One row for each arm and category: count (`events`) and `share` (fraction); shares of an arm sum to 1."""
        import pandas as pd

        about = ("study", "study_id", "arm", "modality", "modality_class", "year", "unit", "total")
        rows = [
            {**{name: getattr(arm, name) for name in about}, "category": name, "events": n, "share": n / arm.total}
            for arm in self.arms
            for name, n in arm.parts
        ]
        return pd.DataFrame(rows, columns=[*about, "category", "events", "share"])

    def sentence(self) -> str:
        """How many arms, how many of them give all categories, and between which values the objective response lies."""
        if self.reason:
            return self.reason
        units: dict[str, int] = {}
        for arm in self.arms:
            units[arm.unit] = units.get(arm.unit, 0) + arm.total
        many = ", ".join(f"{n:,} {visible(unit)}" for unit, n in units.items())
        full = sum(len(arm.parts) == len(CATEGORIES) for arm in self.arms)
        some = f"{full} of them" if full else "none of them"
        who = "it gives" if len(self.arms) == 1 else f"{some} {'gives' if full < 2 else 'give'}"
        text = f"Response categories of {counted(len(self.arms), 'study arm')} ({many})"
        if len(self.arms) > 1 or full:
            text += f"; {who} all four categories"
        known = [(n / arm.total, arm.study) for arm in self.arms if (n := arm.at_least("PR")) is not None]
        if not known:
            return f"{text}. None of them gives the objective response."
        low, high = min(known), max(known)
        if len(known) == 1:
            return f"{text}. The objective response was {per_cent(low[0])} % ({visible(low[1])})."
        ends = f"from {per_cent(low[0])} % ({visible(low[1])}) to {per_cent(high[0])} % ({visible(high[1])})"
        return f"{text}. The objective response reaches {ends}."

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """A row for each arm: its size and its categories."""
        return ["Study", "n", "Unit", "Categories"], [(visible(arm.study), str(arm.total), arm.unit, arm.words()) for arm in self.arms]

    def plot(self, **options: Any) -> Axes:
        """Draw a stacked bar for each arm; see `metanet.figures.plots.waterfall.waterfall`."""
        axes: Axes = draw("waterfall", self, **options)
        return axes


@checked()
def response_categories(
    evidence: Tables,
    modality: str | Iterable[str] | None = None,
    *,
    overlap: str = "keep_largest",
    certainty: str | None = None,
    poolable_only: bool = True,
) -> ResponseCategories:
    """Divide every study arm into complete response, partial response, stable disease and progressive disease.

    Parameters
    ----------
    evidence
        What `load_evidence` returned; the outcomes used are complete_response, objective_response and disease_control.
    modality, overlap, certainty, poolable_only
        As in `Evidence.rates`.

    Returns
    -------
    ResponseCategories
        Counts and shares: CR = complete response, PR = objective less complete response, SD = disease control less objective
        response, PD = the rest. Where an outcome is not reported, the categories that it divides are given together ("CR+PR").
        `reason` says it where the evidence has none of these outcomes, or no arm of the selection.

    Raises
    ------
    ArgumentError
        Something else than evidence, or a word that is not known.

    Notes
    -----
    Counts of one arm are subtracted only where their rows share unit and total and do not name different
    criteria or time points; the row of objective response comes first, then that of disease control. Which of several
    reports of one cohort is taken is decided once for all outcomes, by the selection of objective response. An arm whose
    counts contradict each other is left out.
    """
    evidence = evidence_of(evidence)
    if modality is not None and not isinstance(modality, str):
        modality = list(modality)
    outcomes = [name for name in _FIRST if name in evidence.outcome_names]
    choices: dict[str, Any] = {"modality": modality, "certainty": certainty, "poolable_only": poolable_only}
    owner: dict[str, str] = {}
    rows: list[Record] = []
    out: dict[tuple[str, str], str] = {}
    notes: list[str] = []
    for outcome in outcomes:
        kept = evidence.rates(outcome, overlap=overlap, **choices)
        if overlap == "keep_all":
            notes += [note for note in kept.attrs["notes"] if note.startswith("Patients may be counted twice")]
        for group, study in zip(kept["overlap_group"], kept["study_id"], strict=True):
            if group and overlap != "keep_all":
                owner.setdefault(group, study)
        every = evidence.rates(outcome, overlap="keep_all", **choices)
        rows += [{**{str(name): value for name, value in row.items()}, "outcome": outcome} for row in every.to_dict("records")]
        for gone in every.attrs["left_out"]:
            out.setdefault((gone["study_id"], gone["arm"]), gone["reason"])
    labels = evidence._labels
    used = []
    for row in rows:
        keeper = str(owner.get(row["overlap_group"], row["study_id"]))
        if keeper == row["study_id"]:
            used.append(row)
        else:
            shared = visible(row["overlap_group"])
            out[row["study_id"], row["arm"]] = f"shares patients ({shared}) with {labels[keeper]}, which is kept"
            notes.append(_REPORT_NOTE)
    arms, told, against = divided(used, labels)
    out |= against
    here = {(arm.study_id, arm.arm) for arm in arms}
    left = tuple(
        {"study": labels[study], "study_id": study, "arm": arm, "reason": reason}
        for (study, arm), reason in sorted(out.items(), key=lambda item: (natural(item[0][0]), natural(item[0][1])))
        if (study, arm) not in here
    )
    notes = list(dict.fromkeys([*([_PD_NOTE] if arms else []), *_together(arms), *notes, *told]))
    selection = {**choices, "overlap": overlap}
    stamp = {**versions(), "selection": selection, "fingerprint": evidence.fingerprint_of(outcomes, modality), "notes": notes}
    reason = None if arms else "No study arm of this selection reports a response category."
    if not outcomes:
        reason = f"The evidence has none of the outcomes {listing(BORDERS)}, which divide the categories."
    return ResponseCategories(tuple(arms), left, reason, Method(stamp))


def divided(rows: Sequence[Record], labels: Mapping[str, str]) -> tuple[list[ResponseArm], list[str], dict[tuple[str, str], str]]:
    """Arms from rows of the three outcomes (`outcome` names which), notes on them, and the arms that contradict themselves."""
    by_arm: dict[tuple[str, str], dict[str, Record]] = {}
    for row in rows:
        by_arm.setdefault((row["study_id"], row["arm"]), {})[row["outcome"]] = row
    firsts = {key: next(found[o] for o in _FIRST if o in found) for key, found in by_arm.items()}
    names = dict(zip(by_arm, row_labels(firsts.values(), labels), strict=True))
    arms, notes, against = [], [], {}
    for key, found in by_arm.items():
        first = firsts[key]
        counts: dict[str, int] = {}
        for outcome in _FIRST:
            if outcome not in found:
                continue
            differs = _difference(first, found[outcome])
            if differs:
                what, base = (str(o).replace("_", " ") for o in (outcome, first["outcome"]))
                notes.append(f"{names[key]}: {what} is not divided off, because its row has {differs} as that of {base}.")
            else:
                counts[outcome] = int(found[outcome]["events"])
        known = [(o.replace("_", " "), counts[o]) for o in BORDERS if o in counts]
        known.append(("the number assessed", int(first["total"])))
        wrong = [(a, b) for i, a in enumerate(known) for b in known[i + 1 :] if a[1] > b[1]]
        if wrong:
            a, b = wrong[0]
            text = f"its counts contradict each other: {a[0]} {a[1]}, {b[0]} {b[1]}"
            notes.append(f"{names[key]} is left out: {text}.")
            against[key] = text
            continue
        arms.append(_arm(first, names[key], counts))
    arms.sort(key=lambda arm: (arm.year is None, arm.year or 0, natural(arm.study), natural(arm.arm)))
    units = {arm.unit for arm in arms}
    if len(units) > 1:
        many = listing(f"{plural(sum(a.unit == u for a in arms), 'arm')} of {u}" for u in sorted(units))
        notes.append(f"Units are mixed: {many}.")
    return arms, notes, against


def _arm(row: Record, label: str, counts: Mapping[str, int]) -> ResponseArm:
    """The parts between the counts that are known."""
    parts, before, names = [], 0, []
    for name, border in zip(CATEGORIES, (*BORDERS, None), strict=True):
        names.append(name)
        if border is None or border in counts:
            reached = int(row["total"]) if border is None else counts[border]
            parts.append(("+".join(names), reached - before))
            before, names = reached, []
    return ResponseArm(
        study=label,
        study_id=str(row["study_id"]),
        arm=str(row["arm"]),
        modality=str(row["modality"]),
        modality_class=str(row["modality_class"]),
        year=None if missing(row.get("year")) else int(row["year"]),
        unit=str(row.get("unit") or "patients"),
        total=int(row["total"]),
        parts=tuple(parts),
    )


def _difference(first: Record, other: Record) -> str:
    """What keeps two rows of one arm from being subtracted, in words; empty where nothing does."""
    if int(first["total"]) != int(other["total"]):
        return f"not the same total ({int(other['total'])}, {int(first['total'])})"
    # Criteria in free words describe their own category; a named system read by another one is another reading.
    for column, word in (("unit", "unit"), ("criteria", "criteria"), ("timepoint_months", "time point in months")):
        one, two = first.get(column), other.get(column)
        if missing(one) or missing(two) or not str(one) or not str(two) or one == two:
            continue
        if column == "criteria" and any(str(v).startswith("other:") for v in (one, two)):
            continue
        return f"not the same {word} ({visible(two)}, {visible(one)})"
    return ""


def _together(arms: Sequence[ResponseArm]) -> list[str]:
    """One note for each set of categories that some arms do not tell apart."""
    joined: dict[str, int] = {}
    for arm in arms:
        for name, _ in arm.parts:
            if "+" in name:
                joined[name] = joined.get(name, 0) + 1
    ranks = {name: i for i, name in enumerate(CATEGORIES)}
    order = sorted(joined, key=lambda name: ([ranks[c] for c in name.split("+")], name))
    each = [f"{name} ({plural(joined[name], 'arm')})" for name in order]
    return [f"Combined in the report: {listing(each)}."] if each else []
