"""Reports as a list of references, as CSL-JSON and as RIS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError
from metanet.base.untrusted import NO_MATH, html_text, linked, visible
from metanet.base.whole_files import write_text


@dataclass(frozen=True)
class References:
    """The reports whose rows are pooled, as a numbered list."""

    entries: tuple[Mapping[str, Any], ...]

    def texts(self) -> list[str]:
        """One line for each report."""
        return [_cited(entry) for entry in self.entries]

    def cited(self, studies: Iterable[str]) -> str:
        """The numbers of some reports as a citation, such as " [1, 4-6]" with a dash; empty where none is listed."""
        wanted = set(studies)
        places = [number for number, entry in enumerate(self.entries, 1) if str(entry.get("study_id")) in wanted]
        return f" [{', '.join(_runs(places))}]" if places else ""

    def __repr__(self) -> str:
        return "\n".join(f"{number}. {visible(text)}" for number, text in enumerate(self.texts(), 1))

    def _repr_html_(self) -> str:
        shown = "".join(f"<p><small>{number}. {linked(html_text(text))}</small></p>" for number, text in enumerate(self.texts(), 1))
        return f"<div class='metanet {NO_MATH}'>{shown}</div>"

    def to_csl(self) -> str:
        """The references as CSL-JSON, which reference managers and pandoc read."""
        return json.dumps([_csl(entry) for entry in self.entries], ensure_ascii=False, indent=1)

    def to_ris(self) -> str:
        """The references as RIS."""
        return "".join(_ris(entry) for entry in self.entries)


def _runs(places: Sequence[int]) -> list[str]:
    """Numbers in order, three or more in a row as a range."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return [part for run in runs for part in ([f"{run[0]}\u2013{run[-1]}"] if len(run) > 2 else [str(place) for place in run])]


def _cited(entry: Mapping[str, Any]) -> str:
    """A report as a line of a list of references."""
    author, title = _text(entry, "first_author"), _text(entry, "title")
    journal, year, doi, pmid = (_text(entry, name) for name in ("journal", "year", "doi", "pmid"))
    named = f"{author} et al" if _is_name(author) else ""
    if not named and not title:
        # A table of one's own may know a study by its name alone, which has the year.
        named, year = _text(entry, "study"), ""
    parts = [named, title.rstrip("."), ", ".join(part for part in (journal, year) if part)]
    text = ". ".join(part for part in parts if part) + "."
    if doi:
        return f"{text} doi:{doi}"
    return f"{text} PMID {pmid}." if pmid else text


def _is_name(author: str) -> bool:
    """Whether a text is a surname: where the authors are not known, a number or a remark stands in its place."""
    return bool(author) and not any(sign.isdigit() for sign in author) and len(author.split()) <= _MOST_WORDS


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return "" if value is None or value != value or str(value) == "<NA>" else visible(value).strip()


def _csl(entry: Mapping[str, Any]) -> dict[str, Any]:
    year = _text(entry, "year")
    found = {
        "id": _text(entry, "study_id"),
        "type": "article-journal",
        "title": _text(entry, "title"),
        "container-title": _text(entry, "journal"),
        "DOI": _text(entry, "doi"),
        "PMID": _text(entry, "pmid"),
        "author": [{"family": _text(entry, "first_author")}] if _is_name(_text(entry, "first_author")) else [],
        "issued": {"date-parts": [[int(year)]]} if year.isdigit() else {},
    }
    return {key: value for key, value in found.items() if value}


#: Words of the longest surname.
_MOST_WORDS = 4
#: Tags of RIS -> columns of studies.csv.
_TAGS = {"AU": "first_author", "TI": "title", "JO": "journal", "PY": "year", "DO": "doi", "AN": "pmid", "ID": "study_id"}


def _ris(entry: Mapping[str, Any]) -> str:
    lines = [f"{tag}  - {' '.join(_text(entry, name).split())}" for tag, name in _TAGS.items() if _text(entry, name)]
    return "\n".join(["TY  - JOUR", *lines, "ER  - ", ""]) + "\n"


@checked()
def save_references(folder: str | Path, references: References) -> list[Path]:
    """Write references as CSL-JSON and RIS, for reference managers and pandoc.

    Parameters
    ----------
    folder
        Where ``references.json`` and ``references.ris`` go; it is made if needed.
    references
        The references of a manuscript.

    Returns
    -------
    list of pathlib.Path
        The two files.

    Raises
    ------
    ArgumentError
        Something else than references.
    """
    if not isinstance(references, References):
        raise ArgumentError(f"references must be those of mn.manuscript, not {type(references).__name__}.")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    files = {place / "references.json": references.to_csl() + "\n", place / "references.ris": references.to_ris()}
    for path, text in files.items():
        write_text(path, text)
    return list(files)
