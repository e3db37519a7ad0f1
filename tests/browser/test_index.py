"""The list of reports in headless Chromium, from a file: searching, filtering and sorting by mouse and by keyboard."""

import json

import pytest

from metanet.reporting.index.index import write_index
from tests.browser.devtools import CHROMIUM, Page
from tests.reporting.index.test_index import put, rate

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; tests/reporting/index/test_index.py still ran")

EVIL = "<img src=x onerror=alert(1)><script>alert(1)</script>"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    out = tmp_path_factory.mktemp("list")
    for outcome in ("objective_response", "disease_control", "mortality"):
        for place, group in enumerate(("PRRT", "TARE", "TACE")):
            number = 0.1 * (place + 1) + 0.05 * len(outcome) / 20
            about = {"subset": [outcome, group]}
            put(out, f"{outcome}/{group}", rate(outcome, group, number), about)
    put(out, "mortality/none", {"outcome": "mortality", "label": "Mortality", "modality_class": "none", "error": "E: x"})
    put(out, "evil/evil", rate(EVIL, EVIL, 0.01, label=EVIL), {"subset": [EVIL, EVIL]})
    put(out, "analyses/findings/TARE", {"title": "TARE: summary", "sentence": "Été."}, {"subset": [None, "TARE"]})
    put(out, "analyses/comparison/x", {"title": "Compared", "sentence": "Equal."}, {"subset": ["mortality", None]})
    return write_index(out)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Page(tmp_path_factory.mktemp("browser") / "chromium") as page:
        yield page


@pytest.fixture
def page(browser, index):
    browser.asked.clear(), browser.said.clear(), browser.dialogs.clear()
    browser.open("about:blank")
    browser.open(index.as_uri())
    browser.wait(f"document.readyState === 'complete' && location.href === {json.dumps(index.as_uri())}", "the list")
    yield browser
    assert (browser.said, browser.dialogs) == ([], [])
    assert {a.partition("#")[0] for a in browser.asked if not a.startswith(("data:", "about:"))} <= {index.as_uri(), picture(index)}


def picture(index):
    return (index.parent / "overview.svg").as_uri()


def rows(page):
    return page.run(
        "[...document.querySelectorAll('#rates tbody tr:not([hidden])')]"
        ".map(r => r.cells[0].textContent + '|' + r.cells[1].textContent)"
    )


def count(page):
    return page.run("document.getElementById('count').textContent")


def type_in(page, text):
    page.run("document.getElementById('search').focus()")
    page.call("Input.insertText", text=text)


def test_typing_filters_rows_and_analyses_and_the_count_is_announced(page):
    assert count(page) == "11 of 11 pooled rates and 2 of 2 analyses shown."
    type_in(page, "mort tace")
    assert rows(page) == ["Mortality|TACE"]
    assert count(page) == "1 of 11 pooled rates and 0 of 2 analyses shown."
    assert page.run("document.getElementById('count').getAttribute('aria-live')") == "polite"
    assert page.run("[...document.querySelectorAll('#analyses > details')].every(s => s.hidden)")


def test_search_knows_no_accents(page):
    type_in(page, "ETE")
    assert count(page) == "0 of 11 pooled rates and 1 of 2 analyses shown."


def choose(page, name, value):
    page.run(
        f"(() => {{const s = document.getElementById('{name}'); s.value = {json.dumps(value)};"
        " s.dispatchEvent(new Event('input', {bubbles: true}))})()"
    )


def test_filters_by_outcome_and_modality_and_back(page):
    choose(page, "outcome", "mortality")
    assert rows(page) == ["Mortality|none", "Mortality|PRRT", "Mortality|TACE", "Mortality|TARE"]
    choose(page, "group", "TARE")
    assert rows(page) == ["Mortality|TARE"]
    page.click("document.getElementById('reset')")
    assert len(rows(page)) == 11
    assert page.run("document.activeElement.id") == "search"


def head(text):
    return f"[...document.querySelectorAll('#rates thead button')].find(b => b.textContent === {json.dumps(text)})"


def order(page):
    return page.run(f"{head('Median, %')}.parentNode.getAttribute('aria-sort')")


def values(page):
    return page.run("[...document.querySelectorAll('#rates tbody tr')].map(r => r.cells[2].textContent || null)")


def test_a_click_on_a_heading_sorts_numbers_as_numbers_and_turns_them(page):
    page.click(head("Median, %"))
    found = values(page)
    assert found[-1] is None
    assert [float(v) for v in found[:-1]] == sorted(float(v) for v in found[:-1])
    assert order(page) == "ascending"
    assert count(page).endswith("sorted by Median, %, ascending.")
    page.click(head("Median, %"))
    turned = values(page)
    assert turned[-1] is None
    assert turned[:-1] == found[:-1][::-1]
    assert order(page) == "descending"
    page.click(head("Outcome"))
    assert order(page) is None


def test_everything_is_reached_and_sorted_by_keyboard(page):
    page.run("document.getElementById('search').focus()")
    seen = []
    for _ in range(6):
        page.press("Tab", "Tab", 9)
        seen.append(page.run("document.activeElement.id || document.activeElement.textContent || document.activeElement.className"))
    assert seen[:3] == ["outcome", "group", "reset"]
    assert seen[4:] == ["Outcome", "Modality"]
    page.press("Tab", "Tab", 9)
    page.press("Enter", "Enter", 13, "\r")
    assert order(page) == "ascending"
    page.press(" ", "Space", 32, " ")
    assert order(page) == "descending"
    assert page.run("document.activeElement.textContent") == "Median, %"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_hostile_names_are_text_in_rows_and_choices(page):
    assert f"{EVIL}|{EVIL}" in rows(page)
    choose(page, "outcome", EVIL)
    assert rows(page) == [f"{EVIL}|{EVIL}"]
    assert page.run("document.scripts.length") == 1
    assert page.run("document.images.length") == 1


def test_controls_are_labelled_and_the_figure_is_described(page):
    named = page.run("['search', 'outcome', 'group'].map(id => document.getElementById(id).labels[0].textContent.slice(0, 6))")
    assert named == ["Search", "Outcom", "Modali"]
    page.run("document.images[0].scrollIntoView()")
    page.wait("document.images[0].complete && document.images[0].naturalWidth > 300", "the overview")
    assert page.run("document.images[0].alt").startswith("Overview of pooled rates")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground(page, scheme):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    ratios = page.run(
        """(() => {
          const parts = (c) => c.match(/[\\d.]+/g).map(Number);
          const bright = (c) => parts(c).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
          const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
            if (parts(c)[3] !== 0) { return c; } } return 'rgb(255, 255, 255)'; };
          const read = document.querySelectorAll('h1, h2, p, small, a:not(svg a), th, td, button, label, input, select');
          return [...read].map(e => {
            const [a, b] = [bright(getComputedStyle(e).color), bright(ground(e))].sort((x, y) => y - x);
            return [(a + .05) / (b + .05), e.outerHTML.slice(0, 80)]; });
        })()"""
    )
    page.call("Emulation.setEmulatedMedia", features=[])
    assert min(ratios)[0] >= 4.5, min(ratios)


def test_without_scripts_the_whole_list_is_there(page, index):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open("about:blank")
        page.open(index.as_uri())
        page.wait(f"document.readyState === 'complete' && location.href === {json.dumps(index.as_uri())}", "the list")
        assert len(rows(page)) == 11
        assert page.run("getComputedStyle(document.getElementById('controls')).display") == "none"
        assert page.run("document.querySelectorAll('#rates thead button').length") == 0
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)


def test_back_comes_to_the_same_list(page, index):
    type_in(page, "mort")
    choose(page, "group", "TARE")
    page.click(head("Median, %"))
    seen = rows(page), count(page)
    assert "search=mort" in page.run("location.hash")
    page.run("document.querySelector('#rates tbody a').click()")
    page.wait("document.title === '' && !location.href.includes('index.html')", "the report")
    page.asked.clear()
    page.run("history.back()")
    page.wait(f"location.href.startsWith({json.dumps(index.as_uri())}) && document.readyState === 'complete'", "the list")
    page.wait("document.getElementById('search')?.value === 'mort'", "what was chosen")
    assert (rows(page), count(page)) == seen
    assert order(page) == "ascending"
    # An address that was sent to somebody opens the same, and one that somebody made up does no harm.
    page.open("about:blank")
    page.open(index.as_uri() + "#show?group=TACE&sort=2-")
    page.wait("document.getElementById('group')?.value === 'TACE'", "what was sent")
    assert order(page) == "descending"
    page.open("about:blank")
    page.open(index.as_uri() + "#show?search=%3Cimg%20src%3Dx%3E&sort=99&rows=-5&open=%22%5D")
    page.wait("document.getElementById('search')?.value.startsWith('<img')", "what was made up")
    assert rows(page) == []


def test_the_page_can_be_passed_over_by_keyboard(page):
    page.press("Tab", "Tab", 9)
    assert page.run("document.activeElement.textContent") == "Skip to the content"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0


def test_analyses_are_folded_and_open_when_they_are_looked_for(page):
    assert page.run("[...document.querySelectorAll('#analyses details')].some(d => d.open)") is False
    type_in(page, "equal")
    assert page.run("document.getElementById('comparison').open") is True


@pytest.fixture(scope="module")
def long_list(tmp_path_factory):
    out = tmp_path_factory.mktemp("long")
    for number in range(900):
        name = f"outcome_{number // 20}"
        put(out, f"{name}/g{number % 20}", rate(name, f"group {number % 20}", 0.001 + (number * 37 % 900) / 901))
    return write_index(out)


def test_a_long_list_is_drawn_as_it_is_needed(browser, long_list):
    browser.open("about:blank")
    browser.open(long_list.as_uri())
    browser.wait(f"document.readyState === 'complete' && location.href === {json.dumps(long_list.as_uri())}", "the list")
    drawn = "document.querySelectorAll('#rates tbody tr').length"
    assert browser.run(drawn) == 300
    assert count(browser) == "900 of 900 pooled rates shown."
    browser.run("document.getElementById('more').scrollIntoView()")
    browser.wait(f"{drawn} === 600", "more rows")
    # Sorting and searching know the lines that have not been drawn.
    browser.click(head("Median, %"))
    found = [float(value.strip("<")) for value in values(browser)]
    assert found == sorted(found)
    choose(browser, "outcome", "outcome_44")
    choose(browser, "group", "group 19")
    assert rows(browser) == ["Outcome 44|group 19"]
    link = browser.run("document.querySelector('#rates tbody a').getAttribute('href')")
    assert link == "outcome_44/g19/report.html"
    assert browser.run("[...document.querySelectorAll('#rates tbody td.links a')].map(a => a.textContent)") == ["notebook"]
