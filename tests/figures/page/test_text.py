"""Text of the data is harmless, measured, wrapped and shown as it is."""

import math
import warnings

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from metanet.figures.page.save import save_figure
from metanet.figures.page.text import ELLIPSIS, AlignedLabel, Label, harmless, width_of, wrap
from tests.figures.cases import fit_of


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb\r\n\tc", "a b c"),
        ("a\x00\x1b[31mb", "a [31mb"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("\ufeffa\u200bb", "ab"),
        ("e\u0301", "e\u0301"),
        ("\u0645\u06cc\u200c\u0634\u0648\u062f", "\u0645\u06cc\u200c\u0634\u0648\u062f"),
        ("a\ud800b", "a\ufffdb"),
        ("x\ufffey", "xy"),
        ("a\u2028b\u00a0c", "a b c"),
        ("", "–"),
        ("  \n ", "–"),
        (None, "–"),
        (math.nan, "–"),
        (pd.NA, "–"),
        (pd.NaT, "–"),
        (2015, "2015"),
    ],
)
def test_data_become_one_line_of_their_own_characters(value, shown):
    assert harmless(value) == shown


def test_many_marks_on_one_letter_are_thinned_out():
    assert harmless("Z" + "\u0301" * 500 + "a") == "Z\u0301\u0301\u0301a"


def test_a_long_text_ends_in_an_ellipsis():
    text = harmless("x" * 10_000, 50)
    assert len(text) == 50
    assert text.endswith(ELLIPSIS)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_whatever_the_text_it_is_printable_and_encodable(value):
    text = harmless(value)
    text.encode("utf-8")
    assert text
    assert "\n" not in text
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet="ab c(),0.5%<=", min_size=1, max_size=150), st.floats(20, 200))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(value, width):
    text = " ".join(value.split())
    lines = wrap(text, width, 9.0).split("\n")
    assert all(width_of(line, 9.0) <= width or len(line) == 1 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_no_line_parts_a_relation_or_a_unit():
    for width in range(40, 400, 7):
        lines = wrap("a test of 53.40 on 11 df, p < 0.001, I² = 67.8 % and more words", width, 9.0).split("\n")
        if width > 60:
            assert not any(line.startswith(("<", "%", "=", "0.001")) or line.endswith(("<", "=")) for line in lines)


def test_lines_beyond_the_last_end_in_an_ellipsis():
    text = wrap("word " * 60, 100, 9.0, lines=3)
    assert text.count("\n") == 2
    assert text.endswith(ELLIPSIS)
    assert all(width_of(line, 9.0) <= 100 for line in text.split("\n"))


def _drawn(*artists, dpi=100):
    figure = Figure(figsize=(4, 2), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    for artist in artists:
        figure.add_artist(artist)
    canvas.draw()
    return canvas.get_renderer()


def test_the_measured_width_is_the_drawn_one():
    for size, bold in ((9.0, False), (7.5, False), (11.0, True)):
        label = Label(0.1, 0.5, "Strosberg 2021, 48.9 (37.5 to 60.5)", size=size, bold=bold)
        renderer = _drawn(label, dpi=300)
        points = label.get_window_extent(renderer).width * 72 / 300
        assert points == pytest.approx(width_of(label.get_text(), size, bold), rel=0.02)


def test_characters_without_a_glyph_draw_their_placeholder_without_a_warning():
    _drawn(Label(0.1, 0.5, "\U0001f9ec \ue123 \u1200", size=9.0))
    # The warning is silenced for that text alone.
    with pytest.warns(UserWarning, match="missing from font"):
        _drawn_plain("\ue123")


def _drawn_plain(text):
    figure = Figure()
    figure.text(0.5, 0.5, text)
    FigureCanvasAgg(figure).draw()


def test_mathematics_is_never_read_out_of_a_name():
    label = Label(0.1, 0.5, "$\\frac{1}$ and $", size=9.0)
    _drawn(label)
    assert label.get_text() == "$\\frac{1}$ and $"
    assert not label.get_parse_math()


def test_an_aligned_label_is_one_text_and_follows_its_properties():
    parts = [(0.2, "9.1", "right", True), (0.5, "(0.2", "right", False), (0.8, "to 3)", "right", False)]
    label = AlignedLabel(0.0, 0.5, "9.1 (0.2 to 3)", parts, size=9.0)
    renderer = _drawn(label)
    box = label.get_window_extent(renderer)
    assert box.x1 == pytest.approx(0.8 * 400, abs=1)
    assert label.get_text() == "9.1 (0.2 to 3)"
    assert [p.get_fontweight() for p in label._placed()] == ["bold", "normal", "normal"]
    label.set_color("red")
    label.set_position((0.1, 0.5))
    assert {p.get_color() for p in label._placed()} == {"red"}
    assert label.get_window_extent(renderer).x1 == pytest.approx(0.9 * 400, abs=1)
    label.set_visible(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        label.draw(renderer)


@pytest.mark.parametrize("name", ["twelve", "hostile names", "scripts"])
def test_the_short_way_to_svg_writes_the_bytes_of_matplotlibs_own(name, tmp_path, monkeypatch):
    save_figure(fit_of(name).forest(title="A $title$"), tmp_path / "short", formats=("svg",))
    monkeypatch.setattr(Label, "_plain", lambda self: False)
    save_figure(fit_of(name).forest(title="A $title$"), tmp_path / "long", formats=("svg",))
    assert (tmp_path / "short.svg").read_bytes() == (tmp_path / "long.svg").read_bytes()
