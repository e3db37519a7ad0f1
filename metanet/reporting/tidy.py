"""An executed notebook without what differs from run to run: times, random names of cells, the folder where it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: What papermill and kernels note of the clock and of the machine.
_TIMES = ("start_time", "end_time", "duration")


def tidy(book: Any, places: Mapping[str, str]) -> Any:
    """The notebook as it is kept, changed in place and returned: equal reports have equal bytes.

    `places` maps folders of this run to what is shown instead: the staging folder, which is gone when anybody reads the notebook,
    becomes ".", so that the notebook names its own folder.
    """
    about = book.metadata.get("papermill")
    if about is not None:
        for name in _TIMES:
            about.pop(name, None)
        about.pop("environment_variables", None)
        for name in ("input_path", "output_path"):
            if about.get(name):
                about[name] = Path(about[name]).name
    forget(book, places)
    for number, cell in enumerate(book.cells):
        cell.metadata.pop("execution", None)
        its = cell.metadata.get("papermill")
        if its is not None:
            for name in _TIMES:
                its.pop(name, None)
        content = json.dumps([number, cell.cell_type, str(cell.source)])
        cell["id"] = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return book


def forget(node: Any, places: Mapping[str, str]) -> Any:
    """Replace the places in every text below `node`; containers are changed in place."""
    if isinstance(node, str):
        for place, shown in places.items():
            if place in node:
                node = node.replace(place, shown)
        return node
    if isinstance(node, dict):
        for key in node:
            node[key] = forget(node[key], places)
    elif isinstance(node, list):
        node[:] = [forget(each, places) for each in node]
    return node
