"""Figures that several threads draw at once: Matplotlib's settings belong to the process."""

from __future__ import annotations

import sys
import threading

import matplotlib
import pytest

import metanet as mn
from metanet.explorer import parts
from metanet.explorer.view import View

SETS = [([3, 5, 8, 2], [20, 22, 30, 40]), ([1, 0, 2], [30, 28, 44]), ([9, 12, 7, 4, 11], [20, 22, 30, 9, 18])]


@pytest.fixture
def hurried():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(tasks):
    """Run tasks at once, each in a thread; what they return."""
    start, out = threading.Barrier(len(tasks)), {}

    def run(place, task):
        start.wait()
        try:
            out[place] = task()
        except BaseException as fault:
            out[place] = fault

    threads = [threading.Thread(target=run, args=each) for each in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [out[place] for place in range(len(tasks))]


def drawing(fit, path):
    def draw():
        out = []
        for number in range(3):
            mn.save_figure(mn.forest(fit), path / f"{number}", formats=("svg",))
            out.append((path / f"{number}.svg").read_bytes())
        return out

    return draw


def test_threads_draw_what_one_draws_and_leave_the_settings_of_the_caller(tmp_path, hurried):
    fits = [mn.pool(events=events, total=total) for events, total in SETS]
    tasks = [drawing(fit, tmp_path / str(place)) for place, fit in enumerate(fits)]
    with matplotlib.rc_context({"axes.facecolor": "black", "lines.linewidth": 9.0, "svg.hashsalt": "theirs"}):
        before = dict(matplotlib.rcParams)
        alone = [task() for task in tasks]
        assert together(tasks) == alone
        assert dict(matplotlib.rcParams) == before


def test_two_explorers_in_one_kernel_draw_their_own_figures(hurried):
    import pandas as pd

    from metanet.evidence.sources import evidence_of

    views = []
    for events, total in SETS[:2]:
        frame = pd.DataFrame({"study": [f"S{number}" for number in range(len(events))], "events": events, "total": total})
        views.append(mn.explore(evidence_of(frame, "data")).view)
    assert all(isinstance(view, View) for view in views)
    alone = [parts.figure(view) for view in views]
    assert alone[0] != alone[1]
    before = dict(matplotlib.rcParams)
    for _ in range(3):
        assert together([lambda view=view: parts.figure(view) for view in views]) == alone
    assert dict(matplotlib.rcParams) == before
