"""How packages are installed, and that nobody is sent to the project that owns the name on PyPI."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from metanet.base.extras import EXTRAS, install

ROOT = Path(__file__).parents[2]


def test_the_extras_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = project["optional-dependencies"]
    assert {name: list(packages) for name, packages in EXTRAS.items()} == {name: own[name] for name in EXTRAS}
    # The import name and the command stay.
    assert project["name"] == "metanet-rates"
    assert list(project["scripts"]) == ["metanet"]


def test_the_command_names_the_packages_and_the_checkout():
    first = "python -m pip install 'jupyterlab>=4.4' 'ipywidgets>=8.1'"
    assert install("lab") == f"{first}, or in a checkout of this project: python -m pip install -e '.[lab]'"
    assert install("formats", "rdata").startswith("python -m pip install 'rdata>=1.1', or")


@pytest.mark.parametrize("folder", ["metanet", "docs", "analyses", "."])
def test_no_text_installs_another_project(folder):
    pattern = "*.md" if folder == "." else "**/*"
    for path in (ROOT / folder).glob(pattern):
        if path.suffix in (".py", ".md", ".ipynb") and "_build" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"pip3? install ['\"]?metanet\b(?!-)", text), path
