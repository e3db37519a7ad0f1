"""The codebook for people says what the descriptor says to machines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metanet.evidence.contract import curated_contract
from metanet.evidence.folders import curated_folder

ROOT = Path(__file__).parents[2]
TEXT = (curated_folder() / "README.md").read_text(encoding="utf-8")
COLUMNS = {(column.name, column.description) for table in curated_contract().tables.values() for column in table.columns}


@pytest.mark.parametrize("file", list(curated_contract().tables))
def test_the_codebook_names_every_file(file):
    assert f"`{file}`" in TEXT


@pytest.mark.parametrize("name", sorted({name for name, _ in COLUMNS}))
def test_the_codebook_describes_every_column_as_the_descriptor_does(name):
    rows = "\n".join(re.findall(rf"^\| `{name}` \|.*$", TEXT, flags=re.MULTILINE))
    assert any(description in rows for other, description in COLUMNS if other == name)


@pytest.mark.parametrize("table", curated_contract().tables.values(), ids=lambda table: table.file)
def test_the_codebook_knows_every_word_of_every_vocabulary(table):
    for column in table.columns:
        for word in column.vocabulary:
            assert f"`{word}`" in TEXT, word


def test_the_codebook_counts_what_is_there(curated):
    years = curated.studies["year"]
    spans = f"{len(curated.studies)} reports from {years.min()} to {years.max()}"
    words = re.sub(r"\s+", " ", TEXT)
    assert f"{spans}, {len(curated.arms)} arms, {len(curated.outcomes)} outcome rows" in words
    kinds = curated.outcomes["source_kind"].value_counts()
    assert f"{kinds['abstract']} rest on an abstract, {kinds['secondary']} on somebody else's review" in words
    assert f"{curated.outcomes['derived'].sum()} counts were not printed as such" in words
    assert f"read twice: {curated.outcomes['double_extracted'].sum()} of {len(curated.outcomes)}" in words
    assert f"`poolable` is false for {(~curated.outcomes['poolable']).sum()} rows" in words
    units = curated.outcomes["unit"].value_counts()
    assert f"{units['procedures']} rows count procedures and {units['lesions']} lesions" in words


def test_the_page_of_the_documentation_is_the_codebook_itself():
    assert "{include} ../extracted_data/README.md" in (ROOT / "docs" / "codebook.md").read_text(encoding="utf-8")


def test_the_guide_shows_problems_as_they_are_printed(folder):
    guide = (ROOT / "docs" / "add_a_study.md").read_text(encoding="utf-8")
    folder.set("arms.csv", 2, "modality", "TARE_resin")
    folder.set("objective_response.csv", 6, "events", "41")
    folder.set("objective_response.csv", 6, "printed", "35% of 40")
    for problem in folder.validate().problems:
        assert str(problem).split(": ", 1)[1] in guide
    assert guide.rstrip().splitlines()[-2] == "$ metanet validate path/to/your/folder"
