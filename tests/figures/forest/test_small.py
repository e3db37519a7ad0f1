"""The small forest plot beside the card of a result."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pandas as pd
import pytest

import metanet as mn
from metanet.base import drawing
from metanet.figures.forest.small import picture
from tests.hostile.corpus import TEXTS


def test_names_are_text_and_nothing_else_is():
    fit = mn.pool(events=[4, 9, 12], total=[20, 31, 40], study=["Adam 2010", "Baker 2012", "Clark 2015"])
    svg = picture(fit)
    shown = "".join(ElementTree.fromstring(svg).itertext())
    assert all(name in shown for name in ("Adam 2010", "Baker 2012", "Clark 2015", "Prediction interval"))
    assert "Average" not in re.sub(r"<desc.*?</desc>|<metadata.*?</metadata>", "", svg, flags=re.DOTALL)
    # The numbers stand in the card.
    assert "Events/Total" not in svg


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_names_stay_texts(text):
    fit = mn.pool(pd.DataFrame({"study": [text, "B"], "events": [1, 2], "total": [9, 8]}))
    svg = picture(fit)
    ElementTree.fromstring(svg)
    assert not re.search(r"<script|<foreignObject|\son\w+=|href=\"(?!#)", svg)


def test_one_study_many_studies_and_no_estimate_have_none():
    assert picture(mn.pool(events=[4], total=[20])) == ""
    assert picture(mn.pool(events=[4] * 50, total=[20] * 50)) == ""


def test_the_card_has_it_for_whoever_watches_alone(monkeypatch):
    fit = mn.pool(events=[4, 9, 12], total=[20, 31, 40])
    assert "<svg" not in fit._repr_html_()
    monkeypatch.setattr("metanet.models.results.pooled.interactive", lambda: True)
    shown = fit._repr_html_()
    assert shown.count("<svg") == 1
    assert "metanet-card" in shown
    monkeypatch.setattr(drawing, "_pictures", [])
    assert "<svg" not in fit._repr_html_()
