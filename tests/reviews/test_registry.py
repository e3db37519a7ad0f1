"""The registry of importers: no format without an example here and a section on the page about reviews."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.cli import cli
from metanet.reviews.importers.registry import importers
from tests.evidence.search import TEMPLATE

from .conftest import COVIDENCE, COVIDENCE_OPTIONS, PLAIN, RELIEF, ROWS, rm5
from .formats import OPENMETA, RIS, ROWS_OF_PLAIN, dta, rds, sav, xlsx

PAGE = (Path(__file__).parents[2] / "docs" / "new_review.md").read_text(encoding="utf-8")
_RESPONSE = {"outcomes": ["response"]}
#: Format -> a small file of it and the arguments that it needs.
EXAMPLES = {
    "citations": (RIS, {}),
    "covidence": (COVIDENCE, COVIDENCE_OPTIONS),
    "csv": (PLAIN, _RESPONSE),
    "excel": (xlsx({"Data": ROWS_OF_PLAIN}), _RESPONSE),
    "openmeta": (OPENMETA, _RESPONSE),
    "prisma2020": (TEMPLATE, {}),
    "r": (rds(), _RESPONSE),
    "revman-web": (ROWS, {}),
    "revman5": (rm5(RELIEF), {}),
    "spss": (sav(), _RESPONSE),
    "stata": (dta(), _RESPONSE),
}
ROOM = Path(mn.__file__).parent


def test_every_format_has_an_example():
    assert list(EXAMPLES) == list(importers())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_format_comes_in_and_validates(review, name):
    content, options = EXAMPLES[name]
    if importers()[name].describes:
        review.take("csv", PLAIN, **_RESPONSE)
    made = review.take(name, content, f"example{importers()[name].suffixes[-1]}", **options)
    assert sum(number for _, number in made.added) > 0 or made.filled == (2, 1)
    assert mn.validate(review.data).ok


@pytest.mark.parametrize("row", importers().values(), ids=lambda row: row.name)
def test_a_format_has_a_section_on_the_page_and_a_line_in_the_help(row):
    section = re.search(rf"\n### {re.escape(row.title)}\n(.*?)(?=\n##|\Z)", PAGE, re.DOTALL)
    assert section is not None
    assert f"`{row.name}`" in section[1]
    assert all(suffix in section[1] for suffix in row.suffixes)
    assert f"{row.name} " in CliRunner().invoke(cli, ["import", "--help"]).output


@pytest.mark.parametrize("row", importers().values(), ids=lambda row: row.name)
def test_columns_are_mapped_only_where_the_format_takes_it(review, row):
    if not row.maps_columns:
        with pytest.raises(ArgumentError, match="defines its own columns"):
            review.take(row.name, EXAMPLES[row.name][0], columns=["a=study"])


def test_the_command_line_names_its_options_and_not_the_arguments(review, tmp_path):
    (tmp_path / "it's.csv").write_text(PLAIN.replace("modality", "Dr's drug"), encoding="utf-8")
    words = ["import", "csv", str(tmp_path / "it's.csv"), "--into", str(review.path), "--outcome", "response"]
    complaint = str(CliRunner().invoke(cli, words).exception)
    assert """--map 'Dr'"'"'s drug='""" in complaint
    assert "--set 'modality=VALUE'" in complaint
    assert "columns=" not in complaint
