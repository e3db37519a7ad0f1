"""A bar for whoever waits, and for nobody else."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

import metanet as mn
from metanet.base import progress
from metanet.base.progress import QUIET, bar, interactive


class Drawn:
    """Stands in for a bar of tqdm."""

    made: ClassVar[list[Drawn]] = []

    def __init__(self, total):
        self.total, self.done, self.closed = total, 0, False
        Drawn.made.append(self)

    def update(self, number):
        assert number > 0
        self.done += number

    def close(self):
        self.closed = True


@pytest.fixture
def watched(monkeypatch):
    Drawn.made = []
    monkeypatch.setattr(progress, "interactive", lambda: True)
    monkeypatch.setattr(progress, "_drawn", lambda what, total, unit: Drawn(total))
    return Drawn.made


def test_nobody_watches_a_script_a_test_or_a_report(monkeypatch):
    assert not interactive()
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    assert interactive()
    monkeypatch.setenv(QUIET, "1")
    assert not interactive()
    monkeypatch.delenv(QUIET)
    monkeypatch.setenv("METANET_FORK", "1")
    assert not interactive()


@pytest.mark.parametrize(
    "run",
    [
        lambda fit: mn.calibrate(fit, 400),
        lambda fit: mn.gosh(fit, 3_000),
        lambda fit: mn.multiverse(fit.rates()),
        lambda fit: mn.pool_arrays(np.full((5_000, 3), 4.0), np.full((5_000, 3), 20.0), model="glmm"),
    ],
    ids=["calibrate", "gosh", "multiverse", "pool_arrays"],
)
def test_what_takes_long_has_one_bar_that_ends_full(watched, run):
    table = {"study": list("ABCDEFGHIJKLMN"), "events": list(range(2, 16)), "total": list(range(20, 34))}
    import pandas as pd

    run(mn.pool(pd.DataFrame(table)))
    assert watched
    assert all(each.closed for each in watched)
    assert watched[0].done == watched[0].total


def test_an_inner_bar_is_the_outer_one_and_no_bar_runs_over(watched):
    with bar("outer", 10) as outer:
        with bar("inner", 1_000) as inner:
            assert inner is outer
            inner.advance(4)
        outer.upto(3)
        outer.advance(100)
    assert len(watched) == 1
    assert watched[0].done == 10


def test_an_interrupt_ends_the_work_and_the_bar(watched, monkeypatch):
    from metanet.models.pooling import batch

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "_fill", stop)
    with pytest.raises(KeyboardInterrupt):
        mn.pool_arrays(np.full((5_000, 3), 4.0), np.full((5_000, 3), 20.0))
    assert all(each.closed for each in watched)
    with bar("next", 2) as shown:
        shown.advance(2)
    assert watched[-1].done == 2
