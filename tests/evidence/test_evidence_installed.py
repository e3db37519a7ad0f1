"""An installed package finds the tables inside itself, and nothing else than them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import metanet
from metanet.evidence.folders import curated_folder

PACKAGE = Path(metanet.__file__).parent


def run(folder, code):
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def installed(tmp_path):
    """A copy of the package as a wheel lays it out, where no checkout is beside it."""
    site = tmp_path / "site"
    for part in ("evidence", "base", "_version.py"):
        source, target = PACKAGE / part, site / "metanet" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (site / "metanet" / "__init__.py").write_text("")
    return site


def test_an_installed_package_reads_the_tables_inside_it(tmp_path):
    site = installed(tmp_path)
    shutil.copytree(curated_folder(), site / "metanet" / "embedded" / "extracted_data")
    done = run(site, "from metanet.evidence import load_evidence; e = load_evidence(); print(e.path, len(e.outcomes))")
    assert done.stdout.split() == [str(site / "metanet" / "embedded" / "extracted_data"), "334"], done.stderr


def test_an_installation_without_the_tables_says_so(tmp_path):
    done = run(installed(tmp_path), "from metanet.evidence import load_evidence; load_evidence()")
    assert "DataError: The curated tables are not where metanet was installed." in done.stderr
