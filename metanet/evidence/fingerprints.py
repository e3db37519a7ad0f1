"""The fingerprint of a part of the evidence: equal as long as nothing changes that a report on it can show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from metanet.evidence.search.tables import SEARCHED

if TYPE_CHECKING:
    from metanet.evidence.evidence import Evidence


def fingerprint_of(evidence: Evidence, outcomes: Sequence[str], modalities: Collection[str] | None) -> str:
    """SHA-256 over rows, studies, labels, definitions and published rates of `outcomes` and `modalities` (None: all)."""

    def chosen(row: Mapping[Any, Any]) -> bool:
        return modalities is None or row.get("modality_class") in modalities or row.get("modality") in modalities

    rows = {name: [dict(row) for row in evidence._rows[name] if chosen(dict(row))] for name in outcomes}
    studies = sorted({row["study_id"] for part in rows.values() for row in part})
    about = evidence.studies[evidence.studies["study_id"].isin(studies)].to_dict("records")
    published = [row for row in evidence.published.to_dict("records") if row.get("outcome") in outcomes and chosen(row)]
    content: dict[str, Any] = {
        "rows": rows,
        "studies": about,
        "labels": [evidence._labels[study] for study in studies],
        "outcomes": [asdict(evidence._outcomes[name]) for name in outcomes],
        "unplaced": [evidence._unplaced.get(name, 0) for name in outcomes],
        "published": published,
        # Reports say which others there are.
        "names": [list(evidence.outcome_names), {name: list(found) for name, found in evidence._modalities.items()}],
    }
    rows_of_bias = evidence._optional.get("risk_of_bias", ())
    judged = [dict(row) for row in rows_of_bias if row["study_id"] in studies and row.get("outcome") in (None, "", *outcomes)]
    if judged:
        content["risk_of_bias"] = judged
    rated = [dict(row) for row in evidence._optional.get("certainty", ()) if row["outcome"] in outcomes]
    if rated:
        content["certainty"] = rated
    # The search is that of the whole review.
    whole = modalities is None and set(outcomes) == set(evidence.outcome_names)
    searched = {role: evidence.optional_rows(role) for role in SEARCHED} if whole else {}
    if any(searched.values()):
        content["search"] = {role: [dict(row) for row in rows] for role, rows in searched.items()}
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
