"""Libraries that read the files of other programs, loaded when such a file is given."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from metanet.base.errors import MetanetError


def library(name: str, reads: str, least: str) -> Any:
    """The library `name`, or the error that says how it is installed."""
    try:
        return import_module(name)
    except ImportError:
        raise MetanetError(
            f"{reads} are read by the library {name}, which is not installed. Fix: python -m pip install '{name}>={least}', "
            "or in a checkout of this project: python -m pip install -e '.[formats]'"
        ) from None
