"""`within_studies`: comparisons made inside the studies that treated different groups of their own patients."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, choice, level
from metanet.base.display import in_sentence, plural, title_of
from metanet.base.errors import ArgumentError, check_choice, no_column
from metanet.base.groups import absent, name_of, natural, read_groups
from metanet.base.results import Method
from metanet.base.untrusted import listing
from metanet.evidence.sources import Rates, rates_of
from metanet.models.comparison.within_result import Pair, WithinStudies
from metanet.models.options import Options
from metanet.models.pooling.batch import pool_batch
from metanet.models.pooling.inputs import Studies, gap_note, no_groups, read_studies
from metanet.models.pooling.pool import options_for, pad, pooled_from_row
from metanet.models.registry import source_title
from metanet.models.results.method import versions
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


#: Words of the `design` column that say that patients were allocated at random.
RANDOMISED = ("rct", "randomised", "randomized", "randomised_trial", "randomized_trial")


def allocated(designs: Sequence[object]) -> int | None:
    """How many studies allocated patients at random; None where no study states its design."""
    words = [str(word) for word in designs]
    return sum(word.casefold() in RANDOMISED for word in words) if any(words) else None


def allocation(design: Mapping[str, str]) -> str:
    """The allocation of the patients from the design of every study."""
    count = len(design)
    random = [key for key, word in design.items() if word.casefold() in RANDOMISED]
    silent = sum(not word for word in design.values())
    others = sorted({word.replace("_", " ") for key, word in design.items() if word and key not in random})
    said = f" ({listing(others, 8)})" if others else ""
    unsaid = f"; {plural(silent, 'study does', 'studies do')} not state a design" if silent else ""
    chosen = "the groups were chosen for a reason, and a difference between them is not an effect of treatment."
    if len(random) == count:
        return f"Patients were allocated at random in {'the one study' if count == 1 else f'all {count} studies'}."
    if random:
        rest = "the other" if count - len(random) == 1 else "the others"
        return f"Patients were allocated at random in {len(random)} of {count} studies; in {rest}{said}{unsaid} {chosen}"
    if silent == count:
        return f"No design is stated, so allocation must be taken as not at random: {chosen}"
    where = "in the one study" if count == 1 else f"in any of the {count} studies"
    return f"Patients were not allocated at random {where}{said}{unsaid}: {chosen}"


#: Models of two groups; the first of them that can be estimated is the default.
MODELS = ("CM.EL", "inverse_variance", "common", "mantel_haenszel", "peto", "UM.FS", "UM.RS", "CM.AL")
MEASURES = ("OR", "RR", "RD", "AS", "PETO")
#: Measures for which studies without any event, or with events only, say nothing.
_RATIOS = ("OR", "RR", "PETO")
_MOST_GROUPS = 60


@checked(measure=choice(*MEASURES), level=level)
def within_studies(
    data: Rates,
    by: str = "modality_class",
    *,
    cluster: str = "study_id",
    events: str = "events",
    total: str = "total",
    model: str | None = None,
    measure: str = "OR",
    ci: str | None = None,
    level: float = 0.95,
) -> WithinStudies:
    """Compare groups by the studies that have arms in both, each study with itself.

    Parameters
    ----------
    data
        One row for each arm, as of ``Evidence.rates``.
    by
        Column of the groups; rows without a value are left out, with a note.
    cluster
        Column that says which arms belong to one study. An arm without a value has no other to be compared with.
    events, total
        Columns of the events and patients of each arm. Arms of one group in one study are summed.
    model
        One of the two-group models of `pool`. None: "CM.EL", the exact conditional model, for odds ratios where it can be
        estimated, else "inverse_variance".
    measure
        "OR" (default), "RR", "RD", "AS" or "PETO": the first group of a pair against the second.
    ci, level
        As in `pool`.

    Returns
    -------
    WithinStudies
        A `Pooled` for every pair of groups that at least one study compares; one study is shown as itself. Pairs that no study
        compares are listed.

    Raises
    ------
    ArgumentError
        A column that is not there, a count that is none, or a choice that is not known.

    Notes
    -----
    Such a comparison is free of what differs between studies (place, time, assessment), not of what differs between patients
    within one: unless they were allocated at random the groups were chosen for a reason. A study with three groups enters
    three pairs, which are then not independent of each other; a network model takes them together.

    References
    ----------
    Stijnen, Hamza, Ozdemir (2010), doi:10.1002/sim.4040; Jackson, Law, Stijnen, Viechtbauer, White (2018), doi:10.1002/sim.7588.

    Examples
    --------
    >>> import metanet as mn
    >>> from metanet.models.comparison.within_studies import within_studies
    >>> found = within_studies(mn.load_evidence().rates("disease_control"))
    >>> len(found.pairs) > 0
    True
    """
    if model is not None:
        check_choice("model", model, MODELS)
    if data is None:
        raise ArgumentError("data is missing: a DataFrame with one row for each arm is needed.")
    frame = rates_of(data)
    _check(frame, by, cluster, events, total)
    options, spare = _options(model, measure, ci, level)
    arms, groups, notes = _arms(frame, by, cluster, events, total)
    pairs, alone = _pairs(arms, groups)
    fits, fallback, silent = _fit(pairs, options, spare)
    notes = [*notes, *_notes(arms, pairs, fallback, silent)]
    made = {
        names: Pair(
            first=names[0],
            second=names[1],
            fit=fits[names],
            randomised=allocated(found["design"].tolist()),
            reports=tuple(found["study"]),
        )
        for names, found in pairs.items()
    }
    method = {
        "comparison": "within studies",
        "by": in_sentence(title_of(by, frame)),
        "cluster": cluster,
        "measure": options.measure,
        "model": model or f"{options.model}, else inverse_variance" if measure == "OR" else options.model,
        "ci": ci,
        "level": options.level,
        **versions(),
        "sources": [f"{source_title('CM.EL')}: doi:10.1002/sim.4040"] if options.model == "CM.EL" else [],
        "notes": notes,
    }
    used = [source_title(name).lower() for name in str(method["model"]).split(", else ")]
    method["sentence"] = (
        "Groups compared within studies that have arms in both; arms of one group in one study summed; "
        f"{source_title(options.measure)}; pairs pooled by: {', or where it has no estimate '.join(used)}. "
        f"metanet {method['version']}."
    )
    return WithinStudies(
        by=by,
        measure=options.measure,
        level=options.level,
        groups=groups,
        details=made,
        not_compared=tuple(alone),
        method=Method(method),
        _arms=arms,
    )


def _check(data: pd.DataFrame, by: object, cluster: object, events: object, total: object) -> None:
    columns = [str(c) for c in data.columns]
    for argument, name in (("by", by), ("cluster", cluster), ("events", events), ("total", total)):
        if not isinstance(name, str) or name not in columns:
            raise no_column(argument, name, columns)
        if columns.count(name) > 1:
            raise ArgumentError(f"{argument}={name!r} names several columns of data. Fix: rename them.")
    for argument, name in (("by", by), ("cluster", cluster)):
        if name in ("events", "total", "arms", "design") or (argument == "by" and name in ("study", cluster)):
            raise ArgumentError(f"{argument}={name!r} has the name of another column of the result. Fix: rename the column of data.")


def _options(model: str | None, measure: str, ci: str | None, level: float) -> tuple[Options, Options | None]:
    """The choices of the first fit, and those that stand in where it has no estimate."""
    first = model or ("CM.EL" if measure == "OR" else "inverse_variance")
    kind = None if model == "peto" and measure == "OR" else measure
    given = dict.fromkeys(("events", "total", "events_control", "total_control"), True)
    options = options_for(given, {"model": first, "measure": kind, "ci": ci, "level": level})
    if model is not None or first != "CM.EL":
        return options, None
    # Corrected cells make studies look more alike than they are, which a plain Hartung-Knapp interval would take at face value.
    stand_in = {"model": "inverse_variance", "measure": measure, "ci": ci if ci in ("z", "t") else "HK-adhoc", "level": level}
    return options, options_for(given, stand_in)


def _text(value: object) -> str:
    return "" if absent(value) else name_of(value)


def _arms(data: pd.DataFrame, by: str, cluster: str, events: str, total: str) -> tuple[pd.DataFrame, tuple[str, ...], list[str]]:
    """One row for each group of each study: its events and patients, how many arms they were, and what the study is called."""
    import pandas as pd

    frame = data.reset_index(drop=True)
    studies = read_studies(frame, {"events": events, "total": total}, study=None, arguments=("events", "total"), takes="data")
    found = read_groups(frame[by])
    group = ["" if place < 0 else found.names[place] for place in found.place]
    key = [_text(value) for value in frame[cluster].tolist()]
    names = [_text(v) for v in frame["study"].tolist()] if _single(frame, "study") else key
    design = [_text(v) for v in frame["design"].tolist()] if _single(frame, "design") else [""] * len(frame)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for i, (own, where) in enumerate(zip(group, key, strict=True)):
        if not own or not where:
            continue
        row = rows.setdefault(
            (where, own), {"study": where, "names": [], "group": own, "events": 0, "total": 0, "arms": 0, "design": set()}
        )
        row["names"].append(names[i])
        row["events"] += int(studies.columns["events"][i])
        row["total"] += int(studies.columns["total"][i])
        row["arms"] += 1
        row["design"] |= {design[i]} - {""}
    groups = found.names
    if not groups:
        raise no_groups(by)
    if len(groups) > _MOST_GROUPS:
        raise ArgumentError(f"by={by!r} makes {len(groups)} groups; at most {_MOST_GROUPS} can be compared.")
    several = {where for where in key if where and sum(w == where for w, _ in rows) > 1}
    titles = _titles({where: [n for (w, _), row in rows.items() if w == where for n in row["names"]] for where in several})
    table = pd.DataFrame(
        [
            {
                "study": titles[row["study"]],
                cluster: row["study"],
                by: row["group"],
                "events": row["events"],
                "total": row["total"],
                "arms": row["arms"],
                "design": ", ".join(sorted(row["design"], key=natural)),
            }
            for row in rows.values()
            if row["study"] in several
        ],
        columns=list(dict.fromkeys(("study", cluster, by, "events", "total", "arms", "design"))),
    )
    table.attrs["by"], table.attrs["cluster"] = by, cluster
    return table, groups, gap_note(frame, found.gaps, by)


def _single(frame: pd.DataFrame, name: str) -> bool:
    return name in frame.columns and frame[name].ndim == 1


def _titles(names: dict[str, list[str]]) -> dict[str, str]:
    """What a study is called: the name of its arms without what stands in brackets at its end, if they share it; else its key."""
    out = {}
    for key, found in names.items():
        short = {re.sub(r"\s*\([^()]*\)$", "", name) for name in found}
        out[key] = short.pop() if len(short) == 1 else key
    return out


def _pairs(arms: pd.DataFrame, groups: Sequence[str]) -> tuple[dict[tuple[str, str], pd.DataFrame], list[tuple[str, str]]]:
    """The two-group table of every pair that a study compares, and the pairs that none does."""
    import pandas as pd

    by, cluster = arms.attrs["by"], arms.attrs["cluster"]
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for row in arms.to_dict("records"):
        cells.setdefault(row[cluster], {})[row[by]] = {str(name): value for name, value in row.items()}
    pairs, alone = {}, []
    for first, second in combinations(groups, 2):
        rows = [
            {
                "study": found[first]["study"],
                "study_id": key,
                "events": found[first]["events"],
                "total": found[first]["total"],
                "events_control": found[second]["events"],
                "total_control": found[second]["total"],
                "design": found[first]["design"] or found[second]["design"],
            }
            for key, found in cells.items()
            if first in found and second in found
        ]
        if rows:
            pairs[first, second] = pd.DataFrame(rows)
        else:
            alone.append((first, second))
    return pairs, alone


def _fit(
    pairs: dict[tuple[str, str], pd.DataFrame], options: Options, spare: Options | None
) -> tuple[dict[tuple[str, str], Pooled], list[tuple[str, str]], list[tuple[str, str]]]:
    """All pairs in one batch, and in a second one those for which the model had no estimate; then those, and the pairs without events.

    Where in every study no patient of either group had the event, or every one had it, a ratio has no estimate, and one made of
    corrections alone is not given.
    """
    if not pairs:
        return {}, [], []
    given = ("events", "total", "events_control", "total_control")
    read = {
        names: read_studies(table, {}, study="study", arguments=given, takes=f"measure={options.measure!r}")
        for names, table in pairs.items()
    }
    fits = _batch(read, options)
    silent = [names for names, studies in read.items() if options.measure in _RATIOS and not _informative(studies)]
    fits |= {names: _without_estimate(fits[names]) for names in silent}
    fallback: list[tuple[str, str]] = []
    if spare is not None:
        # One study by itself has the same interval under either model.
        lost = {n: read[n] for n, fit in fits.items() if fit.status == "not estimable" and n not in silent}
        found = _batch(lost, spare) if lost else {}
        fallback = [names for names, fit in found.items() if fit.estimate is not None]
        fits |= {names: found[names] for names in fallback}
    return fits, fallback, silent


def _informative(studies: Studies) -> bool:
    """Whether in some study a part of the patients had the event."""
    columns = studies.columns
    events = columns["events"] + columns["events_control"]
    return bool(((events > 0) & (events < columns["total"] + columns["total_control"])).any())


def _without_estimate(fit: Pooled) -> Pooled:
    """The same studies, with nothing estimated from them."""
    kept = ("status", "model", "measure", "level", "k", "n", "events", "method", "_weights", "_table")
    blank = {f.name: None for f in fields(Pooled) if f.name not in kept}
    what = "In every study no patient of either group had the event, or every one had it"
    note = f"{what}: such data contain no information on a ratio, and no number is given."
    method = Method(
        {
            **fit.method,
            "status": "not estimable",
            "notes": [note],
            "sentence": f"{what}: nothing was pooled. metanet {fit.method['version']}.",
        }
    )
    return replace(fit, status="not estimable", method=method, **blank)  # type: ignore[arg-type]


def _batch(read: dict[tuple[str, str], Studies], options: Options) -> dict[tuple[str, str], Pooled]:
    fitted = pool_batch(pad(list(read.values())), options)
    return {names: pooled_from_row(fitted, i, studies, options) for i, (names, studies) in enumerate(read.items())}


def _notes(
    arms: pd.DataFrame,
    pairs: dict[tuple[str, str], pd.DataFrame],
    fallback: Sequence[tuple[str, str]],
    silent: Sequence[tuple[str, str]],
) -> list[str]:
    if not pairs:
        return ["No study has arms in two groups: nothing can be compared within studies."]
    cluster = arms.attrs["cluster"]
    design: dict[str, str] = {}
    for key, word in zip(arms[cluster], arms["design"], strict=True):
        design[key] = design.get(key) or word
    out = [allocation(design)]
    summed = int((arms["arms"] > 1).sum())
    if summed:
        out.append(f"Arms of one group in one study were summed ({plural(summed, 'group')} of a study).")
    three = int((arms.groupby(cluster, sort=False).size() > 2).sum())
    if three:
        out.append(
            f"{plural(three, 'study has', 'studies have')} more than two groups and {'enters' if three == 1 else 'enter'} "
            "several pairs, which are not independent of each other."
        )
    if fallback:
        out.append(
            f"The exact conditional model has no estimate for {_named(fallback)}: pooled by inverse variance instead, with 0.5 in "
            "empty cells, which decides much of the number."
        )
    if silent:
        out.append(
            f"No number is given for {_named(silent)}: in every study no patient of either group had the event, or every one had it."
        )
    return out


def _named(pairs: Sequence[tuple[str, str]]) -> str:
    return listing([f"{a} against {b}" for a, b in pairs], 12)
