"""The engine `metanet` beside papermill's own: the same cells, the same outputs, the same errors."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import nbformat
import papermill
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError

from metanet.base.errors import ArgumentError
from metanet.base.progress import QUIET
from metanet.reporting.engine import forks
from metanet.reporting.engine.papermill_engine import MetanetEngine, check_names
from tests.work import HANG, wait_until

pytestmark = pytest.mark.skipif(not forks.available(), reason="no safe fork on this system; the stock engine runs there")

CELLS = (
    "a = 1\nprint('to', 'out')\na",
    "import sys\nprint('to err', file=sys.stderr)",
    "from IPython.display import HTML, Markdown, clear_output, display",
    "h = display(HTML('<b>old</b>'), display_id='x')\ndisplay({'text/plain': 'raw'}, raw=True)",
    "h.update(HTML('<i>new</i>'))",
    "print('gone')\nclear_output()\nprint('kept')",
    "print('gone later')\nclear_output(wait=True)\nprint('kept later')",
    "%config InlineBackend.figure_formats = ['retina']\nimport matplotlib.pyplot as plt",
    "plt.plot([1, 2])\nplt.show()\nplt.title('second')",
    "import os\nos.system('echo from the shell')",
    "!echo from a magic",
    "await __import__('asyncio').sleep(0.01)\n'awaited'",
    "import pandas as pd\npd.DataFrame({'a': [1, 2]})",
    "import metanet as mn\nfit = mn.pool(events=[1, 2, 5], total=[9, 9, 11])\nfit",
    "import warnings\nwarnings.warn('beware')",
    "_, __, In[1] == 'a = 1', word",
    "1;",
    "",
    "%%time\nx = 3",
    "%%bash\necho a cell of bash",
    "from IPython import get_ipython\ntype(get_ipython()).__name__ != ''",
)


@pytest.fixture(scope="module", autouse=True)
def registered():
    papermill_engines.register("metanet", MetanetEngine)


@pytest.fixture
def book(tmp_path):
    def make(*cells, tags=()):
        made = nbformat.v4.new_notebook()
        made.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
        first = nbformat.v4.new_code_cell("word = 'a'", metadata={"tags": ["parameters"]})
        made.cells = [first, nbformat.v4.new_markdown_cell("# Text")]
        made.cells += [nbformat.v4.new_code_cell(cell, metadata={"tags": list(tags)}) for cell in cells]
        path = tmp_path / "in.ipynb"
        nbformat.write(made, path)
        return path

    return make


def outputs_of(book):
    """Outputs without what differs by nature: pieces of one stream, addresses, times, warnings' places."""
    found = []
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        streams, others = {}, []
        for output in cell.outputs:
            if output.output_type == "stream":
                streams[output.name] = streams.get(output.name, "") + output.text
            elif output.output_type == "error":
                others.append(("error", output.ename, output.evalue))
            else:
                others.append((output.output_type, output.get("execution_count"), dict(output.data), dict(output.metadata)))
        found.append((cell.execution_count, {n: cleaned(t) for n, t in streams.items()}, cleaned(repr(others))))
    return found


def cleaned(text):
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"/tmp/ipykernel_\d+/\d+\.py:\d+|<ipython-input[^>]*>:\d+", "CELL", text)
    text = re.sub(r"\(\d+\.py,|\(<ipython-input[^>]*>,", "(CELL,", text)
    return re.sub(r"[\d.e+]+ [mµμn]?s", "TIME", text)


def run(path, tmp_path, engine, **options):
    out = tmp_path / f"{engine}.ipynb"
    return papermill.execute_notebook(path, out, engine_name=engine, progress_bar=False, **options)


def test_cells_put_out_the_same_as_by_the_stock_engine(book, tmp_path, monkeypatch):
    # Under pytest a kernel does not read what programs write past Python; elsewhere it does.
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    # What only a reader at a screen sees, such as the small picture beside a card, stays out of both.
    monkeypatch.setenv(QUIET, "1")
    path = book(*CELLS)
    ours, stock = (run(path, tmp_path, name, parameters={"word": "b"}) for name in ("metanet", None))
    for source, mine, theirs in zip(
        (c.source for c in ours.cells if c.cell_type == "code"), outputs_of(ours), outputs_of(stock), strict=True
    ):
        assert mine == theirs, source
    assert ours.metadata.language_info == stock.metadata.language_info
    assert [c.metadata.papermill.status for c in ours.cells] == [c.metadata.papermill.status for c in stock.cells]
    nbformat.validate(nbformat.read(tmp_path / "metanet.ipynb", as_version=4))


BROKEN = "class Broken:\n    def __repr__(self):\n        raise ValueError('no text')\nBroken()"


@pytest.mark.parametrize(
    "source", ["1 / 0", BROKEN, "import sys\nsys.exit(3)", "raise KeyError('x')", "input('who?')", "a b", "assert 0, 'ä'"]
)
def test_an_error_stops_the_notebook_as_in_the_stock_engine(book, tmp_path, source):
    path = book("print('before')", source, "print('after')")
    found = {}
    for engine in ("metanet", None):
        with pytest.raises(PapermillExecutionError) as fault:
            run(path, tmp_path, engine)
        made = nbformat.read(tmp_path / f"{engine}.ipynb", as_version=4)
        found[engine] = (
            fault.value.ename, cleaned(fault.value.evalue), fault.value.exec_count,
            [c.execution_count for c in made.cells if c.cell_type == "code"],
            [c.metadata.get("papermill", {}).get("status") for c in made.cells],
        )  # fmt: skip
    assert found["metanet"] == found[None]


def test_after_an_expected_error_the_next_cell_runs_and_a_skipped_one_is_left_out(book, tmp_path):
    path = book("1 / 0", "2", tags=["raises-exception"])
    for engine in ("metanet", None):
        # papermill itself raises for every error that stands in a notebook.
        with pytest.raises(PapermillExecutionError):
            run(path, tmp_path, engine)
        made = nbformat.read(tmp_path / f"{engine}.ipynb", as_version=4)
        assert [c.execution_count for c in made.cells if c.cell_type == "code"] == [1, 2, 3]
    path = book("1 / 0", "2", tags=["skip-execution"])
    ours, stock = (outputs_of(run(path, tmp_path, name)) for name in ("metanet", None))
    assert ours == stock


def test_a_cell_that_takes_too_long_ends_the_run(book, tmp_path):
    path = book("print('first')", "import time\ntime.sleep(30)", "3")
    for engine in ("metanet", None):
        with pytest.raises(CellTimeoutError):
            run(path, tmp_path, engine, execution_timeout=1)


def test_a_cell_that_no_signal_interrupts_is_ended_from_outside(book, tmp_path, monkeypatch):
    from metanet.reporting.engine import papermill_engine

    monkeypatch.setattr(papermill_engine, "_GRACE", 0.3)
    path = book("import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\ntime.sleep(60)")
    with pytest.raises(DeadKernelError, match="longer than the limit"):
        run(path, tmp_path, "metanet", execution_timeout=3)


def test_a_process_that_dies_is_a_dead_kernel(book, tmp_path):
    path = book("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(DeadKernelError, match="SIGKILL"):
        run(path, tmp_path, "metanet")


def test_streams_go_where_papermill_sends_them(book, tmp_path):
    out, err = io.StringIO(), io.StringIO()
    path = book("print('x' * 3)", "import sys\nprint('y', file=sys.stderr)")
    run(path, tmp_path, "metanet", stdout_file=out, stderr_file=err)
    assert out.getvalue() == "xxx\n"
    assert err.getvalue() == "y\n"


def test_runs_do_not_see_each_other_and_draw_other_random_numbers(book, tmp_path):
    path = book(
        "import random, numpy as np\nprint('left' in globals())\nleft = 1\nrandom.random(), np.random.rand()",
        "import os\nos.environ['LEFT'] = 'x'\nos.getcwd()",
    )
    first, second = (outputs_of(run(path, tmp_path, "metanet")) for _ in range(2))
    assert "False" in first[1][1]["stdout"]
    assert "False" in second[1][1]["stdout"]
    assert first[1][2] != second[1][2]
    assert "LEFT" not in os.environ


def test_the_notebook_runs_where_papermill_says(book, tmp_path):
    (tmp_path / "there").mkdir()
    found = run(book("import os\nos.getcwd()"), tmp_path, "metanet", cwd=str(tmp_path / "there"))
    assert str(tmp_path / "there") in outputs_of(found)[1][2]


def test_the_command_line_of_papermill_knows_the_engine(book, tmp_path):
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "--engine", "metanet", str(book("6 * 7, word")), str(out), "-p", "word", "b"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert "(42, 'b')" in outputs_of(nbformat.read(out, as_version=4))[-1][2]


def test_the_parent_ends_with_its_owner():
    script = (
        "from metanet.reporting.engine.forks import Forks\nimport sys, os\nf = Forks()\nprint(f._parent.pid, f._folder, flush=True)\n"
        "g = f.ask('cells', {'cells': [['import time; time.sleep(600)', False]], 'limit': None})\nimport threading\n"
        "t = threading.Thread(target=lambda: list(g), daemon=True); t.start()\nimport time; time.sleep(0.5)\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=HANG)
    number = int(done.stdout.split()[0])

    def gone():
        alive = subprocess.run(["ps", "-eo", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
        return not any(str(number) in line.split() for line in alive.splitlines())

    wait_until(gone, "the end of the parent and its fork")


def test_a_fork_has_the_tables_of_who_asks_and_not_those_of_the_day_its_parent_began(monkeypatch, tmp_path):
    def told(parent):
        cells = [["import os; print(os.environ.get('METANET_EVIDENCE'))", False]]
        return "".join(m["output"].get("text", "") for m in parent.ask("cells", {"cells": cells, "limit": None}) if "output" in m)

    monkeypatch.setenv("METANET_EVIDENCE", str(tmp_path / "old"))
    with forks.Forks() as parent:
        monkeypatch.setenv("METANET_EVIDENCE", str(tmp_path / "new"))
        assert told(parent).strip() == str(tmp_path / "new")
        monkeypatch.delenv("METANET_EVIDENCE")
        assert told(parent).strip() == "None"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("word = 1; import os", "is not a name, and papermill would run it as code"),
        ("class", "is not a name"),
        ("wrd", "Did you mean 'word'"),
    ],
)
def test_a_parameter_that_is_no_name_or_not_one_of_the_notebook_is_refused(book, tmp_path, name, words):
    """Stock papermill writes the name into the notebook as code, and runs a notebook with a misspelt one as if nothing was."""
    with pytest.raises(ArgumentError, match=re.escape(words)):
        papermill.execute_notebook(
            book("word"), str(tmp_path / "out.ipynb"), parameters={name: 1}, engine_name="metanet", progress_bar=False
        )


def test_names_with_types_and_without_a_cell_of_parameters_are_taken(tmp_path):
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell("level: float = 0.95\na, b = 1, 2", metadata={"tags": ["parameters"]})]
    made.metadata["papermill"] = {"parameters": {"level": 0.9, "b": 3}}
    check_names(made)
    made.cells[0].metadata["tags"] = []
    made.metadata["papermill"]["parameters"] = {"anything": 1}
    check_names(made)
