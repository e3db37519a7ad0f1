"""Tab gives names of columns where they are written."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pandas as pd
import pytest

import metanet as mn
from metanet.explorer.completing import columns_for

FRAME = pd.DataFrame({"author": ["A", "B"], "responders": [1, 2], "n patients": [9, 8], "year": [2001, 2002]})


class Hostile:
    """Something whose attributes must not be looked at by Tab."""

    def __getattr__(self, name):
        raise RuntimeError(name)


@pytest.fixture(scope="module")
def names():
    return {
        "d": FRAME,
        "fit": mn.pool(FRAME, "responders", "n patients"),
        "e": mn.read(FRAME, "responders", "n patients"),
        "x": 3,
        "hostile": Hostile(),
    }


@pytest.mark.parametrize(
    ("text", "begun", "first"),
    [
        ('mn.pool(d, events="re', "re", ["responders"]),
        ("fit = mn.pool(d,\n    total='n", "n", ["n patients"]),
        ('mn.pool(d, "responders", "', "", ["author", "responders", "n patients", "year"]),
        ('metanet.read(d, study="au', "au", ["author"]),
        ('mn.compare(e, "mod', "mod", ["modality", "modality_class"]),
        ('mn.cumulative(fit, "ye', "ye", ["year"]),
        ('fit.subset("ye', "ye", ["year"]),
        ('fit.subset("year > 2000 and au', "au", ["author"]),
        ('fit.subset("n p', "p", []),
        ('fit.subset("`n p', "n p", ["n patients`"]),
        ('fit.subset("year > 2000 & n', "n", ["`n patients`"]),
        ('mn.explore(e, "res', "res", ["responders"]),
        ('mn.multiverse(e, outcome="res', "res", ["responders"]),
        ('e.rates("re', "re", ["responders"]),
        ('mn.explore(e, "mod', "mod", []),
        ('mn.pool(hostile, "re', "re", []),
        ('mn.pool(x, events="re', "re", []),
        ('mn.pool(unknown, events="re', "re", []),
        ('print("re', "", []),
        ("mn.pool(d, re", "", []),
    ],
)
def test_the_columns_that_begin_so_are_offered(names, text, begun, first):
    assert columns_for(text, names) == (begun, first)


def test_a_kernel_completes_columns_and_shows_errors_in_one_paragraph():
    code = """
        from IPython.testing.globalipapp import start_ipython
        shell = start_ipython()
        shell.run_cell("import metanet as mn, pandas as pd")
        shell.run_cell("d = pd.DataFrame({'responders': [1, 2], 'total': [9, 8]})")
        print(shell.Completer.complete(line_buffer='mn.pool(d, events="re', cursor_pos=21)[1])
        shell.run_cell("mn.pool(d,\\n    'respnders', 'total')")
        print("--- full")
        shell.run_cell("mn.MetanetError.short = False\\nmn.pool(d, 'respnders', 'total')")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    brief, full = done.stdout.split("--- full")
    assert "'responders'" in brief
    lines = [line for line in brief.splitlines() if line.strip()]
    assert any(
        line.startswith("ArgumentError: events='respnders' is not a column of data. Did you mean 'responders'?") for line in lines
    )
    assert "Traceback" not in brief
    assert "line 1 of the cell" in brief or "line 2 of the cell" in brief
    assert "Traceback" in full
    assert "metanet/models/pooling" in full.replace("\\\\", "/")


def test_import_alone_loads_no_shell():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, metanet; print('IPython' in sys.modules, 'pandas' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]
