"""`metanet new`: what the folder holds, that it works at once, and what is refused."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.base import whole_files
from metanet.base.errors import ArgumentError, MetanetError
from metanet.cli import cli
from metanet.evidence.folders import shipped_folder
from metanet.reporting.run.batch import planned, report
from metanet.reviews import new
from metanet.reviews.names import RESERVED, study_id
from metanet.reviews.new import IDS, NAMES, NOTE, TITLE, new_review


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_review_has_tables_their_contract_notebooks_a_plan_and_a_readme(fresh):
    names = ("arms.csv", "certainty.csv", "datapackage.json", "excluded.csv", "harm.csv", "response.csv", "risk_of_bias.csv",
             "search_flow.csv", "searches.csv", "studies.csv")  # fmt: skip
    tables = [f"extracted_data/{name}" for name in names]
    books = sorted(f"analyses/{name}" for name in NAMES)
    assert files(fresh) == sorted([".gitignore", "README.md", "analyses/plans/review.toml", *books, *tables])


def test_a_review_validates_without_a_notice(fresh):
    found = mn.validate(fresh / "extracted_data")
    assert found.ok
    assert not found.notices


def test_the_table_of_the_risk_of_bias_is_described_and_empty(fresh):
    data = fresh / "extracted_data"
    (described,) = (
        each for each in json.loads((data / "datapackage.json").read_text())["resources"] if each["name"] == "risk_of_bias"
    )
    columns = [field["name"] for field in described["schema"]["fields"]]
    assert (data / "risk_of_bias.csv").read_text() == ",".join(columns) + "\n"
    assert "was not assessed" in mn.load_evidence(data).risk_of_bias().sentence()


def test_the_invented_studies_say_so_in_every_table_that_has_room_for_it(fresh):
    evidence = mn.load_evidence(fresh / "extracted_data")
    assert set(evidence.studies["study_id"]) == set(IDS)
    assert set(evidence.studies["title"]) == {TITLE}
    assert set(evidence.outcomes["note"]) == {NOTE}


def test_every_report_works_at_once(fresh, tmp_path):
    made = report(data=fresh / "extracted_data", out=tmp_path / "reports", jobs=1)
    assert made.ok
    assert (tmp_path / "reports" / "index.html").is_file()
    assert "Response: Treatment" in made.summary()


def test_every_kind_of_report_works_with_outcomes_and_modalities_of_ones_own(tmp_path):
    place = new_review(tmp_path / "own", outcomes=["Clot free"], harms=["bleeding"], modalities=["Drug A", "surgery"])
    data = place / "extracted_data"
    with (data / "studies.csv").open("a") as studies, (data / "arms.csv").open("a") as arms:
        for number in range(4):
            studies.write(f"S{number},Author{number},20{number:02}{',' * 10}\n")
            arms.write(f"S{number},all,Drug A,Drug A,50,,,\n")
    for table in ("clot_free", "bleeding"):
        with (data / f"{table}.csv").open("a") as out:
            for number in range(4):
                out.write(f"S{number},all,{3 + 4 * number},50,patients,,,false,,,fulltext,s,p,high,false,true,\n")
    made = report(data=data, out=tmp_path / "reports", jobs=1)
    assert made.ok, made.summary()
    kinds = {
        "rate": "Bleeding: surgery",
        "comparison": "modalities compared",
        "heterogeneity": "heterogeneity",
        "sensitivity": "sensitivity",
    }
    assert all(words in made.summary() for words in kinds.values())


def test_the_plan_is_one_that_a_report_follows(fresh):
    evidence = mn.load_evidence(fresh / "extracted_data")
    jobs = planned(evidence, data=fresh / "extracted_data", plan=fresh / "analyses/plans/review.toml")
    assert [job.folder for job in jobs] == [
        *("response/Treatment", "harm/Treatment", "analyses/findings/Treatment", "analyses/benefit_risk/response-harm"),
        "analyses/audit/counts",
        "analyses/manuscript/review",
    ]


def test_the_copied_notebooks_read_the_tables_of_their_review(fresh):
    for name in NAMES:
        book = json.loads((fresh / "analyses" / name).read_text())
        first = "".join(next(c["source"] for c in book["cells"] if "parameters" in c["metadata"].get("tags", [])))
        values: dict[str, object] = {}
        exec(first, values)
        assert values["data"] == "../extracted_data"
        assert {values.get("outcome"), values.get("benefit"), values.get("modality_class"), values.get("risk")} <= {
            *("response", "harm", "Treatment"),
            None,
        }


def test_a_copied_notebook_differs_from_the_packaged_one_in_its_parameters_alone(fresh):
    for name in NAMES:
        ours, theirs = (
            json.loads((folder / name).read_text(encoding="utf-8"))["cells"]
            for folder in (fresh / "analyses", shipped_folder("analyses", NAMES[0]))
        )
        different = [place for place, (one, two) in enumerate(zip(ours, theirs, strict=True)) if one != two]
        assert all("parameters" in theirs[place]["metadata"]["tags"] for place in different)
        assert len(different) == 1


def test_a_copied_notebook_runs_where_it_lies(fresh, tmp_path):
    papermill = pytest.importorskip("papermill")
    copy = shutil.copytree(fresh, tmp_path / "review")
    book = copy / "analyses" / "benefit_risk.ipynb"
    papermill.execute_notebook(book, tmp_path / "run.ipynb", cwd=book.parent, progress_bar=False)


def test_named_modalities_become_the_words_of_the_column(tmp_path):
    place = new_review(tmp_path / "own", modalities=["Drug A", "surgery"])
    arms = place / "extracted_data" / "arms.csv"
    arms.write_text(arms.read_text().replace("surgery", "surgrey"))
    problem = mn.validate(place / "extracted_data").problems[0]
    assert "surgery" in problem.fix


def test_an_outcome_knows_which_side_is_good(tmp_path):
    place = new_review(tmp_path / "own", outcomes=["cure"], harms=["bleeding"])
    evidence = mn.load_evidence(place / "extracted_data")
    directions = {name: evidence.rates(name).attrs["direction"] for name in ("cure", "bleeding")}
    assert directions == {"cure": "higher_is_better", "bleeding": "lower_is_better"}


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    new_review(tmp_path / "empty")
    assert "README.md" in files(tmp_path / "empty")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_the_folder_in_which_somebody_stands_is_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new_review(".", title="Here")
    assert "README.md" in files(tmp_path)


def test_a_folder_that_holds_something_is_refused_by_what_it_holds(tmp_path):
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(ArgumentError, match=r"not empty: it contains thesis\.docx"):
        new_review(tmp_path)
    assert files(tmp_path) == ["thesis.docx"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "review").touch()
    with pytest.raises(ArgumentError, match="exists and is not a folder"):
        new_review(tmp_path / "review")


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "review").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArgumentError, match="exists and is not a folder"):
        new_review(tmp_path / "review")
    assert files(tmp_path / "elsewhere") == []


def test_a_missing_parent_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="the parent folder 'nowhere' does not exist"):
        new_review(tmp_path / "nowhere" / "review")


@pytest.mark.parametrize("name", ["con", "NUL.txt", "com1", "a:b", "a|b", "a.", "x\u202ey", "a\x00b", "", " ", "a" * 300])
def test_a_folder_that_not_every_system_can_have_is_refused(tmp_path, name):
    with pytest.raises(ArgumentError, match="Fix"):
        new_review(f"{tmp_path}/{name}" if name.strip() else name)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../x",
            "a/b",
            "a\\b",
            "/etc/passwd",
            "C:x",
            ".",
            "..",
            "",
            "-",
            "1st",
            "=x",
            "x.csv",
            "a\x00b",
            "a\nb",
            "a\u202eb",
            "con",
            "LPT1",
        ),
        *("studies", "arms", "datapackage", "published pooled", "risk of bias", "x" * 61, "<b>", "Ünicode"),
    ],
)
@pytest.mark.parametrize("argument", ["outcomes", "harms"])
def test_an_outcome_that_cannot_name_a_file_is_refused_with_the_mend(tmp_path, name, argument):
    with pytest.raises(ArgumentError, match="Fix"):
        new_review(tmp_path / "review", **{argument: [name]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/b", "a\\b", ".hidden", "x.", "", "  ", "=1+1", "+x", "-x", "@x", "a\x00b", "a\nb", "a\u202eb", "con", "aux.txt"),
        *("<script>", "a`b", "$x$", "x" * 61, 'a"b', "a;b"),
    ],
)
def test_a_modality_that_cannot_name_a_folder_is_refused_with_the_mend(tmp_path, name):
    with pytest.raises(ArgumentError, match="Fix"):
        new_review(tmp_path / "review", modalities=[name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chosen", [{"outcomes": ["Cure", "cure"]}, {"outcomes": ["x"], "harms": ["x"]}, {"modalities": ["A", "a"]}])
def test_a_name_that_stands_twice_is_refused(tmp_path, chosen):
    with pytest.raises(ArgumentError, match="twice"):
        new_review(tmp_path / "review", **chosen)


@pytest.mark.parametrize("title", ["", "a\nb", "a\x1b[31m", "\u202e", "x" * 201])
def test_a_title_that_is_no_line_of_text_is_refused(tmp_path, title):
    with pytest.raises(ArgumentError, match="title"):
        new_review(tmp_path / "review", title=title)


def test_a_title_is_text_and_nothing_else_in_every_file(tmp_path):
    title = 'A "quoted" \\ <script>alert(1)</script> *x* {outcomes} [l](javascript:x)'
    place = new_review(tmp_path / "review", title=title)
    from metanet.reporting.plan.plan_files import read_plan

    assert read_plan(place / "analyses/plans/review.toml").title == title
    assert json.loads((place / "extracted_data/datapackage.json").read_text())["title"] == title
    readme = (place / "README.md").read_text()
    assert "<script>" not in readme
    assert "[l](" not in readme


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_files, "write_bytes", full)
    with pytest.raises(MetanetError, match="No space left"):
        new_review(tmp_path / "review")
    assert list(tmp_path.iterdir()) == []


def test_a_move_that_fails_half_way_leaves_the_folder_empty(tmp_path, monkeypatch):
    (tmp_path / "review").mkdir()
    moved, rename = [], os.rename

    def second_fails(one, two):
        moved.append(one)
        if len(moved) > 2:
            raise OSError(13, "Permission denied")
        rename(one, two)

    monkeypatch.setattr(new.os, "rename", second_fails)
    with pytest.raises(MetanetError, match="Permission denied"):
        new_review(tmp_path / "review")
    assert files(tmp_path) == []


def test_the_command_says_what_to_run_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        cli, ["new", "mine", "--title", "Mine", "--outcome", "cure", "--harm", "death", "--modality", "Drug A"]
    )
    assert result.exit_code == 0, result.output
    assert "metanet report" in result.output
    monkeypatch.chdir(tmp_path / "mine")
    assert "no problems, 0 notices" in CliRunner().invoke(cli, ["validate"]).output


def test_no_name_of_a_study_becomes_a_device_or_a_path():
    for name in (*RESERVED, "../../x", "\u202e", "王 2010", "=1", "", "NUL 2"):
        key = study_id(name)
        assert key.casefold() not in RESERVED
        assert key[0].isalpha()
        assert key.isascii()
        assert not set(key) & set("./\\")


def test_the_key_of_a_study_is_the_same_in_the_next_import():
    assert study_id("Müller-Lüd, et al. 2010a") == study_id("Müller-Lüd, et al. 2010a") == "Muller-Lud2010a"
    assert study_id("王 2010") != study_id("李 2010")
