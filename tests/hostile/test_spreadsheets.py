"""Formulas of a spreadsheet in every CSV and workbook that is written: whatever a name says, no cell is run."""

from __future__ import annotations

import ast
import csv
import io
import re
import warnings
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import metanet as mn
from metanet.base.untrusted import formula_like
from metanet.reporting.run.batch import report
from metanet.reviews.verify import _NUMBERS, Agreement, Compared
from metanet.writing.study_tables import study_table

from .corpus import write_evidence

#: Names as spreadsheets would run them, also behind what parts cells elsewhere.
FORMULAS = (
    "=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", '=HYPERLINK("http://x.invalid")', "a;=1+1", 'a";"=2', "＝3+3",
)  # fmt: skip
#: Modules that write CSV by themselves, and what makes their cells harmless: `harmless_cell`, or the checks of an import, which
#: `tests/reviews/test_hostile.py` tries with every formula; or no file is written.
WRITERS = {
    "base/whole_files.py": "harmless_cell",
    "reporting/supplement/write.py": "harmless_cell",
    "reviews/new.py": "harmless_cell",
    "reviews/verify.py": "harmless_cell",
    "reviews/importing.py": "import",
    "reviews/merge.py": "import",
    "reviews/describing.py": "import",
    "reviews/table_contract.py": "import",
    "reviews/importers/tabular.py": "text of a file on its way to the reader",
}
HOME = Path(mn.__file__).parent


def csv_writers():
    """The modules that call csv.writer or the to_csv of pandas."""
    found = set()
    for path in HOME.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                of_csv = node.func.attr in ("writer", "DictWriter") and getattr(node.func.value, "id", "") == "csv"
                if of_csv or node.func.attr == "to_csv":
                    found.add(path.relative_to(HOME).as_posix())
    return found


def test_every_module_that_writes_csv_is_known_and_those_that_say_so_make_cells_harmless():
    assert csv_writers() == set(WRITERS)
    for name, how in WRITERS.items():
        if how == "harmless_cell":
            assert "harmless_cell(" in (HOME / name).read_text(encoding="utf-8"), name


def run_by_a_spreadsheet(name, content):
    """The cells of a CSV that a spreadsheet would run, whatever it takes for the separator."""
    text = content.decode("utf-8")
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            # Numbers of ours may be negative.
            yield from ((name, cell) for cell in row if formula_like(cell) and not re.fullmatch(r"-[\d.e+-]+", cell))


def run_by_excel(name, content):
    """The formulas and links of a workbook."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        for part in parts.namelist():
            if part.startswith("xl/worksheets/sheet"):
                yield from ((name, mark) for mark in (b"<f>", b"<f ", b"<hyperlink") if mark in parts.read(part))
            if "externalLink" in part:
                yield name, part


def ran(*folders):
    """What a spreadsheet would run of all files below folders, also inside of zips; and how many files were looked at."""
    found, seen = [], []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as parts:
                    # The evidence itself travels as it was given.
                    members = [(name, parts.read(name)) for name in parts.namelist() if not name.startswith("data/")]
            else:
                members = [(path.name, path.read_bytes())] if path.is_file() else []
            for name, content in members:
                look = {".csv": run_by_a_spreadsheet, ".xlsx": run_by_excel}.get(Path(name).suffix)
                if look is not None:
                    seen.append(name)
                    found += look(name, content)
    return found, seen


@pytest.fixture(scope="module")
def fit():
    """A pooled rate of studies with such names."""
    frame = pd.DataFrame({"study": FORMULAS, "events": range(2, 10), "total": [20] * 8, "=1+1": FORMULAS})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mn.pool(frame)


def test_the_numbers_of_a_report_with_everything_in_them(fit, tmp_path):
    series = mn.against(fit, events=4, total=20, name="=5+5")
    mn.save_results(tmp_path / "a", fit, omitted=mn.leave_one_out(fit), series=series)
    frame = pd.DataFrame({"=1+1": FORMULAS, "@x": range(8)})
    mn.save_analysis(tmp_path / "b", "findings", "=1+1", fit, frames={"formulas": frame})
    study_table(fit).to_csv(tmp_path / "table.csv")
    study_table(fit).to_csv(tmp_path / "shown.csv", shown=True)
    study_table(fit).to_excel(tmp_path / "table.xlsx")
    found, seen = ran(tmp_path)
    assert found == []
    assert {"numbers.csv", "studies.csv", "leave_one_out.csv", "formulas.csv", "table.csv", "shown.csv", "table.xlsx"} <= set(seen)
    # They are there, as text.
    assert "'=1+1" in (tmp_path / "a" / "studies.csv").read_text(encoding="utf-8")
    assert "'@x" in (tmp_path / "b" / "formulas.csv").read_text(encoding="utf-8")


def test_a_whole_run_with_its_lists_and_supplement(tmp_path):
    folder = write_evidence(tmp_path / "data", FORMULAS)
    out = tmp_path / "out"
    made = report(data=folder, out=out, jobs=1, numbers=True, supplement=True, formats=("html", "docx"))
    assert sum(one.error is None for one in made.outcomes) > 0
    found, seen = ran(out)
    assert found == []
    assert {"pooled.csv", "numbers/pooled_rates.csv", "numbers.csv", "studies.csv"} <= set(seen)


@pytest.mark.parametrize("text", FORMULAS)
def test_the_table_beside_an_imported_review(text):
    numbers = dict.fromkeys(_NUMBERS, -0.5)
    content = Agreement((Compared(text, text, text, text, text, 3, numbers, numbers, None, False, text),)).csv()
    assert list(run_by_a_spreadsheet("agreement.csv", content)) == []
    assert content.decode("utf-8").count(",") > 10


@pytest.mark.parametrize("extension", ["csv", "xlsx"])
def test_a_formula_would_be_found(tmp_path, extension):
    if extension == "csv":
        (tmp_path / "x.csv").write_text("a,b\n1,=1+1\n", encoding="utf-8")
    else:
        pd.DataFrame({"a": ["=1+1"]}).to_excel(tmp_path / "x.xlsx")
    assert ran(tmp_path)[0]
