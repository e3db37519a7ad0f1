"""The page on what agrees is what the reference files say."""

import pytest

from .agreement import PAGE, TABLE, largest, page


@pytest.mark.parametrize("line", TABLE, ids=[line[0].split(":")[0][:40] for line in TABLE])
def test_everything_in_the_table_agrees_within_its_tolerance(line):
    number, worst = largest(line[2]())
    assert number > 20 or "GLMM" in line[0]
    assert number >= 10
    assert worst <= line[3]


def test_the_page_is_what_the_reference_files_say():
    # When a change was meant: python -m tests.reference.agreement writes the page anew.
    assert PAGE.read_text(encoding="utf-8") == page()
