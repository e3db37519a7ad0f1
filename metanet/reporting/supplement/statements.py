"""The words of a supplement: what is in it, and where data, code and materials are (PRISMA 2020, item 27)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from metanet._version import __version__
from metanet.reporting.index_lines import Report
from metanet.reporting.supplement.facts import PROGRAM, Facts
from metanet.words import counted, visible

#: Signs that Markdown would take for its own.
_SIGNS = re.compile(r"([\\`*_{}\[\]<>|~$&])")
_PLACES = (
    ("data/", "the evidence: the tables as they were pooled, their descriptor and the codebook"),
    ("notebooks/", "the notebooks that come with metanet, with their parameters, not run"),
    ("environment/", "the packages of the run"),
    ("numbers/", "`pooled_rates.csv`: every pooled rate, a row for each report; rates are fractions"),
    ("figures/", "the overview of all pooled rates"),
    (
        "reports/",
        "for each report `about.json` (its parameters), `notebook.ipynb` (the notebook as it was run, without outputs), "
        "`numbers.json` (every number and the method), tables as CSV, figures as SVG",
    ),
)


def escaped(text: object) -> str:
    """`text` on one line, without signs that Markdown would read."""
    return _SIGNS.sub(r"\\\1", visible(text))


def readme(facts: Facts, names: Sequence[str], reports: Sequence[Report], left_out: Sequence[Report]) -> bytes:
    """README.md of the supplement."""
    lines = [
        f"# Supplement: {escaped(facts.title)}",
        "",
        escaped(facts.description),
        "",
        f"Made by metanet {__version__} from evidence with the fingerprint `{facts.fingerprint}`.",
        "",
        "| place | what it is |",
        "|---|---|",
    ]
    lines += [f"| `{place}` | {what} |" for place, what in _PLACES if any(name.startswith(place) for name in names)]
    lines += [
        "| `DATA_AVAILABILITY.md` | where data, code and materials are (PRISMA 2020, item 27) |",
        "| `ro-crate-metadata.json` | every file with its kind, size and SHA-256, as RO-Crate 1.1 |",
        "",
        "To make the reports again, install the packages of `environment/` and metanet, and run "
        "`metanet report --data data --out reports_again` in this folder.",
        "",
        f"## {counted(len(reports), 'report')}",
        "",
        *(
            f"- {escaped(report.title)}{' (failed)' if report.failed else ''}: `reports/{_code(report.folder)}/`"
            for report in reports
        ),
    ]
    if left_out:
        lines += ["", "Not in here, because they were made from other evidence than the tables in `data/`:", ""]
        lines += [f"- {escaped(report.title)}" for report in left_out]
    return _bytes(lines)


def availability(facts: Facts, reports: Sequence[Report]) -> bytes:
    """DATA_AVAILABILITY.md: a statement to be copied into a manuscript."""
    rows = sum(facts.rows.values())
    of_each = "; ".join(f"{escaped(name)} {count}" for name, count in facts.rows.items() if count)
    licence = (
        f"They are licensed under {escaped(facts.licence)}{f' (<{facts.licence_address}>)' if facts.licence_address else ''}."
        if facts.licence
        else "No licence is stated for them in `data/datapackage.json`."
    )
    version = f", version {escaped(facts.version)}" if facts.version else ""
    return _bytes(
        [
            "# Availability of data, code and other materials",
            "",
            "PRISMA 2020, item 27.",
            "",
            "## Data",
            "",
            f"The data extracted from the included studies are in `data/` ({escaped(facts.title)}{version}): "
            f"{counted(facts.studies, 'study', 'studies')} with {counted(facts.arms, 'arm')} and {counted(rows, 'row')} of counts "
            f"({of_each}). Each row names the report and the place in it. SHA-256 fingerprint: `{facts.fingerprint}`. {licence}",
            "",
            f"The data used for all analyses, with the numbers of {counted(len(reports), 'report')}, are in `numbers/` and "
            "`reports/`.",
            "",
            "## Code",
            "",
            f"The analyses were made by metanet {__version__} ({PROGRAM['license']} licence). The notebooks as they were run, with "
            "their parameters, are in `reports/`, those that they come from in `notebooks/`, the packages with their versions in "
            "`environment/`.",
            "",
            "## Other materials",
            "",
            "The codebook of the tables is `data/README.md`, where there is one; column types, units and allowed words are in "
            "`data/datapackage.json`: they are the form in which the data were collected.",
        ]
    )


def _code(text: str) -> str:
    """`text` for the inside of backticks."""
    return visible(text).replace("`", "'")


def _bytes(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
