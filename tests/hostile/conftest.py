"""What several tests of hostile input look for."""

from __future__ import annotations

import html.parser
import os
from pathlib import Path

import pytest

import metanet as mn
from metanet.base.untrusted import harmful

from .corpus import write_evidence


class Structure(html.parser.HTMLParser):
    """Elements and attributes of a page, and its text; two pages that differ in data alone have the same elements."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "xlink:href")]

    def handle_comment(self, data):
        self.elements.append(("!--", ()))

    def handle_decl(self, decl):
        self.elements.append(("!", ()))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def acting(text: str) -> set[str]:
    """The characters of a text that act on a terminal or turn the order of letters."""
    return {character for character in text if character != "\n" and harmful(character)}


def everything_below(*folders: Path) -> set[Path]:
    """Every path below folders, links and pipes included; caches of programs are no output."""
    found: set[Path] = set()
    for folder in folders:
        for place, names, files in os.walk(folder):
            names[:] = [name for name in names if name not in (".cache", "__pycache__", ".git", ".venv", ".pytest_cache")]
            found |= {Path(place) / name for name in (*names, *files)}
    return found


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """What is loaded once is loaded, so that the calls of a test are those of the work in it."""
    folder = write_evidence(tmp_path_factory.mktemp("warm") / "data", ["a", "b", "c"])
    assert mn.validate(folder).ok
    mn.load_evidence(folder)


@pytest.fixture
def never_run(monkeypatch, tmp_path):
    """A working folder in which no file PWNED appears."""
    place = tmp_path / "cwd"
    place.mkdir()
    monkeypatch.chdir(place)
    yield place
    assert not list(tmp_path.rglob("PWNED*"))


@pytest.fixture(scope="session", autouse=True)
def _shared(one_parent):
    """Reports are made by the one warm parent."""
