"""Options of all figures of a block: font, size, colours, decimal sign, words, notes; and what they refuse."""

import warnings

import numpy as np
import pytest
from matplotlib.colors import to_hex

import metanet as mn
from metanet.base.errors import ArgumentError, MetanetWarning
from metanet.figures.page import style
from metanet.figures.page.options import WORDS, numbers, reworded
from tests.figures.cases import boxes, diamonds, figure_of, fit_of, squares, texts
from tests.figures.chart_cases import shown_texts
from tests.figures.every_kind import KINDS, draw, figure
from tests.figures.forest.test_forest_layout import check_texts

GERMAN = {"Study": "Studie", "Weight": "Gewicht", "Events/Total": "Ereignisse/gesamt", "Prediction interval": "Vorhersageintervall",
          "to": "bis", "Events": "Ereignisse", "of patients": "der Patienten"}  # fmt: skip


def test_a_figure_speaks_another_language_and_its_columns_have_room_for_it():
    with mn.figure_style(words=GERMAN, decimal=","):
        ax = fit_of("twelve").forest()
    shown = texts(ax)
    check_texts(ax, 130)
    assert {"Studie", "Gewicht", "Ereignisse/gesamt", "Strosberg", "Vorhersageintervall (95 %)"} <= set(shown)
    assert ax.get_xlabel() == "Ereignisse, % der Patienten"
    assert any(text.startswith("12,5 (0,3 bis ") for text in shown)
    assert not any("." in text for text in shown if text[:1].isdigit() or text[:1] == "(")
    assert "Study" in texts(fit_of("twelve").forest())


def test_names_of_the_data_keep_their_points():
    fit = mn.pool(events=[3, 5, 9, 4], total=[20, 30, 40, 22], study=["Version 2.5", "Total 1.0", "c", "d"])
    with mn.figure_style(words={"Total": "gesamt"}, decimal=","):
        shown = texts(fit.forest())
        named = texts(fit.funnel()) + [t.get_text() for t in shown_texts(figure_of(mn.influence(fit).plot()[0]))]
    assert {"Version 2.5", "Total 1.0"} <= set(shown)
    assert {"Version 2.5", "Total 1.0"} <= set(named)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12.5 (0.3 to 52.7)", "12,5 (0,3 to 52,7)"),
        ("1,000 and 12,345.6", "1\u00a0000 and 12\u00a0345,6"),
        ("metanet 0.1.0. The end.", "metanet 0.1.0. The end."),
        ("P = .03, P < .001.", "P = ,03, P < ,001."),
        ("−0.5", "−0,5"),
    ],
)
def test_decimal_signs_are_changed_in_numbers_alone(text, shown):
    assert numbers(text, ",") == shown


def test_words_are_changed_whole_and_the_longest_first():
    with mn.figure_style(words={"Events": "E", "Events/Total": "E/T", "Study": "Studie", "median": "Median"}):
        assert reworded("Events/Total, Events, Study, Studyless, study") == "E/T, E, Studie, Studyless, Studie"
        assert reworded("Pooled rate (median)") == "Pooled rate (Median)"


def test_every_word_that_can_be_changed_is_one_that_figures_print():
    shown = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetanetWarning)
        for kind in KINDS:
            ax = draw(kind)
            shown |= {t.get_text() for t in shown_texts(figure(ax))} | {ax.metanet_caption}
        shown |= {t.get_text() for t in shown_texts(figure(draw("forest", "a long outcome")))}
    everything = " | ".join(shown)
    heard = [word for word in WORDS if word.casefold() in everything.casefold()]
    assert len(heard) > 0.6 * len(WORDS), sorted(set(WORDS) - set(heard))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_in_another_font_and_size(kind):
    with mn.figure_style(font="DejaVu Serif", size=8):
        ax = draw(kind)
    found = list(shown_texts(figure(ax)))
    # Tick labels and names of axes are Matplotlib's own texts.
    assert {t.get_fontfamily()[0] for t in found} == {"DejaVu Serif"}
    # The icon array says its number in large letters.
    largest = 1.45 if kind == "icon_array" else style.TITLE_SIZE / style.TEXT_SIZE
    assert max(t.get_fontsize() for t in found) <= 8 * largest + 1e-9
    whole = figure(draw(kind)).get_size_inches()
    assert figure(ax).get_size_inches()[0] <= whole[0] * 1.1


def test_colours_of_studies_and_estimates_are_those_that_were_asked_for_with_their_tints():
    chosen = {"studies": "#7A0177", "estimates": "#006837", "predictions": "#FFC000"}
    with mn.figure_style(colours=chosen):
        ax = fit_of("twelve").forest()
        plot = draw("bubble")
    assert to_hex(squares(ax).get_facecolor()[0]).upper() == "#7A0177"
    assert to_hex(diamonds(ax)[0].get_facecolor()).upper() == "#006837"
    (bar,) = [line for line in ax.lines if line.get_label() == "_prediction"]
    assert to_hex(bar.get_color()).upper() == "#FFC000"
    (band,) = [c for c in plot.collections if c.get_label() == "_band"]
    red, green, blue = band.get_facecolor()[0][:3]
    assert red > green < blue


def test_blocks_stand_in_one_another_and_end():
    with mn.figure_style(size=8, decimal=","):
        with mn.figure_style(colours="grey"):
            assert fit_of("two").forest().texts[0].get_fontsize() == pytest.approx(8)
        assert any("," in text for text in texts(fit_of("two").forest()))
    assert fit_of("two").forest().texts[0].get_fontsize() == pytest.approx(9)
    with pytest.raises(ZeroDivisionError), mn.figure_style(size=8):
        raise ZeroDivisionError
    assert fit_of("two").forest().texts[0].get_fontsize() == pytest.approx(9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"font": "DejaVu San"}, "not installed. Installed and near: DejaVu Sans"),
        ({"font": "No Such Font"}, "font='No Such Font' is not known"),
        ({"size": 4}, "size=4"),
        ({"size": "large"}, "size"),
        ({"colours": "gray"}, "colours='gray' is not known"),
        ({"colours": {"ink": "red"}}, "colours='ink' is not known"),
        ({"colours": {"studies": "no colour"}}, "not a colour"),
        ({"decimal": ";"}, "decimal=';' is not known"),
        ({"words": {"Studie": "Study"}}, "no figure prints by itself. Known: Study"),
        ({"words": {"Study": " "}}, "where a text belongs"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message), mn.figure_style(**options):
        pass


def test_characters_without_a_font_are_told_once_by_name():
    with pytest.warns(MetanetWarning, match="glyph for ༀ: boxes stand in their place. Fix: install .* Noto Sans Tibetan") as told:
        mn.pool(events=[3, 5], total=[20, 30], study=["ༀ a", "ༀ b"]).forest()
    assert len(told) == 1
    assert told[0].filename == __file__


def test_a_glyph_of_any_installed_font_is_taken():
    # No family of the list has it, and one of the fonts that come with Matplotlib has.
    character = next(c for c in map(chr, style._characters("STIXGeneral")) if not style._draws_nothing(c)
                     and ord(c) not in style._characters("DejaVu Sans") and ord(c) > 0x2000)  # fmt: skip
    families, missing = style.families_for(f"Study {character}")
    assert not missing
    assert len(families) > 1
    fit = mn.pool(events=[3, 5], total=[20, 30], study=[f"Study {character}", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert boxes(fit.forest(), 130)


def test_grey_keeps_light_and_dark_apart():
    with mn.figure_style(colours="grey"):
        ax = fit_of("twelve").forest()
    studies, estimate = squares(ax).get_facecolor()[0][:3], diamonds(ax)[0].get_facecolor()[:3]
    assert np.ptp(studies) < 1e-9
    assert np.ptp(estimate) < 1e-9
    assert studies[0] < estimate[0] < 0.6
