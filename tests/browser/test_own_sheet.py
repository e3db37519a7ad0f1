"""A newcomer with a sheet of her own: a clean JupyterLab, clicks, and at the end a figure and a Word table."""

import nbformat
import pandas as pd
import pytest

from tests.browser.devtools import Page
from tests.browser.jupyter import _READY, MISSING, RUN, running_lab

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}")

SHEET = pd.DataFrame(
    {
        "Author": ["Adam", "Baker", "Clark", "Dorn", "Egg", "Fox", "Gray", "Hall"],
        "Year": [2008, 2011, 2012, 2014, 2016, 2018, 2020, 2021],
        "Treatment": ["TACE", "TACE", "TARE", "TARE", "TACE", "TARE", "TARE", "TACE"],
        "Responders": [9, 14, 12, 7, 8, 21, 11, 17],
        "Patients": [20, 31, 40, 18, 22, 48, 25, 41],
        "Funding": ["industry", "public", "none", "industry", "public", "public", "industry", "none"],
    }
)
CELLS = (
    "import metanet as mn\n"
    'data = mn.read("my studies.xlsx", "Responders", "Patients", study="Author", by="Treatment", outcome="Objective response")',
    "fit = mn.pool(data)\nfit",
    'mn.save_figure(fit.forest(), "figure 1.png", dpi=600)',
    'mn.characteristics_table(data).to_docx("table 1.docx")\nmn.pool(data, "Respnders", "Patients")',
)


def test_a_sheet_of_ones_own_becomes_a_figure_and_a_word_table_by_clicks(tmp_path):
    assert sum(len(cell.splitlines()) for cell in CELLS) < 12
    work = tmp_path / "home" / "work"
    work.mkdir(parents=True)
    SHEET.to_excel(work / "my studies.xlsx", index=False)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(book, work / "mine.ipynb")
    with running_lab(tmp_path / "home") as address, Page(tmp_path / "browser") as page:
        page.size(1400, 900)
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        page.open(address.replace("metanet_start.ipynb", "mine.ipynb"))
        page.wait(_READY, "the notebook")
        for _ in CELLS:
            page.click(RUN)
        # The last line is misspelt: one paragraph, and no traceback.
        error = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr'], .jp-RenderedText pre"
        told = f"[...document.querySelectorAll({error!r})].map(e => e.textContent).join('\\n')"
        page.wait(f"{told}.includes('Did you mean')", "the message")
        text = page.run(told)
        assert "ArgumentError: events='Respnders' is not a column of data. Did you mean 'Responders'?" in " ".join(text.split())
        assert "Traceback" not in text
        assert "/metanet/" not in text
        # The card, with the small forest beside it, whose names are text that can be selected.
        assert page.run("document.querySelectorAll('.metanet-card').length") >= 1
        assert "Adam 2008" in page.run("document.querySelector('.metanet-picture svg').textContent")
        beside = page.run(
            "(() => { const [a, b] = ['.metanet-card', '.metanet-picture svg']"
            ".map(s => document.querySelector(s).getBoundingClientRect()); return a.right <= b.left + 1 && b.right <= innerWidth; })()"
        )
        assert beside
    assert (work / "figure 1.png").read_bytes().startswith(b"\x89PNG")
    assert (work / "table 1.docx").read_bytes().startswith(b"PK")
