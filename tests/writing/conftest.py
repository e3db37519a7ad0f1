"""Rates and results that the tests of the tables share."""

from __future__ import annotations

import pandas as pd
import pytest

import metanet as mn


@pytest.fixture(scope="session")
def evidence():
    return mn.load_evidence()


@pytest.fixture(scope="session")
def rates(evidence):
    """Objective response after TACE: nine studies, eleven arms."""
    return evidence.rates("objective_response", modality="TACE")


@pytest.fixture(scope="session")
def fit(rates):
    return mn.pool(rates)


@pytest.fixture
def counts():
    """Makes a frame of rates from events and totals."""

    def make(events, total, **columns):
        names = [f"Study {i}" for i in range(len(events))]
        return pd.DataFrame({"study": names, "study_id": names, "events": events, "total": total, **columns})

    return make
