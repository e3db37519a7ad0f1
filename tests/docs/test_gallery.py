"""The gallery: every picture is what its code draws now, and every kind of figure is there."""

import re

import pytest
from PIL import Image

import metanet as mn
from metanet.figures.forest.presets import FOREST_PRESETS
from metanet.figures.page import style
from metanet.figures.registry import figures
from tests.docs.gallery import PAGE, drawn, text_in, text_of

PICTURES = PAGE.parent / "images" / "gallery"


@pytest.fixture(scope="module")
def shown():
    return [(image, alt, text_of(ax)) for image, alt, ax in drawn()]


def test_every_picture_is_described_by_the_numbers_that_its_code_gives_now(shown):
    for image, alt, text in shown:
        assert alt == text, f"{image}: python -m tests.docs.gallery draws it anew"
        assert text_in(PAGE.parent / image) == text, image


def test_no_picture_is_left_over_and_none_is_shown_twice(shown):
    names = [image for image, _, _ in shown]
    assert len(set(names)) == len(names)
    assert {f"images/gallery/{path.name}" for path in PICTURES.iterdir()} == set(names)
    assert len(re.findall(r"!\[", PAGE.read_text(encoding="utf-8"))) == len(names)


def test_the_gallery_shows_every_figure_of_the_registry_and_every_preset():
    page = PAGE.read_text(encoding="utf-8")
    for name in figures():
        assert f"images/gallery/{name}" in page, "python -m tests.docs.gallery gives it an entry"
    for preset in FOREST_PRESETS:
        assert preset == "metanet" or f'preset="{preset}"' in page


def test_the_methods_of_a_result_that_draw_are_in_the_gallery():
    page = PAGE.read_text(encoding="utf-8")
    for method in ("forest", "funnel", "labbe", "drapery", "radial", "baujat"):
        assert hasattr(mn.Pooled, method)
        assert f".{method}(" in page


def _colours(name: str) -> set[str]:
    with Image.open(PICTURES / f"{name}.png") as picture:
        whole = picture.convert("RGB")
        return {f"#{r:02X}{g:02X}{b:02X}" for _, (r, g, b) in whole.getcolors(whole.width * whole.height)}


@pytest.mark.parametrize(
    ("name", "colours"),
    [
        ("forest", {style.SQUARE, style.DIAMOND, "#FFFFFF", style.INK}),
        ("benefit_risk", {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#111111"}),
        ("evidence_map", {style.SQUARE, "#FFFFFF"}),
        ("waterfall", {"#0072B2", "#111111"}),
        ("overview", {style.SQUARE, style.FAINT}),
    ],
)
def test_marks_have_the_colours_that_they_have_in_the_figure(name, colours):
    assert colours <= _colours(name)
