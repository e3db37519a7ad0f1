"""The label of a study in tables and figures: `Author Year`, unique for each study."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from metanet.base.untrusted import visible

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def study_labels(studies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A label for every study_id; no two are equal.

    Two reports of one author and year get letters, in the order of their study_id. The letters depend on all studies and
    not on a selection, so that a study has the same label everywhere. A study without an author is called by its id.
    """
    by_label: dict[str, list[str]] = defaultdict(list)
    for study in studies:
        author = study.get("first_author") or ""
        # "not printed in the record read" is a remark, not a name.
        name = "" if author.startswith(("not ", "(")) else author
        year = study["year"]
        base = f"{name} {year}" if name else _with_year(study["study_id"], year)
        by_label[visible(base)].append(study["study_id"])
    labels: dict[str, str] = {}
    taken = Counter(by_label.keys())
    for label, ids in by_label.items():
        if len(ids) == 1:
            labels[ids[0]] = label
            continue
        for place, study_id in enumerate(sorted(ids)):
            lettered = f"{label}{_LETTERS[place]}" if place < len(_LETTERS) else f"{label} [{study_id}]"
            labels[study_id] = lettered if not taken[lettered] else f"{label} [{study_id}]"
    return labels


def _with_year(study_id: str, year: int) -> str:
    stem = study_id.removesuffix(str(year))
    return f"{stem} {year}"


def row_labels(rows: Iterable[Mapping[str, Any]], labels: Mapping[str, str]) -> list[str]:
    """A label for each row: that of its study, with the arm where the study has several among `rows`."""
    listed = list(rows)
    arms: dict[str, set[str]] = defaultdict(set)
    for row in listed:
        arms[row["study_id"]].add(row["arm"])
    made = [
        f"{labels[row['study_id']]} ({visible(row['arm'])})"
        if len(arms[row["study_id"]]) > 1
        else labels[row["study_id"]]
        for row in listed
    ]
    # An arm's name may make two labels equal; the study_id then distinguishes them.
    counts = Counter(made)
    return [
        label if counts[label] == 1 else f"{label} [{row['study_id']}]" for label, row in zip(made, listed, strict=True)
    ]
