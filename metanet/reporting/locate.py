"""Where the analyses are: inside an installed package, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from metanet.errors import ReportError
from metanet.evidence.locate import shipped_folder


def analyses_folder() -> Path:
    """The folder of the notebooks that come with metanet."""
    if (folder := shipped_folder("analyses", "modality_rate.ipynb")) is not None:
        return folder
    raise ReportError("The analysis notebooks are missing from this installation. Mend: install metanet again.")
