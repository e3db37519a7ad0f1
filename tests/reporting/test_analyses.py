"""The analyses beside the pooled rates: what a run makes of them, and that nothing from a CSV runs."""

from __future__ import annotations

import json
import re

import pytest

import metanet as mn
from metanet.reporting.plan.registry import NOTEBOOKS
from metanet.reporting.run.batch import kinds_of, planned
from tests.evidence.conftest import Folder
from tests.evidence.search import FLOW, excluded_csv, flow_csv, searches_csv

from .conftest import HOSTILE, network_evidence


def jobs(*kinds: str, outcome: str | None = None, modality: str | None = None) -> list[str]:
    return [job.folder for job in planned(mn.load_evidence(), outcome, modality, analyses=kinds)]


def test_a_complete_run_makes_all_kinds_and_a_part_the_rates_alone():
    assert kinds_of(None, complete=True) == tuple(NOTEBOOKS)
    assert kinds_of(None, complete=False) == ("rates",)
    assert kinds_of("comparison", complete=False) == ("comparison",)
    with pytest.raises(mn.ArgumentError, match="Did you mean 'comparison'"):
        kinds_of(["comparisons"], complete=True)
    with pytest.raises(mn.ArgumentError, match="analyses is empty"):
        kinds_of([], complete=True)


def test_there_is_one_comparison_for_each_outcome_with_two_classes():
    evidence = mn.load_evidence()
    table = evidence.poolable()
    several = {name for name, part in table.groupby("outcome") if len(part) > 1}
    assert set(jobs("comparison")) == {f"analyses/comparison/{name}" for name in several}


def test_there_is_one_summary_of_findings_for_each_class_with_a_study():
    classes = set(mn.load_evidence().poolable()["modality_class"])
    assert set(jobs("findings")) == {f"analyses/findings/{name}" for name in classes}
    assert jobs("findings", modality="TARE") == ["analyses/findings/TARE"]


def test_heterogeneity_and_sensitivity_start_at_three_rows():
    table = mn.load_evidence().poolable()
    enough = table[table["arms"] >= 3]
    for kind in ("heterogeneity", "sensitivity"):
        names = {f"analyses/{kind}/{row.outcome}-{row.modality_class}" for row in enough.itertuples()}
        assert set(jobs(kind)) == names
    assert jobs("heterogeneity", outcome="objective_response", modality="TARE") == ["analyses/heterogeneity/objective_response-TARE"]


def test_benefits_are_set_against_hepatotoxicity():
    assert jobs("benefit_risk") == [
        "analyses/benefit_risk/objective_response-hepatotoxicity",
        "analyses/benefit_risk/disease_control-hepatotoxicity",
    ]
    assert jobs("benefit_risk", outcome="mortality") == []


def test_a_run_makes_pages_numbers_and_figures_and_runs_nothing_from_a_csv(hostile_evidence, tmp_path):
    made = mn.report("objective_response", out=tmp_path, data=hostile_evidence, analyses=("comparison",))
    assert made.ok, made.summary()
    both = mn.report(
        "objective_response", "TARE", out=tmp_path, data=hostile_evidence, analyses=("findings", "heterogeneity", "sensitivity")
    )
    assert both.ok, both.summary()
    folders = {
        "findings/TARE": {"findings.csv", "response_categories.csv", "response_categories.svg", "pooled_categories.csv"},
        "comparison/objective_response": {"groups.csv", "pairs.csv", "within_studies.csv", "summary.csv", "forest.svg"},
        "heterogeneity/objective_response-TARE": {"moderators.csv", "grade.csv", "spread.svg", "baujat.svg", "gosh.svg"},
        "sensitivity/objective_response-TARE": {"analyses.csv", "choices.csv", "calibration.csv", "funnel.svg"},
    }  # fmt: skip
    for name, files in folders.items():
        folder = tmp_path / "analyses" / name
        assert files | {"report.html", "report.ipynb", "numbers.json"} <= {p.name for p in folder.iterdir()}
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert not re.search(r"<script|\son\w+=", page.replace("&lt;script", ""))
        assert HOSTILE not in page
        numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
        assert numbers["kind"] == name.split("/")[0]
        assert numbers["sentence"]
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert ">Comparison of modalities</h2>" in index
    assert 'href="analyses/heterogeneity/objective_response-TARE/report.html"' in index
    assert HOSTILE not in index
    found = json.loads((tmp_path / "analyses/comparison/objective_response/numbers.json").read_text(encoding="utf-8"))
    rates = mn.load_evidence(hostile_evidence).rates("objective_response", within="modality_class")
    assert found["analysis"]["posterior_pvalue"] == pytest.approx(mn.compare(rates).posterior_pvalue, rel=1e-12)


def test_saving_refuses_what_is_no_analysis(tmp_path):
    with pytest.raises(mn.ArgumentError, match="is not the result of an analysis"):
        mn.save_analysis(tmp_path, "comparison", "x", 3)
    with pytest.raises(mn.ArgumentError, match="Did you mean 'comparison'"):
        mn.save_analysis(tmp_path, "comparisn", "x", 3)
    assert not list(tmp_path.iterdir())


def test_benefit_and_harm_of_other_topics_are_told_by_their_direction(tmp_path):
    from metanet.reviews.new import new_review

    new_review(tmp_path / "review", title="x", outcomes=("cure",), harms=("bleeding",), modalities=())
    data = tmp_path / "review" / "extracted_data"
    folders = [job.folder for job in planned(mn.load_evidence(data), data=data, analyses=("benefit_risk",))]
    assert folders == ["analyses/benefit_risk/cure-bleeding"]
    made = mn.report(out=tmp_path / "out", data=data, analyses=("benefit_risk",))
    assert made.ok, made.summary()


def test_every_report_of_our_own_notebooks_rests_on_the_rows_it_is_filed_under(tmp_path):
    # A report whose rows are not those of its job fails as one whose evidence changed meanwhile.
    made = mn.report(out=tmp_path / "out", analyses=("benefit_risk", "replication"))
    assert made.ok, made.summary()
    assert len(made.outcomes) == 3
    assert "made from other evidence" not in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_run_audits_the_counts_of_the_tables_that_it_reads(hostile_evidence, tmp_path):
    made = mn.report(out=tmp_path, data=hostile_evidence, analyses=("audit",))
    assert made.ok, made.summary()
    folder = tmp_path / "analyses/audit/counts"
    assert {"counts.csv", "several_counts_fit.csv", "without_figures.csv", "report.html"} <= {path.name for path in folder.iterdir()}
    numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    found = mn.audit(mn.load_evidence(hostile_evidence))
    assert numbers["kind"] == "audit"
    assert numbers["sentence"] == found.sentence()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert not re.search(r"<script|\son\w+=", page.replace("&lt;script", ""))
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert ">Audit of the counts</h2>" in index
    assert "made from other evidence" not in index


def test_nothing_in_the_tables_runs_in_the_manuscript(hostile_evidence, tmp_path):
    made = mn.report(out=tmp_path, data=hostile_evidence, analyses=("manuscript",))
    assert made.ok, made.summary()
    folder = tmp_path / "analyses/manuscript/review"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert not re.search(r"<script|\son\w+=", page.replace("&lt;script", ""))
    assert json.loads((folder / "numbers.json").read_text(encoding="utf-8"))["kind"] == "manuscript"
    json.loads((folder / "references.json").read_text(encoding="utf-8"))


def test_a_new_review_has_an_audit_of_its_own_tables(tmp_path):
    from metanet.reviews.new import new_review

    new_review(tmp_path / "review", title="x", outcomes=("cure",), harms=("bleeding",), modalities=())
    data = tmp_path / "review" / "extracted_data"
    made = mn.report(out=tmp_path / "out", data=data, analyses=("audit",))
    assert made.ok, made.summary()
    sentence = json.loads((tmp_path / "out/analyses/audit/counts/numbers.json").read_text(encoding="utf-8"))["sentence"]
    assert sentence == mn.audit(mn.load_evidence(data)).sentence()


def test_a_review_with_tables_of_its_search_has_a_report_on_it(tmp_path):
    folder = Folder(tmp_path / "tables")
    folder.files["search_flow.csv"] = flow_csv(FLOW)
    counts = {("", "Wrong population, adults"): 25, ("", HOSTILE): 0, ("", "No rate"): 15, ("other", "No rate"): 3}
    folder.files["excluded.csv"] = excluded_csv(counts)
    data = folder.write()
    made = mn.report(out=tmp_path / "out", data=data, analyses=("search",))
    assert made.ok, made.summary()
    place = tmp_path / "out/analyses/search/flow"
    assert {"flow.csv", "sums_of_the_flow.csv", "excluded_reports.csv", "prisma_checklist.csv"} <= {
        path.name for path in place.iterdir()
    }
    numbers = json.loads((place / "numbers.json").read_text(encoding="utf-8"))
    assert numbers["kind"] == "search"
    assert numbers["sentence"] == mn.prisma_flow(mn.load_evidence(data)).sentence()
    page = (place / "report.html").read_text(encoding="utf-8")
    assert "This review has no table of its searches" in page
    assert "PRISMA 2020 checklist" in page
    assert "Axes" not in page
    assert {f"flow_diagram.{form}" for form in ("svg", "pdf", "png")} <= {path.name for path in place.iterdir()}
    assert "made from other evidence" not in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    # The report is about these tables, so it is made again once they change.
    before = mn.load_evidence(data).fingerprint_of()
    folder.files["excluded.csv"] = excluded_csv({**counts, ("", "No rate"): 15}).replace(b"Author ", b"Writer ")
    assert folder.load().fingerprint_of() != before
    assert folder.load().fingerprint_of("objective_response", "TARE") == mn.load_evidence(data).fingerprint_of(
        "objective_response", "TARE"
    )


def test_a_report_on_searches_alone_says_that_there_is_no_flow(tmp_path):
    folder = Folder(tmp_path / "tables")
    folder.files["searches.csv"] = searches_csv([("MEDLINE", "250")])
    made = mn.report(out=tmp_path / "out", data=folder.write(), analyses=("search",))
    assert made.ok, made.summary()
    page = (tmp_path / "out/analyses/search/flow/report.html").read_text(encoding="utf-8")
    assert "This review has no flow of its search" in page
    assert "1 search: 250 records" in page


def test_evidence_with_a_network_has_a_report_on_it(tmp_path):
    evidence = network_evidence()
    made = mn.report(out=tmp_path / "out", data=evidence, analyses=("network",))
    assert made.ok, made.summary()
    assert made.notes == ()
    folder = tmp_path / "out/analyses/network/responders"
    figures = {f"{name}.{form}" for name in ("graph", "forest", "league", "ranks", "funnel") for form in ("svg", "png")}
    frames = {f"{name}.csv" for name in ("contrasts", "ranking", "split", "designs", "influence", "arms")}
    assert figures | frames | {"report.html", "numbers.json"} <= {path.name for path in folder.iterdir()}
    numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    rates = evidence.rates("responders", within="modality_class")
    assert numbers["kind"] == "network"
    assert numbers["sentence"] == mn.network(rates, study="study_id", treatment="modality_class").sentence()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|\son\w+=", page.replace("&lt;script", ""))
    assert HOSTILE not in page
    for title in ("Ranks", "Consistency", "All contrasts", "Direct and indirect evidence", "The network without each study"):
        assert title in page


def test_evidence_without_a_network_is_told_so(tmp_path):
    made = mn.report(out=tmp_path / "out", analyses=("network",))
    assert made.outcomes == ()
    assert made.notes == (NOTEBOOKS["network"].nothing,)
    assert "do comparisons within studies join three treatments" in made.summary()
    assert not planned(mn.load_evidence(), analyses=("network",))


def test_a_review_without_them_has_none():
    assert not planned(mn.load_evidence(), analyses=("search",))


def test_a_series_of_one_s_own_has_its_section_when_it_is_given(hostile_evidence, tmp_path):
    name = f"Ours {HOSTILE}"
    given = {"events": 5, "total": 20, "name": name}
    made = mn.report("objective_response", "TARE", out=tmp_path / "with", data=hostile_evidence, parameters=given)
    assert made.ok, made.summary()
    folder = tmp_path / "with" / "objective_response" / "TARE"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "A series of one" in page
    assert HOSTILE not in page
    assert (folder / "series.svg").exists()
    numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    fit = mn.pool(mn.load_evidence(hostile_evidence).rates("objective_response", modality="TARE"), model="bayes")
    wanted = mn.against(fit, events=5, total=20, name=name)
    assert numbers["series"]["mid_p_upper"] == pytest.approx(wanted.mid_p_upper, rel=1e-12)
    plain = mn.report("objective_response", "TARE", out=tmp_path / "without", data=hostile_evidence)
    assert plain.ok, plain.summary()
    folder = tmp_path / "without" / "objective_response" / "TARE"
    assert "A series of one" not in (folder / "report.html").read_text(encoding="utf-8")
    assert "series" not in json.loads((folder / "numbers.json").read_text(encoding="utf-8"))


def test_the_report_of_disease_control_compares_arms_by_what_they_report(tmp_path):
    made = mn.report("disease_control", "TACE", out=tmp_path)
    assert made.ok, made.summary()
    page = (tmp_path / "disease_control" / "TACE" / "report.html").read_text(encoding="utf-8")
    assert "Objective response by what the arms report" in page
    assert mn.reporting_pattern(mn.load_evidence(), "TACE").control_sentence() in page
