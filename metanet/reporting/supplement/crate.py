"""The supplement as an RO-Crate 1.1: what each file is, in JSON-LD."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from metanet._version import __version__
from metanet.reporting.supplement.facts import LICENSES, PROGRAM, Facts
from metanet.words import visible

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
    result = [
        _reference(entry.name) for entry in entries if entry.name.startswith(("reports/", "numbers/", "figures/"))
    ]
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
        {
            "@id": NAME,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
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
