"""How an error of ours shows itself in a notebook: the message, and the line of the user that caused it."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from metanet.base.untrusted import visible

_PACKAGE = str(Path(__file__).resolve().parent.parent)


def rendered(error: Exception, shorten: Callable[[str], str], *, short: bool) -> list[str]:
    """The lines of an error: one paragraph, and the line that caused it, cut by `shorten`; all frames where not `short`."""
    if not short:
        return _full(error)
    text = "\n".join(visible(line) for line in str(error).split("\n"))
    lines = [f"{type(error).__name__}: {text}"]
    if (place := _place(error.__traceback__, shorten)) is not None:
        lines.append(f"  {place}")
    return lines


def _place(trace: TracebackType | None, shorten: Callable[[str], str]) -> str | None:
    """The last line outside of this package: where the user called it."""
    found = None
    while trace is not None:
        file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        if not file.startswith(_PACKAGE) and "/site-packages/" not in file.replace("\\", "/"):
            code = linecache.getline(file, line).strip()
            where = f"line {line} of the cell" if "ipykernel" in file or file.startswith("<") else f"{Path(file).name}, line {line}"
            found = f"({where}: {visible(shorten(code))})" if code else f"({where})"
        trace = trace.tb_next
    return found


def _full(error: Exception) -> list[str]:
    """Python's own traceback, as IPython would show it."""
    shells: Any = sys.modules.get("IPython")
    shell = None if shells is None else shells.get_ipython()
    if shell is None:
        import traceback

        return traceback.format_exception(error)
    frames: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    return frames
