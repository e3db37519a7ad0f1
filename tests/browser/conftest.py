"""The parent of the reports made here."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _shared(one_parent):
    """Reports are made by the one warm parent."""
