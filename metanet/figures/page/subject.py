"""What a figure is about: outcome, treatment, unit and direction, as far as the data know them, for axes and alternative texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metanet.base.display import TOO_WIDE, in_sentence, level_text, plural, sentence_case, title_of
from metanet.effects.measures import MEASURES
from metanet.evidence.rates import ALL_STUDIES
from metanet.figures.page.save import ALT_MOST
from metanet.figures.page.scale import Scale, effect_scale
from metanet.figures.page.text import harmless
from metanet.models.results.units import units_of

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.results.pooled import Pooled


#: So many treatments are named; more are told by the rows of a figure.
_MOST = 3
#: What a name of an outcome or of a treatment may take of an axis.
_LONGEST = 90
_DIRECTIONS = {"higher_is_better": "higher is better", "lower_is_better": "lower is better"}


@dataclass(frozen=True)
class Subject:
    """What the data say of themselves; a part that they do not know is empty.

    Attributes
    ----------
    outcome
        The title of the outcome with its definition: "Hepatotoxicity (grade 3 or worse)".
    treatment
        The modalities of the studies: "TARE", "TAE or TARE".
    control
        The treatment of the control group.
    units
        What is counted: "patients", "patients or procedures".
    direction
        "higher is better" or "lower is better".
    """

    outcome: str = ""
    treatment: str = ""
    control: str = ""
    units: str = "patients"
    direction: str = ""

    @property
    def name(self) -> str:
        """Outcome and treatment as the beginning of a title: "Objective response after TARE"; empty where neither is known."""
        if not self.treatment:
            return self.outcome
        return f"{self.outcome or 'Events'} after {self.treatment}"

    @property
    def treated(self) -> str:
        """What the group with the treatment is called."""
        return self.treatment or "treated"

    def within(self, nothing: str = "") -> str:
        """`name` inside a sentence, or `nothing`."""
        return in_sentence(self.name) if self.name else nothing

    def axis(self, response: str, measure: str = "GEN", per: object = "cent", *, log: bool = False, bare: bool = False) -> str:
        """The title of an axis of such values: what, of whom, in which unit, and which end is better.

        `log` says that the axis is logarithmic and that this has to be told.
        """
        scale = effect_scale(response, measure, per)
        if response.startswith("rate"):
            unit = f"% of {self.units}" if scale.unit == "%" else scale.unit
            if response == "rate" and unit.startswith("per "):
                unit += f" {self.units}"
            return self._directed(f"{self.name or ('Events' if response == 'rate' else 'Incidence rate')}, {unit}")
        return self.effect(scale, measure, log=log, bare=bare)

    def effect(self, scale: Scale, measure: str, *, log: bool = False, bare: bool = False) -> str:
        """The title of an axis of effects; a `bare` one leaves out what its ends mean."""
        title, none = scale.name, scale.no_effect
        if MEASURES[measure].groups != 2 if measure in MEASURES else True:
            # Effects that were given as such: what a larger one means is not known.
            text = f"{self.name}: {in_sentence(title)}" if self.name else title
            return self._directed(f"{text} (log scale)" if log else text)
        stroke = "/" if none == 1.0 else "−"
        what = f" of {in_sentence(self.outcome)}" if self.outcome else ""
        text = f"{title}{what}, {self.treated} {stroke} {self.control or 'control'}{' (log scale)' if log else ''}"
        if bare:
            return text
        more = f"{text}; above {none:g}: more events with {self.treatment or 'treatment'}"
        better = {"higher is better": " (better)", "lower is better": " (worse)"}.get(self.direction, "")
        return f"{more}{better}"

    def _directed(self, text: str) -> str:
        return f"{text} ({self.direction})" if self.direction else text


def subject_of(*rows: pd.DataFrame | None, by: str = "") -> Subject:
    """What frames of studies are about, where all of them say the same; `by` is a column whose groups the figure names itself."""
    known = [_of_frame(frame, by) for frame in rows if frame is not None]
    if not known:
        return Subject()
    first = known[0]
    treatments = list(dict.fromkeys(name for one in known for name in (one.treatment.split(" or ") if one.treatment else [""])))
    units = list(dict.fromkeys(unit for one in known for unit in one.units.split(" or ")))
    same = {
        part: getattr(first, part) if all(getattr(one, part) == getattr(first, part) for one in known) else ""
        for part in ("outcome", "control", "direction")
    }
    return Subject(**same, treatment=_joined(treatments), units=" or ".join(units))


def subject_of_record(record: Mapping[str, Any]) -> Subject:
    """What the record of an analysis says that its data were about: label, direction and modality."""
    label, asked = record.get("label"), record.get("modality")
    names = [asked] if isinstance(asked, str) else [str(name) for name in asked or ()]
    return Subject(
        sentence_case(harmless(label, _LONGEST)) if label else "",
        _joined(names),
        direction=_DIRECTIONS.get(str(record.get("direction")), ""),
    )


def subject_of_fit(*fits: Pooled, by: str = "") -> Subject:
    """`subject_of` of the studies of results."""
    return subject_of(*(fit.studies for fit in fits), by=by)


def _of_frame(frame: pd.DataFrame, by: str) -> Subject:
    about = frame.attrs
    outcome = harmless(about["label"], _LONGEST) if about.get("label") else ""
    definition = about.get("definition_title")
    if outcome and definition:
        outcome = f"{outcome} ({harmless(in_sentence(str(definition)), _LONGEST)})"
    treatment = "" if by in ("modality", "modality_class") else _treatment(frame)
    return Subject(
        sentence_case(outcome),
        treatment,
        _joined(_words(frame, "modality_control")),
        " or ".join(units_of(frame)),
        _DIRECTIONS.get(str(about.get("direction")), ""),
    )


def _treatment(frame: pd.DataFrame) -> str:
    """The one modality that was asked for, or the classes of the studies."""
    single, classes = _words(frame, "modality"), _words(frame, "modality_class")
    chosen = frame.attrs.get("selection")
    wanted = chosen.get("modality") if isinstance(chosen, dict) else None
    if len(single) == 1 and (not classes or wanted == single):
        return _joined([title_of(single[0], frame)])
    return _joined([title_of(name, frame) for name in (classes or single)])


def _words(frame: pd.DataFrame, column: str) -> list[str]:
    """The different texts of a column, sorted; none where one of them is missing."""
    if column not in frame.columns or frame[column].ndim != 1:
        return []
    values = frame[column].tolist()
    if not all(isinstance(value, str) and value.strip() for value in values):
        return []
    return sorted(set(values))


def _joined(names: Iterable[str]) -> str:
    shown = [harmless(name, _LONGEST // 2) for name in names if name]
    if not shown or len(shown) > _MOST or ALL_STUDIES in shown:
        return ""
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def result_of(fit: Pooled) -> str:
    """A pooled result in so few words as an alternative text allows."""
    scale, digits = fit.scale, fit.scale.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
    if fit.estimate is None:
        return "no pooled value can be estimated"
    shown = scale.estimate(fit.estimate, fit.ci_lower, fit.ci_upper, fit.level, fit.interval_name)
    if fit.status == "not pooled":
        return f"{shown}, one study, not pooled"
    if fit.status in ("no events", "only events"):
        return f"{fit.status}, {shown}, exact, of the summed counts"
    name = f"{fit.average} rate" if fit.response.startswith("rate") else "pooled value"
    text = f"{name} {shown}"
    if fit.is_vague:
        text += f", {TOO_WIDE}"
    if fit.pi_lower is not None:
        text += f", {level_text(fit.level)} prediction interval {scale.limits(fit.pi_lower, fit.pi_upper, digits)}"
    return text


def alternative_of(kind: str, subject: Subject, fit: Pooled, *told: str) -> str:
    """The alternative text of a figure of one result."""
    return alternative(kind, subject, fit.k, result_of(fit), *told)


def alternative(kind: str, subject: Subject, many: int, *told: str, of: tuple[str, str] = ("study", "studies")) -> str:
    """An alternative text: the kind of figure, what it is about, how many rows it has, and as much of `told` as 300 signs allow."""
    counted = f"{many:,} {of[1]}" if many != 1 else plural(1, *of)
    about = subject.within()
    text = f"{kind} of {about}, {counted}" if about else f"{kind} of {counted}"
    text = harmless(text, ALT_MOST - 40)
    # The direction is short and is told in any case.
    room = ALT_MOST - 1 - (len(subject.direction) + 2 if subject.direction else 0)
    stop = ": "
    for part in told:
        if part and len(text) + len(stop) + len(part) < room:
            text, stop = f"{text}{stop}{part}", "; "
    return f"{text}{stop}{subject.direction}." if subject.direction else f"{text}."
