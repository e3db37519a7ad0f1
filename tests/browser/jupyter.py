"""A JupyterLab of one's own, opened by `metanet lab`, and the explorer in it as its reader meets it."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec

from tests.browser.devtools import CHROMIUM, end_process
from tests.work import wait_until

#: Why JupyterLab cannot be driven here; empty where it can.
MISSING = ", ".join([name for name in ("jupyterlab", "ipywidgets") if find_spec(name) is None] + ([] if CHROMIUM else ["Chromium"]))
#: JupyterLab would ask the network for news and newer versions, and show what it heard over the notebook.
_QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
#: Containers run tests as root, whom Jupyter refuses unless told; the page tells when it is ready only where it may.
_OPTIONS = ("--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root", "--LabApp.expose_app_in_browser=True")
_READY = """(async () => {
    const app = window.jupyterapp;
    if (!app) return false;
    await app.restored;
    const panel = app.shell.currentWidget;
    if (!panel?.sessionContext) return false;
    await panel.revealed;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    return !document.querySelector('.jp-NotebookPanel .jp-Spinner');
})()"""
#: JavaScript for the button that runs the chosen cell and chooses the next one.
RUN = """document.querySelector('.jp-NotebookPanel [data-command="notebook:run-cell-and-select-next"]')"""


@contextmanager
def running_lab(home, *, dark=False):
    """The address of a JupyterLab on the starter notebook in `home`/work; it ends, kernels and all, with the block."""
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(_QUIET), encoding="utf-8")
    theme = {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}
    (settings / "themes.jupyterlab-settings").write_text(json.dumps(theme), encoding="utf-8")
    work, runtime = home / "work", home / "runtime"
    work.mkdir(exist_ok=True)
    runtime.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON", "PYTEST"))}
    environment = kept | {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with (home / "lab.log").open("w", encoding="utf-8") as log:
        lab = subprocess.Popen(
            [sys.executable, "-c", "from metanet.cli import main; main()", "lab", str(work), *_OPTIONS],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        found = wait_until(lambda: _server(lab, runtime, home / "lab.log"), "JupyterLab")
        yield f"{found['url']}lab/tree/metanet_start.ipynb?token={found['token']}"
    finally:
        end_process(lab)


def _server(lab, runtime, log):
    """What JupyterLab wrote about itself, once it has."""
    if lab.poll() is not None:
        raise AssertionError(f"JupyterLab ended with {lab.returncode}:\n{log.read_text()[-3000:]}")
    for file in runtime.glob("jpserver-*.json"):
        try:
            return json.loads(file.read_text())
        except ValueError:
            return None
    return None


def open_explorer(page, address):
    """Open the starter notebook and run its first cells, by the button, until the explorer is there."""
    # A page of a headless browser has no focus, and JupyterLab waits for it with half of what it shows.
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.open(address)
    page.wait(_READY, "the notebook")
    # The first cell is text, the second makes the explorer.
    page.click(RUN)
    page.click(RUN)
    page.wait("!!document.querySelector('.metanet-explorer .metanet-figure svg')", "the explorer")
