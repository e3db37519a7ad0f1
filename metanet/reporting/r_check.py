"""Running the R scripts of a report: whether R finds the same numbers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet.base.display import plural
from metanet.base.errors import ReportError, shorten
from metanet.base.untrusted import listing, visible
from metanet.reporting.files import read_object, write_json
from metanet.reporting.second_opinion import Opinion, second_opinion

#: The script of a report, beside its numbers.
SCRIPT = "check.R"
#: How the last line of a script begins; the rest is JSON.
_MARK = "metanet-check: "
#: Seconds that a script may take.
LIMIT = 300.0
#: What R needs of the environment; nothing else of the user's reaches it.
_KEPT = ("PATH", "HOME", "R_HOME", "R_LIBS", "R_LIBS_USER", "R_LIBS_SITE", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
_PACKAGES = ("lme4", "metafor")


@dataclass(frozen=True)
class Checked:
    """What R found: the largest relative difference, how many numbers were compared, which lie beyond their tolerance, versions."""

    largest: float | None
    compared: int
    missed: tuple[str, ...]
    version: str
    packages: Mapping[str, str]

    @property
    def programs(self) -> str:
        """`R 4.2.2, lme4 1.1-31`."""
        return ", ".join([f"R {self.version}", *(f"{name} {version}" for name, version in self.packages.items())])

    def sentence(self) -> str:
        """The result in one line."""
        if not self.compared:
            return f"{self.programs}: there is no number to compare"
        return f"{self.programs}: largest relative difference {_short(self.largest)} in {plural(self.compared, 'number')}"

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can represent."""
        return {
            "script": SCRIPT,
            "R": self.version,
            "packages": dict(self.packages),
            "largest_relative_difference": self.largest,
            "compared": self.compared,
            "sentence": f"{self.sentence()}.",
        }


def _short(value: float | None) -> str:
    if not value:
        return "0" if value == 0 else "unknown"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def rscript() -> str:
    """The path of Rscript."""
    found = shutil.which("Rscript")
    if found is None:
        raise ReportError(
            "check_with_r needs R, and Rscript is not on the PATH. Fix: install R, or make the reports without check_with_r."
        )
    return found


def programs() -> str:
    """R and the packages that the scripts can need, with their versions: what a check depends on."""
    wanted = ", ".join(f'"{name}"' for name in _PACKAGES)
    code = (
        'cat(paste(R.version$major, R.version$minor, sep = ".")); '
        f'for (name in c({wanted})) if (nzchar(system.file(package = name))) cat("", name, packageDescription(name)$Version)'
    )
    ran = _run([rscript(), "--vanilla", "-e", code], 60.0)
    if ran.returncode:
        raise ReportError(f"Rscript does not run: {shorten(visible(ran.stderr.strip()), 200)}. Fix: repair the installation of R.")
    return f"R {ran.stdout.strip()}"


def _run(command: list[str], limit: float) -> subprocess.CompletedProcess[str]:
    """Run R in a folder of its own, without the user's profile and without input."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment = {**kept, "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="metanet-r-") as folder:
        return subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
            timeout=limit, check=False,
        )  # fmt: skip


def run_script(path: Path, limit: float = LIMIT) -> Checked:
    """Run one script.

    Raises
    ------
    ReportError
        R or a package is missing, the script fails or takes too long, or a number lies beyond its tolerance.
    """
    try:
        ran = _run([rscript(), "--vanilla", str(path.resolve())], limit)
    except subprocess.TimeoutExpired:
        raise ReportError(
            f"{visible(path.name)} did not end within {limit:g} seconds. Fix: run it by itself with Rscript, or make the report "
            "without check_with_r."
        ) from None
    said = _said(ran.stdout)
    if said is None:
        last = shorten(visible(" ".join(ran.stderr.split()) or "no output"), 200)
        raise ReportError(f"{visible(path.name)} failed in R: {last}. Fix: run it by itself with Rscript to see where.")
    if missing := said.get("missing"):
        names = listing(missing)
        fix = ", ".join(f"'{name}'" for name in missing)
        raise ReportError(
            f"{visible(path.name)} needs the R package {names}, which is not installed. Fix: install.packages({fix}) in R."
        )
    found = Checked(said["largest"], int(said["compared"]), tuple(said["missed"]), str(said["R"]), said["packages"])
    if ran.returncode or found.missed:
        raise ReportError(
            f"R does not reproduce {listing(found.missed, 40)} ({found.sentence()}). Fix: none is known; please report these data, "
            f"with what Rscript prints for {visible(path.name)}."
        )
    return found


def _said(text: str) -> dict[str, Any] | None:
    """The last line of a script's output."""
    line = next((line for line in reversed(text.splitlines()) if line.startswith(_MARK)), None)
    try:
        found = None if line is None else json.loads(line.removeprefix(_MARK))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def check_folder(folder: Path) -> list[str]:
    """Run every script of a report and record what it found beside the numbers; one sentence for each script.

    Where statsmodels has the model too, its numbers are compared as well, and a second sentence says how.
    """
    out = []
    for path in sorted(folder.rglob(SCRIPT)):
        place = path.parent.relative_to(folder).as_posix()
        found = run_script(path)
        told: dict[str, Any] = {"check_with_r": found.to_dict()}
        said = [found.sentence()]
        numbers = read_object(path.with_name("numbers.json"))
        other = None if numbers is None else _second(numbers, path)
        if other is not None:
            told["check_with_statsmodels"] = other.to_dict()
            said.append(other.sentence())
        if numbers is not None:
            write_json(path.with_name("numbers.json"), {**numbers, **told})
        out += [f"{'' if place == '.' else f'{place}: '}{sentence}." for sentence in said]
    return out


def _second(numbers: Mapping[str, Any], path: Path) -> Opinion | None:
    """What statsmodels finds for the numbers beside a script; a number beyond its tolerance stops the report."""
    studies = path.with_name("studies.csv")
    found = second_opinion(numbers, studies) if studies.is_file() else None
    if found is not None and found.missed:
        raise ReportError(
            f"statsmodels does not reproduce {listing(found.missed, 40)} ({found.sentence()}). Fix: none is known; please report "
            "these data."
        )
    return found
