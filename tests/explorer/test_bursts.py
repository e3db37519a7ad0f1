"""Fast choices: none is lost, the last one counts, and everything that is shown agrees, whichever thread a message comes on."""

import asyncio
import html
import random
import re
import threading

import pytest

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

import metanet as mn
from metanet.explorer import parts, view as view_module
from metanet.explorer.choices import LEVELS, MODELS
from metanet.explorer.controls import Range
from metanet.explorer.explore import Explorer
from tests.explorer.browser_model import Browser, at_once
from tests.work import not_hanging

CHOICES = ("outcome", "modality", "definition", "model", "ci", "level", "overlap", "certainty")


@pytest.fixture
def browser(monkeypatch):
    return Browser(monkeypatch)


@pytest.fixture
def explorer(browser):
    return mn.explore()


@pytest.fixture
def drawn(monkeypatch):
    """A figure that is made at once: which view it is of."""
    seen = []

    def figure(view):
        seen.append(view)
        return "" if view.fit is None else f'<svg aria-label="{html.escape(view.code)}">'

    monkeypatch.setattr(parts, "figure", figure)
    return seen


def disagreements(explorer: Explorer, browser: Browser, *, runs=False):
    """What the widgets, the page, the result, its rows and its code say differently."""
    panel, view = explorer._panel, explorer.view
    wrong = []
    for name in CHOICES:
        value = getattr(view, name)
        if name in panel.menus:
            if panel.menus[name].chosen != value:
                wrong.append(f"{name}: the menu is {panel.menus[name].chosen}, the view {value}")
        elif name in ("ci", "certainty", "definition") and value is not None:
            wrong.append(f"{name}: no menu, the view {value}")
    column = None if view.filter is None else view.filter.column
    if "filter" in panel.menus and panel.menus["filter"].chosen != column:
        wrong.append("the column of the filter")
    if ("values" in panel.menus) != (column is not None):
        wrong.append("the values of the filter")
    elif column is not None:
        chosen = panel.menus["values"].chosen
        if chosen != (view.filter.value if isinstance(panel.menus["values"], Range) else view.filter):
            wrong.append("the value of the filter")
    boxes = panel.studies.children
    if [box.study for box in boxes] != list(view.all_rates["study"]):
        wrong.append("the boxes are not those of the rows")
    if {box.study for box in boxes if not box.value} != view.left_out:
        wrong.append("the boxes are not those of the view")
    for control in (*panel.menus.values(), *boxes):
        name = "value" if control in boxes else "index"
        shown, kept = browser.shows(control, name), getattr(control, name)
        if (list(shown) if isinstance(shown, (list, tuple)) else shown) != (list(kept) if isinstance(kept, tuple) else kept):
            wrong.append(f"the page shows {shown} and the kernel has {kept}")
        if control.comm.comm_id in browser.closed:
            wrong.append("a widget that is shown was closed")
    assert "cannot be shown" not in panel.numbers.value, panel.numbers.value
    (code,) = re.findall(r"<pre[^>]*>(.*)</pre>", browser.shows(panel.code, "value"), re.DOTALL)
    if html.unescape(code) != explorer.code:
        wrong.append("the code")
    numbers, figure = browser.shows(panel.numbers, "value"), browser.shows(panel.figure, "value")
    if explorer.fit is None:
        wrong += [] if html.escape(view.trouble) in numbers and figure == "" else ["why there is no result"]
        return wrong
    if not all(html.escape(value) in numbers for _, value in explorer.fit.rows()):
        wrong.append("the card")
    if explorer.fit.to_dict() != mn.pool(explorer.rates, **view.options).to_dict():
        wrong.append("the result is not that of the rows")
    text = html.unescape(re.findall(r'aria-label="([^"]*)"', figure)[0])
    if text != explorer.code and f"{100 * explorer.fit.estimate:.1f}" not in text:
        wrong.append("the figure")
    if runs:
        known = {}
        exec(html.unescape(code), known)
        if known["fit"].to_dict() != explorer.fit.to_dict() or not known["rates"].equals(explorer.rates):
            wrong.append("the code gives other numbers")
    return wrong


def pick_of(browser, chance, panel, control):
    """A pick in a control: the message, and what it chooses."""
    if control in panel.studies.children:
        value = not browser.shows(control, "value")
        return browser.pick(control, value=value), ("box", control.study, value)
    if isinstance(control, Range):
        first, last = sorted(chance.choices(range(len(control.pairs)), k=2))
        return browser.pick(control, index=[first, last]), ("range", control.pairs[first][1], control.pairs[last][1])
    name = next(name for name, menu in panel.menus.items() if menu is control)
    place = chance.randrange(len(control.pairs))
    return browser.pick(control, index=place), (name, control.pairs[place][1])


def burst_of(browser, chance, panel, size):
    """Picks in what a page shows before the first of them is dealt with."""
    controls = [*panel.menus.values(), *panel.studies.children[:6]]
    weights = [4] * len(panel.menus) + [2] * (len(controls) - len(panel.menus))
    return [pick_of(browser, chance, panel, control) for control in chance.choices(controls, weights, k=size)]


@pytest.mark.parametrize("part", range(4))
def test_after_every_burst_everything_agrees_and_the_code_gives_the_numbers(explorer, browser, drawn, part, monkeypatch):
    monkeypatch.setattr("ipywidgets.widgets.widget.JUPYTER_WIDGETS_ECHO", part < 2)
    chance = random.Random(part)
    panel = explorer._panel
    for number in range(50):
        picks = burst_of(browser, chance, panel, chance.randint(2, 6))
        sends = [send for send, _ in picks]
        if chance.random() < 0.2:
            sends.append(browser.click(panel.everything))
        if number % 2:
            at_once(sends[::2], sends[1::2])
        else:
            for send in sends:
                send()
        assert disagreements(explorer, browser, runs=number % 5 == 0) == [], (part, number, [what for _, what in picks])


@pytest.mark.parametrize("seed", range(10))
def test_with_real_figures_a_burst_from_two_threads_agrees(explorer, browser, seed):
    chance = random.Random(seed)
    sends = [send for send, _ in burst_of(browser, chance, explorer._panel, 6)]
    at_once(sends[::2], sends[1::2])
    assert disagreements(explorer, browser, runs=True) == []


@pytest.mark.parametrize("seed", range(20))
def test_the_last_choice_of_each_control_counts_when_menus_and_boxes_come_from_two_threads(explorer, browser, drawn, seed):
    chance = random.Random(seed)
    panel = explorer._panel
    models, levels = [chance.choice(list(MODELS)) for _ in range(3)], [chance.choice(list(LEVELS.values())) for _ in range(3)]
    menus = []
    for model, level in zip(models, levels, strict=True):
        menus.append(browser.pick(panel.menus["model"], index=list(MODELS).index(model)))
        menus.append(browser.pick(panel.menus["level"], index=list(LEVELS.values()).index(level)))
    boxes, included = [], {}
    for box in chance.choices(panel.studies.children[:5], k=8):
        included[box.study] = not included.get(box.study, True)
        boxes.append(browser.pick(box, value=included[box.study]))
    at_once(menus, boxes)
    view = explorer.view
    assert (view.model, view.level) == (models[-1], levels[-1])
    assert view.left_out == {study for study, kept in included.items() if not kept}
    assert disagreements(explorer, browser) == []


def test_a_choice_that_comes_while_a_view_is_computed_is_made_afterwards(explorer, browser, monkeypatch):
    panel, figure = explorer._panel, parts.figure
    box = panel.studies.children[0]
    other = [browser.pick(box, value=False)]

    def slow(view):
        if other:
            # The message comes on another thread, which does not wait for this one.
            thread = threading.Thread(target=other.pop())
            thread.start()
            thread.join()
        return figure(view)

    monkeypatch.setattr(parts, "figure", slow)
    with not_hanging():
        browser.pick(panel.menus["model"], index=2)()
    assert explorer.view.model == list(MODELS)[2]
    assert explorer.view.left_out == {box.study}
    assert disagreements(explorer, browser) == []


def test_a_choice_that_comes_within_the_computing_of_a_view_is_made_afterwards(explorer, browser, monkeypatch):
    panel, pool = explorer._panel, view_module.pool
    box = panel.studies.children[0]
    other = [browser.pick(box, value=False)]

    def nested(*given, **options):
        if other:
            other.pop()()
        return pool(*given, **options)

    monkeypatch.setattr(view_module, "pool", nested)
    browser.pick(panel.menus["model"], index=2)()
    assert explorer.view.model == list(MODELS)[2]
    assert explorer.view.left_out == {box.study}
    assert disagreements(explorer, browser) == []


def test_a_reader_of_the_result_waits_for_the_choices_that_another_thread_deals_with(explorer, browser, monkeypatch):
    panel, figure = explorer._panel, parts.figure
    begun, go = threading.Event(), threading.Event()

    def slow(view):
        begun.set()
        go.wait()
        return figure(view)

    monkeypatch.setattr(parts, "figure", slow)
    computing = threading.Thread(target=browser.pick(panel.menus["model"], index=2))
    found = []
    reading = threading.Thread(target=lambda: found.append(explorer.view.fit and explorer.view.model))
    with not_hanging():
        computing.start()
        begun.wait()
        reading.start()
        reading.join(0.2)
        assert not found
        go.set()
        computing.join()
        reading.join()
    assert found == ["Beta-binomial"]


def test_in_a_kernel_a_burst_is_computed_once(explorer, browser, drawn):
    panel = explorer._panel

    async def burst():
        for place in (1, 2, 3, 4):
            browser.pick(panel.menus["model"], index=place)()
        browser.pick(panel.studies.children[0], value=False)()
        assert drawn == before
        await asyncio.sleep(0.2)

    before = list(drawn)
    asyncio.run(burst())
    assert len(drawn) == len(before) + 1
    assert explorer.view.model == list(MODELS)[4]
    assert len(explorer.view.left_out) == 1
    assert disagreements(explorer, browser) == []


def test_in_a_kernel_the_next_cell_finds_the_result_of_the_last_click(explorer, browser):
    async def cell():
        browser.pick(explorer._panel.menus["model"], index=2)()
        return explorer.fit.to_dict()

    assert asyncio.run(cell()) == mn.pool(explorer.rates, model="beta_binomial").to_dict()


def test_a_choice_in_a_menu_that_was_replaced_meanwhile_is_not_taken_for_one_of_the_new_menu(explorer, browser, drawn):
    panel = explorer._panel
    outcomes = [value for _, value in panel.menus["outcome"].pairs]
    old = panel.menus["modality"]
    late = browser.pick(old, index=len(old.pairs) - 1)
    browser.pick(panel.menus["outcome"], index=outcomes.index("major_morbidity"))()
    assert panel.menus["modality"] is not old
    before = explorer.view
    late()
    assert explorer.view == before
    assert disagreements(explorer, browser) == []


def test_a_box_that_was_replaced_meanwhile_changes_nothing(explorer, browser, drawn):
    panel = explorer._panel
    box = panel.studies.children[0]
    late = browser.pick(box, value=False)
    browser.pick(panel.menus["modality"], index=0)()
    assert box.study in set(explorer.rates["study"])
    late()
    assert explorer.view.left_out == frozenset()
    assert disagreements(explorer, browser) == []


def test_a_choice_in_the_values_of_another_column_changes_nothing(explorer, browser, drawn):
    panel = explorer._panel
    columns = [value for _, value in panel.menus["filter"].pairs]
    browser.pick(panel.menus["filter"], index=columns.index("country"))()
    burst = [browser.pick(panel.menus["filter"], index=columns.index("year")), browser.pick(panel.menus["values"], index=1)]

    async def both():
        for send in burst:
            send()
        await asyncio.sleep(0.2)

    asyncio.run(both())
    assert explorer.view.filter.column == "year"
    assert explorer.view.filter.how is None
    assert disagreements(explorer, browser) == []


def test_a_page_that_shows_no_value_of_a_menu_is_shown_that_of_the_view(explorer, browser, drawn):
    before = explorer.view
    browser.pick(explorer._panel.menus["model"], index=None)()
    assert explorer.view == before
    assert disagreements(explorer, browser) == []


@pytest.mark.parametrize("echo", [True, False])
def test_an_update_that_crossed_a_choice_on_its_way_leaves_the_choice_on_the_page(explorer, browser, drawn, echo, monkeypatch):
    # The kernel's setting JUPYTER_WIDGETS_ECHO.
    monkeypatch.setattr("ipywidgets.widgets.widget.JUPYTER_WIDGETS_ECHO", echo)
    panel = explorer._panel
    panel.menus["model"].choose("Inverse variance, logit")
    own = panel.menus["level"]
    send = browser.pick(own, index=2)
    # Something else wrote the menu before the choice arrived: the page shows the older state.
    browser.receive(own.comm.comm_id, "comm_msg", {"method": "update", "state": {"index": 0}})
    send()
    assert explorer.view.level == 0.99
    assert browser.shows(own, "index") == 2
    assert disagreements(explorer, browser) == []


def test_a_burst_with_a_failure_in_its_middle_makes_the_other_choices(explorer, browser, drawn, monkeypatch):
    panel, whole = explorer._panel, view_module.View.with_choice

    def fail(view, **choice):
        if choice.get("model") == "Beta-binomial":
            raise RuntimeError("no model")
        return whole(view, **choice)

    monkeypatch.setattr(view_module.View, "with_choice", fail)
    box = panel.studies.children[0]
    sends = [
        browser.pick(panel.menus["level"], index=0),
        browser.pick(panel.menus["model"], index=list(MODELS).index("Beta-binomial")),
        browser.pick(box, value=False),
    ]

    async def burst():
        for send in sends:
            send()
        await asyncio.sleep(0.2)

    asyncio.run(burst())
    assert (explorer.view.level, explorer.view.left_out) == (0.9, {box.study})
    assert explorer.view.model == next(iter(MODELS))
    assert "Model was not changed. RuntimeError: no model" in browser.shows(panel.said, "value")
    assert disagreements(explorer, browser) == []
