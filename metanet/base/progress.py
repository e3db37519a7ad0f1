"""A bar for what takes longer than a second, where somebody is waiting for it: in a notebook or at Python's own prompt."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

#: Environment variable of processes that nobody watches, such as the kernels of reports.
QUIET = "METANET_QUIET"
#: Seconds before a bar appears.
DELAY = 1.0


def interactive() -> bool:
    """Whether somebody waits for this process: a notebook's kernel that runs no report, or a prompt."""
    if os.environ.get(QUIET) or os.environ.get("METANET_FORK"):
        return False
    shells: Any = sys.modules.get("IPython")
    if shells is not None and shells.get_ipython() is not None:
        return True
    return hasattr(sys, "ps1")


class Bar:
    """A bar, or nothing: what was done is told in any case."""

    def __init__(self, drawn: Any, total: int) -> None:
        self._drawn, self._total, self._done = drawn, total, 0

    def advance(self, number: int) -> None:
        """So many more are done."""
        self.upto(self._done + number)

    def upto(self, done: int) -> None:
        """So many are done, at most all of them; it never goes back."""
        new = min(max(done, self._done), self._total)
        if self._drawn is not None and new > self._done:
            self._drawn.update(new - self._done)
        self._done = new


_CURRENT: ContextVar[Bar | None] = ContextVar("metanet_bar", default=None)


@contextmanager
def bar(what: str, total: int, unit: str = "fit") -> Iterator[Bar]:
    """A bar over `total` units of work. Inside another one it is that one, so that one bar shows one piece of work."""
    outer = _CURRENT.get()
    if outer is not None:
        yield outer
        return
    drawn = _drawn(what, total, unit) if interactive() else None
    made = Bar(drawn, total)
    token = _CURRENT.set(made)
    try:
        yield made
    finally:
        _CURRENT.reset(token)
        if drawn is not None:
            drawn.close()


def _drawn(what: str, total: int, unit: str) -> Any:
    """A bar of tqdm: a widget where there are widgets, else text."""
    import tqdm

    options: dict[str, Any] = {"total": total, "desc": what, "unit": unit, "delay": DELAY, "leave": False, "dynamic_ncols": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from tqdm.auto import tqdm as chosen

            return chosen(**options)
        except ImportError:
            return tqdm.tqdm(**options)
