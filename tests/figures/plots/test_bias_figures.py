"""Figures of the risk of bias: a disc with a sign for each judgement, bars whose shares are those of the weights."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.collections import PathCollection

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.evidence.bias.sources import bias_of
from metanet.figures.page.save import description_of
from tests.figures.cases import LONG
from tests.figures.chart_cases import shown_texts
from tests.figures.every_kind import data_of, draw, figure, fit_of, result_of
from tests.figures.test_chart_layout import check


def rows_of(levels: dict[str, str], tool: str = "rob2", **more: str) -> list[dict[str, str]]:
    domains = ("randomisation", "deviations", "missing_data", "measurement", "reported_result")
    return [
        {"study_id": study, "tool": tool, "domain": domain, "judgement": level, "assessor": "A", **more}
        for study, words in levels.items()
        for domain, level in zip(domains, words.split(), strict=False)
    ]


JUDGED = {"A 2001": "low low low low low", "B 2002": "low some_concerns low low high", "C 2003": "low low"}


def signs(ax) -> list[str]:
    return [text.get_text() for text in shown_texts(figure(ax)) if text.get_text() in ("+", "?", "−", "!", "≠", "×")]


def test_every_judgement_is_a_disc_with_its_sign_and_a_gap_has_none():
    ax = mn.traffic_light(pd.DataFrame(rows_of(JUDGED)))
    discs, key = (c for c in ax.collections if isinstance(c, PathCollection) and c.get_label() == "_judgements")
    # 12 domains and the overall judgements of two studies.
    assert len(discs.get_offsets()) == 14
    assert len(key.get_offsets()) == 3
    assert sorted(signs(ax)) == sorted([*"+" * 10, "?", "−", "+", "−", "+", "?", "−"])
    assert "No disc: not judged." in ax.metanet_caption
    assert "Without an overall judgement: C 2003." in ax.metanet_caption


def test_assessors_who_differ_are_shown_as_such():
    rows = rows_of(JUDGED) + rows_of({"A 2001": "high"}, assessor="B")
    ax = mn.traffic_light(pd.DataFrame(rows))
    assert signs(ax).count("≠") == 2
    assert "assessors differ" in [text.get_text() for text in shown_texts(figure(ax))]


def test_rows_can_be_in_the_order_of_the_overall_judgement():
    levels = {"A": "high low low low low", "B": "low low low low low", "C": "low some_concerns low low low"}
    ax = mn.traffic_light(pd.DataFrame(rows_of(levels)), sort="overall")
    names = [text.get_text() for text in ax.get_children() if getattr(text, "get_label", lambda: "")() == "_name"]
    assert names == ["B", "C", "A"]


def test_points_of_minors_are_written_and_have_no_category():
    rows = [
        {"study_id": "A", "tool": "minors", "domain": domain, "judgement": "2", "assessor": "A"}
        for domain in ("aim", "consecutive", "prospective", "endpoint", "assessment", "follow_up", "losses", "size")
    ]
    shown = [text.get_text() for text in shown_texts(figure(mn.traffic_light(pd.DataFrame(rows))))]
    assert "16/16" in shown
    assert "Overall" not in shown


def bars_of(ax) -> list[float]:
    return [patch.get_width() for patch in ax.patches if patch.get_label() == "_share"]


def test_shares_are_of_studies_patients_or_the_weight_in_an_estimate():
    frame = pd.DataFrame({"study": list(JUDGED), "events": [5, 9, 3], "total": [50, 30, 20]})
    fit = mn.pool(frame, model="glmm")
    rows = pd.DataFrame(rows_of(JUDGED))
    first = bars_of(mn.bias_bars(rows))
    assert first[:4] == pytest.approx([100, 200 / 3, 100 / 3, 200 / 3])
    weighted = bars_of(mn.bias_bars(rows, weights=fit))
    share = fit.weights / fit.weights.sum() * 100
    assert weighted[:3] == pytest.approx([100, share[0] + share[2], share[1]])
    assert "share of the information" in mn.bias_bars(rows, weights=fit).metanet_caption


def test_rows_of_a_result_without_a_judgement_are_a_part_of_their_own():
    frame = pd.DataFrame({"study": [*JUDGED, "D 2004"], "events": [5, 9, 3, 4], "total": [50, 30, 20, 40]})
    ax = mn.bias_bars(pd.DataFrame(rows_of(JUDGED)), weights=mn.pool(frame, model="glmm"))
    assert "no judgement" in [text.get_text() for text in shown_texts(figure(ax))]
    assert "Not judged: 1 row of the result." in ax.metanet_caption
    strangers = mn.pool(frame.assign(study=list("WXYZ")), model="glmm")
    with pytest.raises(ArgumentError, match="none of the judged studies"):
        mn.bias_bars(pd.DataFrame(rows_of(JUDGED)), weights=strangers)


def test_an_arm_that_was_judged_by_itself_is_a_part_of_its_study(tmp_path):
    counts = pd.DataFrame({"study": ["A", "B"], "events": [3, 4], "total": [20, 30]})
    place = mn.read(counts).save(tmp_path / "review")
    studies, arms = (pd.read_csv(place / name)["study_id"].tolist() for name in ("studies.csv", "arms.csv"))
    arm = pd.read_csv(place / "arms.csv")["arm"].tolist()[0]
    rows = rows_of(dict.fromkeys(studies, "low low low low low")) + rows_of({arms[0]: "high"}, arm=arm)
    pd.DataFrame(rows).fillna("").to_csv(place / "risk_of_bias.csv", index=False)
    bias = mn.load_evidence(place).risk_of_bias()
    first = bars_of(bias.bars())[:2]
    assert first == pytest.approx([75, 25])
    # The only arm of the study has all of its patients.
    assert bars_of(bias.bars(weights="patients"))[:2] == pytest.approx([60, 40])


def test_what_cannot_be_drawn_is_refused_in_words():
    rows = pd.DataFrame(rows_of(JUDGED))
    with pytest.raises(ArgumentError, match="'studies', 'patients' or a result"):
        mn.bias_bars(rows, weights="n")
    with pytest.raises(ArgumentError, match="weights='patients' needs"):
        mn.bias_bars(rows, weights="patients")
    with pytest.raises(ArgumentError, match="has no column 'domain'"):
        mn.traffic_light(rows.drop(columns="domain"))
    with pytest.raises(ArgumentError, match=r"judgement 'serious' in row 1 is not a level of RoB 2. The words are low, some_concerns"):
        mn.traffic_light(rows.assign(judgement="serious"))
    with pytest.raises(ArgumentError, match=r"2 tools: rob2 and generic\..*Fix: give the rows of one"):
        mn.traffic_light(pd.concat([rows, rows.assign(tool="generic")]))
    with pytest.raises(ArgumentError, match=r"must be a result of Evidence.risk_of_bias"):
        mn.traffic_light([1])
    with pytest.raises(ArgumentError, match="no domain in row 2"):
        mn.traffic_light(rows.assign(domain=["randomisation", None, *["measurement"] * (len(rows) - 2)]))


def test_evidence_that_was_not_assessed_is_answered_in_words():
    for draw_one in (mn.traffic_light, mn.bias_bars):
        ax = draw_one(mn.load_evidence())
        assert "was not assessed" in ax.metanet_caption
        assert "was not assessed" in description_of(figure(ax))[1]


@pytest.mark.parametrize("kind", ["traffic light", "bias bars"])
@pytest.mark.parametrize("case", ["one study", "thirty studies", "120 studies", "hard names", "non-Latin names"])
@pytest.mark.parametrize("width", ["single", "double"])
def test_a_column_of_a_journal_holds_every_case(kind, case, width):
    with mn.column_width(width):
        ax = draw(kind, case)
    check(ax)
    assert min(text.get_fontsize() for text in shown_texts(figure(ax))) >= 5.95


def test_domains_of_a_review_with_long_names_keep_apart():
    rows = [
        {"study_id": f"S{i}", "tool": "generic", "domain": f"{name}_{LONG}"[:120], "judgement": "low", "assessor": "A"}
        for i in range(3)
        for name in "abcdefghij"
    ]
    for draw_one in (mn.traffic_light, mn.bias_bars):
        check(draw_one(pd.DataFrame(rows)))


def test_the_forest_takes_the_judgements_that_came_with_the_rates():
    bias = bias_of(pd.DataFrame(rows_of(JUDGED, "rob2")), "rows")
    assert bias.tool.key == "rob2"
    frame = pd.DataFrame(
        {"study": ["A", "B"], "events": [3, 4], "total": [20, 30], "bias_aim": ["2", "0"], "bias_overall": ["", "low"]}
    )
    frame.attrs["bias_tool"] = "minors"
    ax = mn.pool(frame).forest(risk_of_bias=["bias_aim", "bias_overall"], sort=None)
    legend = next(text.get_text() for text in ax.texts if text.get_text().startswith("Judgements"))
    assert "(A) Stated aim, (B) Overall" in " ".join(legend.split())
    assert "+ reported and adequate" in " ".join(legend.split())


def test_the_cases_are_those_of_all_figures():
    assert len(result_of("traffic light", "ordinary").overall) == len(data_of("ordinary")) == fit_of("ordinary").k
