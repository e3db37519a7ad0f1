"""The contract of a new review as its descriptor: the columns that every topic needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metanet.evidence.contract import optional_resources

_KEY = {"required": True, "pattern": "[A-Za-z][A-Za-z0-9_-]*", "maxLength": 64}
_KEY_IN_WORDS = {"pattern_in_words": "letters, digits, hyphen and underscore, beginning with a letter, so that it can name a file"}
_NEEDED = {"required": True}


@dataclass(frozen=True)
class NewOutcome:
    """An outcome of a new review: its name, its label and its direction."""

    name: str
    label: str
    direction: str = ""


def descriptor_text(descriptor: Mapping[str, Any]) -> str:
    """A descriptor as it is written into a folder."""
    return json.dumps(descriptor, indent=2, ensure_ascii=False) + "\n"


def descriptor(title: str, outcomes: Sequence[NewOutcome], modalities: Sequence[str]) -> dict[str, Any]:
    """The whole descriptor; `modalities` are the words of that column, or nothing where every text is one."""
    return {
        "name": "review",
        "title": title,
        "description": "Counts per study arm, extracted by people, with the place where each was read.",
        "version": "0.1.0",
        "resources": [_studies(), _arms(modalities), *(outcome_resource(outcome) for outcome in outcomes), *optional_resources()],
    }


def outcome_resource(outcome: NewOutcome) -> dict[str, Any]:
    """The description of the table of one outcome."""
    about = {"role": "outcome", "outcome": outcome.name, "label": outcome.label}
    if outcome.direction:
        about["direction"] = outcome.direction
    return _resource(
        outcome.name,
        outcome.label,
        f"{outcome.label}. One row per arm.",
        about,
        [
            _field("study_id", "Study", "The report (studies.csv).", constraints=_KEY, metanet=_KEY_IN_WORDS),
            _field("arm", "Arm", "The arm of that report (arms.csv).", constraints=_NEEDED | {"maxLength": 120}),
            _count("events", "Events", "How many of the total were counted with the event.", 0),
            _count("total", "Total", "How many were assessed for the outcome: the denominator.", 1),
            _words("unit", "Unit", "What events and total count.", ("patients", "procedures", "lesions")),
            _field("criteria", "Criteria", "Criteria by which the event was counted; empty when the source names none."),
            _number("timepoint_months", "Time point", "When the outcome was assessed; empty when not stated.", "months", 600),
            _flag("derived", "Derived", "Whether the count was worked out (true) or is printed as such (false)."),
            _field("derivation", "Derivation", "How a derived count follows from what the source prints."),
            _field(
                "printed",
                "Printed",
                "What the source prints about the count, such as `16.1% of 56`; the check proves the events by it.",
                metanet={"optional": True},
            ),
            _words(
                "source_kind",
                "Kind of source",
                "What was read: the full text, the abstract, or a table in another publication.",
                ("fulltext", "abstract", "secondary"),
            ),
            _field("source", "Source", "Where the count was read.", constraints=_NEEDED),
            _field("source_locator", "Place in the source", "Table, figure, page or section.", constraints=_NEEDED),
            _words(
                "certainty",
                "Certainty",
                "high: printed, with a clear definition; moderate: one plausible reading; low: inferred.",
                ("high", "moderate", "low"),
            ),
            _flag("double_extracted", "Read twice", "Whether a second reader extracted the count independently."),
            _flag("poolable", "Poolable", "Whether the row may enter a pooled rate."),
            _field("note", "Note", "Doubts, context and anything that a reader of the pooled number should know."),
        ],
        ["study_id", "arm"],
        {"fields": ["study_id", "arm"], "reference": {"resource": "arms", "fields": ["study_id", "arm"]}},
    )


def _studies() -> dict[str, Any]:
    return _resource(
        "studies",
        "Studies",
        "One row per report.",
        {"role": "studies"},
        [
            _field(
                "study_id",
                "Study",
                "Short name of the report, first author and year as a rule: the key that every other table uses.",
                constraints=_KEY | {"unique": True},
                metanet=_KEY_IN_WORDS,
            ),
            _field("first_author", "First author", "Family name of the first author; empty when it is not known."),
            _year("year", "Year", "Calendar year of publication; empty when it is not known."),
            _field("title", "Title", "Title of the report."),
            _field("journal", "Journal", "Journal or meeting."),
            _field(
                "doi",
                "DOI",
                "Digital object identifier without a resolver in front of it.",
                constraints={"pattern": "10\\.\\d{4,9}/\\S+"},
                metanet={"pattern_in_words": "a DOI that begins with 10. and has no https://doi.org/ in front"},
            ),
            _field(
                "pmid",
                "PMID",
                "PubMed identifier.",
                constraints={"pattern": "[1-9]\\d{0,8}"},
                metanet={"pattern_in_words": "the digits of a PubMed identifier"},
            ),
            _field("country", "Country", "Country or countries of the centre."),
            _field("centre", "Centre", "Hospital, group or registry; used to recognise cohorts that share patients."),
            _year("enrol_start", "Enrolment began", "First calendar year in which a patient was enrolled."),
            _year("enrol_end", "Enrolment ended", "Last calendar year in which a patient was enrolled."),
            _field("design", "Design", "Design of the report, such as rct or retrospective_cohort."),
            _field(
                "overlap_group",
                "Overlap group",
                "Name shared by the reports whose cohorts may contain the same patients; empty when none is suspected.",
                constraints={"pattern": "[A-Za-z0-9][A-Za-z0-9_-]*"},
                metanet={"pattern_in_words": "letters, digits, hyphen and underscore"},
            ),
        ],
        ["study_id"],
    )


def _arms(modalities: Sequence[str]) -> dict[str, Any]:
    words: dict[str, Any] = {"enum": list(modalities)} if modalities else {}
    text = _NEEDED | {"maxLength": 120}
    return _resource(
        "arms",
        "Arms",
        "One row per arm of a report: treatment, size and baseline.",
        {"role": "arms"},
        [
            _field("study_id", "Study", "The report that the arm belongs to.", constraints=_KEY, metanet=_KEY_IN_WORDS),
            _field("arm", "Arm", "Name of the arm within its report; `all` when there is one.", constraints=text),
            _field("modality", "Modality", "Treatment of the arm in detail.", constraints=text),
            _field("modality_class", "Modality class", "Group of modalities that is pooled together.", constraints=text | words),
            _count("n", "Patients", "Patients in the arm; no outcome that counts patients can have a larger total.", 1),
            _number("median_age", "Median age", "Median age at treatment.", "years", 120),
            _number("pct_male", "Male", "Share of patients who are male.", "%", 100),
            _number("followup_median_months", "Median follow-up", "Median follow-up.", "months", 600),
        ],
        ["study_id", "arm"],
        {"fields": ["study_id"], "reference": {"resource": "studies", "fields": ["study_id"]}},
    )


def _resource(
    name: str,
    title: str,
    description: str,
    about: Mapping[str, Any],
    fields: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    foreign: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    schema: dict[str, Any] = {"fields": list(fields), "missingValues": [""], "primaryKey": list(key)}
    if foreign is not None:
        schema["foreignKeys"] = [foreign]
    return {
        "name": name,
        "title": title,
        "description": description,
        "path": f"{name}.csv",
        "type": "table",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "metanet": dict(about),
        "schema": schema,
    }


def _field(name: str, title: str, description: str, kind: str = "string", **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "title": title, "description": description, **rest}


def _count(name: str, title: str, description: str, least: int) -> dict[str, Any]:
    return _field(name, title, description, "integer", constraints=_NEEDED | {"minimum": least})


def _year(name: str, title: str, description: str) -> dict[str, Any]:
    return _field(name, title, description, "integer", constraints={"minimum": 1900})


def _number(name: str, title: str, description: str, unit: str, most: float) -> dict[str, Any]:
    return _field(name, title, description, "number", unit=unit, constraints={"minimum": 0, "maximum": most})


def _words(name: str, title: str, description: str, words: Sequence[str]) -> dict[str, Any]:
    return _field(name, title, description, constraints=_NEEDED | {"enum": list(words)})


def _flag(name: str, title: str, description: str) -> dict[str, Any]:
    spelt = {"trueValues": ["true", "TRUE"], "falseValues": ["false", "FALSE"]}
    return _field(name, title, description, "boolean", **spelt, constraints=_NEEDED)
