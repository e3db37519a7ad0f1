"""Writing a supplement: the files that go in, and one zip file, written atomically, with the same bytes for the same reports."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO

from metanet.base.errors import ArgumentError, shorten
from metanet.base.untrusted import harmless_cell
from metanet.evidence import Evidence
from metanet.evidence.contract import optional_resources
from metanet.reporting.files import analyses_folder
from metanet.reporting.index.lines import Report, read_reports
from metanet.reporting.supplement import crate, crate as statements
from metanet.reporting.supplement.crate import Facts, facts_of

#: Kinds of files, by the end of their names.
MEDIA = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".ipynb": "application/x-ipynb+json",
    ".svg": "image/svg+xml",
    ".md": "text/markdown",
    ".lock": "text/plain",
    ".txt": "text/plain",
    ".R": "text/x-r",
}
#: Files of a report that are numbers, figures or scripts; pages, PDF and Word are made from them.
_KEPT = (".csv", ".json", ".svg", ".R")
#: Characters that could escape the zip file when unpacked on another system; no report of metanet has them.
_ELSEWHERE = re.compile(r"[\\:\x00-\x1f]")
_ROOT = Path(__file__).resolve().parents[3]
_RATES = (
    "estimate", "ci_lower", "ci_upper", "marginal_estimate", "marginal_ci_lower", "marginal_ci_upper", "pi_lower", "pi_upper", "tau2",
    "tau", "i2", "level",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A file of the supplement: its name, how to read its bytes, and its description."""

    name: str
    load: Callable[[], bytes]
    about: str

    @property
    def media(self) -> str:
        """Its media type."""
        return MEDIA.get(Path(self.name).suffix, "application/octet-stream")


def parts_of(out: Path, evidence: Evidence, reports: Sequence[Report], rates: Sequence[Report]) -> list[Part]:
    """Every file but those that describe the others."""
    found = [*_evidence(evidence), *_sources(reports), _environment()]
    found.append(Part("numbers/pooled_rates.csv", partial(_pooled, rates), "Every pooled rate, one row for each report"))
    if _plain_file(out, out / "overview.svg"):
        found.append(Part("figures/overview.svg", (out / "overview.svg").read_bytes, "Overview of all pooled rates"))
    for report in reports:
        found += _report(out, report, str(evidence.path.resolve()))
    return sorted(found, key=lambda part: part.name)


def _evidence(evidence: Evidence) -> Iterator[Part]:
    """The tables that the descriptor names, those of the search, the descriptor and the codebook."""
    folder = evidence.path
    descriptor = json.loads((folder / "datapackage.json").read_bytes())
    told = {str(r.get("path")): str(r.get("title") or "Table of the evidence") for r in descriptor.get("resources", ())}
    told = {resource["path"]: resource["title"] for resource in optional_resources()} | told
    told |= {"datapackage.json": "Descriptor of the tables: columns, types, units, keys", "README.md": "Codebook"}
    for name, about in told.items():
        if Path(name).name == name and _plain_file(folder, folder / name):
            yield Part(f"data/{name}", (folder / name).read_bytes, about)


def _plain_file(folder: Path, path: Path) -> bool:
    """Whether a file exists inside the folder itself; a link could point anywhere."""
    return path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(folder.resolve())


def _sources(reports: Sequence[Report]) -> Iterator[Part]:
    """The shipped notebooks that were run; others are in the reports as they ran."""
    names = sorted({str(report.about.get("notebook")) for report in reports})
    folder = analyses_folder()
    for name in names:
        if Path(name).name == name and _plain_file(folder, folder / name):
            yield Part(f"notebooks/{name}", (folder / name).read_bytes, "Notebook with its parameters, not run")


def _environment() -> Part:
    lock = _ROOT / "requirements.lock"
    if _plain_file(_ROOT, lock) and (_ROOT / "pyproject.toml").is_file():
        return Part("environment/requirements.lock", lock.read_bytes, "Packages with their versions and digests")
    return Part("environment/installed.txt", _installed, "Packages that were installed, with their versions")


def _installed() -> bytes:
    found = {f"{each.name}=={each.version}" for each in metadata.distributions() if each.name}
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower)).encode()


def _report(out: Path, report: Report, data: str) -> Iterator[Part]:
    folder = out / report.folder
    for name in sorted(report.files):
        path = folder / name
        place = f"reports/{report.folder}/{name}"
        if name.startswith(".") or not _plain_file(folder, path) or _ELSEWHERE.search(place):
            continue
        if name == "report.ipynb":
            place = f"reports/{report.folder}/notebook.ipynb"
            yield Part(place, partial(_as_run, path, data), f"{report.title}: the notebook as it was run")
        elif path.suffix in _KEPT:
            yield Part(place, partial(_portable, path, data), f"{report.title}: {_what(name)}")


def _what(name: str) -> str:
    known = {
        "numbers.json": "every number",
        "about.json": "parameters",
        "studies.csv": "the studies",
        "check.R": "R script that reproduces the numbers",
    }
    return known.get(name, {".csv": "numbers", ".svg": "a figure", ".json": "numbers", ".R": "R script"}[Path(name).suffix])


def _as_run(path: Path, data: str) -> bytes:
    """A notebook with its parameters and without its outputs, which are in the other files."""
    book: dict[str, Any] = json.loads(path.read_bytes())
    for cell in book.get("cells", ()):
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    text = json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return _elsewhere(text, data).encode("utf-8", "backslashreplace")


def _portable(path: Path, data: str) -> bytes:
    """The bytes of a file; in JSON the folder of the evidence, which is another on every machine, is the one of the supplement."""
    if path.suffix != ".json":
        return path.read_bytes()
    return _elsewhere(path.read_text(encoding="utf-8"), data).encode("utf-8")


def _elsewhere(text: str, data: str) -> str:
    # The path as JSON writes it, and as it is inside a line of code inside JSON.
    for _ in range(2):
        data = json.dumps(data, ensure_ascii=False)[1:-1]
        text = text.replace(data, "data")
    return text


def _pooled(rates: Sequence[Report]) -> bytes:
    """The list of reports as a table of numbers; rates are fractions."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["outcome", "modality_class", "title", "status", "model", "k", "events", "n", *_RATES, "folder"])
    for report in rates:
        result = report.result
        row = [*report.subset, report.title, *(result.get(name) for name in ("status", "model", "k", "events", "n"))]
        row += [*(result.get(name) for name in _RATES), report.folder]
        writer.writerow(["" if value is None else harmless_cell(value) for value in row])
    return text.getvalue().encode("utf-8", "backslashreplace")


FILE = "supplement.zip"
#: The oldest date that a zip file supports.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_supplement(out: Path, evidence: Evidence) -> Path:
    """Write ``supplement.zip`` over all reports below `out` that were made from `evidence`, and return its path.

    Raises
    ------
    ArgumentError
        There is no such report.
    """
    rates, analyses, gone = read_reports(out, evidence)
    everything = [*rates, *itertools.chain.from_iterable(analyses.values())]
    reports = [report for report in everything if not report.stale]
    if not reports:
        raise ArgumentError(f"There is no report of this evidence in out={shorten(str(out))!r}. Fix: make the reports first.")
    left_out = [*(report for report in everything if report.stale), *gone]
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
