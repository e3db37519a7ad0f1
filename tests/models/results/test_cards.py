"""Every result shows itself: a card with its warnings, a short text, a short list for completion."""

import dataclasses
import inspect
import json
import re
from functools import cache
from html.parser import HTMLParser

import pandas as pd
import pytest

import metanet as mn
from metanet.base.display import p_value
from metanet.base.results import Method, Result
from metanet.base.untrusted import visible
from tests.figures.cases import HOSTILE
from tests.figures.every_kind import result_of

BCG = {
    "events": [4, 6, 3, 62, 33, 180],
    "total": [123, 306, 231, 13598, 5069, 1541],
    "events_control": [11, 29, 11, 248, 47, 372],
    "total_control": [139, 303, 220, 12867, 5808, 1451],
}


def rates():
    frame = mn.load_evidence().rates("objective_response", modality="TARE").head(8).copy()
    frame.loc[0, "study"] = HOSTILE
    return frame


@cache
def results():
    fit, two = mn.pool(rates()), mn.pool(**BCG, measure="RR")
    evidence = mn.load_evidence()
    return {
        "pool": fit,
        "pool of two groups": two,
        "bayes_pool": mn.bayes_pool(rates()),
        "leave_one_out": mn.leave_one_out(fit),
        "cumulative": mn.cumulative(fit),
        "influence": mn.influence(fit),
        "outliers": mn.outliers(fit),
        "gosh": mn.gosh(fit, subsets=100),
        "permutation_test": mn.permutation_test(two),
        "small_study_effects": mn.small_study_effects(fit),
        "trim_and_fill": mn.trim_and_fill(two),
        "selection_model": mn.selection_model(two),
        "pet_peese": mn.pet_peese(two),
        "limit_meta_analysis": mn.limit_meta_analysis(two),
        "multiverse": mn.multiverse(evidence, "objective_response", "TAE", analyses=[{"model": "glmm"}]),
        "calibrate": mn.calibrate(fit, 20),
        "share_beyond": mn.share_beyond(fit, 0.3),
        "heterogeneity_report": mn.heterogeneity_report(fit, subsets=False),
        "compare": mn.compare(rates(), "certainty", bootstrap=0),
        "meta_regression": mn.meta_regression(rates(), "~ year"),
        "cluster_robust": mn.cluster_robust(fit, cluster="study_id"),
        "benefit_risk": mn.benefit_risk(evidence),
        "three_level": mn.three_level(rates()),
        "response_categories": mn.response_categories(evidence, "TARE"),
        "against": mn.against(fit, events=9, total=30),
        "performance_goal": mn.performance_goal(fit),
        "pool_categories": mn.pool_categories(evidence, "TARE"),
        "reporting_pattern": mn.reporting_pattern(evidence, "TARE"),
        "count_bounds": mn.count_bounds(
            mn.pool(
                rates().assign(
                    printed=lambda frame: "40% of " + frame["total"].astype(str), events=lambda frame: (2 * frame["total"] + 4) // 5
                )
            )
        ),
        "counts": mn.counts("39% of 443"),
        "audit": mn.audit(evidence),
        "prisma_flow": mn.prisma_flow({"records_screened": 350, "records_excluded": 280, "dbr_sought_reports": 70}),
        "within_studies": mn.within_studies(evidence.rates("disease_control"), "modality_class"),
        "risk_of_bias": result_of("traffic light", "ordinary"),
        "bias_ladder": mn.bias_ladder(rates().assign(bias_overall=["low", "serious"] * 4), tool="robins_i"),
        "grade": evidence.grade("objective_response", "TARE"),
        "manuscript": mn.manuscript(evidence, "hepatotoxicity"),
        "contrast_ladder": mn.contrast_ladder(mn.load_evidence(), "disease_control", "TACE", "TAE"),
        "network": network(),
        "network regression": network().regression("year"),
        "network subgroups": network().subgroups("period"),
    }


@cache
def network():
    arms = [(i, j) for i in range(8) for j in range(3) if i == 7 or j != i % 3]
    frame = pd.DataFrame(
        {
            "study": [HOSTILE if i == 3 else f"Trial {i}" for i, _ in arms],
            "treatment": [("A", "B", HOSTILE)[j] for _, j in arms],
            "events": [12 + 3 * j + i for i, j in arms],
            "total": [60 + i for i, _ in arms],
            "year": [2000 + i for i, _ in arms],
            "period": [("early", "late")[i > 3] for i, _ in arms],
        }
    )
    return mn.network(frame, study="study", treatment="treatment")


NAMES = (
    "pool", "pool of two groups", "bayes_pool", "leave_one_out", "cumulative", "influence", "outliers", "gosh", "permutation_test",
    "small_study_effects", "trim_and_fill", "selection_model", "pet_peese", "limit_meta_analysis", "multiverse", "calibrate",
    "share_beyond", "heterogeneity_report", "compare", "meta_regression", "cluster_robust", "benefit_risk", "within_studies",
    "three_level", "response_categories", "pool_categories", "reporting_pattern", "against",
    "performance_goal", "counts", "count_bounds", "audit", "prisma_flow",
    "risk_of_bias", "bias_ladder", "grade", "manuscript", "contrast_ladder", "network", "network regression", "network subgroups",
)  # fmt: skip


class Reader(HTMLParser):
    """Elements, balance and text of a card."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.open.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_every_kind_of_result_is_looked_at():
    assert set(NAMES) == set(results())

    def below(base):
        for each in base.__subclasses__():
            yield from below(each)
            if not inspect.isabstract(each) and each.__module__.startswith("metanet."):
                yield each

    assert set(below(Result)) == {type(result) for result in results().values()}


@pytest.mark.parametrize("name", NAMES)
def test_every_result_has_the_views_of_the_base_and_json_able_values(name):
    result = results()[name]
    assert result.heading
    assert result.sentence()
    assert isinstance(result.notes, tuple)
    assert isinstance(result.method, Method)
    assert isinstance(result.to_frame(), pd.DataFrame)
    made = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert made["method"]["notes"] == list(result.method["notes"])
    summary = result.summary()
    assert summary.startswith(visible(result.heading))
    assert all(visible(note) in summary for note in result.notes)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.method = None


@pytest.mark.parametrize("name", NAMES)
def test_a_test_is_an_object_with_its_null_and_its_distribution_or_a_reason(name):
    for test in results()[name].tests.values():
        assert test.null
        if test:
            assert test.distribution
            assert 0 <= test.pvalue <= 1
            assert "p " in test.text()
        else:
            assert test.text() == test.reason
        assert set(test.to_dict()) == {"name", "null", "statistic", "distribution", "df", "pvalue", "reason"}


def test_the_tests_of_a_fit_are_the_numbers_of_the_fit():
    fit = results()["pool"]
    test = fit.tests["lrt"]
    assert (test.statistic, test.df, test.pvalue) == (fit.lrt, (fit.q_df,), fit.lrt_pvalue)
    assert fit.test is not None
    assert fit.test.text() == f"likelihood ratio {fit.lrt:.2f} on {fit.q_df} df, {p_value(fit.lrt_pvalue)}"
    assert not mn.compare(rates().assign(g="A"), "g").tests["posterior"]
    assert not mn.compare(rates().assign(g="A"), "g", bootstrap=0, model="glmm").tests["lrt"]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_plain_html_that_fetches_and_runs_nothing(name):
    card = results()[name]._repr_html_()
    read = Reader(card)
    assert not read.open
    assert read.elements <= {"div", "strong", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "small"}
    assert "metanet-card" in card
    # No colour of text or ground: both themes keep their own.
    assert not re.search(r"(?<!-)\b(color|background)", re.sub(r"rgba\([^)]*\)", "", card).split(">", 1)[0])
    assert "mathjax_ignore" in card


@pytest.mark.parametrize("name", NAMES)
def test_what_to_beware_of_stands_in_the_card(name):
    result = results()[name]
    words = " ".join(Reader(result._repr_html_()).words)
    for note in getattr(result, "notes", ()):
        assert note in words


@pytest.mark.parametrize("name", NAMES)
def test_a_text_is_short(name):
    lines = repr(results()[name]).splitlines()
    assert 1 <= len(lines) < 15
    assert "0x" not in lines[0]


@pytest.mark.parametrize("name", NAMES)
def test_completion_offers_every_public_name_and_each_answers(name):
    result = results()[name]
    names = dir(result)
    assert not [n for n in names if n.startswith("_")]
    for found in names:
        # A name offered is one that answers; methods are not called.
        assert hasattr(result, found), found
    assert {"sentence", "to_frame", "to_dict", "summary", "method", "notes", "heading"} <= set(names)
    assert {field for field in result.__dataclass_fields__ if not field.startswith("_")} <= set(names)


def test_completion_of_a_pooled_result_has_its_numbers():
    assert {"k", "tau2", "weights", "q", "lrt_pvalue", "forest", "tests"} <= set(dir(results()["pool"]))


def test_warnings_of_a_model_reach_its_card():
    fit = mn.pool(events=[0, 10, 0, 9], total=[10, 10, 9, 9])
    assert fit.notes
    assert all(note in " ".join(Reader(fit._repr_html_()).words) for note in fit.notes)


def test_a_name_from_the_data_is_text():
    for name in ("leave_one_out", "influence", "outliers", "gosh", "cumulative"):
        card = results()[name]._repr_html_()
        assert "<script>" not in card
        assert "&lt;script&gt;" in card


def test_numbers_stand_to_the_right_and_names_to_the_left():
    card = mn.leave_one_out(mn.pool(pd.DataFrame({"study": list("abc"), "events": [1, 2, 3], "total": [9, 9, 9]})))._repr_html_()
    assert re.search(r"<td style='text-align:left[^>]*>a</td><td style='text-align:right", card)


def test_a_notebook_completes_the_short_list():
    from IPython.core.completer import IPCompleter, provisionalcompleter

    completer = IPCompleter(namespace={"fit": results()["pool"]})
    with provisionalcompleter():
        found = {c.text.removeprefix("fit").removeprefix(".") for c in completer.completions("fit.", 4)}
    assert found == set(dir(results()["pool"]))
