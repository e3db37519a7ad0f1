"""Reading the reference files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

SINGLE = ("pritz1997", "zeros", "allones", "two", "one", "homogeneous", "hugestudy")
MEASURES = ("PR", "PLN", "PLO", "PAS", "PFT")


@cache
def load(name: str) -> dict[str, Any]:
    """One reference file."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))


def as_list(value: Any) -> list[Any]:
    """R writes a vector of length one as a number."""
    return value if isinstance(value, list) else [value]


def counts(name: str) -> tuple[list[float], list[float]]:
    """Events and totals of a file."""
    return as_list(load(name)["events"]), as_list(load(name)["total"])
