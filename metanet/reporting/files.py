"""Folders that are replaced whole, names that are safe on every system, and strict JSON."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metanet.writing.whole_files import write_text

_RESERVED = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))}


def slug(name: str) -> str:
    """`name` as a folder name: letters, digits, dot, dash and underscore; a changed name carries a digest, so that two stay two."""
    kept = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("._")[:60]
    if kept == name and kept.split(".")[0].lower() not in _RESERVED:
        return kept
    return f"{kept or 'x'}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Strict JSON (no NaN), readable, keys in the order given."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def replace_folder(staged: Path, target: Path) -> None:
    """Put a finished folder where the report belongs; the old one goes only when the new one stands."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.parent / f".{target.name}.old"
    if old.exists():
        shutil.rmtree(old)
    if target.exists():
        os.replace(target, old)
    os.replace(staged, target)
    if old.exists():
        shutil.rmtree(old)
