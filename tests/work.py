"""Bounds on the work that something does. No test reads a clock: how long a call takes says what else the machine does.

Work is the number of calls, of Python's functions and of C's, which is the same on every machine; where one call in C may do
much, the most memory held at once is bounded as well. A test that would wait for ever is ended by `HANG`, and nothing else is
made of time.
"""

from __future__ import annotations

import cProfile
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Seconds after which a test hangs. Many times what any takes on a machine that does other things as well.
HANG = 900.0


class TooMuchError(AssertionError):
    """More was done than the bound allows, or something that was waited for did not come."""


@contextmanager
def not_hanging() -> Iterator[None]:
    """End what waits for ever, such as for a pipe that nobody writes into, or a regular expression that goes back again and again."""

    def ring(number: int, frame: object) -> None:
        raise TooMuchError(f"it hangs: nothing came in {HANG:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Work:
    """What was done."""

    calls = 0


@contextmanager
def counted() -> Iterator[Work]:
    """Count the calls that are made inside, in this thread. What is loaded or kept once counts where it was not done before."""
    work, profile = Work(), cProfile.Profile()
    with not_hanging():
        profile.enable()
        try:
            yield work
        finally:
            profile.disable()
            work.calls = sum(entry.callcount for entry in profile.getstats())


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail where more calls than this were made."""
    with counted() as work:
        yield
    if work.calls > calls:
        raise TooMuchError(f"{work.calls:,} calls were made, more than {calls:,}")


@contextmanager
def holding_at_most(megabytes: float) -> Iterator[None]:
    """Fail where more memory than this was held at once."""
    tracemalloc.start()
    try:
        with not_hanging():
            yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if peak > megabytes * 2**20:
        raise TooMuchError(f"{peak / 2**20:,.1f} MB were held at once, more than {megabytes:g}")


def wait_until(look: Callable[[], Any], what: str, every: float = 0.05) -> Any:
    """The first value of `look` that is not false; `what` is named when it does not come."""
    for _ in range(int(HANG / every)):
        found = look()
        if found:
            return found
        time.sleep(every)
    raise TooMuchError(f"{what} did not come")
