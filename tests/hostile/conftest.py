"""What several tests of hostile input look for."""

from __future__ import annotations

import html.parser
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from metanet.base.untrusted import harmful


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
            names[:] = [
                name for name in names if name not in (".cache", "__pycache__", ".git", ".venv", ".pytest_cache")
            ]
            found |= {Path(place) / name for name in (*names, *files)}
    return found


@contextmanager
def within(seconds: float):
    """Fail where something takes longer; waiting for a pipe counts as well."""

    def ring(number, frame):
        raise AssertionError(f"it took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def never_run(monkeypatch, tmp_path):
    """A working folder in which no file PWNED appears."""
    place = tmp_path / "cwd"
    place.mkdir()
    monkeypatch.chdir(place)
    yield place
    assert not list(tmp_path.rglob("PWNED*"))
