"""The numbers of an analysis other than one pooled rate, as JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.errors import ArgumentError, check_choice, shorten
from metanet.models.views import plain
from metanet.reporting.files import slug, write_json
from metanet.reporting.results_files import write_frame

if TYPE_CHECKING:
    import pandas as pd

#: Kinds of analyses, with what they are called in a list of reports.
KINDS = {
    "findings": "Summary of findings by modality",
    "comparison": "Comparison of modalities",
    "benefit_risk": "Benefit against harm",
    "heterogeneity": "Heterogeneity",
    "sensitivity": "Sensitivity to data and method",
}


def save_analysis(
    folder: str | Path,
    kind: str,
    title: str,
    result: Any,
    *,
    frames: Mapping[str, pd.DataFrame] | None = None,
    evidence: str | None = None,
) -> list[Path]:
    """Write the numbers of an analysis: numbers.json, and a CSV for each frame.

    Parameters
    ----------
    folder
        Where to; it is made if it is not there. Each file appears whole or not at all.
    kind
        "findings", "comparison", "benefit_risk", "heterogeneity" or "sensitivity".
    title
        What the list of reports calls it.
    result
        The analysis: anything with ``sentence()`` and ``to_dict()``.
    frames
        Name of a file (without ``.csv``) -> its frame.
    evidence
        Fingerprint of the tables.

    Returns
    -------
    list of Path
        The files written.
    """
    check_choice("kind", kind, tuple(KINDS))
    if not hasattr(result, "sentence") or not hasattr(result, "to_dict"):
        raise ArgumentError(f"result={shorten(type(result).__name__)!r} is no result of an analysis.")
    to = Path(folder)
    content = {
        "kind": kind,
        "title": title,
        # The list of reports has room for the test of a comparison, not for every group.
        "sentence": getattr(result, "test_sentence", result.sentence)(),
        "analysis": plain(result.to_dict()),
        "evidence": evidence,
    }
    files = [to / "numbers.json"]
    write_json(files[0], content)
    for name, frame in (frames or {}).items():
        files.append(to / f"{slug(name)}.csv")
        write_frame(files[-1], frame)
    return files
