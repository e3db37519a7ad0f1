"""Whole runs over hostile evidence: nothing runs in a browser, nothing is written outside of the reports, the texts are texts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import unicodedata
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pypdf
import pytest

import metanet as mn
from metanet.base.untrusted import visible
from metanet.evidence.reading.text import BLANKS
from metanet.reporting.files import slug
from tests.browser.devtools import CHROMIUM, Page
from tests.work import HANG

from .conftest import Structure, acting, everything_below
from .corpus import EVERY, TEXTS, write_evidence

COMMAND = "from metanet.cli import main; main()"
#: Names of outcomes and of modality classes that would like to be places, code or formulas.
OUTCOMES = {"../../etc": TEXTS["html"][0], "analyses": TEXTS["typesetting"][0], "index.html": TEXTS["spreadsheet"][4]}
MODALITIES = ("CON", "../../" + "x" * 300)
PARTS = (TEXTS["html"][6], TEXTS["typesetting"][2], TEXTS["yaml and templates"][11], "=cmd|' /C calc'!A0")


def taken(folder: Path) -> list[str]:
    """The texts that an evidence folder takes: those in rows without a fault."""
    # Half a letter, a zero byte or a carriage return would break the file for all others.
    whole = [text for text in EVERY if not any(c in "\x00\r" or unicodedata.category(c) == "Cs" for c in text)]
    report = mn.validate(write_evidence(folder / "all", whole))
    bad = {problem.value for problem in report.problems}
    return [text for text in whole if not {text.strip(), text.strip(BLANKS)} & bad]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def texts(place):
    return taken(place)


@pytest.fixture(scope="module")
def runs(place, texts):
    """A report in every format over each part of the texts: a part is a modality class."""
    folder = write_evidence(place / "data", texts, {"response": texts[0]}, PARTS)
    made = mn.report("response", data=folder, out=place / "out", formats=("html", "pdf", "docx"), jobs=2)
    return [(texts[start :: len(PARTS)], made, place / "out" / "response" / slug(name)) for start, name in enumerate(PARTS)]


def test_most_texts_are_taken(texts):
    assert len(texts) > 220


def test_a_run_over_names_that_are_places_writes_nothing_outside_of_its_folder(place, texts):
    folder = write_evidence(place / "named", texts[:6], OUTCOMES, MODALITIES)
    cwd, home = place / "cwd", place / "home"
    cwd.mkdir()
    home.mkdir()
    out = cwd / "out"
    before = everything_below(place)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "report", "--data", str(folder), "--out", "out", "--format", "html,pdf,docx", "--supplement",
         "--analysis", "rates", "--analysis", "comparison", "--jobs", "2"],
        cwd=cwd, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, timeout=HANG, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert not acting(done.stdout + done.stderr.replace("\r", ""))
    outside = {path for path in everything_below(place) - before if not path.is_relative_to(out)}
    # Matplotlib and IPython keep lists of their own at home.
    assert {path for path in outside if path != home / ".config" and home / ".config" not in path.parents} == set()
    for path in out.rglob("*"):
        assert not path.is_symlink()
        assert re.fullmatch(r"[A-Za-z0-9._+-]+", path.name), path.name
    made = len(OUTCOMES) * (len(MODALITIES) + 1)
    assert [len(list(out.rglob(f"report.{kind}"))) for kind in ("html", "pdf", "docx")] == [made] * 3
    with zipfile.ZipFile(out / "supplement.zip") as supplement:
        for name in supplement.namelist():
            assert not name.startswith("/")
            assert not {"..", "."} & set(name.split("/"))
            assert not re.search(r"[\\:\x00-\x1f]", name)
        assert len(json.loads(supplement.read("ro-crate-metadata.json"))["@graph"]) > 20


def test_reports_in_every_format_hold_the_texts_as_text(runs):
    for place, (part, made, folder) in enumerate(runs):
        assert made.ok, [one.error for one in made.failed]
        assert not acting(made.summary() + repr(made))
        json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
        check_page((folder / "report.html").read_text(encoding="utf-8"), part)
        with zipfile.ZipFile(folder / "report.docx") as parts:
            root = ElementTree.fromstring(parts.read("word/document.xml"))
        written = [re.sub(r"\s+", "", "".join(root.itertext()))]
        if place % 2 == 0:
            pages = pypdf.PdfReader(folder / "report.pdf").pages
            written.append(re.sub(r"[\s\u200b\u00ad]+", "", "".join(page.extract_text() for page in pages)))
        for text in part:
            # What a font lacks, or sets from right to left, is not read back from a PDF.
            if text.isascii():
                assert all(re.sub(r"\s+", "", visible(text.strip()))[:24] in words for words in written), ascii(text)


def check_page(text, part):
    page = Structure(text)
    kinds = {kind for kind, _ in page.elements}
    assert {"h1", "h2", "p", "table", "td", "th", "svg", "main"} <= kinds
    assert not kinds & {"script", "iframe", "img", "object", "embed", "base", "form", "input", "video", "template", "math", "!--"}
    names = {name for _, names in page.elements for name in names}
    assert not [name for name in names if name.startswith("on") or name in ("srcdoc", "formaction")]
    allowed = r"[A-Za-z0-9._/-]*(#|$)|#|data:(image/|,)|https://doi\.org/10\.[\w./:;()-]+$|https://[\w.-]+(/[\w./~%:+,=?#-]*)?$"
    assert [address for address in page.addresses if not re.match(allowed, address)] == []
    words = re.sub(r"\s+", "", page.text)
    for one in part:
        assert re.sub(r"\s+", "", visible(one.strip("\u3000\u00a0\u202f\ufeff \t\n")))[:100] in words, ascii(one)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; the structural tests still ran")
def test_nothing_runs_in_a_browser(runs, place):
    files = [folder / "report.html" for _, _, folder in runs] + [place / "out" / "index.html"]
    figures = [runs[0][2] / "forest.svg", place / "out" / "overview.svg"]
    with Page(place / "chromium") as page:
        for file in [*files, *figures]:
            page.open(file.as_uri())
            page.wait(f"document.readyState === 'complete' && location.href === {json.dumps(file.as_uri())}", file.name)
            time.sleep(0.05)
            assert page.run("typeof window.PWNED") == "undefined", file
            if file.suffix == ".html":
                # Events that a reader would make: whatever listens to them would run now.
                page.run(
                    "document.querySelectorAll('*').forEach(e => ['mouseover', 'focus', 'toggle', 'error'].forEach("
                    "name => e.dispatchEvent(new Event(name))))"
                )
                assert page.run("typeof window.PWNED") == "undefined", file
                assert page.run("document.querySelectorAll('iframe, object, embed, base, form').length") == 0
        assert (page.said, page.dialogs) == ([], [])
        assert [asked for asked in page.asked if not asked.startswith(("file:", "data:", "about:blank"))] == []
        assert not [asked for asked in page.asked if "passwd" in asked]
