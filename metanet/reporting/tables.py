"""The tables of a report: frames with a title, shown as escaped HTML. Numbers are formatted, none is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.errors import ArgumentError
from metanet.models.display import interval, level_text, number, p_value, per_cent, plural
from metanet.models.results import Pooled
from metanet.models.views import html_frame, plain
from metanet.words import NO_MATH, html_text

if TYPE_CHECKING:
    import pandas as pd

    from metanet.evidence import Evidence


@dataclass(frozen=True, eq=False)
class Table:
    """A frame with a line above it and lines below; `empty` is what is said when there are no rows."""

    title: str
    empty: str
    _frame: pd.DataFrame = field(repr=False)
    foot: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """The table as a frame of texts and numbers, a copy."""
        return self._frame.copy()

    def to_dict(self) -> dict[str, Any]:
        """Title and rows as plain values."""
        rows = [{str(c): plain(v) for c, v in row.items()} for row in self._frame.to_dict("records")]
        return {"title": self.title, "rows": rows}

    def summary(self) -> str:
        """The table as text."""
        if self._frame.empty:
            return self.empty
        return "\n".join([self.title, self._frame.to_string(index=False), *self.foot])

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        if self._frame.empty:
            return html_frame([], [], title=self.empty)
        rows = [["" if plain(v) is None else str(plain(v)) for v in row] for row in self._frame.itertuples(index=False)]
        return html_frame([str(c) for c in self._frame.columns], rows, title=self.title, foot=self.foot)


@dataclass(frozen=True)
class Text:
    """A heading and a paragraph from data, shown as escaped HTML."""

    title: str
    text: str

    def __repr__(self) -> str:
        return "\n".join(part for part in (self.title, self.text) if part)

    def _repr_html_(self) -> str:
        head = f"<h1>{html_text(self.title)}</h1>" if self.title else ""
        return f"<div class='metanet {NO_MATH}'>{head}<p>{html_text(self.text)}</p></div>"


def heading(rates: pd.DataFrame, modality_class: str, fit: Pooled) -> Text:
    """Outcome, modality class and the result in one sentence, with the notes of the selection."""
    attrs = rates.attrs
    title = f"{attrs.get('label', 'Rate')}: {modality_class}"
    if attrs.get("definition"):
        title += f" (definition: {attrs['definition']})"
    return Text(title, " ".join([fit.sentence(), *attrs.get("notes", [])]))


def paragraph(text: str) -> Text:
    """A text made from numbers and names, shown as a paragraph."""
    return Text("", text)


def analysis_heading(title: str, text: str) -> Text:
    """A title and what the analysis shows."""
    return Text(title, text)


def analysis_table(frame: pd.DataFrame, title: str, empty: str = "Nothing to show.") -> Table:
    """A frame as a table of a report: numbers with three decimals, small ones with two significant digits."""
    shown = frame.copy()
    for name in shown.columns:
        if shown[name].dtype.kind == "f":
            shown[name] = [number(float(value), 3) for value in shown[name]]
    return Table(title, empty, shown)


def method_table(fit: Pooled) -> Table:
    """Every choice that moved a number, one line each."""
    hidden = {"notes", "sentence", "sources"}
    rows = [[key, "none" if value is None else str(value)] for key, value in fit.method.items() if key not in hidden]
    rows += [["source", source] for source in fit.method["sources"]]
    return _table("Method stamp", "No method.", ["Choice", "Value"], rows)


def _table(title: str, empty: str, columns: list[str], rows: list[list[Any]], foot: tuple[str, ...] = ()) -> Table:
    import pandas as pd

    return Table(title, empty, pd.DataFrame(rows, columns=columns), foot)


def _columns_of(rates: pd.DataFrame, *names: str) -> list[str]:
    return [name for name in names if name in rates.columns]


def study_table(rates: pd.DataFrame) -> Table:
    """The pooled rows with their counts, definition, source and certainty.

    Parameters
    ----------
    rates
        What `Evidence.rates` returned.

    Returns
    -------
    Table
        Study, modality, events/total, unit, criteria or definition, certainty, source with its place and, where a
        count was derived, how.
    """
    rows = []
    for row in rates.to_dict("records"):
        criteria = "; ".join(str(row[c]) for c in _columns_of(rates, "definition", "criteria") if row[c])
        source = ", ".join(str(row[c]) for c in _columns_of(rates, "source", "source_locator") if row[c])
        if row.get("derivation"):
            source += f". Count derived: {row['derivation']}"
        rows.append(
            [
                row["study"],
                row.get("modality", ""),
                f"{row['events']}/{row['total']}",
                row.get("unit", ""),
                criteria,
                row.get("certainty", ""),
                source,
            ]
        )
    head = ["Study", "Modality", "Events/total", "Unit", "Definition", "Certainty", "Source"]
    k = len(rows)
    reports = rates["study_id"].nunique() if "study_id" in rates else k
    title = f"{plural(k, 'row')} from {plural(int(reports), 'study', 'studies')}"
    return _table(title, "No study fits this selection.", head, rows)


def left_out_table(rates: pd.DataFrame) -> Table:
    """What was not pooled and why, from ``rates.attrs["left_out"]``."""
    left = rates.attrs.get("left_out", [])
    rows = [[entry["study"], entry["arm"], f"{entry['events']}/{entry['total']}", entry["reason"]] for entry in left]
    title = f"{plural(len(rows), 'row')} left out"
    return _table(title, "Nothing was left out.", ["Study", "Arm", "Events/total", "Reason"], rows)


def model_table(*fits: Pooled) -> Table:
    """Several results of the same studies side by side, with a sentence on whether they read alike."""
    if not fits or any(not isinstance(fit, Pooled) for fit in fits):
        raise ArgumentError("model_table takes results of pool.")
    rows = []
    for fit in fits:
        tests = f"likelihood ratio {p_value(fit.lrt_pvalue)}" if fit.lrt is not None else f"Q {p_value(fit.q_pvalue)}"
        mean = fit.average == "mean" and fit.status == "pooled"
        rows.append(
            [
                fit.title,
                fit.status,
                per_cent(fit.median) if mean else _with_limits(fit.estimate, fit.ci_lower, fit.ci_upper),
                _with_limits(fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper),
                interval(fit.pi_lower, fit.pi_upper),
                number(fit.tau),
                per_cent(fit.i2),
                tests if fit.status == "pooled" else "–",
            ]
        )
    level = level_text(fits[0].level)
    head = [
        "Model",
        "Status",
        f"Median rate, % ({level} CI)",
        f"Average rate, % ({level} CI)",
        "Prediction interval",
        "tau",
        "I², %",
        "Equal rates?",
    ]
    foot = [f"{fit.title}: {' '.join([fit.method.sentence(), *fit.notes])}" for fit in fits]
    if len(fits) == 2 and (text := _alike(*fits)):
        foot.insert(0, text)
    return _table("The same studies under two models", "No result.", head, rows, tuple(foot))


def _with_limits(value: float | None, lower: float | None, upper: float | None) -> str:
    return per_cent(value) if lower is None else f"{per_cent(value)} ({interval(lower, upper)})"


def _alike(first: Pooled, second: Pooled) -> str:
    """Whether two models of the same studies would be read alike: each average rate inside the other's interval, or not."""
    rates = [(fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper) for fit in (first, second)]
    if (
        first.response != "rate"
        or any(fit.status != "pooled" for fit in (first, second))
        or any(value is None for rate in rates for value in rate)
    ):
        return ""
    (a, a_low, a_high), (b, b_low, b_high) = [tuple(float(x or 0.0) for x in rate) for rate in rates]
    shown = f"{per_cent(a)} % and {per_cent(b)} %"
    if a_low <= b <= a_high and b_low <= a <= b_high:
        return f"The two models read alike: average rates of {shown}, each inside the interval of the other."
    return (
        f"The two models read differently: average rates of {shown}, and one lies outside the interval of the other. "
        "The choice of model moves the answer here; report both."
    )


def published_table(evidence: Evidence, outcome: str, modality_class: str, fit: Pooled | None = None) -> Table:
    """Pooled rates that published reviews print for this outcome and modality class, under ours.

    They pooled other studies by other methods; the table is for orientation, not a test.
    """
    rows: list[list[Any]] = []
    if fit is not None and fit.estimate is not None:
        rows.append(
            [
                "This report",
                "",
                per_cent(fit.estimate),
                interval(fit.ci_lower, fit.ci_upper),
                str(fit.k),
                str(fit.n),
                fit.model,
                "",
            ]
        )
    published = evidence.published
    if len(published):
        chosen = published[(published["outcome"] == outcome) & (published["modality_class"] == modality_class)]
        for row in chosen.to_dict("records"):
            kept = {key: plain(value) for key, value in row.items()}
            rows.append(
                [
                    kept["citation"],
                    "; ".join(str(kept[c]) for c in ("population", "criteria") if kept.get(c)),
                    per_cent(kept["estimate"]),
                    interval(kept["ci_lower"], kept["ci_upper"]),
                    "" if kept.get("studies") is None else str(int(kept["studies"])),
                    "" if kept.get("patients") is None else str(int(kept["patients"])),
                    kept.get("model") or "",
                    kept.get("source_locator") or "",
                ]
            )
    if len(rows) == (fit is not None and fit.estimate is not None):
        rows = []
    head = ["Source", "Population", "Rate, %", "CI, %", "Studies", "Patients", "Model", "Where printed"]
    return _table(
        "Published pooled rates, for orientation: other studies, other methods",
        "No published pooled rate of this outcome and modality class is in the tables.",
        head,
        rows,
    )


def source_table(rates: pd.DataFrame) -> Table:
    """Each source once, with the studies that rest on it."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rates.to_dict("records"):
        key = (str(row.get("source", "")), str(row.get("source_kind", "")))
        found.setdefault(key, []).append(str(row["study"]))
    rows = [[source, kind, "; ".join(studies)] for (source, kind), studies in sorted(found.items())]
    return _table(plural(len(rows), "source"), "No source.", ["Source", "Kind", "Studies"], rows)
