"""Cohorts that share patients: which report of each enters an analysis.

Two reports of one cohort would count the same patients twice. Of the reports that share an overlap_group one is kept,
with all of its arms. The choice is made among the rows of one selection, after every other filter: a report that is not
in the selection, because it treats another modality or cannot be pooled, displaces none that is. An analysis across
modalities therefore holds each cohort once, and an analysis of one modality holds the best report of that modality.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

POLICIES = ("keep_largest", "keep_newest", "keep_all")

Record = Mapping[str, Any]


def choose_reports(rows: Sequence[Record], policy: str) -> tuple[list[Record], list[tuple[Record, str]], list[str]]:
    """Apply an overlap policy to the rows of one selection.

    Parameters
    ----------
    rows : sequence of mappings
        With study_id, overlap_group (empty: no overlap), year and total.
    policy : str
        ``"keep_largest"``: the report with the largest sum of totals over its arms in `rows`; between equals the newer,
        then the first study_id. ``"keep_newest"``: the latest year; between equals the larger. ``"keep_all"``: all.

    Returns
    -------
    tuple
        The rows kept; the rows left out, each with the study_id kept instead; the groups with several reports.
    """
    sizes: dict[str, int] = defaultdict(int)
    years: dict[str, int] = {}
    members: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sizes[row["study_id"]] += row["total"]
        years[row["study_id"]] = row["year"]
        if row["overlap_group"]:
            members[row["overlap_group"]].add(row["study_id"])
    crowded = sorted(group for group, reports in members.items() if len(reports) > 1)
    if policy == "keep_all":
        return list(rows), [], crowded

    def largest(study: str) -> tuple[int, int, str]:
        return -sizes[study], -years[study], study

    def newest(study: str) -> tuple[int, int, str]:
        return -years[study], -sizes[study], study

    order = largest if policy == "keep_largest" else newest
    chosen = {group: min(reports, key=order) for group, reports in members.items()}
    kept = [row for row in rows if chosen.get(row["overlap_group"], row["study_id"]) == row["study_id"]]
    left = [
        (row, chosen[row["overlap_group"]])
        for row in rows
        if row["overlap_group"] and chosen[row["overlap_group"]] != row["study_id"]
    ]
    return kept, left, crowded
