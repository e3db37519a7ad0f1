"""Reports in headless Chromium: no console error, no script, nothing asked of a network."""

import json
import time

import pytest

from tests.browser.devtools import CHROMIUM, Page
from tests.reporting.conftest import hostile_evidence, hostile_report  # noqa: F401 - fixtures


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; the structural tests in tests/reporting still ran")
def test_pages_open_without_a_console_error_and_no_script_runs(hostile_report, tmp_path):  # noqa: F811
    files = sorted(hostile_report.rglob("*.html"))
    assert len(files) == 3
    with Page(tmp_path / "chromium") as page:
        for file in files:
            page.open(file.as_uri())
            page.wait(f"document.readyState === 'complete' && location.href === {json.dumps(file.as_uri())}", file.name)
            # What a timer would have done is done by now.
            time.sleep(1)
            shown = page.run("document.documentElement.outerHTML")
            assert (page.said, page.dialogs) == ([], [])
            assert file.as_uri() in page.asked
            assert [a for a in page.asked if not a.startswith(("file:", "data:", "about:blank"))] == []
            # The list of reports has one script of its own, which `test_index` drives, and data that it reads.
            assert shown.count("<script") == page.run("document.scripts.length") == 2 * (file.name == "index.html")
            if file.parent.name == "TARE":
                assert "&lt;script&gt;alert(1)&lt;/script&gt; $\\frac{1}" in shown
