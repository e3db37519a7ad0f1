"""The tables of a network: contrasts, direct and indirect evidence, designs, and the influence of single studies."""

from __future__ import annotations

from collections.abc import Callable

from metanet.base.arguments import checked, choice
from metanet.base.display import level_text
from metanet.models.network.result import Network
from metanet.writing.table.table import Cell, Column, Table, count_cell, made, number_cell, p_cell, scaled_cell, text_cell

_FIRST, _SECOND, _STUDIES = Column("Treatment", ("first",)), Column("Against", ("second",)), Column("Studies", ("studies",), "count")
_LOG = "Log odds and risk ratios are natural logarithms."
_SEVERAL = "Direct and indirect evidence from studies of more than two treatments are not independent."


def _scaled(network: Network, *values: float) -> Cell:
    known = [None if value != value else float(value) for value in values]
    limits = known if len(known) == 2 else (None, None)
    digits = network.scale.digits(known[0], limits[0], limits[1])
    return scaled_cell(network.scale, digits, *known)


def _contrasts(network: Network) -> Table:
    interval = f"{level_text(network.level)} CI"
    columns = [
        _FIRST,
        _SECOND,
        _STUDIES,
        Column(network.scale.name, ("estimate",), "number"),
        Column(interval, ("ci_lower", "ci_upper"), "number"),
        Column("Prediction interval", ("pi_lower", "pi_upper"), "number"),
        Column("p", ("pvalue",), "p"),
    ]
    frame = network.contrasts
    rows = [
        [
            text_cell(row["first"]),
            text_cell(row["second"]),
            count_cell(row["studies"]),
            _scaled(network, row["estimate"]),
            _scaled(network, row["ci_lower"], row["ci_upper"]),
            _scaled(network, row["pi_lower"], row["pi_upper"]),
            p_cell(row["pvalue"]),
        ]
        for row in frame.to_dict("records")
    ]
    foot = ["Studies: those that compare both treatments.", *(f"{row['first']} against {row['second']}: {row['note']}."
            for row in frame[frame["note"] != ""].to_dict("records"))]  # fmt: skip
    return made("Contrasts of all treatments", _nothing(network), columns, rows, foot)


def _split(network: Network) -> Table:
    names = {"direct": "Direct", "indirect": "Indirect", "difference": "Difference"}
    columns = [
        _FIRST,
        _SECOND,
        _STUDIES,
        Column("Share of direct evidence, %", ("proportion_direct",), "number"),
        *(Column(title, (name,), "number") for name, title in names.items()),
        Column("p", ("pvalue",), "p"),
    ]
    frame = network.split()
    shown = frame[(frame["studies"] > 0) & frame["difference"].notna()]
    rows = [
        [
            text_cell(row["first"]),
            text_cell(row["second"]),
            count_cell(row["studies"]),
            number_cell(100 * row["proportion_direct"], 0),
            *(number_cell(row[name]) for name in names),
            p_cell(row["pvalue"]),
        ]
        for row in shown.to_dict("records")
    ]
    scale = {"OR": "log odds ratio", "RR": "log risk ratio", "RD": "risk difference"}.get(network.measure, "effect")
    foot = [f"On the scale of the {scale}; indirect evidence by back-calculation.", _SEVERAL]
    foot += [_LOG] if network.measure in ("OR", "RR") else []
    return made(
        "Direct and indirect evidence", "No contrast has both direct and indirect evidence.", columns, rows, foot if rows else ()
    )


def _designs(network: Network) -> Table:
    columns = [
        Column("Design", ("design",)),
        _STUDIES,
        Column("Q", ("q",), "number"),
        Column("Degrees of freedom", ("df",), "count"),
        Column("p", ("pvalue",), "p"),
    ]
    frame = network.designs()
    # A design of one study has nothing to differ from.
    shown = frame[(frame["kind"] != "design") | (frame["df"] > 0)]
    rows = [
        [text_cell(row["design"]), count_cell(row["studies"]), number_cell(row["q"]), count_cell(row["df"]), p_cell(row["pvalue"])]
        for row in shown.to_dict("records")
    ]
    foot = ["Design: the set of treatments that a study compares; designs without degrees of freedom are left out."]
    if network.model.startswith("exact"):
        foot.append(
            "Q: likelihood-ratio statistics (deviances) without heterogeneity; with few events their p-values are approximate."
        )
    several = len(network.parts) > 1
    groups = [f"Component {row['component']}" for row in shown.to_dict("records")] if several else ()
    return made("Heterogeneity and consistency by design", _nothing(network), columns, rows, foot if rows else (), groups=groups)


def _influence(network: Network) -> Table:
    columns = [
        Column("Study left out", ("study",)),
        Column("Largest change, standard errors", ("change",), "number"),
        Column("Of the contrast", ("contrast",)),
        Column("τ²", ("tau2",), "number"),
    ]
    frame = network.influence()
    apart = bool((frame["lost"] != "").any())
    columns += [Column("No longer compared", ("lost",))] if apart else []
    rows: list[list[Cell]] = [
        [
            text_cell(row["study"]),
            number_cell(row["change"]),
            text_cell(f"{row['contrast']} against {network.reference}" if row["contrast"] else ""),
            number_cell(row["tau2"], 4),
            *([text_cell(row["lost"])] if apart else []),
        ]
        for row in frame.to_dict("records")
    ]
    return made("The network without each study", "There is no second study, so that none can be left out.", columns, rows)


def _nothing(network: Network) -> str:
    return network.reason or "There is no contrast."


_PARTS: dict[str, Callable[[Network], Table]] = {
    "contrasts": _contrasts,
    "split": _split,
    "designs": _designs,
    "influence": _influence,
}


@checked(part=choice(*_PARTS))
def network_table(network: Network, part: str = "contrasts") -> Table:
    """A table of a network.

    Parameters
    ----------
    network
        What `network` returned.
    part
        "contrasts": all pairs of treatments. "split": direct against indirect evidence. "designs": Q within and between designs.
        "influence": the network without each study.

    Returns
    -------
    Table
        The rows of `Network.contrasts`, `Network.split`, `Network.designs` or `Network.influence` as a reader needs them.

    Raises
    ------
    ArgumentError
        Something else than a network, or a part that is not known.
    """
    return _PARTS[part](network)
