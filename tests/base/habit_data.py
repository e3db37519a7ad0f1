"""The names that the lines of the registry of habits use."""

from __future__ import annotations

import pandas as pd

import metanet as mn


def names():
    """Name -> value: a table of rates, one of two groups, effects, person-time, evidence and a result."""
    table = pd.DataFrame(
        {
            "study": ["Adam", "Baker", "Clark", "Dorn", "Egg", "Fox", "Gray", "Hall", "Iver", "Jung", "Karl"],
            "events": [4, 9, 21, 3, 14, 5, 1, 13, 9, 4, 15],
            "total": [20, 31, 40, 18, 22, 30, 15, 25, 44, 16, 33],
            "year": [2006, 2008, 2010, 2011, 2012, 2013, 2015, 2016, 2018, 2020, 2021],
            "dose": [1.0, 2.0, 3.0, 1.5, 2.5, 2.0, 1.0, 3.5, 2.2, 1.8, 2.9],
            "country": ["Norway", "Italy"] * 5 + ["Norway"],
        }
    )
    trials = pd.DataFrame(
        {
            "study": table["study"],
            "ai": table["events"],
            "n1i": table["total"],
            "ci": [3, 8, 9, 5, 4, 7, 3, 4, 12, 3, 6],
            "n2i": [19, 30, 41, 17, 23, 29, 16, 24, 45, 15, 30],
        }
    )
    effects = pd.DataFrame(
        {"study": ["A", "B", "C", "D", "E", "F"], "yi": [0.1, 0.7, -0.2, 1.1, 0.4, 0.25], "vi": [0.04, 0.05, 0.03, 0.08, 0.06, 0.05]}
    )
    arms = pd.DataFrame(
        {
            "study": list("AABBCCDDD"),
            "treatment": list("xyxzyzxyz"),
            "events": [12, 20, 11, 25, 18, 24, 9, 14, 22],
            "total": [60, 62, 58, 64, 55, 57, 50, 48, 52],
        }
    )
    contrasts = pd.DataFrame(
        {"study": list("ABC"), "treatment": list("xxy"), "control": list("yzz"), "yi": [0.1, 0.5, 0.3], "vi": [0.05, 0.06, 0.04]}
    )
    persons = pd.DataFrame({"study": ["A", "B", "C"], "events": [4, 6, 2], "person_time": [20.5, 40.0, 15.2]})
    return {
        "mn": mn,
        "table": table,
        "trials": trials,
        "effects": effects,
        "arms": arms,
        "contrasts": contrasts,
        "persons": persons,
        "evidence": mn.read(table, by="country"),
        "fit": mn.pool(table),
    }
