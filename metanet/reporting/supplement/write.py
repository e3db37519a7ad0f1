"""Writing a supplement: one zip file, whole or not at all, with the same bytes for the same reports."""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from metanet.errors import ArgumentError, shorten
from metanet.evidence import Evidence
from metanet.reporting.index_lines import read_reports
from metanet.reporting.supplement import crate, statements
from metanet.reporting.supplement.contents import Part, parts_of
from metanet.reporting.supplement.facts import Facts, facts_of

FILE = "supplement.zip"
#: The oldest date that a zip file can hold.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_supplement(out: Path, evidence: Evidence) -> Path:
    """Write ``supplement.zip`` over all reports below `out` that were made from `evidence`, and return its path.

    Raises
    ------
    ArgumentError
        There is no such report.
    """
    rates, analyses = read_reports(out, evidence)
    everything = [*rates, *itertools.chain.from_iterable(analyses.values())]
    reports = [report for report in everything if not report.stale]
    if not reports:
        raise ArgumentError(
            f"There is no report of this evidence in out={shorten(str(out))!r}. Mend: make the reports first."
        )
    left_out = [report for report in everything if report.stale]
    parts = parts_of(out, evidence, reports, [report for report in rates if not report.stale])
    facts = facts_of(evidence)
    names = [part.name for part in parts]
    parts += [
        Part("README.md", lambda: statements.readme(facts, names, reports, left_out), "What is in the supplement"),
        Part("DATA_AVAILABILITY.md", lambda: statements.availability(facts, reports), "PRISMA 2020, item 27"),
    ]
    path = out / FILE
    handle, name = tempfile.mkstemp(dir=out, prefix=f".{FILE}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file, sorted(parts, key=lambda part: part.name), facts)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _write(file: BinaryIO, parts: Sequence[Part], facts: Facts) -> None:
    """The parts by name, one in memory at a time, and last what describes them all."""
    entries = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for part in parts:
            content = part.load()
            _add(target, part.name, content)
            digest = hashlib.sha256(content).hexdigest()
            entries.append(crate.Entry(part.name, part.media, part.about, len(content), digest))
        _add(target, crate.NAME, crate.crate_of(entries, facts))


def _add(target: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    # The same on every system.
    entry.create_system = 3
    target.writestr(entry, content)
