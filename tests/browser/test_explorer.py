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
from tests.work import wait_until

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}; tests/explorer still ran")

MATHEMATICS = HOSTILE + r"{2}$ \(y\)"
IN = "document.querySelector('.metanet-explorer')"
ROWS = f"""Object.fromEntries([...{IN}.querySelectorAll('.metanet-pairs > div')].map(
    r => [r.querySelector('strong').textContent, r.querySelector('.metanet-value').textContent]))"""
CODE = f"{IN}.querySelector('.metanet-code').textContent"
DRAWING = f"{IN}.querySelector('.metanet-figure svg')"
IMAGE = f"{DRAWING}.outerHTML"

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


#: What is cut or overlaps: a chosen word wider than its menu, parts that lie over one another, lists that scroll sideways.
MISPLACED = f"""(() => {{
    const wrong = [];
    const pen = document.createElement('canvas').getContext('2d');
    for (const select of {IN}.querySelectorAll('select')) {{
        const style = getComputedStyle(select);
        pen.font = style.font;
        const room = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
        const words = select.selectedOptions[0].text;
        const width = pen.measureText(words).width;
        if (width > room) wrong.push(`${{words}} takes ${{width}} of ${{room}} pixels`);
    }}
    const all = {IN}.getBoundingClientRect();
    const parts = [...{IN}.querySelector('.metanet-parts').children].map(e => [e.className, e.getBoundingClientRect()]);
    for (const [name, one] of parts) {{
        if (one.right > all.right + 1) wrong.push(`${{name}} is wider than the notebook`);
        for (const [other, two] of parts) {{
            const across = one.left < two.right - 1 && two.left < one.right - 1;
            if (name < other && across && one.top < two.bottom - 1 && two.top < one.bottom - 1)
                wrong.push(`${{name}} lies over ${{other}}`);
        }}
    }}
    for (const name of ['list', 'menus']) {{
        const list = {IN}.querySelector(`.metanet-${{name}}`);
        if (list.scrollWidth > list.clientWidth + 1) wrong.push(`the ${{name}} scroll sideways`);
    }}
    const image = {DRAWING};
    const share = image.getBoundingClientRect().width / (parseFloat(image.getAttribute('width')) * 4 / 3);
    if (share < 0.5 || share > 1.01) wrong.push(`the figure is shown at ${{share}} of its size`);
    return wrong;
}})()"""
#: The part of the window in which the notebook is, and the whole figure.
PLACES = f"""(() => {{
    const room = document.querySelector('.jp-NotebookPanel .jp-WindowedPanel-outer').getBoundingClientRect();
    const [card, figure] = ['.metanet-card', '.metanet-figure'].map(n => {IN}.querySelector(n).getBoundingClientRect());
    return [room.top <= card.top, figure.bottom <= room.bottom, figure.height, {DRAWING}.getBoundingClientRect().height];
}})()"""
#: Two frames of the browser: what was sent is laid out.
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


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
    expected = json.dumps(dict(fit.rows()[1:]))
    page.wait(f"JSON.stringify({ROWS}) === JSON.stringify({expected})", f"the numbers {fit.rows()[1]}")


def new_image(page, old):
    """Wait for another figure than `old`, and give its address."""
    return page.wait(f"{DRAWING} && {IMAGE} !== {json.dumps(old)} && {IMAGE}", "a figure")


def faults(page):
    """What the page said, asked for or opened that a reader should never meet."""
    # JupyterLab drops its first connection to a kernel when it learns the kernel's name; the browser remarks on that.
    said = [text for text in page.said if not re.match(r"WebSocket connection to 'ws://127\.0\.0\.1:\d+/api/", text)]
    away = [a for a in page.asked if not re.match(r"(data:|blob:|about:blank|(http|ws)://127\.0\.0\.1:)", a)]
    return said, away, page.dialogs


def test_a_click_removes_a_study_and_the_numbers_become_those_of_pool_without_it(tmp_path):
    evidence = mn.load_evidence()
    rates = evidence.rates("objective_response", modality="PRRT")
    name = "Bodei 2011"
    with running_lab(tmp_path / "lab") as address, Page(tmp_path / "chromium") as page:
        page.size(1400, 900)
        open_explorer(page, address)
        whole = mn.pool(rates)
        shows(page, whole)
        assert "isin" not in page.run(CODE)
        image = page.run(IMAGE)
        # All of it is in a window of a common size, without scrolling: the figure as well.
        above, below, height, whole_height = page.run(PLACES)
        assert (above, below) == (True, True)
        assert height + 1 >= whole_height

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
        rates = evidence.rates("hepatotoxicity", modality="PRRT")
        shows(page, mn.pool(rates, model="beta_binomial"))
        new_image(page, image)
        assert page.run(f"{IN}.querySelectorAll('input[type=checkbox]').length") == len(rates)
        known = {}
        exec(page.run(CODE), known)
        assert known["fit"].to_dict() == mn.pool(rates, model="beta_binomial").to_dict()

        choose(page, "Model", "Inverse variance, Freeman-Tukey")
        shows(page, mn.pool(rates, model="inverse_variance", measure="PFT"))
        # No part lies over another at any width; in a narrow place the longest words of a menu end in an ellipsis.
        for width in (1400, 1100, 800):
            page.size(width, 900)
            page.run(FRAMES)
            assert [wrong for wrong in page.run(MISPLACED) if width == 1400 or " takes " not in wrong] == []
        assert faults(page) == ([], [], [])


#: What the page shows: menus by label, boxes by study, the code, and the state of the figure.
SHOWN = f"""(() => {{
    const plain = text => text.split(/[\\s\\u00a0]+/).join(' ').trim();
    const menus = [...{IN}.querySelectorAll('select')].map(s => [plain(s.labels[0].textContent), plain(s.selectedOptions[0].text)]);
    const boxes = [...{IN}.querySelectorAll('.metanet-list input')].map(
        b => [plain(b.closest('label').textContent), b.checked]);
    return {{menus: Object.fromEntries(menus), boxes, code: {CODE}, card: {ROWS}, alt: {DRAWING}?.getAttribute('aria-label') ?? ''}};
}})()"""


def test_fast_clicks_are_all_made_and_what_is_shown_agrees(tmp_path):
    evidence = mn.load_evidence()
    with running_lab(tmp_path / "lab") as address, Page(tmp_path / "chromium") as page:
        open_explorer(page, address)
        rates = evidence.rates("objective_response", modality="PRRT")
        shows(page, mn.pool(rates))
        names = ["McStay 2005", "Valkema 2006", "Limouris 2008"]

        # Boxes and menus within a moment: nothing waits for an answer of the kernel.
        for name in names:
            page.click(box_of(name))
        choose(page, "Model", "Beta-binomial")
        choose(page, "Level", "90 %")
        page.click(box_of(names[0]))
        choose(page, "Model", "Inverse variance, logit")
        left = rates[~rates["study"].isin(names[1:])]
        fit = mn.pool(left, model="inverse_variance", level=0.9)
        shows(page, fit)
        page.wait(f"{CODE}.includes('isin')", "the code")
        shown = page.run(SHOWN)
        assert (shown["menus"]["Model"], shown["menus"]["Level"]) == ("Inverse variance, logit", "90 %")
        assert {name.rsplit(" ", 1)[0] for name, on in shown["boxes"] if not on} == set(names[1:])
        known = {}
        exec(shown["code"], known)
        assert known["fit"].to_dict() == fit.to_dict()

        # An outcome and, before its modalities arrive, a choice in the old menu of modalities: either counts, and all agrees.
        for outcome in ("Major morbidity", "Hepatotoxicity", "Disease control", "Carcinoid crisis", "Objective response"):
            choose(page, "Outcome", outcome)
            page.run(
                f"""(() => {{const s = [...{IN}.querySelectorAll('select')].find(s => s.labels[0].textContent === 'Modality class');
                if (s) {{ s.selectedIndex = s.options.length - 1; s.dispatchEvent(new Event('change', {{bubbles: true}})); }} }})()"""
            )
            page.click(f"{IN}.querySelector('.metanet-list input')")
        wait_until(lambda: settled(page), "the end of the burst")
        shown = page.run(SHOWN)
        known = {}
        exec(shown["code"], known)
        assert shown["menus"]["Outcome"] == "Objective response"
        assert 'rates("objective_response"' in shown["code"]
        assert dict(known["fit"].rows()[1:]) == shown["card"]
        assert f"{100 * known['fit'].estimate:.1f}" in shown["alt"]
        ticked = [name for name, on in shown["boxes"] if on]
        assert ticked == [f"{row.study} {row.events}/{row.total}" for row in known["rates"].itertuples()]
        modality = shown["menus"]["Modality class"]
        assert (f'modality="{modality}"' in shown["code"]) == (modality != "All modalities")
        assert faults(page) == ([], [], [])


def settled(page):
    """Whether the page showed the same for four seconds: on a busy machine the parts of a view come one after another."""
    before = page.run(SHOWN)
    for _ in range(4):
        page.run("new Promise(done => setTimeout(done, 1000))")
        if page.run(SHOWN) != before:
            return False
    return True


def test_files_are_saved_into_the_working_folder_and_never_over_another(tmp_path):
    work = tmp_path / "lab" / "work"
    with running_lab(tmp_path / "lab") as address, Page(tmp_path / "chromium") as page:
        open_explorer(page, address)
        for number in ("", "_2"):
            for words, what, endings in (("Save figure", "forest", ("png", "svg")), ("Save table", "studies", ("docx",))):
                page.click(f"[...{IN}.querySelectorAll('button')].find(b => b.textContent === {json.dumps(words)})")
                files = [work / f"objective_response_prrt_{what}{number}.{ending}" for ending in endings]
                told = f"Saved as {' and '.join(map(str, files))}."
                page.wait(f"{IN}.querySelector('.metanet-said')?.textContent === {json.dumps(told)}", told)
                assert all(file.stat().st_size > 1000 for file in files)
        # Numbers and code are text that can be selected.
        for place in (".metanet-value", ".metanet-code"):
            assert page.run(f"getComputedStyle({IN}.querySelector('{place}')).userSelect") != "none"
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
