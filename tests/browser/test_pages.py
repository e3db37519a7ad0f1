"""Reports in headless Chromium: no console error, no script, nothing asked of a network."""

import shutil
import subprocess

import pytest

from tests.reporting.conftest import hostile_evidence, hostile_report  # noqa: F401 - fixtures

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed; the structural tests in tests/reporting still ran"
)
def test_pages_open_without_a_console_error_and_no_script_runs(hostile_report, tmp_path):  # noqa: F811
    pages = sorted(hostile_report.rglob("*.html"))
    assert len(pages) == 3
    for number, page in enumerate(pages):
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--user-data-dir={tmp_path / str(number)}",
                "--enable-logging=stderr",
                "--virtual-time-budget=4000",
                "--dump-dom",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line or "Refused" in line]
        assert not complaints
        assert "<script" not in done.stdout
        if page.parent.name == "TARE":
            assert "&lt;script&gt;alert(1)&lt;/script&gt; $\\frac{1}" in done.stdout
