"""The pictures of the index: the evidence map, whose cells lead to the reports, and the overview of all rates."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet.base.errors import MetanetWarning
from metanet.reporting.files import write_json
from metanet.reporting.index.lines import Report
from metanet.reporting.index.rates import address
from metanet.reporting.plan.registry import REPLICATION
from metanet.reporting.run.journal import HOME, versions_digest

#: Files of the pictures.
_FILES = ("evidence_map.svg", "evidence_map.png", "overview.svg", "overview.png")
#: Where the map for the inside of the page is kept, beside what it was made from.
_INSIDE = "evidence_map.svg"
#: More rows or columns than these are no map that anybody can read; more rates no overview.
_MOST, _MOST_RATES = 40, 300


@dataclass(frozen=True)
class Picture:
    """A drawing, what a reader hears in its place, and its whole description."""

    svg: bytes
    alt: str
    words: str


@dataclass(frozen=True)
class Pictures:
    """The pictures of the index; None where there is nothing to draw, or too much."""

    map: Picture | None
    overview: Picture | None


def pictures_of(out: Path, rates: Sequence[Report]) -> Pictures:
    """The pictures of all pooled rates, also written into `out` as SVG and PNG; those of an earlier run where they show the same."""
    rows, cells = _rows(rates), _cells(rates)
    if len(rows) > _MOST_RATES:
        rows = []
    if any(len({cell[key] for cell in cells}) > _MOST for key in ("outcome", "modality")):
        cells = []
    key = hashlib.sha256(json.dumps([versions_digest(), rows, cells], sort_keys=True).encode()).hexdigest()
    home = out / HOME
    if (kept := _kept(out, home, key)) is not None:
        return kept
    for name in _FILES:
        (out / name).unlink(missing_ok=True)
    with warnings.catch_warnings():
        # A letter that no font here has is no reason to speak of in every run.
        warnings.simplefilter("ignore", MetanetWarning)
        made = Pictures(_map(out, cells), _overview(out, rows))
    if made.map is None and made.overview is None:
        return made
    home.mkdir(exist_ok=True)
    if made.map is not None:
        (home / _INSIDE).write_bytes(made.map.svg)
    notes = {
        "made_from": key,
        "map": None if made.map is None else [made.map.alt, made.map.words],
        "overview": None if made.overview is None else [made.overview.alt, made.overview.words],
        "inside": _digest(home / _INSIDE) if made.map is not None else None,
        "files": {name: _digest(out / name) for name in _FILES if (out / name).is_file()},
    }
    write_json(home / "pictures.json", notes)
    return made


def _kept(out: Path, home: Path, key: str) -> Pictures | None:
    """The pictures of an earlier run, if they show the same and their files are unchanged."""
    try:
        known = json.loads((home / "pictures.json").read_text(encoding="utf-8"))
        if known["made_from"] != key or any(_digest(out / name) != digest for name, digest in known["files"].items()):
            return None
        if known["inside"] is not None and _digest(home / _INSIDE) != known["inside"]:
            return None
        inside = None if known["map"] is None else Picture((home / _INSIDE).read_bytes(), *_texts(known["map"]))
        overview = None if known["overview"] is None else Picture((out / "overview.svg").read_bytes(), *_texts(known["overview"]))
        return Pictures(inside, overview)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _texts(kept: Any) -> tuple[str, str]:
    first, second = kept
    return str(first), str(second)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _map(out: Path, cells: Sequence[Mapping[str, Any]]) -> Picture | None:
    if not cells:
        return None
    from metanet.figures.page.canvas import bare_figures
    from metanet.figures.page.save import save_figure
    from metanet.figures.plots.evidence_map import evidence_map, evidence_map_svg
    from metanet.models.pooling.evidence_cells import Cell

    found = [Cell(**cell) for cell in cells]
    with bare_figures():
        save_figure(evidence_map(found), out / "evidence_map")
        svg, words = evidence_map_svg(found)
        return Picture(svg, "", words)


def _overview(out: Path, rows: Sequence[Mapping[str, Any]]) -> Picture | None:
    if not rows:
        return None
    from metanet.figures.page.canvas import bare_figures
    from metanet.figures.page.save import description_of, save_figure, svg_image
    from metanet.figures.plots.overview import OverviewRow, overview

    with bare_figures():
        axes = overview([OverviewRow(**row) for row in rows])
        save_figure(axes, out / "overview")
        svg, alt = svg_image(axes)
        figure = axes.get_figure(root=True)
        told = None if figure is None else description_of(figure)
        return Picture(svg, alt, told.text if told else "")


def _drawable(rates: Sequence[Report]) -> list[Report]:
    """The rates to draw, without replications and failed reports."""
    return [
        report
        for report in rates
        if not report.failed and not report.folder.startswith(f"{REPLICATION}/") and _number(report.result.get("estimate")) is not None
    ]


def _cells(rates: Sequence[Report]) -> list[dict[str, Any]]:
    """The cells of the map: what is known of each outcome of each modality class, and the report on it."""
    found = {}
    for report in _drawable(rates):
        if report.numbers.get("variant") or report.about.get("variant"):
            continue
        drawn = _drawn(report.result)
        found[report.outcome, report.modality] = {
            "outcome": report.outcome,
            "modality": report.modality,
            "studies": max(1, report.studies or _whole(report.result.get("k")) or 1),
            "arms": max(1, _whole(report.result.get("k")) or 1),
            "rate": drawn["estimate"],
            "lower": drawn["ci_lower"],
            "upper": drawn["ci_upper"],
            "pooled": report.result.get("status") != "not pooled",
            "url": address(report.folder, "report.html"),
        }
    return list(found.values())


def _rows(rates: Sequence[Report]) -> list[dict[str, Any]]:
    """The rows of the overview."""
    return [
        {
            "outcome": report.outcome,
            "name": report.modality,
            "k": _whole(report.result.get("k")),
            **_drawn(report.result),
            "old": report.stale,
            "pooled": report.result.get("status") != "not pooled",
        }
        for report in _drawable(rates)
    ]


def _drawn(result: Mapping[str, Any]) -> dict[str, float | None]:
    """The median with its interval, the prediction interval and the average of a saved result."""
    found = {name: _number(result.get(name)) for name in ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper")}
    pooled = result.get("status") == "pooled"
    if pooled and result.get("model") == "beta_binomial":
        # Its interval is that of the mean.
        found |= {"estimate": _number(result.get("median")), "ci_lower": None, "ci_upper": None}
    return found | {"average": _number(result.get("marginal_estimate")) if pooled else None}


def _number(value: object) -> float | None:
    """A rate between 0 and 1, or None."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if known else None  # type: ignore[arg-type]


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


#: Pixels of the page for a point of a drawing, at most.
_SCALE = 1.8
#: What comes before the first part of a drawing: the page says it itself.
_HEAD = re.compile(r"^.*?<svg\b([^>]*)>", re.DOTALL)
_SAID = re.compile(r"\s*<(title|desc|metadata)\b[^>]*>.*?</\1>", re.DOTALL)


def inside(picture: Picture, label: str) -> str:
    """A drawing with links as a part of a page."""
    svg = picture.svg.decode("utf-8")
    head = _HEAD.match(svg)
    assert head is not None  # a drawing of ours
    rest = _SAID.sub("", svg[head.end() :], count=3)
    attributes = re.sub(r'\s(role|aria-\w+)="[^"]*"', "", head[1])
    rest = rest.replace("<a aria-label=", '<a role="link" aria-label=')
    # A small map is not blown up to the width of the page.
    size = re.search(r'\bwidth="([\d.]+)pt"', attributes)
    most = f' style="max-width:{float(size[1]) * _SCALE:.0f}px"' if size else ""
    return f'<svg{attributes}{most} role="group" aria-label="{label}">{rest}'
