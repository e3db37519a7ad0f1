"""The explorer in a real JupyterLab: what a reader clicks, and what the page then shows."""

import json
import re
import shutil

import nbformat
import pytest

import metanet as mn
from metanet.explorer.lab import starter_notebook
from metanet.explorer.view import literal
from tests.browser.devtools import Page
from tests.browser.jupyter import MISSING, RUN, open_explorer, running_lab
from tests.reporting.conftest import HOSTILE, hostile_evidence  # noqa: F401 - a fixture

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}; tests/explorer still ran")

MATHEMATICS = HOSTILE + r"{2}$ \(y\)"
IN = "document.querySelector('.metanet-explorer')"
ROWS = f"""Object.fromEntries([...{IN}.querySelectorAll('.metanet-card tr')].map(
    r => [r.querySelector('th').textContent, r.querySelector('td').textContent]))"""
CODE = f"{IN}.querySelector('.metanet-code').textContent"
IMAGE = f"{IN}.querySelector('img').src"

#: Text and ground of every element of the cards that holds text of its own; the ground is what its ancestors lay under it.
CONTRASTS = r"""(() => {
    const numbers = colour => colour.match(/[\d.]+/g).map(Number);
    const over = (top, ground) => {
        const [r, g, b, a = 1] = top;
        return [r, g, b].map((value, i) => a * value + (1 - a) * ground[i]);
    };
    const ground = element => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) layers.unshift(numbers(getComputedStyle(e).backgroundColor));
        return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const luminance = colour => {
        const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const told = [...document.querySelectorAll('.metanet, .metanet *, .metanet-explorer label, .metanet-explorer label *')]
        .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
    return told.map(e => {
        const below = ground(e);
        const both = [luminance(over(numbers(getComputedStyle(e).color), below)), luminance(below)];
        const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
        return [ratio, luminance(below), e.textContent.trim().slice(0, 40)];
    });
})()"""


#: What is cut or overlaps: words wider than their dropdown, parts that lie over one another, lists that scroll sideways.
MISPLACED = f"""(() => {{
    const wrong = [];
    const pen = document.createElement('canvas').getContext('2d');
    for (const select of {IN}.querySelectorAll('select')) {{
        const style = getComputedStyle(select);
        pen.font = style.font;
        const room = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
        for (const option of select.options) {{
            const width = pen.measureText(option.text).width;
            if (width > room) wrong.push(`${{option.text}} takes ${{width}} of ${{room}} pixels`);
        }}
    }}
    const [left, right] = [...{IN}.children].map(e => e.getBoundingClientRect());
    if (right.left < left.right && right.top < left.bottom) wrong.push('the result lies over the choices');
    if (right.right > {IN}.getBoundingClientRect().right + 1) wrong.push('the result is wider than the notebook');
    const list = {IN}.querySelector('input[type=checkbox]').closest('.widget-vbox');
    if (list.scrollWidth > list.clientWidth + 1) wrong.push('the studies scroll sideways');
    const image = {IN}.querySelector('img');
    const share = image.clientWidth / image.naturalWidth;
    if (share < 0.5 || share > 1.01) wrong.push(`the figure is shown at ${{share}} of its size`);
    return wrong;
}})()"""


def box_of(name):
    """JavaScript for the box of the study whose label begins with a name."""
    return (
        f"[...{IN}.querySelectorAll('label')].find(l => l.textContent.trim().startsWith({json.dumps(name)}))"
        ".querySelector('input[type=checkbox]')"
    )


def choose(page, label, words):
    """Choose from a dropdown. The list that a browser opens for it is none of the page's, so the choice is made as it reports it."""
    page.run(
        f"""(() => {{
        const select = [...{IN}.querySelectorAll('select')].find(s => s.labels[0].textContent === {json.dumps(label)});
        // The widget writes spaces that do not break.
        const place = [...select.options].findIndex(o => o.text.replaceAll('\\u00a0', ' ') === {json.dumps(words)});
        if (place < 0) throw new Error('no such option');
        select.selectedIndex = place;
        select.dispatchEvent(new Event('change', {{bubbles: true}}));
        }})()"""
    )


def shows(page, fit):
    """Wait until the card holds exactly the numbers of a result."""
    expected = json.dumps(dict(fit.rows()))
    page.wait(f"JSON.stringify({ROWS}) === JSON.stringify({expected})", f"the numbers {fit.rows()[1]}")


def new_image(page, old):
    """Wait for another figure than `old`, and give its address."""
    return page.wait(f"{IMAGE} !== {json.dumps(old)} && {IN}.querySelector('img').complete && {IMAGE}", "a figure")


def faults(page):
    """What the page said, asked for or opened that a reader should never meet."""
    # JupyterLab drops its first connection to a kernel when it learns the kernel's name; the browser remarks on that.
    said = [text for text in page.said if not re.match(r"WebSocket connection to 'ws://127\.0\.0\.1:\d+/api/", text)]
    away = [a for a in page.asked if not re.match(r"(data:|blob:|about:blank|(http|ws)://127\.0\.0\.1:)", a)]
    return said, away, page.dialogs


def test_a_click_removes_a_study_and_the_numbers_become_those_of_pool_without_it(tmp_path):
    evidence = mn.load_evidence()
    rates = evidence.rates("objective_response")
    name = "Kennedy 2008"
    with running_lab(tmp_path / "lab") as address, Page(tmp_path / "chromium") as page:
        open_explorer(page, address)
        whole = mn.pool(rates)
        shows(page, whole)
        assert "isin" not in page.run(CODE)
        image = page.run(IMAGE)

        page.click(box_of(name))
        without = mn.pool(rates[rates["study"] != name])
        shows(page, without)
        assert without.estimate != whole.estimate
        # The figure comes last, after the numbers and the code.
        image = new_image(page, image)
        assert f'isin(["{name}"])' in page.run(CODE)
        assert f"{whole.k - 1} of {whole.k} rows" in page.run(f"{IN}.textContent")

        # The box has the focus: the space bar takes the study in again, Tab goes on to the next one.
        page.press(" ", "Space", 32, " ")
        shows(page, whole)
        image = new_image(page, image)
        page.press("Tab", "Tab", 9)
        following = page.run("document.activeElement.closest('label').textContent")
        assert following.strip()
        assert not following.startswith(name)

        choose(page, "Model", "Beta-binomial")
        shows(page, mn.pool(rates, model="beta_binomial"))
        image = new_image(page, image)
        choose(page, "Outcome", "Hepatotoxicity")
        rates = evidence.rates("hepatotoxicity")
        shows(page, mn.pool(rates, model="beta_binomial"))
        new_image(page, image)
        assert page.run(f"{IN}.querySelectorAll('input[type=checkbox]').length") == len(rates)
        known = {}
        exec(page.run(CODE), known)
        assert known["fit"].to_dict() == mn.pool(rates, model="beta_binomial").to_dict()

        # Nothing is cut at either width: dropdowns hold their words, and no part lies over another.
        for width in (1400, 900):
            page.size(width, 1000)
            page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert page.run(MISPLACED) == []
        assert faults(page) == ([], [], [])


def test_the_dark_theme_is_readable_and_a_hostile_name_stays_text(hostile_evidence, tmp_path):  # noqa: F811
    work = tmp_path / "lab" / "work"
    work.mkdir(parents=True)
    shutil.copytree(hostile_evidence, work / "data")
    # With its end, the name is mathematics to a notebook.
    studies = work / "data" / "studies.csv"
    studies.write_text(studies.read_text(encoding="utf-8").replace(HOSTILE, MATHEMATICS), encoding="utf-8")
    path = starter_notebook(work)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "import metanet as mn\nmn.explore('data', 'objective_response', 'TARE')"
    notebook.cells.insert(2, nbformat.v4.new_code_cell("mn.explore('data', 'objective_response', 'TARE').fit"))
    nbformat.write(notebook, path)
    rates = mn.load_evidence(work / "data").rates("objective_response", modality="TARE")
    name = next(name for name in rates["study"] if name.startswith(MATHEMATICS))
    with running_lab(tmp_path / "lab", dark=True) as address, Page(tmp_path / "chromium") as page:
        open_explorer(page, address)
        page.wait("document.body.dataset.jpThemeLight === 'false'", "the dark theme")
        page.click(box_of("<script>alert(1)"))
        shows(page, mn.pool(rates[rates["study"] != name]))
        known = {}
        page.wait(f"{CODE}.includes('isin')", "the code")
        code = page.run(CODE)
        assert literal(name) in code
        exec(code.replace('"data"', repr(str(work / "data"))), known)
        assert known["fit"].k == len(rates) - 1
        assert page.run("document.querySelectorAll('.metanet-explorer script, .jp-OutputArea mjx-container').length") == 0

        page.click("document.querySelectorAll('.jp-NotebookPanel .jp-Cell')[2].querySelector('.jp-InputArea-editor')")
        page.click(RUN)
        page.wait("document.querySelectorAll('.metanet-card').length === 2", "the card of a result")
        contrasts = page.run(CONTRASTS)
        assert len(contrasts) > 40
        assert all(ground < 0.1 for _, ground, _ in contrasts)
        assert [told for told in contrasts if told[0] < 4.5] == []
        assert faults(page) == ([], [], [])
