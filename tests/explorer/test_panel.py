"""The widgets: what the reader does to them changes the view, and they show the view."""

import html
import re

import pytest

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.base.untrusted import html_text
from metanet.evidence import load_evidence
from metanet.explorer import parts, view as view_module
from metanet.explorer.choices import CERTAINTIES, LEVELS, MODELS, OVERLAPS, Condition
from metanet.explorer.panel import Panel
from metanet.explorer.view import View
from tests.explorer.small import OUTCOME, SmallEvidence
from tests.reporting.conftest import HOSTILE, hostile_evidence  # noqa: F401 - a fixture

CHOICES = ("outcome", "modality", "definition", "model", "ci", "level", "overlap", "certainty")


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
    (drawing,) = re.findall(r"<svg.*</svg>", panel.figure.value, re.DOTALL)
    return drawing


def code_of(panel):
    """The code that is shown, as the reader copies it."""
    (shown,) = re.findall(r"<pre[^>]*>(.*)</pre>", panel.code.value, re.DOTALL)
    return html.unescape(shown)


def numbers_of(panel):
    """The pairs of name and text on the card."""
    shown = re.findall(r"<strong><small>(.*?)</small></strong><div class='metanet-value'>(.*?)</div>", panel.numbers.value)
    return [(html.unescape(name), html.unescape(value)) for name, value in shown]


def shows_its_view(panel):
    """Menus, boxes, numbers and code are those of the view."""
    view = panel.view
    chosen = {name: getattr(view, name) for name in CHOICES}
    return (
        all(panel.menus[name].chosen == value for name, value in chosen.items() if name in panel.menus)
        and all(name in panel.menus for name in ("ci", "certainty", "overlap") if chosen[name] not in (None, "keep_largest"))
        and f"{html_text(view.title)}</strong>: <span>{view.fit.rows()[0][1]}" in panel.numbers.value
        and numbers_of(panel) == view.fit.rows()[1:]
        and code_of(panel) == view.code
        and [box.study for box in panel.studies.children] == list(view.all_rates["study"])
        and {box.study for box in panel.studies.children if not box.value} == view.left_out
        and f"{len(view.rates)} of {len(view.all_rates)} row" in panel.count.value
    )


def shown_word(menu):
    """What a menu shows; nothing where its value is none of its options."""
    return None if menu.index is None else menu.options[menu.index][0]


def test_the_panel_opens_on_its_view(panel):
    assert shows_its_view(panel)
    assert "<svg" in figure_of(panel)


def test_every_menu_shows_a_word_from_the_start(evidence):
    panel = Panel(View(evidence, "objective_response"))
    words = [shown_word(panel.menus[name]) for name in ("outcome", "modality", "model", "overlap", "certainty", "filter")]
    first = [next(iter(choices)) for choices in (MODELS, OVERLAPS, CERTAINTIES)]
    assert words == ["Objective response", "All modalities", *first, "No filter"]


def test_a_menu_without_a_choice_is_not_shown(evidence):
    assert "definition" not in Panel(View(evidence, "objective_response")).menus
    assert "definition" in Panel(View(evidence, "mortality")).menus
    assert list(small("A", "B").menus) == ["model", "level"]


def test_the_menus_of_an_interval_are_those_of_the_model(panel):
    assert "ci" not in panel.menus
    panel.menus["model"].choose("Inverse variance, logit")
    assert [words for words, _ in panel.menus["ci"].pairs] == [
        "Model's own (Hartung-Knapp)",
        "Normal",
        "t",
        "Hartung-Knapp, not narrower than t",
        "Kenward-Roger",
    ]
    panel.menus["ci"].choose("KR")
    assert panel.view.fit.to_dict() == mn.pool(panel.view.rates, model="inverse_variance", ci="KR").to_dict()
    assert shows_its_view(panel)
    panel.menus["model"].choose("Beta-binomial")
    assert panel.view.ci is None
    assert shows_its_view(panel)


def test_a_filter_asks_for_a_column_and_then_for_its_values(panel):
    panel.menus["filter"].choose("country")
    values = panel.menus["values"]
    assert values.heading == "Country"
    assert [words for words, _ in values.pairs][:2] == ["All", "Australia"]
    values.choose(Condition("country", "is not", "USA"))
    assert "USA" not in set(panel.view.rates["country"])
    assert shows_its_view(panel)
    panel.menus["filter"].choose("year")
    assert panel.menus["values"].chosen is None
    panel.menus["values"].choose((2007, 2012))
    assert set(panel.view.rates["year"]) <= set(range(2007, 2013))
    assert 'rates["year"].between(2007, 2012)' in code_of(panel)
    assert "without a value" not in panel.count.value
    panel.menus["filter"].choose("pct_pancreatic")
    gaps = int(panel.view.selection["pct_pancreatic"].isna().sum())
    least, *_, last = (value for _, value in panel.menus["values"].pairs)
    panel.menus["values"].choose((panel.menus["values"].pairs[1][1], last))
    assert least not in set(panel.view.rates["pct_pancreatic"])
    assert f"The filter excludes {gaps} rows without a value: Pancreatic primary (%)." in panel.count.value
    panel.menus["filter"].choose(None)
    assert "values" not in panel.menus
    assert shows_its_view(panel)


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
    panel.menus["model"].choose("Common effect, logit")
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
    [("outcome", "mortality"), ("modality", "TACE"), ("model", "Beta-binomial"), ("overlap", "keep_all"), ("certainty", "moderate")]
    + [("level", level) for level in LEVELS.values()],
)
def test_every_dropdown_changes_the_view(panel, name, value):
    panel.menus[name].choose(value)
    assert getattr(panel.view, name) == value
    assert shows_its_view(panel)


def test_a_dropdown_goes_back_to_all(panel):
    panel.menus["modality"].choose(None)
    panel.menus["certainty"].choose("moderate")
    panel.menus["certainty"].choose(None)
    assert (panel.view.modality, panel.view.certainty) == (None, None)
    assert shows_its_view(panel)


def test_another_outcome_brings_its_modalities_and_says_where_the_old_one_has_no_study(panel):
    panel.menus["outcome"].choose("major_morbidity")
    assert shown_word(panel.menus["modality"]) == "All modalities"
    assert "TARE" not in dict(panel.menus["modality"].pairs)
    assert "Major morbidity has no study of TARE: all are included." in panel.said.value
    assert shows_its_view(panel)
    panel.menus["outcome"].choose("local_control")
    # It has one modality, which the title names.
    assert "modality" not in panel.menus
    assert "Local control, " in panel.numbers.value
    assert panel.said.value == ""
    assert shows_its_view(panel)


def test_boxes_that_went_away_are_closed(panel):
    gone = panel.studies.children
    panel.menus["outcome"].choose("mortality")
    assert all(box.comm is None for box in gone)
    assert all(box.comm is not None for box in panel.studies.children)


def test_another_model_keeps_the_boxes(panel):
    boxes = panel.studies.children
    panel.menus["model"].choose("Beta-binomial")
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
    panel.menus["outcome"].choose("hepatotoxicity")
    panel.menus["modality"].choose("PRRT")
    panel.menus["certainty"].choose("high")
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
    panel.menus["model"].choose("Beta-binomial")
    assert "No &lt;maximum&gt; here. Fix: another model." in panel.numbers.value
    assert panel.figure.value == ""


def test_a_failure_of_the_figure_is_said_in_its_place_and_the_numbers_are_right(panel, monkeypatch):
    def fail(fit):
        raise RuntimeError("no <ink>")

    monkeypatch.setattr(parts, "forest", fail)
    panel.studies.children[0].value = False
    assert "RuntimeError: no &lt;ink&gt;" in panel.figure.value
    assert shows_its_view(panel)
    monkeypatch.undo()
    panel.studies.children[1].value = False
    assert len(panel.view.left_out) == 2
    assert "<svg" in figure_of(panel)
    assert shows_its_view(panel)


def test_a_failure_of_the_fit_that_nobody_thought_of_leaves_no_number_of_another_view(panel, monkeypatch):
    def fail(*given, **options):
        raise RuntimeError("no <maximum>")

    monkeypatch.setattr(view_module, "pool", fail)
    panel.studies.children[0].value = False
    assert "RuntimeError: no &lt;maximum&gt;" in panel.numbers.value
    assert panel.figure.value == ""
    monkeypatch.undo()
    panel.studies.children[0].value = True
    assert shows_its_view(panel)


def test_a_choice_that_fails_is_not_made_and_the_menus_are_those_of_the_view(panel, monkeypatch):
    whole = View.with_choice

    def fail(view, **choice):
        if "model" in choice:
            raise RuntimeError("no <model>")
        return whole(view, **choice)

    monkeypatch.setattr(View, "with_choice", fail)
    before = panel.view
    panel.menus["model"].choose("Beta-binomial")
    assert panel.view == before
    assert "Model was not changed. RuntimeError: no &lt;model&gt;" in panel.said.value
    assert shows_its_view(panel)
    panel.studies.children[0].value = False
    assert len(panel.view.left_out) == 1
    assert panel.said.value == ""
    assert shows_its_view(panel)


def test_an_interrupted_kernel_leaves_no_number_of_another_view_and_takes_the_next_choice(panel, monkeypatch):
    def interrupt(view):
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "figure", interrupt)
    with pytest.raises(KeyboardInterrupt):
        panel.studies.children[0].value = False
    assert "This view cannot be shown" in panel.numbers.value
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
    (text,) = re.findall(r'aria-label="([^"]*)"', panel.figure.value)
    assert f"{panel.view.fit.k} " in text
    assert f"{100 * panel.view.fit.estimate:.1f}" in text


def test_nothing_that_is_shown_fetches_or_runs_anything(panel):
    shown = panel.numbers.value + panel.code.value + panel.figure.value
    assert not re.search(r"<(script|link|iframe|object)|\son\w+=|(src|href)=[\"'](?!data:|#)|url\((?!#|data:)", shown)


def test_a_click_draws_no_figure_into_the_notebook(panel):
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    before = pyplot.get_fignums() if pyplot else []
    panel.studies.children[0].value = False
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert (pyplot.get_fignums() if pyplot else []) == before
