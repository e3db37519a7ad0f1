"""Comparisons of two groups to draw, the ordinary and the awkward."""

from functools import cache

import numpy as np
import pandas as pd

import metanet as mn
from metanet.models.results.pooled import Pooled
from tests.figures.cases import HOSTILE, LONG

_COLUMNS = ["study", "events", "total", "events_control", "total_control"]
SIX = [
    ("Aronson 1948", 1, 20, 4, 22),
    ("Ferguson 1949", 3, 30, 5, 28),
    ("Rosenthal 1960", 5, 40, 5, 41),
    ("Hart 1977", 0, 15, 3, 16),
    ("Stein 1953", 9, 44, 20, 45),
    ("Coetzee 1968", 20, 60, 22, 60),
]


def table(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=_COLUMNS)


def many(k: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    treated, control = rng.integers(10, 200, (2, k))
    rate = rng.uniform(0.05, 0.95, k)
    odds = rate / (1 - rate) * np.exp(rng.normal(0.7, 0.8, k))
    names = [f"Author {i} {2000 + i % 25}" for i in range(k)]
    return pd.DataFrame(
        {
            "study": names,
            "events": rng.binomial(treated, odds / (1 + odds)),
            "total": treated,
            "events_control": rng.binomial(control, rate),
            "total_control": control,
        }
    )


_DATA = {
    "six": lambda: table(SIX),
    "one": lambda: table(SIX[:1]),
    "two": lambda: table(SIX[:2]),
    "sixty": lambda: many(60),
    "no events": lambda: table([(s, 0, n, 0, m) for s, _, n, _, m in SIX]),
    "only events": lambda: table([(s, n, n, m, m) for s, _, n, _, m in SIX]),
    "ends": lambda: table([("a", 0, 20, 20, 20), ("b", 20, 20, 0, 20), ("c", 0, 9, 0, 9), ("d", 9, 9, 9, 9)]),
    "one giant": lambda: table([*SIX, ("Giant 2020", 4100, 9000, 3900, 9000)]),
    "long names": lambda: table([(LONG[:80], 3, 20, 5, 20), (LONG, 5, 30, 4, 31), ("x" * 10_000, 6, 20, 9, 21)]),
    "hostile names": lambda: table([(HOSTILE, 3, 20, 5, 20), ("$x^2$ & \\alpha _b_", 5, 30, 4, 31), ("a\nb\x00\u202e", 6, 20, 9, 21)]),
    "scripts": lambda: table([("王伟 2019", 3, 20, 5, 20), ("Иванов 2018", 5, 30, 4, 31), ("محمد 2020", 6, 20, 9, 21)]),
    "rare": lambda: table([("a", 2, 20000, 5, 20000), ("b", 3, 33000, 4, 30000), ("c", 1, 9000, 2, 9100)]),
}
ALL = tuple(_DATA)


def data_of(name: str) -> pd.DataFrame:
    return _DATA[name]()


@cache
def pooled(name: str, measure: str = "OR", model: str = "inverse_variance") -> Pooled:
    """The result of a case."""
    return mn.pool(data_of(name), measure=measure, model=model)
