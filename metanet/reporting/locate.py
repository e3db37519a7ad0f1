"""Where the analyses are: inside an installed package, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from metanet.errors import ReportError

_PACKAGE = Path(__file__).resolve().parent.parent


def analyses_folder() -> Path:
    """The folder of the notebooks that come with metanet."""
    for folder in (_PACKAGE / "embedded" / "analyses", _PACKAGE.parent / "analyses"):
        if (folder / "modality_rate.ipynb").is_file():
            return folder
    raise ReportError("The analysis notebooks are missing from this installation. Mend: install metanet again.")
