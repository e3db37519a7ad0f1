"""Plans in TOML: what they make, and every mistake in them named before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import metanet as mn
from metanet.reporting.plan.plan_files import read_plan
from metanet.reporting.run.batch import planned

MANY = ", ".join(f"{n / 10000}" for n in range(1, 1200))
PLANS = Path(__file__).parents[3] / "analyses" / "plans"


@pytest.fixture(scope="module")
def evidence():
    return mn.load_evidence()


@pytest.fixture
def plan(tmp_path):
    def make(text):
        path = tmp_path / "plan.toml"
        path.write_text(text, encoding="utf-8") if isinstance(text, str) else path.write_bytes(text)
        return path

    return make


def test_the_plan_of_everything_makes_what_a_run_without_a_plan_makes(evidence):
    with_plan = planned(evidence, plan=PLANS / "complete.toml")
    without = planned(evidence)
    assert [job.folder for job in with_plan] == [job.folder for job in without]
    assert all(job.parameters.get("overlap", "keep_largest") == "keep_largest" for job in with_plan)


def test_a_parameter_that_varies_makes_a_report_for_every_value(evidence, plan):
    text = """
    [[report]]
    analysis = "rates"
    outcomes = "objective_response"
    modalities = ["TARE", "PRRT"]
    vary = { overlap = ["keep_largest", "keep_all"], certainty = ["none", "moderate"] }
    """
    jobs = planned(evidence, plan=plan(text))
    assert len(jobs) == 8
    assert len({job.folder for job in jobs}) == 8
    assert {(job.parameters["overlap"], job.parameters["certainty"]) for job in jobs} == {
        (overlap, certainty) for overlap in ("keep_largest", "keep_all") for certainty in (None, "moderate")
    }
    assert all(job.folder.startswith("objective_response/") and job.folder.count("/") == 1 for job in jobs)
    assert "overlap keep all, certainty moderate" in jobs[-1].title


def test_common_parameters_reach_the_notebooks_that_have_them_and_own_ones_come_first(evidence, plan):
    text = """
    [parameters]
    level = 0.9
    simulations = 1000
    [[report]]
    analysis = "rates"
    outcomes = ["hepatotoxicity"]
    modalities = ["TACE"]
    [[report]]
    analysis = "sensitivity"
    outcomes = ["objective_response"]
    modalities = ["TACE"]
    parameters = { level = 0.8 }
    """
    rates, sensitivity = planned(evidence, plan=plan(text))
    assert rates.parameters["level"] == 0.9
    assert "simulations" not in rates.parameters
    assert (sensitivity.parameters["level"], sensitivity.parameters["simulations"]) == (0.8, 1000)


def test_a_notebook_beside_the_plan_runs_over_what_its_parameters_name(evidence, plan, tmp_path):
    import nbformat

    for name, source in {"pair": "outcome = 'x'\nmodality_class = 'y'", "one": "outcome = 'x'", "plain": "word = 'a'"}.items():
        book = nbformat.v4.new_notebook()
        book.cells = [nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})]
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    text = "".join(
        f"[[report]]\nnotebook = '{name}.ipynb'\noutcomes = ['objective_response']\nmodalities = ['TARE', 'TAE']\n"
        for name in ("pair", "one", "plain")
    )
    jobs = planned(evidence, plan=plan(text))
    assert [job.folder for job in jobs] == [
        "analyses/pair/objective_response-TARE", "analyses/pair/objective_response-TAE", "analyses/one/objective_response",
        "analyses/plain/all",
    ]  # fmt: skip
    assert jobs[0].parameters == {"outcome": "objective_response", "modality_class": "TARE"}
    assert jobs[3].parameters == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"there is no \[\[report\]\]"),
        ("report = 3", r"there is no \[\[report\]\]"),
        ("report = [3]", "report 1 must be a table"),
        ("titel = 'x'", "Did you mean 'title'"),
        ("title = 3\n[[report]]\nanalysis = 'rates'", "title=.*must be a text"),
        ("[[report]]\nanalysis = 'rate'", "Did you mean 'rates'"),
        ("[[report]]\nanalysis = 'rates'\nnotebook = 'x.ipynb'", "either analysis or notebook"),
        ("[[report]]\noutcomes = 'all'", "either analysis or notebook"),
        ("[[report]]\nanalysis = 'rates'\noutcome = 'x'", "Did you mean 'outcomes'"),
        ("[[report]]\nanalysis = 'rates'\noutcomes = 'objective_respons'", "Did you mean 'objective_response'"),
        ("[[report]]\nanalysis = 'rates'\nmodalities = ['TARA']", "Did you mean 'TARE'"),
        ("[[report]]\nanalysis = 'rates'\nmodalities = []", "must be 'all', a word or a list"),
        ("[[report]]\nanalysis = 'rates'\nmodalities = [3]", "must be 'all', a word or a list"),
        ("[[report]]\nanalysis = 'rates'\nparameters = { levl = 0.9 }", "Did you mean 'level'"),
        ("[[report]]\nanalysis = 'rates'\nparameters = { level = 'high' }", "must be a number"),
        ("[[report]]\nanalysis = 'rates'\nparameters = { level = [1] }", "must be a text, a number"),
        ("[[report]]\nanalysis = 'rates'\nparameters = { level = 1979-05-27 }", "must be a text, a number"),
        ("[[report]]\nanalysis = 'rates'\nparameters = { outcome = 'x' }", "is set by the report itself"),
        ("[[report]]\nanalysis = 'rates'\nparameters = { output_dir = '/tmp' }", "is set by the report itself"),
        ("[[report]]\nanalysis = 'rates'\nparameters = { overlap = 'keep_most' }", "Did you mean 'keep_newest'|is not known"),
        ("[[report]]\nanalysis = 'rates'\nvary = { level = 0.9 }", "vary must give a list"),
        ("[[report]]\nanalysis = 'rates'\nvary = { level = [] }", "vary must give a list"),
        ("[[report]]\nanalysis = 'rates'\nvary = { level = [0.9, 0.9] }", "lists a value twice"),
        (f"[[report]]\nanalysis = 'rates'\nvary = {{ level = [{MANY}] }}", "combinations"),
        ("[parameters]\nlevl = 1\n[[report]]\nanalysis = 'rates'", "Did you mean 'level'"),
        ("[[report]]\nnotebook = '../../../etc/passwd'", "is not a notebook in the folder"),
        ("[[report]]\nnotebook = 'nowhere.ipynb'", "is not a notebook in the folder"),
        ("[[report]]\nnotebook = 'a\\u0000b.ipynb'", "is not a notebook in the folder|is not TOML"),
        ("[[report]]\nnotebook = 3", "must be a path"),
        ("[[report]]\nanalysis = 'rates'\n[[report]]\nanalysis = 'rates'", "would be written to"),
        ("[[report", "is not TOML"),
        (b"\xff\xfe", "is not text in UTF-8"),
        ("a = " + "[" * 5000, "is not TOML"),
        ("a = '" + "x" * (1 << 21) + "'", "larger than a plan may be"),
    ],
)
def test_a_mistake_is_named_before_anything_runs(evidence, plan, text, words):
    with pytest.raises(mn.ArgumentError, match=words):
        planned(evidence, plan=plan(text))


def test_a_plan_that_is_not_there_or_has_company_is_refused(evidence, plan, tmp_path):
    with pytest.raises(mn.ArgumentError, match="cannot be read"):
        read_plan(tmp_path / "nowhere.toml")
    with pytest.raises(mn.ArgumentError, match="states what is made"):
        planned(evidence, "objective_response", plan=PLANS / "complete.toml")


def test_dry_run_prints_and_makes_nothing(tmp_path):
    from click.testing import CliRunner

    from metanet.cli import cli

    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["report", "--plan", str(PLANS / "policies.toml"), "--dry-run", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "reports would be made." in done.output
    assert "objective_response/TARE." in done.output
    assert not out.exists()


def test_the_numbers_of_a_plan_come_first_and_are_those_of_its_reports(evidence, tmp_path):
    from metanet.reporting.plan.numbers_first import pooled_numbers

    jobs = planned(evidence, plan=PLANS / "policies.toml")
    frame = pooled_numbers(jobs, evidence)
    assert list(frame["folder"]) == [job.folder for job in jobs if job.folder.count("/") == 1]
    for job in jobs[::9]:
        if job.folder.count("/") > 1:
            continue
        row = frame[frame["folder"] == job.folder].iloc[0]
        rates = evidence.rates(
            job.parameters["outcome"],
            modality=job.parameters["modality_class"],
            overlap=job.parameters["overlap"],
            certainty=job.parameters["certainty"],
        )
        fit = mn.pool(rates)
        # Products of matrices round by the length of the batch.
        assert row["status"] == fit.status
        assert row["estimate"] == pytest.approx(fit.estimate, rel=1e-10)
        assert row["k"] == fit.k
    assert pooled_numbers([], evidence).empty


def test_the_command_writes_the_numbers_before_the_reports(tmp_path):
    import csv

    from click.testing import CliRunner

    from metanet.cli import cli

    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["report", "--outcome", "hepatotoxicity", "--modality", "TAE", "--numbers", "--out", str(out)])
    assert done.exit_code == 0, done.output
    with (out / "pooled.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["folder"] for row in rows] == ["hepatotoxicity/TAE"]
    assert rows[0]["status"] == "not pooled"
