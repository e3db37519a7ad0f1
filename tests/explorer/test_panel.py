"""The widgets: what the reader does to them changes the view, and they show the view."""

import base64
import html
import re

import pytest

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed: pip install metanet[lab]")

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.evidence import load_evidence
from metanet.explorer import parts, view as view_module
from metanet.explorer.panel import Panel
from metanet.explorer.choices import CERTAINTIES, LEVELS, MODELS, OVERLAPS, Condition
from metanet.explorer.view import View
from tests.explorer.small import OUTCOME, SmallEvidence
from tests.reporting.conftest import HOSTILE, hostile_evidence  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def evidence():
    return load_evidence()


@pytest.fixture
def panel(evidence):
    return Panel(View(evidence, "objective_response", "TARE"))


def small(*names):
    return Panel(View(SmallEvidence(names), OUTCOME))


def figure_of(panel):
    """The SVG that is shown, as text."""
    (data,) = re.findall(r"src='data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)'", panel.figure.value)
    return base64.b64decode(data).decode()


def code_of(panel):
    """The code that is shown, as the reader copies it."""
    (shown,) = re.findall(r"<pre[^>]*>(.*)</pre>", panel.code.value, re.DOTALL)
    return html.unescape(shown)


def shows_its_view(panel):
    """Numbers, code and boxes are those of the view."""
    view = panel.view
    return (
        view.fit._repr_html_() in panel.numbers.value
        and code_of(panel) == view.code
        and [box.study for box in panel.studies.children] == list(view.all_rates["study"])
        and {box.study for box in panel.studies.children if not box.value} == view.left_out
        and f"{len(view.rates)} of {len(view.all_rates)} row" in panel.count.value
    )


def shown_word(dropdown):
    """What a dropdown shows; nothing where its value is none of its options."""
    return None if dropdown.index is None else dropdown.options[dropdown.index][0]


def test_the_panel_opens_on_its_view(panel):
    assert shows_its_view(panel)
    assert "<svg" in figure_of(panel)


def test_every_dropdown_shows_a_word_from_the_start(evidence):
    panel = Panel(View(evidence, "objective_response"))
    words = [shown_word(getattr(panel, name)) for name in ("outcome", "modality", "model", "overlap", "certainty")]
    first = [next(iter(choices)) for choices in (MODELS, OVERLAPS, CERTAINTIES)]
    assert words == ["Objective response", "All modalities", *first]


def test_a_click_leaves_a_study_out_and_the_numbers_are_those_of_pool_without_it(panel):
    rates = panel.view.all_rates
    figure, box = panel.figure.value, panel.studies.children[1]
    box.value = False
    expected = mn.pool(rates[rates["study"] != box.study])
    assert panel.view.fit.to_dict() == expected.to_dict()
    assert shows_its_view(panel)
    assert panel.figure.value != figure


def test_a_second_click_takes_the_study_in_again(panel):
    before = panel.numbers.value, panel.code.value, panel.figure.value
    box = panel.studies.children[1]
    box.value = False
    box.value = True
    assert (panel.numbers.value, panel.code.value, panel.figure.value) == before


def test_the_numbers_with_all_rows_stand_beside_those_without_some(panel):
    whole = panel.view.fit
    assert "With all rows" not in panel.numbers.value
    panel.studies.children[0].value = False
    assert f"With all rows included: median rate {100 * whole.estimate:.1f} %" in panel.numbers.value
    panel.model.value = "Common effect, logit"
    common = mn.pool(panel.view.all_rates, model="common")
    assert f"With all rows included: common rate {100 * common.estimate:.1f} %" in panel.numbers.value


def test_one_button_takes_all_studies_in(panel):
    assert panel.everything.disabled
    for box in panel.studies.children[:3]:
        box.value = False
    assert not panel.everything.disabled
    panel.everything.click()
    assert panel.view.left_out == frozenset()
    assert shows_its_view(panel)
    assert panel.everything.disabled


@pytest.mark.parametrize(
    ("name", "value"),
    [("outcome", "mortality"), ("modality", "TACE"), ("model", "Beta-binomial"), ("overlap", "keep_all"), ("certainty", "moderate")],
)
def test_every_dropdown_changes_the_view(panel, name, value):
    getattr(panel, name).value = value
    assert getattr(panel.view, name) == value
    assert shows_its_view(panel)


def test_a_dropdown_goes_back_to_all(panel):
    panel.modality.value = ""
    panel.certainty.value = "moderate"
    panel.certainty.value = ""
    assert (panel.view.modality, panel.view.certainty) == (None, None)
    assert shows_its_view(panel)


def test_another_outcome_brings_its_modalities(panel):
    panel.outcome.value = "local_control"
    assert shown_word(panel.modality) == "All modalities"
    assert "TARE" not in dict(panel.modality.options)
    assert shows_its_view(panel)


def test_boxes_that_went_away_are_closed(panel):
    gone = panel.studies.children
    panel.outcome.value = "mortality"
    assert all(box.comm is None for box in gone)
    assert all(box.comm is not None for box in panel.studies.children)


def test_another_model_keeps_the_boxes(panel):
    boxes = panel.studies.children
    panel.model.value = "Beta-binomial"
    assert panel.studies.children == boxes


def test_leaving_every_study_out_says_so_and_one_click_mends_it():
    panel = small("A", "B")
    for box in panel.studies.children:
        box.value = False
    assert "All studies are excluded." in panel.numbers.value
    assert panel.figure.value == ""
    panel.studies.children[0].value = True
    assert shows_its_view(panel)


def test_a_selection_without_a_study_says_so(panel):
    panel.outcome.value = "hepatotoxicity"
    panel.modality.value = "PRRT"
    panel.certainty.value = "high"
    assert panel.view.all_rates.empty
    assert "No study matches this selection" in panel.numbers.value
    assert "No rows" in panel.count.value
    assert panel.studies.children == ()


def test_one_click_on_one_of_two_rows_of_one_name_leaves_both_out():
    panel = small("A", "B", "B", "C")
    panel.studies.children[1].value = False
    assert [box.value for box in panel.studies.children] == [True, False, False, True]
    assert "2 of 4 rows" in panel.count.value
    assert panel.view.fit.k == 2
    panel.studies.children[2].value = True
    assert all(box.value for box in panel.studies.children)


def test_a_failure_of_the_fit_is_shown_as_words(panel, monkeypatch):
    def refuse(*given, **options):
        raise ArgumentError("No <maximum> here. Fix: another model.")

    monkeypatch.setattr(view_module, "pool", refuse)
    panel.model.value = "Beta-binomial"
    assert "No &lt;maximum&gt; here. Fix: another model." in panel.numbers.value
    assert panel.figure.value == ""


def test_a_failure_nobody_thought_of_leaves_no_number_of_another_view(panel, monkeypatch):
    def fail(fit):
        raise RuntimeError("no <ink>")

    monkeypatch.setattr(panel_module, "forest", fail)
    with pytest.raises(RuntimeError):
        panel.studies.children[0].value = False
    assert "RuntimeError: no &lt;ink&gt;" in panel.numbers.value
    assert panel.figure.value == panel.code.value == ""
    monkeypatch.undo()
    panel.studies.children[1].value = False
    assert len(panel.view.left_out) == 2
    assert shows_its_view(panel)


def test_a_hostile_name_is_text_everywhere(hostile_evidence):  # noqa: F811
    panel = Panel(View(load_evidence(hostile_evidence), "objective_response", "TARE"))
    (box,) = [box for box in panel.studies.children if box.study.startswith(HOSTILE)]
    box.value = False
    assert not box.description_allow_html
    assert not {"$", "\\"} & set(box.description)
    assert HOSTILE in box.tooltip
    for shown in (panel.numbers.value, panel.code.value, panel.figure.value):
        assert "<script" not in shown
    assert "<script" not in figure_of(panel)
    assert code_of(panel) == panel.view.code


def test_a_long_name_is_cut_in_the_list_and_whole_in_the_tip():
    name = "A" * 100
    box = small(name, "B").studies.children[0]
    assert len(box.description) < 75
    assert box.description.endswith("…  3/20")
    assert box.tooltip == f"{name}  3/20"


def test_the_figure_has_words_for_readers_who_do_not_see_it(panel):
    (text,) = re.findall(r"alt='([^']*)'", panel.figure.value)
    assert f"{panel.view.fit.k} " in text
    assert f"{100 * panel.view.fit.estimate:.1f}" in text


def test_nothing_that_is_shown_fetches_or_runs_anything(panel):
    shown = panel.numbers.value + panel.code.value + panel.figure.value
    assert not re.search(r"<(script|link|iframe|object)|\son\w+=|(src|href)='(?!data:)", shown)


def test_a_click_draws_no_figure_into_the_notebook(panel):
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    before = pyplot.get_fignums() if pyplot else []
    panel.studies.children[0].value = False
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert (pyplot.get_fignums() if pyplot else []) == before
