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
    "diagnostics/own_series/test_own_series.py",
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
    "models/categories/test_pool_categories.py",
    "models/categories/test_reporting_pattern.py",
    "models/comparison/test_benefit_risk.py",
    "models/comparison/test_compare.py",
    "models/comparison/test_ladder.py",
    "models/network/test_network.py",
    "models/r/test_scripts.py",
    "models/results/test_cards.py",
    "models/test_groups.py",
    "reference/test_small_study.py",
    "reporting/diff/test_verify.py",
    "reporting/index/test_index.py",
    "reporting/run/test_many.py",
    "reporting/run/test_remote.py",
    "reporting/test_analyses.py",
    "reporting/test_names.py",
    "reporting/test_one_answer.py",
    "reporting/test_r_check.py",
    "reporting/test_second_opinion.py",
    "reviews/test_hostile.py",
    "writing/test_manuscript.py",
)
#: Single tests that it leaves out too, whose files are quick without them.
SLOW_TESTS = (
    "base/test_transaction.py::test_two_imports_at_once_both_arrive",
    "diagnostics/studies/test_bias_ladder.py::test_a_frame_evidence_rates_and_a_result_give_one_ladder",
    "diagnostics/studies/test_influence.py::test_sets_without_outliers_seldom_name_one",
    "evidence/test_evidence_folders.py::test_reports_and_own_notebooks_read_the_tables_of_their_run",
    "evidence/test_sources.py::test_every_function_of_evidence_takes_a_frame_a_file_a_folder_and_a_result",
    "evidence/test_sources.py::test_two_groups_stay_two_groups_in_every_form",
    "explorer/test_lab.py::test_every_cell_of_the_starter_notebook_runs_and_shows_something",
    "figures/forest/test_many.py::test_pages_have_every_study_once_and_what_was_pooled_at_the_end",
    "figures/page/test_options.py::test_every_kind_is_drawn_in_another_font_and_size",
    "figures/page/test_options.py::test_every_word_that_can_be_changed_is_one_that_figures_print",
    "figures/plots/test_evidence_map.py::test_nothing_meets_and_nothing_is_too_small",
    "figures/plots/test_pictures.py::test_labels_of_the_plane_stand_beside_their_points_where_there_is_room",
    "figures/test_charts.py::test_one_tau_for_all_groups_is_said_once",
    "figures/test_charts.py::test_with_studies_each_group_lists_its_own",
    "figures/test_journal_column.py::test_a_figure_is_as_wide_as_its_column_and_its_texts_keep_apart",
    "kernels/bayes/test_groups.py::test_the_probability_of_a_difference_is_that_of_sums_on_a_grid",
    "kernels/beta_binomial/test_beta_binomial.py::test_ends_lie_the_quantile_below_the_maximum",
    "kernels/beta_binomial/test_sequence.py::test_no_other_start_finds_a_higher_likelihood",
    "kernels/inverse_variance/test_prediction.py::test_the_integrated_bootstrap_is_the_limit_of_the_sampled_one",
    "reference/test_diagnostics.py::test_a_group_without_events_is_told_apart_by_the_likelihood_ratio_and_not_by_wald",
    "reference/test_presets.py::test_compare_takes_a_preset",
    "reference/test_two_groups.py::test_random_intercepts_differ_from_theirs_by_laplace_alone",
    "reporting/plan/test_plans.py::test_the_command_writes_the_numbers_before_the_reports",
    "reporting/run/test_batch.py::test_python_files_of_the_folder_one_works_in_do_not_run_and_a_notebook_may_import_its_own",
    "reporting/test_cli.py::test_messages_of_the_library_name_arguments_and_no_options_of_the_command",
    "reviews/test_one_table.py::test_several_outcomes_with_directions_weigh_benefit_against_harm",
    "writing/prisma/test_prisma.py::test_a_comparison_says_adjusted_and_tested_only_where_it_was",
    "writing/prisma/test_prisma.py::test_every_item_is_covered_when_everything_was_given",
    "writing/table/test_tables.py::test_a_summary_of_findings_says_where_disease_control_by_itself_lies_outside_the_one_distribution",
    "writing/table/test_tables.py::test_findings_leave_every_judgement_to_people",
    "writing/test_outputs.py::test_a_second_run_gives_the_same_bytes",
    "writing/test_outputs.py::test_a_word_file_is_what_word_reads",
    "writing/test_outputs.py::test_word_shows_hostile_texts_in_a_table_that_can_be_edited",
)
TESTS = Path(__file__).parent
_LEFT_OUT = {TESTS / name for name in (*LONGEST, *SLOW)}


def pytest_addoption(parser):
    """The option of `make test`."""
    parser.addoption("--quick", action="store_true", help="leave what LONGEST, SLOW and SLOW_TESTS name to a run without this option")


def pytest_ignore_collect(collection_path, config):
    """With --quick the files that it leaves out are not even read, which alone takes a while."""
    if config.getoption("quick") and collection_path in _LEFT_OUT:
        return True
    return None


def pytest_collection_modifyitems(config, items):
    """The longest files first; the order within a file stays."""
    if config.getoption("quick"):
        single = {(TESTS / file, name) for file, name in (each.split("::") for each in SLOW_TESTS)}
        left = [item for item in items if (item.path, getattr(item, "originalname", item.name)) in single]
        config.hook.pytest_deselected(items=left)
        gone = {id(item) for item in left}
        items[:] = [item for item in items if id(item) not in gone]
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
