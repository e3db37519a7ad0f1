"""The overview of all pooled rates beside the list of reports, drawn anew only when something in it has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet.reporting.files import write_json
from metanet.reporting.index_lines import REPLICATION, Report
from metanet.reporting.journal import HOME, versions_digest

_NAMES = ("overview.svg", "overview.png")


@dataclass(frozen=True)
class Picture:
    """The overview and what it shows in words."""

    svg: bytes
    alt: str


def picture_of(out: Path, rates: Sequence[Report]) -> Picture | None:
    """The overview of all pooled rates, as overview.svg and overview.png in `out` too; None where there is nothing to draw."""
    rows = _rows(rates)
    if not rows:
        for name in _NAMES:
            (out / name).unlink(missing_ok=True)
        return None
    key = hashlib.sha256(json.dumps([versions_digest(), rows], sort_keys=True).encode()).hexdigest()
    notes = out / HOME / "overview.json"
    kept = _kept(out, notes, key)
    if kept is not None:
        return kept
    from metanet.figures.alternative import description_of
    from metanet.figures.canvas import bare_figures
    from metanet.figures.overview import OverviewRow, overview
    from metanet.figures.save import save_figure

    with bare_figures():
        axes = overview([OverviewRow(**row) for row in rows])
        save_figure(axes, out / "overview")
    figure = axes.get_figure(root=True)
    alt = (description_of(figure) or ("", ""))[1] if figure is not None else ""
    write_json(notes, {"made_from": key, "alt": alt, "files": {name: _digest(out / name) for name in _NAMES}})
    return Picture((out / _NAMES[0]).read_bytes(), alt)


def _kept(out: Path, notes: Path, key: str) -> Picture | None:
    """What an earlier run drew of the same, if its files are what they were."""
    try:
        known = json.loads(notes.read_text(encoding="utf-8"))
        same = known["made_from"] == key and all(_digest(out / name) == known["files"][name] for name in _NAMES)
        return Picture((out / _NAMES[0]).read_bytes(), str(known["alt"])) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(rates: Sequence[Report]) -> list[dict[str, Any]]:
    """The rates to draw; a replication stands beside its own print, and a failed report has nothing to show."""
    return [
        {
            "outcome": report.outcome,
            "name": report.modality,
            "k": _whole(report.result.get("k")),
            **{name: _number(report.result.get(name)) for name in _LIMITS},
            "old": report.stale,
            "pooled": report.result.get("status") != "not pooled",
        }
        for report in rates
        if not report.failed
        and not report.folder.startswith(f"{REPLICATION}/")
        and _number(report.result.get("estimate")) is not None
    ]


_LIMITS = ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper")


def _number(value: object) -> float | None:
    """A rate between 0 and 1, or None."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if known else None  # type: ignore[arg-type]


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
