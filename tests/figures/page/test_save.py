"""Saved figures: the same bytes again, whole or not at all, described, at print resolution."""

import os
import re
import stat
import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image

from metanet.base.errors import ArgumentError
from metanet.figures.forest.captions import alt_text
from metanet.figures.forest.forest import forest
from metanet.figures.page.save import save_figure
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


def test_an_svg_needs_no_font_no_date_and_no_network(tmp_path):
    (path,) = save_figure(forest(fit_of("twelve")), tmp_path / "forest", ("svg",))
    text = path.read_text(encoding="utf-8")
    assert "<text" not in text
    assert "font-family" not in text
    assert "<dc:date>" not in text
    assert "<script" not in text
    assert set(re.findall(r'xlink:href="([^#"][^"]*)"', text)) == set()


def test_title_and_description_are_in_the_svg_and_in_the_png(tmp_path):
    fit = fit_of("hostile names")
    ax = forest(fit, title="Response")
    svg, png = save_figure(ax, tmp_path / "forest")
    root = ElementTree.parse(svg).getroot()
    title = root.find("{http://www.w3.org/2000/svg}title")
    described = root.find(".//{http://purl.org/dc/elements/1.1/}description")
    assert title is not None
    assert title.text == "Response"
    assert described is not None
    assert described.text == alt_text(fit)
    with Image.open(png) as image:
        assert image.text["Description"] == alt_text(fit)
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
