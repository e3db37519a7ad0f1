"""Importing and drawing leave a session as it was; a notebook shows each figure exactly once."""

import importlib
import json
import subprocess
import sys

import matplotlib
import nbformat
import pytest
from matplotlib.figure import Figure
from nbclient import NotebookClient

from metanet.base.errors import ArgumentError
from metanet.figures.forest import render
from metanet.figures.forest.forest import forest
from metanet.figures.page import canvas
from tests.figures.cases import fit_of
from tests.work import HANG


def _run(code, **environment):
    """The JSON that a fresh interpreter prints last."""
    out = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True, env=environment or None
    )
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout.splitlines()[-1])


def test_importing_and_drawing_change_neither_backend_nor_settings_nor_load_pyplot():
    found = _run(
        """
import json, sys, warnings
import numpy as np, matplotlib
def settings():
    # Reading the backend would choose one, and load pyplot.
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before, errors = settings(), np.geterr()
import metanet.figures.forest.forest, metanet.figures.page.save, metanet.figures.plots.leave_one_out
import metanet as mn
loaded = [m for m in ("matplotlib.pyplot", "forestplot") if m in sys.modules]
fit = mn.pool(events=[3, 5, 6], total=[20, 30, 30])
filters = list(warnings.filters)
fit.forest()
print(json.dumps({
    "loaded": loaded,
    "pyplot": "matplotlib.pyplot" in sys.modules,
    "backend": matplotlib.get_backend(auto_select=False),
    "settings": settings() == before,
    "filters": list(warnings.filters) == filters,
    "errors": np.geterr() == errors,
}))
"""
    )
    assert found == {"loaded": [], "pyplot": False, "backend": None, "settings": True, "filters": True, "errors": True}


def test_a_script_registers_no_figure_with_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    forest(fit_of("two"))
    assert plt.get_fignums() == before
    assert not canvas.shown_by_pyplot()


def test_an_interactive_session_with_windows_gets_its_figure_from_pyplot(monkeypatch):
    monkeypatch.setattr(matplotlib, "get_backend", lambda auto_select=True: "TkAgg")
    # The session has used pyplot.
    importlib.import_module("matplotlib.pyplot")
    monkeypatch.setattr(matplotlib, "is_interactive", lambda: False)
    assert not canvas.shown_by_pyplot()
    monkeypatch.setattr(matplotlib, "is_interactive", lambda: True)
    assert canvas.shown_by_pyplot()
    monkeypatch.setattr(matplotlib, "get_backend", lambda auto_select=True: "pdf")
    assert not canvas.shown_by_pyplot()


def test_a_child_process_of_a_kernel_shows_nothing(monkeypatch):
    monkeypatch.setattr(matplotlib, "get_backend", lambda auto_select=True: "module://matplotlib_inline.backend_inline")
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert not canvas.shown_by_pyplot()


def test_a_drawing_that_fails_leaves_no_empty_figure(monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(canvas, "shown_by_pyplot", lambda: True)
    before = plt.get_fignums()
    with pytest.raises(ArgumentError):
        forest(fit_of("two"), sort="nothing")
    assert plt.get_fignums() == before

    def fail(*_):
        raise RuntimeError("half-way")

    monkeypatch.setattr(render, "_dress", fail)
    with pytest.raises(RuntimeError, match="half-way"):
        forest(fit_of("two"))
    assert plt.get_fignums() == before


def test_a_given_axes_keeps_its_figure():
    figure = Figure(figsize=(10, 6))
    ax = figure.add_subplot()
    assert forest(fit_of("two"), ax=ax).get_figure() is figure
    assert figure.axes == [ax]


# Other packages' threads and sockets are theirs; what is shown is ours.
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_shows_each_figure_exactly_once():
    cells = [
        "import matplotlib\nimport metanet as mn\nfit = mn.pool(events=[5, 9, 12], total=[20, 33, 40])\nfit.forest()",
        "ax = fit.forest(sort='weight')\nnumber = 1",
        "try:\n    fit.forest(sort='nothing')\nexcept mn.ArgumentError:\n    print('refused')",
        "fit.forest(backend='forestplot');",
        "import matplotlib.pyplot as plt\nplt.get_fignums()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", timeout=int(HANG)).execute()
    images = [[o for o in cell.outputs if "image/png" in o.get("data", {})] for cell in notebook.cells]
    assert [len(found) for found in images] == [1, 1, 0, 1, 0]
    assert not [
        o
        for cell in notebook.cells
        for o in cell.outputs
        if o.output_type in ("error", "stream") and "refused" not in o.get("text", "")
    ]
    assert notebook.cells[4].outputs[0].data["text/plain"] == "[]"
