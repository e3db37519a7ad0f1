"""Libraries that read the files of other programs, loaded when such a file is given."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from metanet.base.errors import MetanetError
from metanet.base.extras import EXTRAS, install


def library(name: str, reads: str, least: str) -> Any:
    """The library `name`, or the error that says how it is installed; `least` is the version that is needed."""
    try:
        return import_module(name)
    except ImportError:
        raise MetanetError(f"{reads} are read by the library {name}, which is not installed. Fix: {_install(name, least)}") from None


def _install(name: str, least: str) -> str:
    """How a library is installed: one of an extra, or one that every installation has."""
    if any(each.split(">=")[0] == name for each in EXTRAS["formats"]):
        return install("formats", name)
    return f"python -m pip install '{name}>={least}'"
