"""The documentation builds without a warning, and its pages load nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from .blocks import ROOT

pytest.importorskip("sphinx")
pytest.importorskip("myst_nb")
pytest.importorskip("furo")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", f"{out}/trees"]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    done = subprocess.run([*command, str(ROOT / "docs"), f"{out}/html"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


def test_every_page_is_built(site):
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} <= {page.stem for page in site.glob("*.html")}


def test_no_page_loads_anything_from_elsewhere(site):
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]+src=\"(?:https?:)?//[^\"]*", text), page.name
        assert not re.findall(r"<link[^>]+href=\"(?:https?:)?//[^\"]*", text), page.name


def test_the_page_of_names_shows_signatures_and_attributes(site):
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in ("metanet.pool", "metanet.report", "metanet.Pooled", "metanet.forest"):
        assert f'id="{name}"' in text
    assert "<dt>estimate, ci_lower, ci_upper</dt>" in text
