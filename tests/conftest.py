"""Settings for the whole suite, and the warm parent of reports that all of it shares."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# The machines that run this are shared: how long an example takes says nothing about the code.
settings.register_profile("metanet", deadline=None)
settings.load_profile("metanet")


#: The files that take longest, the longest first: whoever runs them begins with them, so that no processor is idle at the end.
LONGEST = (
    "browser/test_explorer.py",
    "browser/test_accessible.py",
    "hostile/test_reports.py",
    "models/r/test_numbers.py",
    "explorer/test_bursts.py",
    "reporting/cluster/test_cluster.py",
    "hostile/test_interrupted.py",
    "reporting/run/test_hard_times.py",
    "reporting/run/test_journal.py",
    "figures/test_every_figure.py",
    "properties/test_fuzz.py",
    "hostile/test_texts.py",
    "reviews/test_new.py",
    "reporting/test_no_network.py",
    "docs/test_build.py",
    "reporting/engine/test_papermill_engine.py",
    "hostile/test_folders.py",
    "kernels/two_groups/test_um_fs.py",
    "kernels/two_groups/test_um_rs.py",
    "kernels/bayes/test_bayes.py",
    "reporting/documents/test_formats.py",
)
#: Further files that `make test` leaves to `make test-all`: browsers, every figure, simulations, sweeps over reference values.
SLOW = (
    "browser/test_own_sheet.py",
    "browser/test_pages.py",
    "diagnostics/studies/test_gosh.py",
    "docs/test_gallery.py",
    "effects/test_measures.py",
    "explorer/test_view.py",
    "figures/test_chart_layout.py",
    "figures/test_editing.py",
    "hostile/test_commands.py",
    "hostile/test_files.py",
    "hostile/test_spreadsheets.py",
    "kernels/bayes/test_batch.py",
    "kernels/bayes/test_regression.py",
    "kernels/bias/test_selection_and_filling.py",
    "kernels/network/test_exact.py",
    "models/network/test_network.py",
    "models/test_groups.py",
    "reporting/diff/test_verify.py",
    "reporting/index/test_index.py",
    "reporting/test_analyses.py",
    "reporting/test_names.py",
    "reporting/test_one_answer.py",
    "reporting/test_r_check.py",
    "reporting/test_second_opinion.py",
    "reviews/test_hostile.py",
)
TESTS = Path(__file__).parent


def pytest_addoption(parser):
    """The option of `make test`."""
    parser.addoption("--quick", action="store_true", help="leave the files of LONGEST and SLOW to a run without this option")


def pytest_collection_modifyitems(config, items):
    """The longest files first; the order within a file stays."""
    if config.getoption("quick"):
        slow = {TESTS / name for name in (*LONGEST, *SLOW)}
        config.hook.pytest_deselected(items=[item for item in items if item.path in slow])
        items[:] = [item for item in items if item.path not in slow]
    place = {TESTS / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


class _Lent:
    """The one warm parent, lent to a batch that would close its own."""

    def __init__(self, parent):
        self._parent = parent

    def __enter__(self):
        return self._parent

    def __exit__(self, *fault):
        return None


@pytest.fixture(scope="session")
def warm_parent():
    """The warm parent from which reports are forked; None where the system has no safe fork."""
    from metanet.reporting.engine import forks

    if not forks.available():
        yield None
        return
    with forks.Forks(rehearsed=True) as parent:
        yield parent


@pytest.fixture(scope="session")
def one_parent(request):
    """From here on batches in this process share one warm parent, which takes seconds to load; other processes start theirs.

    Folders of tests that make reports ask for it in their `conftest.py`; it is loaded by the first batch.
    """
    from metanet.reporting.engine import forks
    from metanet.reporting.run import makers

    if not forks.available():
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(makers, "Forks", lambda **options: _Lent(request.getfixturevalue("warm_parent")))
        yield
