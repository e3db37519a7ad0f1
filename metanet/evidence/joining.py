"""What a selection of rates needs of several tables: rows with the columns of their study and arm, titles, and modality words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metanet.base.groups import natural
from metanet.evidence.design_facts import HEADING, STATED
from metanet.evidence.reading.cells import Table


def titles_of(outcomes: Sequence[Table], facts: Table | None, *others: Table) -> dict[str, str]:
    """What readers call the columns, and the words of those whose descriptor says so."""
    columns = [c for table in (*outcomes, *([] if facts is None else [facts]), *others) for c in table.contract.columns]
    named = [about for c in columns if isinstance(about := c.extra.get("titles"), Mapping)]
    words = {str(word): str(title) for about in named for word, title in about.items()}
    return {STATED: HEADING} | words | {c.name: c.heading for c in columns}


def joined_rows(
    table: Table,
    studies: Mapping[str, Mapping[str, Any]],
    arms: Mapping[tuple[str, str], Mapping[str, Any]],
    from_study: Sequence[str],
    facts: Mapping[str, Mapping[str, Any]],
) -> tuple[Mapping[str, Any], ...]:
    """The rows of an outcome with the columns of their study and arm and its facts; cells of the outcome take precedence."""
    joined = []
    for row in table.rows:
        own = row.values
        study, arm = studies.get(own["study_id"]), arms.get((own["study_id"], own["arm"]))
        # Only without the checks can a row have no study or arm; it is then in no selection.
        if study is None or arm is None:
            continue
        kept = {name: study.get(name) for name in ("year", "overlap_group", *from_study)}
        stated = facts.get(own["study_id"], {})
        joined.append({**arm, **kept, **stated, "poolable": True, **own})
    return tuple(joined)


def modality_words(arms: Table) -> dict[str, tuple[str, ...]]:
    """The modality classes in the data, those with most arms first, each with its modalities."""
    found: dict[str, dict[str, None]] = {}
    counts: dict[str, int] = {}
    for row in arms.rows:
        name, modality = row.values["modality_class"], row.values["modality"]
        if name is not None and modality is not None:
            found.setdefault(name, {})[modality] = None
            counts[name] = counts.get(name, 0) + 1
    return {name: tuple(found[name]) for name in sorted(found, key=lambda name: (-counts[name], natural(name)))}
