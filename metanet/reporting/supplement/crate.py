"""The description of a supplement: facts from the descriptor, statements for readers, and the RO-Crate 1.1 for machines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from metanet._version import __version__
from metanet.base.untrusted import counted, visible
from metanet.evidence import Evidence
from metanet.reporting.index.lines import Report

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
    licence: Mapping[str, Any] = licences[0] if isinstance(licences, list) and licences and isinstance(licences[0], dict) else {}
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


#: Signs that Markdown would take for its own.
_SIGNS = re.compile(r"([\\`*_{}\[\]<>|~$&])")
_PLACES = (
    ("data/", "the evidence: the tables as they were pooled, their descriptor and the codebook"),
    ("notebooks/", "the notebooks that come with metanet, with their parameters, not run"),
    ("environment/", "the packages of the run"),
    ("numbers/", "`pooled_rates.csv`: every pooled rate, a row for each report; rates are fractions"),
    ("figures/", "the overview of all pooled rates"),
    (
        "reports/",
        "for each report `about.json` (its parameters), `notebook.ipynb` (the notebook as it was run, without outputs), "
        "`numbers.json` (every number and the method), tables as CSV, figures as SVG",
    ),
)


def escaped(text: object) -> str:
    """`text` on one line, without signs that Markdown would read."""
    return _SIGNS.sub(r"\\\1", visible(text))


def readme(facts: Facts, names: Sequence[str], reports: Sequence[Report], left_out: Sequence[Report]) -> bytes:
    """README.md of the supplement."""
    lines = [
        f"# Supplement: {escaped(facts.title)}",
        "",
        escaped(facts.description),
        "",
        f"Made by metanet {__version__} from evidence with the fingerprint `{facts.fingerprint}`.",
        "",
        "| place | what it is |",
        "|---|---|",
    ]
    lines += [f"| `{place}` | {what} |" for place, what in _PLACES if any(name.startswith(place) for name in names)]
    lines += [
        "| `DATA_AVAILABILITY.md` | where data, code and materials are (PRISMA 2020, item 27) |",
        "| `ro-crate-metadata.json` | every file with its kind, size and SHA-256, as RO-Crate 1.1 |",
        "",
        "To make the reports again, install the packages of `environment/` and metanet, and run "
        "`metanet report --data data --out reports_again` in this folder.",
        "",
        f"## {counted(len(reports), 'report')}",
        "",
        *(f"- {escaped(report.title)}{' (failed)' if report.failed else ''}: `reports/{_code(report.folder)}/`" for report in reports),
    ]
    if left_out:
        lines += ["", "Not included, because they were made from other evidence than the tables in `data/`:", ""]
        lines += [f"- {escaped(report.title)}" for report in left_out]
    return _bytes(lines)


def availability(facts: Facts, reports: Sequence[Report]) -> bytes:
    """DATA_AVAILABILITY.md: a statement to be copied into a manuscript."""
    rows = sum(facts.rows.values())
    of_each = "; ".join(f"{escaped(name)} {count}" for name, count in facts.rows.items() if count)
    licence = (
        f"They are licensed under {escaped(facts.licence)}{f' (<{facts.licence_address}>)' if facts.licence_address else ''}."
        if facts.licence
        else "No licence is stated for them in `data/datapackage.json`."
    )
    version = f", version {escaped(facts.version)}" if facts.version else ""
    return _bytes(
        [
            "# Availability of data, code and other materials",
            "",
            "PRISMA 2020, item 27.",
            "",
            "## Data",
            "",
            f"The data extracted from the included studies are in `data/` ({escaped(facts.title)}{version}): "
            f"{counted(facts.studies, 'study', 'studies')} with {counted(facts.arms, 'arm')} and {counted(rows, 'row')} of counts "
            f"({of_each}). Each row names the report and the place in it. SHA-256 fingerprint: `{facts.fingerprint}`. {licence}",
            "",
            f"The data used for all analyses, with the numbers of {counted(len(reports), 'report')}, are in `numbers/` and "
            "`reports/`.",
            "",
            "## Code",
            "",
            f"The analyses were made by metanet {__version__} ({PROGRAM['license']} licence). The notebooks as they were run, with "
            "their parameters, are in `reports/`, those that they come from in `notebooks/`, the packages with their versions in "
            "`environment/`.",
            "",
            "## Other materials",
            "",
            "The codebook of the tables is `data/README.md`, where there is one; column types, units and allowed words are in "
            "`data/datapackage.json`: they are the form in which the data were collected.",
        ]
    )


def _code(text: str) -> str:
    """`text` for the inside of backticks."""
    return visible(text).replace("`", "'")


def _bytes(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


NAME = "ro-crate-metadata.json"
#: The crate's own context has no word for a digest.
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}]


@dataclass(frozen=True)
class Entry:
    """A file of the zip: name, media type, what it is, bytes, SHA-256."""

    name: str
    media: str
    about: str
    size: int
    sha256: str


def crate_of(entries: Sequence[Entry], facts: Facts) -> bytes:
    """The bytes of ``ro-crate-metadata.json``."""
    authors: list[dict[str, Any]] = [
        {"@id": f"#author-{n}", "@type": "Organization" if name == PROGRAM["author"] else "Person", "name": name}
        for n, name in enumerate(facts.authors, start=1)
    ]
    data = [_reference(entry.name) for entry in entries if entry.name.startswith("data/")]
    result = [_reference(entry.name) for entry in entries if entry.name.startswith(("reports/", "numbers/", "figures/"))]
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Supplement: {facts.title}",
        "description": "Evidence tables, notebooks, numbers and figures of the pooled rates, as metanet made them. "
        + facts.description,
        "author": [{"@id": author["@id"]} for author in authors],
        "hasPart": [_reference(entry.name) for entry in entries],
        "mentions": [{"@id": "#run"}],
        "identifier": f"sha256:{facts.fingerprint}",
    }
    graph: list[dict[str, Any]] = [
        {"@id": NAME, "@type": "CreativeWork", "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}, "about": {"@id": "./"}},
        root,
    ]
    if facts.date:
        root["datePublished"] = facts.date
    if facts.licence:
        address = facts.licence_address or f"#licence-{quote(facts.licence)}"
        root["license"] = {"@id": address}
        graph.append({"@id": address, "@type": "CreativeWork", "name": facts.licence})
    graph += authors
    graph += [_file(entry, root.get("license")) for entry in entries]
    program = LICENSES[PROGRAM["license"]]
    graph += [
        {
            "@id": "#metanet",
            "@type": "SoftwareApplication",
            "name": PROGRAM["name"],
            "description": PROGRAM["title"],
            "version": __version__,
            "softwareVersion": __version__,
            "license": {"@id": program},
        },
        {"@id": program, "@type": "CreativeWork", "name": PROGRAM["license"]},
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": "Pooling of the rates and making of the reports",
            "instrument": {"@id": "#metanet"},
            "object": data,
            "result": result,
        },
    ]
    content = {"@context": _CONTEXT, "@graph": graph}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _reference(name: str) -> dict[str, str]:
    return {"@id": quote(name)}


def _file(entry: Entry, licence: dict[str, str] | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        **_reference(entry.name),
        "@type": "File",
        "name": entry.name,
        "description": visible(entry.about),
        "encodingFormat": entry.media,
        "contentSize": str(entry.size),
        "sha256": entry.sha256,
    }
    if licence is not None and entry.name.startswith("data/"):
        told["license"] = licence
    return told
