"""Packages that only some users need, and how they are installed. The name metanet on PyPI belongs to another project."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Extra of the project -> what it installs, as in pyproject.toml.
EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "forestplot": ("forestplot>=0.4.1",),
        "cluster": ("distributed>=2025.1", "fsspec>=2025.1"),
        "lab": ("jupyterlab>=4.4", "ipywidgets>=8.1"),
        "formats": ("pyreadstat>=1.3", "rdata>=1.1"),
    }
)


def install(extra: str, package: str | None = None) -> str:
    """The command that installs the packages of an extra, or one of them, and that for a checkout of the project."""
    wanted = [each for each in EXTRAS[extra] if package is None or each.split(">=")[0] == package]
    return (
        f"python -m pip install {' '.join(map(repr, wanted))}, or in a checkout of this project: python -m pip install -e '.[{extra}]'"
    )
