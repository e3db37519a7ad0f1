"""Two invented studies, so that a fresh review works at once; they say themselves that they are invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metanet.review.template import NewOutcome

TITLE = "EXAMPLE: invented, delete this study"
NOTE = "EXAMPLE: invented counts, delete this row"
_SOURCE = "EXAMPLE"
IDS = ("Example2020", "Example2021")
_SIZES = (40, 55)
#: Events of the two studies, for a benefit and for a harm.
_EVENTS = {"lower_is_better": (3, 6)}
_BENEFIT = (18, 21)

Row = Mapping[str, str]


def example_rows(outcomes: Sequence[NewOutcome], modalities: Sequence[str]) -> dict[str, list[Row]]:
    """The rows of every table, by the name of the table.

    Two modalities get one study each, so that they are compared at once; one modality gets both, so that they are pooled.
    """
    given = list(modalities) or ["Treatment"]
    theirs = (given[0], given[1] if len(given) > 1 else given[0])
    rows: dict[str, list[Row]] = {
        "studies": [
            {"study_id": study, "first_author": "Example", "year": study[-4:], "title": TITLE} for study in IDS
        ],
        "arms": [
            {"study_id": study, "arm": "all", "modality": modality, "modality_class": modality, "n": str(size)}
            for study, modality, size in zip(IDS, theirs, _SIZES, strict=True)
        ],
    }
    for outcome in outcomes:
        events = _EVENTS.get(outcome.direction, _BENEFIT)
        rows[outcome.name] = [
            {
                "study_id": study,
                "arm": "all",
                "events": str(count),
                "total": str(size),
                "unit": "patients",
                "derived": "false",
                "source_kind": "fulltext",
                "source": _SOURCE,
                "source_locator": "Table 2",
                "certainty": "high",
                "double_extracted": "false",
                "poolable": "true",
                "note": NOTE,
            }
            for study, count, size in zip(IDS, events, _SIZES, strict=True)
        ]
    return rows


def still_examples(studies: Sequence[Row], counts: Sequence[Row]) -> set[str]:
    """The studies that are still called invented by all of their rows; what somebody rewrote is theirs."""
    invented = {row["study_id"] for row in studies if row["study_id"] in IDS and row.get("title") == TITLE}
    real = {row["study_id"] for row in counts if row.get("note") != NOTE or row.get("source") != _SOURCE}
    return invented - real
