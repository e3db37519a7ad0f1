"""Every kind of page in headless Chromium at three widths, examined by axe: no violation, and nothing wider than the window."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

import metanet as mn
from metanet.reporting.index.index import write_index
from metanet.reporting.run.makers import Limits
from tests.browser.devtools import CHROMIUM, Page
from tests.reporting.index.test_index import put, rate

AXE = find_spec("axe_core_python")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; the pages are not examined"),
    pytest.mark.skipif(AXE is None, reason="axe is not installed: pip install axe-core-python"),
]

WIDTHS = (1400, 800, 390)
#: Characters of a line of running text, at the most.
MOST_CHARACTERS = 80
PLAN = """
[[report]]
analysis = "rates"
outcomes = ["objective_response", "complete_response"]
modalities = ["TARE", "combination"]

[[report]]
analysis = "findings"
modalities = ["PRRT"]

[[report]]
analysis = "comparison"
outcomes = ["disease_control"]

[[report]]
analysis = "benefit_risk"

[[report]]
analysis = "heterogeneity"
outcomes = ["objective_response"]
modalities = ["TARE"]

[[report]]
analysis = "sensitivity"
outcomes = ["symptomatic_response"]
modalities = ["TAE"]

[[report]]
analysis = "audit"

[[report]]
analysis = "manuscript"

[[report]]
analysis = "replication"
"""
#: The kinds of page, each by a file.
KINDS = {
    "list of reports": "run/index.html",
    "pooled rate": "run/objective_response/TARE/report.html",
    "another pooled rate": "run/complete_response/TARE/report.html",
    "one study": "run/complete_response/combination/report.html",
    "replication": "run/replication/devcic2014/report.html",
    "findings": "run/analyses/findings/PRRT/report.html",
    "comparison": "run/analyses/comparison/disease_control/report.html",
    "benefit against harm": "run/analyses/benefit_risk/objective_response-hepatotoxicity/report.html",
    "heterogeneity": "run/analyses/heterogeneity/objective_response-TARE/report.html",
    "sensitivity": "run/analyses/sensitivity/symptomatic_response-TAE/report.html",
    "audit": "run/analyses/audit/counts/report.html",
    "manuscript": "run/analyses/manuscript/review/report.html",
    "failed report": "failed/objective_response/TARE/report.html",
    "long list": "long/index.html",
    "empty list": "empty/index.html",
    "changes": "changes.html",
    "table": "table.html",
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A folder with a page of every kind."""
    out = tmp_path_factory.mktemp("pages")
    (out / "plan.toml").write_text(PLAN, encoding="utf-8")
    mn.report(plan=out / "plan.toml", out=out / "run", progress=False)
    mn.report("objective_response", "TARE", out=out / "failed", limits=Limits(seconds=0.2), progress=False)
    for number in range(700):
        name = f"outcome_{number // 20}"
        put(out / "long", f"{name}/group_{number % 20}", rate(name, f"group {number % 20}", 0.001 + number / 701))
    write_index(out / "long")
    (out / "empty").mkdir()
    write_index(out / "empty")
    before, after = out / "before", out / "after"
    put(before, "a/b", rate(estimate=0.3))
    put(after, "a/b", rate(estimate=0.4))
    mn.diff(before, after).to_html(out / "changes.html")
    mn.study_table(mn.load_evidence().rates("objective_response")).to_html(out / "table.html")
    return out


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with Page(tmp_path_factory.mktemp("browser") / "chromium") as opened:
        yield opened


def look(page, file, width):
    page.size(width, 900)
    page.said.clear()
    page.open("about:blank")
    page.open(file.as_uri())
    page.wait(f"document.readyState === 'complete' && location.href === {json.dumps(file.as_uri())}", file.name)


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(pages, page, kind):
    script = (Path(AXE.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    file = pages / KINDS[kind]
    for width in WIDTHS:
        look(page, file, width)
        assert page.said == []
        page.run(f"{script};1")
        found = page.run(
            "axe.run(document, {resultTypes: ['violations']})"
            ".then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html).slice(0, 3)]))"
        )
        assert found == [], (width, found)
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), width
        assert page.run("document.querySelectorAll('main, [role=main]').length") == 1


LINES = """(() => {
  const long = [];
  for (const block of document.querySelectorAll('p:not(.files), li, figcaption, small, dd, .gt_sourcenote span')) {
    if (!block.offsetParent || block.querySelector('p, li, table, figure, details')) { continue; }
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    const lines = new Map();
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      for (let i = 0; i < node.length; i += 1) {
        const range = document.createRange();
        range.setStart(node, i);
        range.setEnd(node, i + 1);
        const box = range.getBoundingClientRect();
        if (box.width) { lines.set(Math.round(box.bottom / 8), (lines.get(Math.round(box.bottom / 8)) ?? 0) + 1); }
      }
    }
    const most = Math.max(0, ...lines.values());
    if (most > %d) { long.push([most, block.outerHTML.slice(0, 120)]); }
  }
  return long;
})()"""


@pytest.mark.parametrize("kind", ["pooled rate", "one study", "findings", "heterogeneity", "sensitivity", "comparison", "audit"])
def test_lines_of_text_are_short(pages, page, kind):
    look(page, pages / KINDS[kind], 1400)
    assert page.run(LINES % MOST_CHARACTERS) == []


def test_everything_that_is_moved_sideways_is_reached_by_keys(pages, page):
    look(page, pages / KINDS["pooled rate"], 390)
    moved = page.run(
        "[...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1"
        " && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)).map(e => [e.tabIndex, e.outerHTML.slice(0, 80)])"
    )
    assert moved
    assert [one for one in moved if one[0] != 0] == []


def test_pages_are_light(pages):
    assert (pages / KINDS["list of reports"]).stat().st_size < 300_000
    for report in (pages / "run").rglob("report.html"):
        assert report.stat().st_size < 800_000, report


def test_figures_have_numbers_captions_and_letters(pages, page):
    look(page, pages / KINDS["heterogeneity"], 1400)
    labels = page.run("[...document.querySelectorAll('figcaption strong')].map(e => e.textContent)")
    assert labels == [f"Figure {i}." for i in range(1, len(labels) + 1)]
    assert len(labels) > 3
    pictures = "[...document.querySelectorAll('figure svg')]"
    assert page.run(f"{pictures}.every(s => s.getAttribute('role') === 'img' && s.getAttribute('aria-label'))")
    # Letters are text, drawn by the fonts that the drawings bring.
    said = page.run("getSelection().selectAllChildren(document.querySelectorAll('figure svg')[1]), getSelection().toString()")
    assert "Kennedy 2008" in said
    ids = page.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["pooled rate", "comparison", "failed report", "changes"])
def test_colours_follow_the_reader(pages, page, kind, scheme):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    look(page, pages / KINDS[kind], 1400)
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) > 700) == (scheme == "light")
    page.run(f"{(Path(AXE.submodule_search_locations[0]) / 'axe.min.js').read_text(encoding='utf-8')};1")
    found = page.run(
        "axe.run(document, {runOnly: ['color-contrast']}).then(r => r.violations.map(v => v.nodes.map(n => n.html).slice(0, 3)))"
    )
    page.call("Emulation.setEmulatedMedia", features=[])
    assert found == []
