"""What a supplement says of its data and of the program: from the descriptor of the evidence, never guessed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from metanet.evidence import Evidence
from metanet.words import visible

#: As CITATION.cff has it, which an installed package does not.
PROGRAM = {
    "name": "metanet",
    "title": "metanet: pooling of rates per treatment modality from curated CSVs",
    "author": "The metanet authors",
    "license": "MIT",
}
LICENSES = {"MIT": "https://spdx.org/licenses/MIT", "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/"}


@dataclass(frozen=True)
class Facts:
    """The facts.

    `licence` and `licence_address` are "" where the descriptor has none, `date` where none is given.
    """

    title: str
    description: str
    authors: tuple[str, ...]
    licence: str
    licence_address: str
    date: str
    version: str
    fingerprint: str
    studies: int
    arms: int
    rows: Mapping[str, int]


def facts_of(evidence: Evidence) -> Facts:
    """The facts of an evidence folder."""
    descriptor = json.loads((evidence.path / "datapackage.json").read_bytes())
    licences = descriptor.get("licenses")
    licence: Mapping[str, Any] = (
        licences[0] if isinstance(licences, list) and licences and isinstance(licences[0], dict) else {}
    )
    named = descriptor.get("contributors")
    people = [str(p.get("title") or "") for p in named if isinstance(p, dict)] if isinstance(named, list) else []
    name = _line(licence.get("name") or licence.get("title"))
    address = _line(licence.get("path"))
    counts = evidence.outcomes["outcome"].value_counts()
    return Facts(
        title=_line(descriptor.get("title") or descriptor.get("name") or "Evidence tables"),
        description=_line(descriptor.get("description")),
        authors=tuple(_line(person) for person in people if person) or (PROGRAM["author"],),
        licence=name,
        licence_address=address if address.startswith(("https://", "http://")) else LICENSES.get(name, ""),
        date=_date(descriptor),
        version=_line(descriptor.get("version")),
        fingerprint=evidence.fingerprint,
        studies=len(evidence.studies),
        arms=len(evidence.arms),
        rows={evidence.label(each): int(counts.get(each, 0)) for each in evidence.outcome_names},
    )


def _line(value: object) -> str:
    return visible(value).strip() if isinstance(value, str) else ""


def _date(descriptor: Mapping[str, Any]) -> str:
    """The date that the descriptor says, or SOURCE_DATE_EPOCH, which builds that repeat are given; "" without either.

    The clock is no source: a supplement of the same reports has the same bytes.
    """
    created = _line(descriptor.get("created"))[:10]
    try:
        return datetime.fromisoformat(created).date().isoformat()
    except ValueError:
        pass
    try:
        return datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC).date().isoformat()
    except (KeyError, ValueError, OverflowError, OSError):
        return ""
