"""Choices in the order in which they come, from any thread, and one thread at a time that deals with them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

C = TypeVar("C")

#: Seconds for which a message of the browser waits for the next ones, so that a burst of clicks is computed once.
_PAUSE = 0.02


class Turns(Generic[C]):
    """A queue of choices and its one worker.

    A choice is never dropped: whoever adds one while another thread computes leaves it to that thread, which looks again before it
    ends. Choices that came in the meantime are dealt with at once, so that only the last view of a burst is shown.

    `gate` is held while a message changes a widget and while widgets are written, never while a view is computed. What changes
    during `writing` was not chosen by anybody.
    """

    def __init__(self, deal: Callable[[list[C]], None]) -> None:
        self._deal = deal
        self.gate = threading.RLock()
        self._ended = threading.Condition(self.gate)
        self._waiting: list[C] = []
        self._worker: int | None = None
        self._writing = False
        self._receiving = threading.local()

    def add(self, choice: C) -> None:
        """Take a choice, unless it is what the explorer itself writes. Outside of a message it is dealt with at once."""
        with self.gate:
            if self._writing:
                return
            self._waiting.append(choice)
        if not getattr(self._receiving, "now", False):
            self.work()

    @property
    def waiting(self) -> bool:
        """Whether choices came that are not dealt with."""
        with self.gate:
            return bool(self._waiting)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Widgets are written inside; no message changes one at the same time."""
        with self.gate:
            before, self._writing = self._writing, True
            try:
                yield
            finally:
                self._writing = before

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """A message of the browser changes a widget inside; what it chose is dealt with afterwards."""
        with self.gate:
            before = getattr(self._receiving, "now", False)
            self._receiving.now = True
            try:
                yield
            finally:
                self._receiving.now = before
        self._soon()

    def _soon(self) -> None:
        """Deal with what waits: in a kernel after the messages that have arrived as well, elsewhere at once."""
        if not self.waiting:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.work()
        else:
            loop.call_later(_PAUSE, self.work)

    def work(self) -> None:
        """Deal with all that waits, unless a thread is at it: that one takes it over."""
        with self.gate:
            if self._worker is not None:
                return
            self._worker = threading.get_ident()
        try:
            while True:
                with self.gate:
                    if not self._waiting:
                        self._worker = None
                        self._ended.notify_all()
                        return
                    choices, self._waiting = self._waiting, []
                self._deal(choices)
        except BaseException:
            # Such as an interrupted kernel: the next choice finds no worker and becomes one.
            with self.gate:
                self._worker = None
                self._ended.notify_all()
            raise

    def settle(self) -> None:
        """Return when all choices are dealt with, by this thread or another; at once in the thread that deals with them."""
        while True:
            self.work()
            with self.gate:
                if self._worker == threading.get_ident() or (self._worker is None and not self._waiting):
                    return
                if self._worker is not None:
                    self._ended.wait()
