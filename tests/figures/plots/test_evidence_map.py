"""The evidence map: what each disc says, links, and the map from numbers that are already there."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.figures.page.save import description_of, save_figure
from metanet.figures.plots.evidence_map import evidence_map_svg
from metanet.models.pooling.evidence_cells import Cell, evidence_cells
from tests.figures.cases import HOSTILE, LONG, texts
from tests.figures.chart_cases import shown_texts, words_of
from tests.figures.test_chart_layout import check

EVIDENCE = mn.load_evidence()
CELLS = [
    Cell("Response", "TARE", 18, 0.42, 0.32, 0.53),
    Cell("Response", "TACE", 9, 0.4, 0.35, 0.55),
    Cell("Response", "TAE", 4, 0.4, 0.1, 0.8),
    Cell("Harm", "TARE", 1, 0.1, 0.02, 0.2, pooled=False),
    Cell("Harm", "TAE", 2),
]


def marks(ax) -> dict[str, list]:
    """The discs of the cells by how they are filled; those of the key lie below the lowest rule."""
    rules = min(min(line.get_ydata()) for line in ax.lines if line.get_label() == "_rule")
    out: dict[str, list] = {}
    for line in ax.lines:
        if line.get_label() != "_rule" and line.get_ydata()[0] > rules:
            out.setdefault(line.get_label().removeprefix("_"), []).append(line)
    return out


def test_a_disc_is_filled_by_the_width_of_the_interval_and_a_single_study_is_a_cross():
    found = marks(mn.evidence_map(CELLS))
    assert {name: len(lines) for name, lines in found.items()} == {"full": 1, "half": 1, "empty": 1, "cross": 1, "unknown": 1}
    assert found["half"][0].get_fillstyle() == "left"
    assert to_hex(found["empty"][0].get_markerfacecolor()) == "#ffffff"
    assert found["cross"][0].get_marker() == "x"
    # Another rule: 25 points are narrow.
    assert len(marks(mn.evidence_map(CELLS, narrow=0.25))["full"]) == 2


def test_the_rule_is_in_the_key():
    words = words_of(mn.evidence_map(CELLS, narrow=0.15, level=0.9))
    assert "90 % interval of the pooled rate wider than 15, up to 60 percentage points" in words
    words = words_of(mn.evidence_map(CELLS))
    for part in ("at most 20 percentage points wide", "wider, up to 60 points", "too few data to tell", "one study, not pooled"):
        assert part in words
    assert "one study" not in words_of(mn.evidence_map(CELLS[:3]))


def test_areas_are_by_the_number_of_studies_which_stands_beside_them():
    ax = mn.evidence_map([Cell("a", "b", 4, 0.5, 0.4, 0.6), Cell("a", "c", 16, 0.5, 0.4, 0.6)])
    full = marks(ax)["full"]
    sizes = sorted(line.get_markersize() + line.get_markeredgewidth() for line in full)
    assert sizes[1] / sizes[0] == pytest.approx(2)
    assert {"4", "16"} <= set(texts(ax))
    assert {"50"} <= set(texts(mn.evidence_map([*CELLS[:1], Cell("Response", "X", 3, 0.5, 0.4, 0.6)], label="rate")))
    assert "18" not in texts(mn.evidence_map(CELLS, label="none"))


def test_the_cells_of_the_evidence_are_pooled_as_their_reports_are():
    cells = evidence_cells(EVIDENCE, outcomes=["objective_response", "Hepatotoxicity"])
    fit = mn.pool(EVIDENCE.rates("objective_response", modality="PRRT"))
    cell = cells["objective_response", "PRRT"]
    assert (cell.rate, cell.lower, cell.upper) == pytest.approx((fit.estimate, fit.ci_lower, fit.ci_upper))
    assert (cell.outcome, cell.arms, cell.studies) == ("Objective response", fit.k, fit.studies["study_id"].nunique())
    single = cells["hepatotoxicity", "TAE"]
    assert (single.studies, single.pooled) == (1, False)
    poolable = EVIDENCE.poolable().query("outcome in ['objective_response', 'hepatotoxicity']")
    assert set(cells) == set(zip(poolable["outcome"], poolable["modality_class"], strict=True))


def test_a_map_from_cells_is_the_map_of_the_evidence(tmp_path):
    ours = mn.evidence_map(EVIDENCE, outcomes=["objective_response"])
    cells = list(evidence_cells(EVIDENCE, outcomes=["objective_response"]).values())
    theirs = mn.evidence_map(cells)
    first, second = (save_figure(ax, tmp_path / name, ("svg",))[0].read_bytes() for ax, name in ((ours, "a"), (theirs, "b")))
    assert first == second


def test_every_cell_with_an_address_is_one_link_with_a_name():
    cells = [replace(cell, url=f"r/{i}.html?a=1&b=2") for i, cell in enumerate(CELLS)]
    data, alt = evidence_map_svg(cells)
    svg = data.decode()
    links = re.findall(r"<a ([^>]*)>", svg)
    assert len(links) == len(CELLS)
    assert {re.search(r'xlink:href="([^"]*)"', link)[1] for link in links} == {f"r/{i}.html?a=1&amp;b=2" for i in range(5)}
    assert any('aria-label="Response, TARE: 18 studies, 42.0 % (32.0 to 53.0 %)"' in link for link in links)
    assert "target=" not in svg
    assert "18 studies" in alt
    assert evidence_map_svg(CELLS)[0].count(b"<a ") == 0


def test_links_are_given_by_the_outcomes_name_or_label():
    links = {("objective_response", "TARE"): "a.html", ("Objective response", "TAE"): "b.html"}
    ax = mn.evidence_map(EVIDENCE, outcomes=["objective_response"], links=links)
    assert sorted(patch.get_url() for patch in ax.patches if patch.get_url()) == ["a.html", "b.html"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"links": {("Response", "nothing"): "a"}}, "has no studies"),
        ({"links": {("Response", "TARE"): "javascript:alert(1)"}}, "http, https or mailto"),
        ({"links": {("Response", "TARE"): 3}}, "must be a text"),
        ({"links": {"Response": "a"}}, "must be a pair"),
        ({"narrow": 0.7}, "narrow"),
        ({"label": "patients"}, "label"),
        ({"across": "rows"}, "across"),
        ({"modalities": ["TAR"]}, "'TARE'"),
        ({"outcomes": ["Respons"]}, "'Response'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, words):
    with pytest.raises(ArgumentError, match=words):
        mn.evidence_map(CELLS, **options)


def test_rows_and_columns_can_be_chosen_ordered_and_turned():
    ax = mn.evidence_map(CELLS, modalities=["TAE", "TARE"], outcomes=["Harm", "Response"])
    place = {t.get_text(): t.get_position() for t in ax.texts}
    assert place["TAE"][0] < place["TARE"][0]
    assert place["Harm"][1] > place["Response"][1]
    assert "TACE" not in place
    turned = {t.get_text(): t.get_position() for t in mn.evidence_map(CELLS, across="outcome").texts}
    assert turned["Response"][1] > turned["TARE"][1]


def _grid(rows: int, columns: int, name=lambda kind, i: f"{kind} {i}") -> list[Cell]:
    rng = np.random.default_rng(2)
    return [
        Cell(name("Outcome", i), name("Modality", j), int(rng.integers(1, 40)), 0.5, 0.5 - w / 2, 0.5 + w / 2)
        for i in range(rows)
        for j in range(columns)
        for w in [rng.uniform(0, 1)]
        if rng.random() < 0.7
    ]


HARD = [LONG, HOSTILE, "王伟和同事 的 多中心", "محمد وآخرون", "$x^2$", "Z" * 60]
MAPS = {
    "the evidence": list(evidence_cells(EVIDENCE).values()),
    "twelve by eight": _grid(12, 8),
    "forty by twenty": _grid(40, 20),
    "hard names": _grid(6, 6, lambda kind, i: HARD[i]),
    "one cell": CELLS[:1],
    "thousands of studies": [Cell("a", "b", 120_000, 0.5, 0.4, 0.6), Cell("a", "c", 2, 0.5, 0.4, 0.6)],
}


@pytest.mark.parametrize("across", ["modality", "outcome"])
@pytest.mark.parametrize("width", [None, "double", "single"])
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.filterwarnings("ignore::metanet.MetanetWarning")
def test_nothing_meets_and_nothing_is_too_small(name, width, across):
    if width is None:
        ax = mn.evidence_map(MAPS[name], across=across)
    else:
        with mn.column_width(width):
            ax = mn.evidence_map(MAPS[name], across=across)
    check(ax, 200)
    smallest = min(text.get_fontsize() for text in shown_texts(ax.get_figure(root=True)))
    assert smallest >= 5.99 or (name == "forty by twenty" and width is not None)
    # No disc reaches over its cell.
    columns = sorted({line.get_xdata()[0] for line in ax.lines if line.get_label() == "_rule" and np.ptp(line.get_xdata()) == 0})
    cell = min(np.diff(columns)) * ax.bbox.width / ax.get_figure(root=True).dpi * 72 / np.ptp(ax.get_xlim())
    assert max(line.get_markersize() for lines in marks(ax).values() for line in lines) <= cell + 0.01


def test_the_description_tells_every_cell_and_the_alternative_text_is_short():
    described = description_of(mn.evidence_map(MAPS["the evidence"]).get_figure(root=True))
    assert len(described.alt) < 300
    assert "Objective response, PRRT: 19 studies, 29.4 % (21.8 to 38.1 %)" in described.text
    assert described.text.count("stud") >= len(MAPS["the evidence"])


def test_evidence_without_rows_is_said():
    assert "no row that can be pooled" in words_of(mn.evidence_map([]))
