"""Audit of the counts of a review: what their printed figures prove, and whether a wrong denominator would have been noticed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metanet._version import __version__
from metanet.base.arguments import checked
from metanet.base.display import in_sentence, plural
from metanet.base.results import Method
from metanet.base.untrusted import visible
from metanet.evidence.checks.printed import PERCENTAGE
from metanet.evidence.proof.audit_result import KINDS, REACH, Audit
from metanet.evidence.proof.printed import words
from metanet.evidence.proof.rows import Verdict, closes, decimals, noticed, says_none, verdict
from metanet.evidence.sources import Tables, evidence_of

if TYPE_CHECKING:
    import pandas as pd

    from metanet.evidence.evidence import Evidence

#: Groups of denominators: the greatest of each but the last.
_SIZES = (40, 100)
_SOURCES = ("Brown and Heathers (2017), doi:10.1177/1948550616673876",)
_METHOD = (
    "Printed figures were solved exactly for the whole numbers that fit them; a percentage may be rounded half up or to even. "
    f"Every percentage was also held against the {2 * REACH} denominators that are larger or smaller by 1 to {REACH}."
)
_COLUMNS = {
    "counts": ("outcome", "rows", *KINDS, "from_percentages", "proved"),
    "open": ("study", "outcome", "printed", "events", "total", "fits"),
    "unfit": ("study", "outcome", "printed", "events", "total", "why"),
    "unproved": ("study", "outcome", "events", "total", "derivation", "from_percentage"),
    "denominators": ("outcome", "rows", "noticed"),
    "decimals": ("decimals", "size", "rows", "noticed"),
    "arms": ("study", "totals", "note"),
    "zeros": ("study", "outcome", "events", "total", "derivation"),
}


@dataclass(frozen=True)
class _Row:
    """A row of an outcome and what was found about it."""

    study: str
    outcome: str
    values: Mapping[str, Any]
    verdict: Verdict | None
    kind: str

    def get(self, name: str) -> Any:
        return self.values.get(name)

    @property
    def from_percentage(self) -> bool:
        """Whether its derivation or its printed figures have a percentage."""
        figures = self.verdict is not None and self.verdict.printed is not None and self.verdict.printed.figures > 0
        return figures or bool(PERCENTAGE.search(self.get("derivation") or ""))


@checked()
def audit(evidence: Tables) -> Audit:
    """Audit the counts of a review: what their printed figures prove, and what deserves a second look.

    Parameters
    ----------
    evidence
        Any folder of tables, as `load_evidence` returned it. Tables may lack the columns ``printed``, ``derived``, ``derivation`` and
        ``note``; what they do not record is counted as such.

    Returns
    -------
    Audit
        Frames for counts by outcome, open, unfitting and unproved counts, denominators, arms and counts of 0, and a paragraph on each.

    Notes
    -----
    Figures that do not fit have three usual causes: another denominator, a misprint, missing patients. A count can be wrong though its
    figures fit, and right though nothing proves it.

    References
    ----------
    Brown, Heathers (2017), doi:10.1177/1948550616673876; Xu et al. (2022), doi:10.1136/bmj-2021-069155.

    Examples
    --------
    >>> import metanet as mn
    >>> found = mn.audit(mn.load_evidence())
    >>> found.unfit.empty
    True
    """
    evidence = evidence_of(evidence)
    rows = _rows(evidence)
    notes = []
    if unplaced := sum(evidence._unplaced.values()):
        verb = "is" if unplaced == 1 else "are"
        notes.append(f"{plural(unplaced, 'row')} without a study or an arm in the tables {verb} not part of the audit.")
    arms, compared = _arms(evidence, rows)
    detection, by_figure, mean = _detection(evidence, rows)
    silent = [row for row in rows if _zero(row) == "silent"]
    zero = Counter(kind for row in rows if (kind := _zero(row)))
    several = [row for row in rows if row.verdict is not None and not row.verdict.why and len(_sums(row)) > 1]
    origins = Counter(_origin(row) for row in rows)
    facts = {
        "origins": {name: origins[name] for name in ("as_printed", "derived", "unrecorded")},
        "figures": sum(row.verdict is not None for row in rows),
        "noticed": mean,
        "compared": compared,
        "twice": len(several),
        "closed": sum(closes(row.verdict.printed, row.get("total")) for row in several if row.verdict and row.verdict.printed),
        "zero": {name: zero[name] for name in ("as_printed", "figures", "word", "silent", "unrecorded")},
    }
    return Audit(
        method=Method({"version": __version__, "sentence": _METHOD, "sources": _SOURCES, "notes": notes}),
        counts=_counts(evidence, rows),
        open=_frame("open", ((*_figures(row), _set(row)) for row in rows if row.kind == "several")),
        unfit=_frame("unfit", ((*_figures(row), _why(row)) for row in rows if row.kind == "unfit")),
        unproved=_frame(
            "unproved",
            (
                (*_named(row), row.get("events"), row.get("total"), row.get("derivation") or "", kind == "percentage")
                for kind in ("percentage", "otherwise")
                for row in rows
                if row.kind == kind
            ),
        ),
        denominators=detection,
        decimals=by_figure,
        arms=arms,
        zeros=_frame("zeros", ((*_named(row), 0, row.get("total"), row.get("derivation") or "") for row in silent)),
        _facts=facts,
    )


def _frame(part: str, rows: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(_COLUMNS[part]))


def _named(row: _Row) -> tuple[str, str]:
    return row.study, row.outcome


def _figures(row: _Row) -> tuple[Any, ...]:
    return (*_named(row), row.get("printed"), row.get("events"), row.get("total"))


def _sums(row: _Row) -> tuple[Any, ...]:
    return () if row.verdict is None or row.verdict.printed is None else row.verdict.printed.sums


def _set(row: _Row) -> str:
    assert row.verdict is not None
    return words(row.verdict.counts)


def _why(row: _Row) -> str:
    assert row.verdict is not None
    return row.verdict.why


def _rows(evidence: Evidence) -> list[_Row]:
    """Every row of every outcome that has a study and an arm."""
    arms: dict[str, set[str]] = defaultdict(set)
    for rows in evidence._rows.values():
        for row in rows:
            arms[row["study_id"]].add(row["arm"])
    found = []
    for name, rows in evidence._rows.items():
        about = evidence._outcomes[name]
        for row in rows:
            label = evidence._labels[row["study_id"]]
            study = f"{label} ({visible(row['arm'])})" if len(arms[row["study_id"]]) > 1 else label
            outcome = about.label
            if about.families and row.get("definition"):
                outcome = f"{outcome}: {in_sentence(about.title_of(row['definition']))}"
            judged = verdict(row["printed"], row.get("events"), row.get("total")) if row.get("printed") else None
            found.append(_Row(study, outcome, {**row, "_outcome": name}, judged, _kind(row, judged)))
    return found


def _kind(row: Mapping[str, Any], judged: Verdict | None) -> str:
    """What a row rests on."""
    if judged is not None:
        return "unfit" if judged.why else "one" if judged.proved else "several"
    derivation = row.get("derivation") or ""
    if row.get("derived") is False:
        return "as_printed"
    if row.get("derived") is None and not derivation:
        return "unrecorded"
    return "percentage" if PERCENTAGE.search(derivation) else "otherwise"


def _origin(row: _Row) -> str:
    """How a count was obtained by the record of the row, whatever its figures prove."""
    if row.get("derived") is False:
        return "as_printed"
    return "unrecorded" if row.kind == "unrecorded" else "derived"


def _counts(evidence: Evidence, rows: list[_Row]) -> pd.DataFrame:
    by_outcome: dict[str, list[_Row]] = {name: [] for name in evidence.outcome_names}
    for row in rows:
        by_outcome[row.get("_outcome")].append(row)
    made = []
    for name, found in by_outcome.items():
        kinds = Counter(row.kind for row in found)
        percentages = [row for row in found if row.from_percentage]
        proved = sum(row.kind == "one" for row in percentages)
        made.append((evidence.label(name), len(found), *(kinds[kind] for kind in KINDS), len(percentages), proved))
    return _frame("counts", made)


def _detection(evidence: Evidence, rows: list[_Row]) -> tuple[pd.DataFrame, pd.DataFrame, float | None]:
    """How many wrong denominators would have been noticed: by outcome, by decimals and size, and over all."""
    by_outcome: dict[str, list[float]] = defaultdict(list)
    by_figure: dict[tuple[int, int], list[float]] = defaultdict(list)
    for row in rows:
        if row.verdict is None or row.verdict.why or row.verdict.printed is None:
            continue
        found = noticed(row.verdict.printed, REACH)
        if found is None:
            continue
        share = found[0] / found[1]
        by_outcome[row.get("_outcome")].append(share)
        size = max(term.total or 0 for each in row.verdict.printed.sums for term in each if term.percentages)
        by_figure[min(decimals(row.verdict.printed), 2), sum(size > most for most in _SIZES)].append(share)
    every = [share for shares in by_outcome.values() for share in shares]
    sizes = (f"up to {_SIZES[0]}", f"{_SIZES[0] + 1} to {_SIZES[1]}", f"above {_SIZES[1]}")
    figures = ("none", "one", "two or more")
    return (
        _frame(
            "denominators",
            (
                (evidence.label(name), len(by_outcome[name]), _mean(by_outcome[name]))
                for name in evidence.outcome_names
                if name in by_outcome
            ),
        ),
        _frame("decimals", ((figures[d], sizes[s], len(shares), _mean(shares)) for (d, s), shares in sorted(by_figure.items()))),
        _mean(every) if every else None,
    )


def _mean(shares: list[float]) -> float:
    return sum(shares) / len(shares)


def _arms(evidence: Evidence, rows: list[_Row]) -> tuple[pd.DataFrame, int]:
    """Arms with different totals in outcomes that include each other, and the number of arms that were compared."""
    chains = _chains(evidence)
    groups: dict[tuple[Any, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        if row.get("_outcome") in chains and row.get("total") is not None:
            groups[row.get("study_id"), row.get("arm"), row.get("unit"), chains[row.get("_outcome")][0]].append(row)
    found, compared = [], 0
    for members in groups.values():
        pairs = [
            (one, other)
            for place, one in enumerate(members)
            for other in members[place + 1 :]
            if one.get("_outcome") != other.get("_outcome")
            and len({one.get("timepoint_months"), other.get("timepoint_months")} - {None}) < 2
        ]
        compared += bool(pairs)
        differing = [pair for pair in pairs if pair[0].get("total") != pair[1].get("total")]
        if differing:
            listed = [row for row in members if any(row is each for pair in differing for each in pair)]
            # The narrowest outcome first.
            listed.sort(key=lambda row: -chains[row.get("_outcome")][1])
            totals = "; ".join(
                f"{row.outcome if place == 0 else in_sentence(row.outcome)} {row.get('total'):,}" for place, row in enumerate(listed)
            )
            notes = dict.fromkeys(f"{row.outcome}: {row.get('note')}" for row in listed if row.get("note"))
            found.append((listed[0].study, totals, " ".join(notes)))
    return _frame("arms", found), compared


def _same_time(one: _Row, other: _Row) -> bool:
    """Whether two rows can be about the same time; a row without a time is about any."""
    return len({one.get("timepoint_months"), other.get("timepoint_months")} - {None}) < 2


def _chains(evidence: Evidence) -> dict[str, tuple[str, int]]:
    """Outcomes that include another one or are included: the widest of their chain, and how many are wider."""
    wider = {name: about.within for name, about in evidence._outcomes.items() if about.within in evidence._outcomes}
    found = {}
    for name in {*wider, *wider.values()}:
        seen = [name]
        while wider.get(seen[-1]) and wider[seen[-1]] not in seen:
            seen.append(wider[seen[-1]])
        found[name] = (seen[-1], len(seen))
    return found


def _zero(row: _Row) -> str:
    """How a count of 0 was obtained; empty for other counts."""
    if row.get("events") != 0:
        return ""
    if row.verdict is not None:
        return "figures"
    if row.kind in ("as_printed", "unrecorded"):
        return row.kind
    return "word" if says_none(row.get("derivation") or "") else "silent"
