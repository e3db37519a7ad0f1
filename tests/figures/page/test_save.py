"""Saved figures: the same bytes again, whole or not at all, described, at print resolution."""

import base64
import os
import re
import stat
import xml.etree.ElementTree as ElementTree
from html import unescape
from io import BytesIO

import pytest
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure
from PIL import Image
from pypdf import PdfReader

from metanet.base.errors import ArgumentError
from metanet.figures.forest.captions import alt_text
from metanet.figures.forest.forest import forest
from metanet.figures.page.save import description_of, save_figure
from metanet.figures.page.text import width_of
from tests.figures.cases import HOSTILE, fit_of


def test_every_format_is_the_same_on_a_second_run(tmp_path):
    formats = ("svg", "png", "pdf", "tiff")
    files = [save_figure(forest(fit_of("near zero")), tmp_path / run / "forest", formats) for run in ("a", "b")]
    assert [f.name for f in files[0]] == [f"forest.{name}" for name in formats]
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.stat().st_size > 4000


def test_saving_twice_the_same_axes_gives_the_same_bytes(tmp_path):
    ax = forest(fit_of("two"))
    one, other = (save_figure(ax, tmp_path / name, ("svg",))[0] for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_an_svg_brings_its_fonts_and_needs_no_date_and_no_network(tmp_path):
    (path,) = save_figure(forest(fit_of("twelve")), tmp_path / "forest", ("svg",))
    text = path.read_text(encoding="utf-8")
    assert text.count("@font-face") == 2
    assert "<dc:date>" not in text
    assert "<script" not in text
    assert set(re.findall(r'xlink:href="([^#"][^"]*)"', text)) == set()
    assert set(re.findall(r"url\((?!#)([^;]*);", text)) == {"data:font/woff"}
    assert len(text) < 60_000


def test_the_fonts_of_an_svg_have_every_character_of_its_texts_and_their_widths(tmp_path):
    (path,) = save_figure(forest(fit_of("near zero"), title="Ærø τ² ½"), tmp_path / "forest", ("svg",))
    text = path.read_text(encoding="utf-8")
    faces = re.findall(r"font-weight:(\w+);src:url\(data:font/woff;base64,([^)]*)\)", text)
    known = {"normal": set(), "bold": set()}
    for weight, data in faces:
        with TTFont(BytesIO(base64.b64decode(data))) as font:
            known[weight] |= {chr(code) for code in font.getBestCmap()}
    drawn = re.findall(r"<text style=\"([^\"]*)\"([^>]*)>([^<]*)</text>", text)
    assert {"Study", "Ærø τ² ½", "Study 1"} <= {unescape(content) for _, _, content in drawn}
    for style, place, content in drawn:
        content = unescape(content)
        assert set(content) <= known["bold" if "font-weight" in style else "normal"]
        size = float(re.search(r"font-size: ([\d.]+)px", style)[1])
        if len(content) > 1:
            width = float(re.search(r'textLength="([\d.]+)"', place)[1])
            assert width == pytest.approx(width_of(content, size, "font-weight" in style), abs=0.01)


def test_paths_instead_of_text_need_no_font(tmp_path):
    (path,) = save_figure(forest(fit_of("two")), tmp_path / "forest.svg", text="paths")
    content = path.read_text(encoding="utf-8")
    assert "<text" not in content
    assert "@font-face" not in content
    assert "<desc>" in content


def test_pages_are_one_pdf_and_numbered_files(tmp_path):
    pages = forest(fit_of("sixty"), pages=True)
    assert len(pages) == 2
    (pdf,) = save_figure(pages, tmp_path / "forest.pdf")
    assert len(PdfReader(pdf).pages) == 2
    again = save_figure(forest(fit_of("sixty"), pages=True), tmp_path / "again.pdf")[0]
    assert pdf.read_bytes() == again.read_bytes()
    assert [p.name for p in save_figure(pages, tmp_path / "forest", ("svg",))] == ["forest-1.svg", "forest-2.svg"]
    with pytest.raises(ArgumentError, match="no figure"):
        save_figure([], tmp_path / "none.pdf")


def test_title_and_description_are_in_the_svg_and_in_the_png(tmp_path):
    fit = fit_of("hostile names")
    ax = forest(fit, title="Response")
    svg, png = save_figure(ax, tmp_path / "forest")
    root = ElementTree.parse(svg).getroot()
    title, desc = (root.find(f"{{http://www.w3.org/2000/svg}}{name}") for name in ("title", "desc"))
    assert root.get("role") == "img"
    known = description_of(ax.get_figure())
    assert (title.text, desc.text) == (known.alt, known.text)
    assert known.text.startswith(alt_text(fit))
    with Image.open(png) as image:
        assert image.text["Description"] == known.text
        assert image.text["Alternative"] == known.alt
        assert image.text["Title"] == "Response"
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        inches = ax.get_figure().get_size_inches()
        assert image.size == pytest.approx(tuple(300 * inches), abs=1)


def test_the_alternative_text_tells_the_numbers_and_the_names_as_they_are():
    fit = fit_of("twelve")
    text = alt_text(fit)
    assert text.startswith("Forest plot of the rates of 12 studies.")
    assert "from 12.5 % (Minh) to 80.0 % (Zener)" in text
    assert fit.sentence() in text
    assert f"Heterogeneity: τ = {fit.tau:.2f}" in text
    assert HOSTILE in alt_text(fit_of("hostile names"))
    assert "nothing was pooled" in alt_text(fit_of("one"))
    assert "effects of 4 studies" in alt_text(fit_of("effects"))


def test_a_failed_save_leaves_the_old_file_and_no_remains(tmp_path, monkeypatch):
    ax = forest(fit_of("two"))
    (path,) = save_figure(ax, tmp_path / "forest", ("svg",))
    before = path.read_bytes()

    def fail(self, file, **_):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(ax, tmp_path / "forest", ("svg",))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["forest.svg"]


def test_files_have_the_usual_rights_and_folders_are_made(tmp_path):
    mask = os.umask(0o022)
    try:
        (path,) = save_figure(forest(fit_of("two")), tmp_path / "new" / "fig 1.2", ("svg",))
    finally:
        os.umask(mask)
    assert path == tmp_path / "new" / "fig 1.2.svg"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_any_figure_can_be_saved(tmp_path):
    figure = Figure()
    figure.subplots().plot([1, 2])
    assert save_figure(figure, tmp_path / "plain", ["png"])[0].exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"formats": ("jpg",)}, "formats='jpg' is not known"),
        ({"formats": "svg"}, "must be a sequence"),
        ({"formats": ()}, "must be a list"),
        ({"dpi": 72}, "at least 300"),
        ({"text": "outline"}, "text='outline' is not known"),
        ({"dpi": 300.5}, "must be a whole number"),
        ({"path": "figure.png", "formats": ("svg",)}, "leave one of the two out"),
        ({"path": "figure.jpg"}, "not written as jpg. Fix: 'figure.png'"),
        ({"ax_or_figure": "figure"}, "not str"),
    ],
)
def test_what_cannot_be_saved_is_refused(change, words, tmp_path):
    figure = Figure()
    given = {"ax_or_figure": figure, "path": tmp_path / "x", **change}
    with pytest.raises(ArgumentError, match=words):
        save_figure(**given)
    assert not list(tmp_path.iterdir())
