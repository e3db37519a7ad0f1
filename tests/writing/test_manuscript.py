"""The review as one document: its numbers are those of the reports, and it claims nothing that the tables do not say."""

import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import docx
import pandas as pd
import pypdf
import pytest
import rispy
from click.testing import CliRunner

import metanet as mn
from metanet.base.display import interval, per_cent
from metanet.base.errors import ArgumentError
from metanet.cli import cli
from metanet.reviews.new import new_review
from metanet.writing.prisma.manuscript_places import places_of
from metanet.writing.references import References

ANALYSES = Path(__file__).parents[2] / "analyses"
EVIL = "<script>alert(1)</script> =1+1 $x^2$"


@pytest.fixture(scope="module")
def evidence():
    return mn.load_evidence()


@pytest.fixture(scope="module")
def paper(evidence):
    return mn.manuscript(evidence)


def test_two_benefits_and_two_harms_of_most_classes_are_taken(paper, evidence):
    assert len(paper.outcomes) == 4
    directions = [evidence.direction(name) for name in paper.outcomes]
    assert directions.count("higher_is_better") == directions.count("lower_is_better") == 2
    assert mn.manuscript(evidence, "Objective response").outcomes == ("objective_response",)


def test_the_rates_are_those_of_the_reports(paper, evidence):
    said = dict(paper.results.parts)
    for name in paper.outcomes:
        fits = {
            group: mn.pool(rates)
            for group in evidence.modality_classes
            if len(rates := evidence.rates(name, modality=group)) and rates["study_id"].nunique() > 1
        }
        pooled = {group: fit for group, fit in fits.items() if fit.status == "pooled"}
        text = said[evidence.label(name)]
        for group in (min(pooled, key=lambda g: pooled[g].estimate), max(pooled, key=lambda g: pooled[g].estimate)):
            fit = pooled[group]
            assert f"after {group}: {per_cent(fit.estimate)} % (95 % CrI {interval(fit.ci_lower, fit.ci_upper)} %)" in text
        assert f"Of {len(pooled)} modality classes" in text


def test_the_sensitivity_table_has_the_numbers_of_the_models(paper, evidence):
    frame = paper.sensitivity.to_frame()
    row = frame[(frame["outcome"] == "Objective response") & (frame["modality_class"] == "TARE")].iloc[0]
    rates = evidence.rates("objective_response", modality="TARE")
    assert row["main"] == mn.pool(rates).estimate
    assert row["glmm"] == mn.pool(rates, model="glmm").estimate
    assert row["beta"] == mn.pool(rates, model="beta_binomial").rates_shown[1][0]
    assert row["studies"] == 18


def test_what_was_not_done_is_not_claimed(paper):
    text = repr(paper.methods) + repr(paper.limitations)
    assert "The risk of bias was not assessed." in text
    assert "The certainty of the evidence (GRADE) was not assessed." in text
    assert "[registry and number]" in repr(paper.statements)
    assert text.count("An observational comparison") == 1


def test_every_report_with_a_pooled_row_is_cited_once(paper, evidence):
    keys = {key for name in paper.outcomes for key in evidence.rates(name, within="modality_class")["study_id"]}
    assert sorted(entry["study_id"] for entry in paper.references.entries) == sorted(keys)
    csl = json.loads(paper.references.to_csl())
    assert {entry["id"] for entry in csl} == keys
    again = rispy.loads(paper.references.to_ris())
    assert len(again) == len(keys)
    dois = {entry["DOI"] for entry in csl if "DOI" in entry}
    assert {entry["doi"] for entry in again if "doi" in entry} == dois
    assert not any("not printed" in text or re.match(r"PMID", text) for text in paper.references.texts())


def test_arguments_are_checked(evidence, tmp_path):
    with pytest.raises(ArgumentError, match="outcomes"):
        mn.manuscript(evidence, [])
    with pytest.raises(ArgumentError, match="objective_response"):
        mn.manuscript(evidence, "objective_respons")
    with pytest.raises(ArgumentError, match="references"):
        mn.save_references(tmp_path, ["x"])


def test_a_table_of_ones_own_without_treatments_is_told_without_comparisons():
    table = pd.DataFrame({"study": ["Adam 2001", "Baker 2002", "Clark 2003"], "events": [3, 5, 9], "total": [20, 30, 40]})
    paper = mn.manuscript(mn.read(table))
    text = repr(paper.methods) + repr(paper.results) + repr(paper.limitations)
    assert "The median rate was" in text
    assert not re.search("All studies|compar(ed|ison) (by|is)|[Oo]bservational", text)
    assert paper.references.texts() == ["Adam 2001.", "Baker 2002.", "Clark 2003."]


@pytest.fixture
def review(tmp_path):
    """A review of twelve studies with ratings, a registration, and a name that no program may run."""
    folder = tmp_path / "review"
    new_review(folder, title="Embolisation", outcomes=("response",), harms=("bleeding",), modalities=("TAE", "TACE"))
    data = folder / "extracted_data"

    def write(name, rows):
        columns = (data / name).read_text(encoding="utf-8").splitlines()[0].split(",")
        lines = [",".join(str(row.get(column, "")) for column in columns) for row in rows]
        (data / name).write_text("\n".join([",".join(columns), *lines]) + "\n", encoding="utf-8")

    ids = [f"S{i:02d}" for i in range(12)]
    kinds = ["TAE" if i % 2 else "TACE" for i in range(12)]
    titles = [EVIL if i == 3 else f"Title {i}" for i in range(12)]
    write("studies.csv", [{"study_id": s, "first_author": "Author", "year": 2000 + i, "title": titles[i]} for i, s in enumerate(ids)])
    arm = {"arm": "all", "n": 40}
    write("arms.csv", [{**arm, "study_id": s, "modality": kinds[i], "modality_class": kinds[i]} for i, s in enumerate(ids)])
    row = {"arm": "all", "source_locator": "Table 1", "poolable": "true", "certainty": "high", "unit": "patients", "derived": "false"}
    row |= {"source_kind": "fulltext", "source": "x", "double_extracted": "true"}
    for name, part in (("response.csv", 1), ("bleeding.csv", 5)):
        write(name, [{**row, "study_id": s, "events": (i + 5) // part, "total": 20 + i} for i, s in enumerate(ids)])
    rated = {"outcome": "response", "modality": "TAE", "question": "rate", "reason": "As agreed"}
    domains = ("risk_of_bias", "inconsistency", "indirectness", "imprecision", "publication_bias")
    write("certainty.csv", [{**rated, "domain": d, "rating": "serious" if d == "imprecision" else "not_serious"} for d in domains])
    flow = {"database_results": 100, "register_results": 10, "duplicates": 20, "records_screened": 90, "records_excluded": 60}
    flow |= {
        "dbr_sought_reports": 30,
        "dbr_notretrieved_reports": 2,
        "dbr_assessed": 28,
        "dbr_excluded": '"No rate, 10; Other treatment, 6"',
    }
    flow |= {"new_reports": 12, "new_studies": 12, "total_reports": 12, "total_studies": 12}
    write("search_flow.csv", [{"data": key, "n": value} for key, value in flow.items()])
    gone = ["No rate"] * 10 + ["Other treatment"] * 6
    write("excluded.csv", [{"citation": f"Left {i}", "stage": "full_text", "reason": reason} for i, reason in enumerate(gone)])
    found = {"MEDLINE": 60, "Embase": 40}
    write("searches.csv", [{"database": name, "date": "2026-01-05", "hits": hits} for name, hits in found.items()])
    judged = {"tool": "robins_i", "assessor": "AB and CD", "consensus": "true"}
    parts = ("confounding", "selection", "classification", "deviations", "missing_data", "measurement", "reported_result")
    levels = ["serious" if i == 2 else "low" for i in range(12)]
    rows = [{**judged, "study_id": s, "domain": part, "judgement": levels[i]} for i, s in enumerate(ids) for part in parts]
    write("risk_of_bias.csv", rows)
    descriptor = json.loads((data / "datapackage.json").read_text(encoding="utf-8"))
    descriptor["review"] = {"registration": "PROSPERO CRD1", "funding": EVIL}
    (data / "datapackage.json").write_text(json.dumps(descriptor), encoding="utf-8")
    return folder


def test_a_review_goes_from_its_tables_to_word_pdf_and_html(review, tmp_path, monkeypatch):
    monkeypatch.chdir(review)
    assert mn.validate(review / "extracted_data").ok, mn.validate(review / "extracted_data").summary()
    run = CliRunner().invoke(cli, ["manuscript", "--out", str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    folder = tmp_path / "out" / "analyses" / "manuscript" / "review"
    assert {"report.docx", "report.pdf", "report.html", "references.ris", "references.json"} <= {
        path.name for path in folder.iterdir()
    }
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "PROSPERO CRD1" in page
    assert "⊕⊕⊕⊖ moderate a" in page
    document = docx.Document(folder / "report.docx")
    heads = [p.text for p in document.paragraphs if p.style.name.startswith(("Title", "Heading"))]
    order = ["Methods", "Results", "Limitations", "Statements", "References"]
    assert [head for head in heads if head in order] == order
    # Flow, traffic light, and a figure for each outcome.
    assert len(document.inline_shapes) == 4
    with zipfile.ZipFile(folder / "report.docx") as parts:
        words = "".join(ElementTree.fromstring(parts.read("word/document.xml")).itertext())
    assert "alert(1)" in words
    assert "[competing interests of the authors]" in words
    pages = pypdf.PdfReader(folder / "report.pdf").pages
    assert len(pages) <= 12


def test_a_rate_cites_the_reports_that_it_pools(paper, evidence):
    keys = [entry["study_id"] for entry in paper.references.entries]
    text = dict(paper.results.parts)["Objective response"]
    found = re.search(r"lowest after (\w+): [^\[]*\[([^\]]*)\]", text)
    numbers = [
        number for part in found[2].split(", ") for number in range(int(part.split("\u2013")[0]), int(part.split("\u2013")[-1]) + 1)
    ]
    assert {keys[number - 1] for number in numbers} == set(evidence.rates("objective_response", modality=found[1])["study_id"])
    assert f"{len(keys)} reports contributed [1\u2013{len(keys)}]" in repr(paper.studies)


def test_numbers_in_a_row_are_a_range():
    entries = tuple({"study_id": str(number)} for number in range(1, 10))
    assert References(entries).cited(["1", "3", "4", "6", "7", "8", "x"]) == " [1, 3, 4, 6\u20138]"
    assert References(entries).cited(["x"]) == ""


def test_the_checklist_leads_to_headings_of_the_document(paper):
    """Every place of the checklist is a heading of the notebook or of one of its sections."""
    cells = json.loads((ANALYSES / "manuscript.ipynb").read_text())["cells"]
    heads = [
        line.lstrip("# ").replace(" ", "-")
        for cell in cells
        if cell["cell_type"] == "markdown"
        for line in "".join(cell["source"]).splitlines()
        if line.startswith("#")
    ]
    parts = [part for section in (paper.methods, paper.statements) for part in section.parts]
    heads += [title.replace(" ", "-") for title, _ in parts]
    assert set(paper.checklist.headings.values()) <= set(heads)
    assert {place.heading for places in places_of(EVERYTHING).values() for place in places} - {""} <= set(heads)
    page = paper.checklist._repr_html_()
    assert page.count('<a href="#') == sum(bool(row[-1].text) for row in paper.checklist.rows)


EVERYTHING = (
    *("titled", "population", "searches", "strategies", "judged", "pooled", "compared", "rated"),
    *("flow", "excluded", "registration", "protocol", "funding", "interests"),
)


def test_the_checklist_claims_nothing_that_the_review_does_not_have(paper):
    where = dict(paper.checklist.to_frame()[["item", "where"]].itertuples(index=False))
    answered = {item for item, place in where.items() if isinstance(place, str) and place}
    assert not answered & {"1", "2", "3", "5", "6", "7", "8", "11", "15", "16a", "18", "22", "24a", "25"}
    assert {"10a", "12", "13d", "17", "19", "20b", "20d", "27"} <= answered
