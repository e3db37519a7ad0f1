"""Copies of the packaged notebooks, with the parameters of a fresh review in their first cell."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from metanet.errors import MetanetError
from metanet.evidence.locate import shipped_folder

#: The notebooks of any topic; the replication is about one published review.
NAMES = (
    "modality_rate.ipynb",
    "modality_findings.ipynb",
    "compare_modalities.ipynb",
    "benefit_risk.ipynb",
    "heterogeneity.ipynb",
    "method_sensitivity.ipynb",
)
_LINE = re.compile(r"(?P<name>\w+) = (?P<value>[^#]*?)(?P<comment>\s*#.*)?")
#: What the packaged comments say about the curated tables, in words for any tables.
_COMMENTS = {
    "definition": "# a family of definitions or one by name, for an outcome that has several; None takes the default",
    "risk_definition": "# a family of definitions or one by name, for an outcome that has several; None takes the default",
    "data": "# folder of the evidence, seen from the folder of this notebook",
}


def copies(benefit: str, risk: str, modality: str) -> dict[str, bytes]:
    """File name -> content; opened in JupyterLab, the copies read the tables of their own review."""
    folder = shipped_folder("analyses", NAMES[0])
    if folder is None:
        raise MetanetError("The analysis notebooks are missing from this installation. Mend: install metanet again.")
    values = {
        "outcome": benefit,
        "benefit": benefit,
        "risk": risk,
        "modality_class": modality,
        "data": "../extracted_data",
    }
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
    # A JSON string is a Python string, so a quote inside a name stays inside it.
    value = json.dumps(values[name], ensure_ascii=False) if name in values else found["value"]
    comment = f"  {_COMMENTS[name]}" if name in _COMMENTS else found["comment"] or ""
    return f"{name} = {value}{comment}"
