"""An executed notebook without what differs from run to run: times, random names of cells, the folder where it was made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

#: What papermill and kernels note of the clock and of the machine.
_TIMES = ("start_time", "end_time", "duration")


def tidy(book: Any, staged: Path) -> Any:
    """The notebook as it is kept, changed in place and returned: equal reports have equal bytes.

    The staging folder, which is gone when anybody reads it, becomes ".", so that the notebook names its own folder.
    """
    place = json.dumps(str(staged))[1:-1]
    about = book.metadata.get("papermill")
    if about is not None:
        for name in _TIMES:
            about.pop(name, None)
        about.pop("environment_variables", None)
        for name in ("input_path", "output_path"):
            if about.get(name):
                about[name] = Path(about[name]).name
    for number, cell in enumerate(book.cells):
        cell.metadata.pop("execution", None)
        its = cell.metadata.get("papermill")
        if its is not None:
            for name in _TIMES:
                its.pop(name, None)
        content = json.dumps([number, cell.cell_type, str(cell.source).replace(str(staged), ".")])
        cell["id"] = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    if place in json.dumps(book):
        _forget(book, str(staged))
    return book


def _forget(node: Any, place: str) -> Any:
    """Replace `place` in every text below `node`."""
    if isinstance(node, str):
        return node.replace(place, ".")
    if isinstance(node, dict):
        for key in node:
            node[key] = _forget(node[key], place)
    elif isinstance(node, list):
        node[:] = [_forget(each, place) for each in node]
    return node
