"""`new_review`: a folder for a review on any topic, with two invented studies so that it validates and reports immediately."""

from __future__ import annotations

import csv
import html
import json
import os
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from metanet.base.errors import ArgumentError, MetanetError, shorten
from metanet.base.untrusted import counted, harmless_cell, listing, visible
from metanet.base.whole_files import write_folder
from metanet.evidence.folders import shipped_folder
from metanet.evidence.search.tables import NUMBERS
from metanet.reporting.plan.registry import NOTEBOOKS
from metanet.reviews.names import folder_fault, text_fault, typed_modality, typed_outcome
from metanet.reviews.template import NewOutcome, descriptor, descriptor_text

TITLE = "EXAMPLE: invented, delete this study"
NOTE = "EXAMPLE: invented counts, delete this row"
_SOURCE = "EXAMPLE"
IDS = ("Example2020", "Example2021")
_SIZES = (40, 55)
#: Events of the two studies, for a benefit and for a harm.
_EVENTS = {"lower_is_better": (3, 6)}
_BENEFIT_EVENTS = (18, 21)

Row = Mapping[str, str]


def example_rows(outcomes: Sequence[NewOutcome], modalities: Sequence[str]) -> dict[str, list[Row]]:
    """The rows of every table, by the name of the table.

    Two modalities get one study each and are compared; one modality gets both studies, which are pooled.
    """
    given = list(modalities) or ["Treatment"]
    theirs = (given[0], given[1] if len(given) > 1 else given[0])
    rows: dict[str, list[Row]] = {
        "studies": [{"study_id": study, "first_author": "Example", "year": study[-4:], "title": TITLE} for study in IDS],
        "arms": [
            {"study_id": study, "arm": "all", "modality": modality, "modality_class": modality, "n": str(size)}
            for study, modality, size in zip(IDS, theirs, _SIZES, strict=True)
        ],
    }
    for outcome in outcomes:
        events = _EVENTS.get(outcome.direction, _BENEFIT_EVENTS)
        rows[outcome.name] = [
            {
                "study_id": study,
                "arm": "all",
                "events": str(count),
                "total": str(size),
                "unit": "patients",
                "derived": "false",
                "source_kind": "fulltext",
                "source": _SOURCE,
                "source_locator": "Table 2",
                "certainty": "high",
                "double_extracted": "false",
                "poolable": "true",
                "note": NOTE,
            }
            for study, count, size in zip(IDS, events, _SIZES, strict=True)
        ]
    # The keys of the flow, to be filled; the other tables of the search begin empty.
    return rows | {"search_flow": [{"data": key, "description": number.title} for key, number in NUMBERS.items()]}


def still_examples(studies: Sequence[Row], counts: Sequence[Row]) -> set[str]:
    """The studies whose rows are all still marked as invented; rewritten studies are not among them."""
    invented = {row["study_id"] for row in studies if row["study_id"] in IDS and row.get("title") == TITLE}
    real = {row["study_id"] for row in counts if row.get("note") != NOTE or row.get("source") != _SOURCE}
    return invented - real


#: The notebooks on any topic.
_BOOKS = tuple(row for row in NOTEBOOKS.values() if not row.curated)
NAMES = tuple(row.file for row in _BOOKS)
_LINE = re.compile(r"(?P<name>\w+) = (?P<value>[^#]*?)(?P<comment>\s*#.*)?")
#: Comments of the packaged notebooks on the curated tables, reworded for any tables.
_COMMENTS = {
    "definition": "# a family of definitions or one by name, for an outcome that has several; None takes the default",
    "risk_definition": "# a family of definitions or one by name, for an outcome that has several; None takes the default",
    "data": "# folder of the evidence, seen from the folder of this notebook",
}


def copies(benefit: str, risk: str, modality: str) -> dict[str, bytes]:
    """File name -> content; the copies read the tables of their own review."""
    folder = shipped_folder("analyses", NAMES[0])
    if folder is None:
        raise MetanetError("The analysis notebooks are missing from this installation. Fix: install metanet again.")
    values = {"outcome": benefit, "benefit": benefit, "risk": risk, "modality_class": modality, "data": "../extracted_data"}
    return {name: _adapted((folder / name).read_text(encoding="utf-8"), values) for name in NAMES}


def _adapted(text: str, values: Mapping[str, str]) -> bytes:
    book = json.loads(text)
    for cell in book["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            lines = "".join(cell["source"]).splitlines()
            cell["source"] = "\n".join(_line(line, values) for line in lines).splitlines(keepends=True)
    return (json.dumps(book, indent=1, ensure_ascii=False) + "\n").encode()


def _line(line: str, values: Mapping[str, str]) -> str:
    found = _LINE.fullmatch(line)
    if found is None:
        return line
    name = found["name"]
    # A JSON string is a Python string, so quotes in a name are escaped.
    value = json.dumps(values[name], ensure_ascii=False) if name in values else found["value"]
    comment = f"  {_COMMENTS[name]}" if name in _COMMENTS else found["comment"] or ""
    return f"{name} = {value}{comment}"


#: A benefit and a harm, where nothing was named.
_BENEFIT, _HARM = "response", "harm"
_MOST_NAMES = 100

_README = """\
# {title}

A review with metanet. Two commands, in this folder:

    metanet validate
    metanet report

The first checks the tables and names every fault by file, line and column. The second makes the reports; open `reports/index.html`.

## What is here

    extracted_data/       the tables, and datapackage.json, which says what their columns mean
    analyses/             notebooks to open in JupyterLab; they read the tables of this folder
    analyses/plans/       review.toml: which reports are made with `metanet report --plan analyses/plans/review.toml`
    reports/              what `metanet report` writes; not under version control

## First steps

1. The two studies in the tables, {examples}, are **invented**. Replace their rows, in every table, with your own.
2. One row per report in `studies.csv`, one per arm in `arms.csv`, one per arm in the table of each outcome:
{outcomes}
3. {modalities}
4. `risk_of_bias.csv` is for judgements of the risk of bias, a row per study, domain and assessor, and `certainty.csv` for ratings by
   GRADE, a row per outcome, modality and domain. Without rows the reports say "not assessed".
5. `search_flow.csv` has the numbers of the PRISMA 2020 flow diagram, `excluded.csv` the reports that were read in full and excluded,
   `searches.csv` the search of each database. Fill them, or delete the files; `mn.prisma_flow(evidence).figure()` draws the diagram.
6. `metanet import` fills the tables from a file of RevMan, from Covidence or from another CSV; it takes the invented rows out.

Each further outcome needs a table of its own: copy the description of one in `extracted_data/datapackage.json` and change
`name`, `path`, `outcome` and `label`. `direction` says what is good: `higher_is_better` or `lower_is_better`.
"""
_PLAN = """\
# What `metanet report --plan analyses/plans/review.toml` makes. Every [[report]] is one kind of report.
# outcomes and modalities: "all", one, or a list. To run a notebook that you changed, write
# notebook = "../modality_rate.ipynb" instead of analysis.
title = {title}

[parameters]  # for every report that knows them
level = 0.95
overlap = "keep_largest"  # of reports on the same patients: "keep_largest", "keep_newest" or "keep_all"

# outcomes = "all" may be a list of some of {outcomes}.
{reports}"""


def new_review(
    folder: str | Path,
    *,
    title: str | None = None,
    outcomes: Sequence[str] = (),
    harms: Sequence[str] = (),
    modalities: Sequence[str] = (),
) -> Path:
    """Create the folder of a new review.

    Parameters
    ----------
    folder
        The folder, which must not exist or be empty.
    title
        Title of the review; by default the name of the folder.
    outcomes, harms
        Outcomes of which higher is better, and of which lower is better. By default "response" and "harm".
    modalities
        The treatments, which become the words of `modality_class`. Without any, every text is one.

    Returns
    -------
    Path
        The folder. If creating it fails, nothing is left behind.

    Raises
    ------
    ArgumentError
        A folder that is not empty, or a name that cannot be a file, a key or a heading.
    """
    place = _place(folder)
    heading = _title(title, place)
    chosen = _outcomes(outcomes, harms)
    words = _distinct("modality", [typed_modality("modality", name) for name in modalities])
    content = _content(heading, chosen, words)
    write_folder(place, content)
    return place


def _place(folder: str | Path) -> Path:
    given = os.fspath(folder)
    if not given.strip() or "\x00" in given:
        raise ArgumentError("folder='' is empty. Fix: give the folder of the review.")
    place = Path(given).expanduser()
    place = Path(os.path.abspath(place))
    fault = folder_fault(place.name) if place.name else "cannot be a folder"
    if fault is not None:
        raise ArgumentError(f"folder={visible(shorten(given))!r} {fault}. Fix: choose another folder, such as 'my_review'.")
    if not place.parent.is_dir():
        raise ArgumentError(
            f"folder={visible(shorten(given))!r}: the parent folder {visible(place.parent.name)!r} does not exist. "
            f"Fix: create it first."
        )
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise ArgumentError(f"folder={visible(shorten(given))!r} exists and is not a folder. Fix: choose another.")
    if place.is_dir() and (there := sorted(entry.name for entry in place.iterdir())):
        raise ArgumentError(
            f"folder={visible(shorten(given))!r} is not empty: it contains {listing(there, 5)}. Fix: choose a new folder, or "
            "empty this one."
        )
    return place


def _title(title: str | None, place: Path) -> str:
    if title is None:
        return re.sub(r"[_-]+", " ", place.name).strip().capitalize() or place.name
    if (fault := text_fault(title)) is not None:
        raise ArgumentError(f"title={visible(shorten(title))!r} {fault}. Fix: write one line of text.")
    return title.strip()


def _outcomes(benefits: Sequence[str], harms: Sequence[str]) -> list[NewOutcome]:
    named = [("outcome", each, "higher_is_better") for each in benefits]
    named += [("harm", each, "lower_is_better") for each in harms]
    if not named:
        named = [("outcome", _BENEFIT, "higher_is_better"), ("harm", _HARM, "lower_is_better")]
    made = [
        NewOutcome(name := typed_outcome(argument, each), name.replace("_", " ").capitalize(), direction)
        for argument, each, direction in named
    ]
    _distinct("outcome", [outcome.name for outcome in made])
    return made


def _distinct(what: str, names: Sequence[str]) -> list[str]:
    if len(names) > _MOST_NAMES:
        raise ArgumentError(f"{what} has {counted(len(names), 'name')}, more than {_MOST_NAMES}. Fix: add the others later.")
    seen: dict[str, str] = {}
    for name in names:
        # Some file systems treat Response and response as the same name.
        if (other := seen.setdefault(name.casefold(), name)) is not name:
            raise ArgumentError(f"{what}={visible(name)!r} is named twice, as {visible(other)!r}. Fix: name it once.")
    return list(names)


def _content(title: str, outcomes: Sequence[NewOutcome], modalities: Sequence[str]) -> dict[str, bytes]:
    """Every file of the review, by its path."""
    contract = descriptor(title, outcomes, modalities)
    rows = example_rows(outcomes, modalities)
    files = {"extracted_data/datapackage.json": descriptor_text(contract).encode()}
    for resource in contract["resources"]:
        files[f"extracted_data/{resource['path']}"] = _table(resource, rows.get(resource["name"], []))
    benefit = next((o.name for o in outcomes if o.direction == "higher_is_better"), outcomes[0].name)
    risk = next((o.name for o in outcomes if o.direction == "lower_is_better"), outcomes[-1].name)
    for name, book in copies(benefit, risk, rows["arms"][0]["modality_class"]).items():
        files[f"analyses/{name}"] = book
    names = json.dumps([outcome.name for outcome in outcomes])
    reports = "".join(f'\n[[report]]  # {row.shows}\nanalysis = "{row.name}"\noutcomes = "all"\n' for row in _BOOKS)
    files["analyses/plans/review.toml"] = _PLAN.format(title=_toml(title), outcomes=names, reports=reports).encode()
    files["README.md"] = _readme(title, outcomes, modalities, rows).encode()
    files[".gitignore"] = b"reports/\n.ipynb_checkpoints/\nmetanet_start.ipynb\n"
    return files


def _table(resource: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> bytes:
    columns = [field["name"] for field in resource["schema"]["fields"]]
    out = StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[harmless_cell(row.get(name, "")) for name in columns] for row in rows])
    return out.getvalue().encode()


def _toml(text: str) -> str:
    """A basic string of TOML; a title has no control characters, and JSON escapes the rest in the same way."""
    return json.dumps(text, ensure_ascii=False)


def _readme(
    title: str, outcomes: Sequence[NewOutcome], modalities: Sequence[str], rows: Mapping[str, Sequence[Mapping[str, str]]]
) -> str:
    good = {"higher_is_better": "higher is better", "lower_is_better": "lower is better"}
    named = "\n".join(f"   - `{outcome.name}.csv`: {good[outcome.direction]}" for outcome in outcomes)
    if modalities:
        words = f"`modality_class` is one of {listing(modalities, 20)}; add more to its `enum` in `extracted_data/datapackage.json`."
    else:
        words = "`modality_class` takes any text; arms with the same text are pooled together."
    invented = " and ".join(f"`{row['study_id']}`" for row in rows["studies"])
    # Some viewers render HTML in headings, so the title is escaped.
    shown = re.sub(r"([\\`*_\[\]#!])", r"\\\1", html.escape(title, quote=False))
    return _README.format(title=shown, examples=invented, outcomes=named, modalities=words)
