"""The command: exit codes and messages."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from metanet import cli
from metanet.effects.measures import MEASURES
from metanet.models.options import PRESETS
from metanet.models.registry import CI, MODELS, PREDICTION, TAU2
from tests.work import HANG

PROJECT = Path(__file__).resolve().parents[2]


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["metanet", *arguments])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_curated_evidence_is_valid(monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, "validate")
    assert code == 0
    assert "no problems" in out


def test_faults_are_listed_and_the_code_is_2(monkeypatch, capsys, tmp_path):
    (tmp_path / "studies.csv").write_text("study_id,yeer\nA,19\n", encoding="utf-8")
    code, out, _ = run(monkeypatch, capsys, "validate", str(tmp_path))
    assert code == 2
    assert "yeer" in out


def test_pool_prints_the_result(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.csv").write_text("s;e;n;g\nA;3;10;x\nB;4;20;x\nC;0;9;y\n", encoding="cp1252")
    code, out, _ = run(monkeypatch, capsys, "pool", str(tmp_path / "a.csv"), "--events", "e", "--total", "n", "--json")
    assert code == 0
    assert json.loads(out)["k"] == 3
    code, out, _ = run(monkeypatch, capsys, "pool", str(tmp_path / "a.csv"), "--events", "e", "--total", "n", "--by", "g")
    assert code == 0
    assert "g: y" in out
    assert "not pooled" in out


def test_the_help_of_pool_lists_what_the_registries_have(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "400")
    _, out, _ = run(monkeypatch, capsys, "pool", "--help")
    listed = set(re.findall(r"[\w.]*\w(?:-\w+)*", out))
    for table in (MODELS, MEASURES, TAU2, CI, PREDICTION, PRESETS):
        assert set(table) <= listed


def test_the_help_of_pool_offers_each_model_for_the_data_that_it_pools(monkeypatch, capsys):
    _, out, _ = run(monkeypatch, capsys, "pool", "--help")
    out = " ".join(out.split())
    for kind, models in (("one group", "glmm, bayes, beta_binomial;"), ("any data", "inverse_variance, common.")):
        assert f"{kind}: {models}" in out
    assert "two groups: bayes, mantel_haenszel" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--measure", "GEN"], "--measure 'GEN' is not known"),
        (["--model", "glmm", "--ci", "HK"], "--ci 'HK' is not known for --model 'glmm'"),
        (["--model", "common", "--tau2", "DL"], "--tau2 'DL' has no meaning for --model 'common'"),
        (["--level", "2"], "--level 2.0 must be a fraction"),
        (["--study", "nope"], "--study 'nope' is not a column of data. Known: s, e and n"),
        (["--by", "q"], "--by 'q' is not a column of"),
        (["--measure", "OR"], "--events-control is missing; --measure 'OR' takes"),
    ],
)
def test_errors_of_pool_name_options_and_not_python_arguments(monkeypatch, capsys, tmp_path, words, said):
    (tmp_path / "a.csv").write_text("s,e,n\nA,3,10\nB,4,20\n", encoding="utf-8")
    code, _, err = run(monkeypatch, capsys, "pool", str(tmp_path / "a.csv"), "--events", "e", "--total", "n", *words)
    assert code == 2
    assert said in err
    assert not re.search(r"\b(measure|model|ci|tau2|level|study|by)=", err)


def test_text_of_a_file_that_looks_like_an_argument_breaks_no_error(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.csv").write_text("s,e,n,by='q\\',tau2='a\\x1b[2J'\nA,3,10,x,y\n", encoding="utf-8")
    code, _, err = run(monkeypatch, capsys, "pool", str(tmp_path / "a.csv"), "--events", "e", "--total", "n", "--by", "w")
    assert code == 2
    assert "--by 'w' is not a column of" in err
    assert "by='q" in err
    assert "\x1b" not in err


def test_an_option_that_repeats_is_named_as_it_is_given(monkeypatch, capsys, tmp_path):
    code, _, err = run(monkeypatch, capsys, "new", str(tmp_path / "review"), "--harm", "pain/relief")
    assert code == 2
    assert "--harm 'pain/relief'" in err


def test_the_folder_of_a_review_stands_for_its_tables(monkeypatch, capsys, tmp_path):
    assert run(monkeypatch, capsys, "new", str(tmp_path / "review"))[0] == 0
    answers = [run(monkeypatch, capsys, "validate", str(tmp_path / "review" / name)) for name in ("", "extracted_data")]
    assert answers[0] == answers[1]
    assert answers[0][0] == 0


GROUPS = "s,e,n,ec,nc,t,tc\nA,4,20,1,21,10.5,11\nB,6,40,9,38,20,19.25\nC,2,15,5,16,8,7\n"


def numbers(monkeypatch, capsys, path, *arguments):
    code, out, err = run(monkeypatch, capsys, "pool", str(path), "--events", "e", "--json", *arguments)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_pool_compares_two_groups_by_every_model(monkeypatch, capsys, tmp_path):
    import metanet as mn

    (tmp_path / "a.csv").write_text(GROUPS, encoding="utf-8")
    columns = ("--total", "n", "--events-control", "ec", "--total-control", "nc", "--study", "s")
    counts = {"events": [4, 6, 2], "total": [20, 40, 15], "events_control": [1, 9, 5], "total_control": [21, 38, 16]}
    for model in ("inverse_variance", "common", "mantel_haenszel", "peto", "UM.FS", "UM.RS", "CM.EL", "CM.AL"):
        found = numbers(monkeypatch, capsys, tmp_path / "a.csv", *columns, "--model", model)
        fit = mn.pool(**counts, model=model)
        assert (found["estimate"], found["ci_upper"]) == (fit.estimate, fit.ci_upper)
    found = numbers(monkeypatch, capsys, tmp_path / "a.csv", *columns, "--measure", "RD", "--preset", "meta")
    fit = mn.pool(**counts, measure="RD", preset="meta")
    assert (found["estimate"], found["pi_lower"]) == (fit.estimate, fit.pi_lower)
    assert found["method"]["preset"] == "meta"


def test_pool_reads_person_time(monkeypatch, capsys, tmp_path):
    import metanet as mn

    (tmp_path / "a.csv").write_text(GROUPS.replace(",", ";"), encoding="utf-8")
    found = numbers(monkeypatch, capsys, tmp_path / "a.csv", "--person-time", "t")
    assert found["measure"] == "IRLN"
    assert found["estimate"] == mn.pool(events=[4, 6, 2], person_time=[10.5, 20, 8]).estimate
    columns = ("--person-time", "t", "--events-control", "ec", "--person-time-control", "tc")
    assert numbers(monkeypatch, capsys, tmp_path / "a.csv", *columns)["measure"] == "IRR"


def test_pool_takes_the_prediction_interval_or_none(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.csv").write_text(GROUPS, encoding="utf-8")
    hts, normal, none = (
        numbers(monkeypatch, capsys, tmp_path / "a.csv", "--total", "n", "--model", "glmm", "--prediction", word)
        for word in ("HTS", "z", "none")
    )
    assert hts["pi_upper"] > normal["pi_upper"]
    assert none["pi_upper"] is None
    default = numbers(monkeypatch, capsys, tmp_path / "a.csv", "--total", "n")
    assert (default["model"], default["method"]["prediction"]) == ("bayes", "posterior")
    assert numbers(monkeypatch, capsys, tmp_path / "a.csv", "--total", "n", "--prediction", "none")["pi_upper"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--total is missing; --measure 'PLO' takes --events, --total"),
        (("--total", "n", "--events-control", "ec"), "--total-control is missing; --measure 'OR' takes"),
        (("--total", "n", "--person-time", "t"), "--total does not go with the others; --measure 'IRLN' takes"),
        (("--total", "n", "--measure", "PLOG"), "Did you mean"),
        (("--total", "n", "--measure", "GEN"), "--measure 'GEN' is not known"),
        (("--total", "n", "--preset", "metaphor"), "Did you mean 'metafor'"),
        (("--total", "n", "--model", "glmm", "--prediction", "HTZ"), "Did you mean 'HTS'"),
        (("--total", "n", "--prediction", "HTZ"), "--prediction 'HTZ' is not known"),
        (("--total", "n", "--model", "CM.EL"), "--events-control is missing"),
        (("--total", "n", "--events-control", "ec", "--total-control", "mc"), "Did you mean 'nc'|not among the column"),
    ],
)
def test_columns_and_choices_that_do_not_fit_are_one_message(monkeypatch, capsys, tmp_path, arguments, words):
    (tmp_path / "a.csv").write_text(GROUPS, encoding="utf-8")
    code, _, err = run(monkeypatch, capsys, "pool", str(tmp_path / "a.csv"), "--events", "e", *arguments)
    assert code == 2
    assert re.search(words, err)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "a.csv:3:t: .*empty. Fix: Write the person-time"),
        ("10,5", "a.csv:3:t: '10,5' has a decimal comma. Fix: Write 10.5"),
        ("1.200", "a.csv:3:t: '1.200' can be read as thousands or as decimals"),
        ("2 y", "a.csv:3:t: '2 y' contains a unit"),
        ("0", "person_time\\[1\\]=0 .*must be above zero"),
        ("-3", "person_time\\[1\\]=-3 .*must be above zero"),
    ],
)
def test_a_faulty_person_time_is_named_by_file_row_and_column(monkeypatch, capsys, tmp_path, cell, words):
    import re

    (tmp_path / "a.csv").write_text(f"e;t\n1;2.5\n2;{cell}\n", encoding="utf-8")
    code, _, err = run(monkeypatch, capsys, "pool", str(tmp_path / "a.csv"), "--events", "e", "--person-time", "t")
    assert code == 2
    assert re.search(words, err), err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("e,n\n3/10,10\n", "contains two numbers"),
        ("e,n\n,10\n", "is empty"),
        ("e,m\n1,10\n", "Did you mean 'n'|not among the column names"),
        ("e,n\n", "no rows"),
        ("", "has no column names|is empty"),
        ("e,n\n12,10\n", "is more than total"),
    ],
)
def test_a_faulty_table_is_one_message_and_code_2(monkeypatch, capsys, tmp_path, content, words):
    import re

    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    code, _, err = run(monkeypatch, capsys, "pool", str(tmp_path / "a.csv"), "--events", "e", "--total", "n")
    assert code == 2
    assert re.search(words, err)
    assert "Traceback" not in err


def test_bad_usage_is_code_2(monkeypatch, capsys):
    assert run(monkeypatch, capsys, "report", "--outcome", "objectve_response")[0] == 2
    assert run(monkeypatch, capsys, "report", "--nonsense")[0] == 2
    assert run(monkeypatch, capsys, "reprot")[0] == 2
    assert run(monkeypatch, capsys, "report", "--format", "odt")[0] == 2


def test_a_failed_report_is_code_1(monkeypatch, capsys, tmp_path):
    arguments = ("report", "--outcome", "hepatotoxicity", "--modality", "TAE", "--out", str(tmp_path), "-p", "model", "glm")
    code, out, _ = run(monkeypatch, capsys, *arguments)
    assert code == 1
    assert "FAILED" in out
    assert "Did you mean 'glmm'" in out


def test_the_wheel_carries_evidence_and_notebooks_and_works_from_them(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        timeout=HANG,
    )
    wheel = next(tmp_path.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert "metanet/embedded/extracted_data/datapackage.json" in names
    assert "metanet/embedded/analyses/modality_rate.ipynb" in names
    assert "metanet/py.typed" in names
    sources = [path for kind in ("css", "js", "typ") for path in (PROJECT / "metanet").rglob(f"*.{kind}")]
    assert {path.relative_to(PROJECT).as_posix() for path in sources} <= set(names)
    assert len(sources) >= 6
    code = (
        "import metanet as mn; from metanet.reporting.files import analyses_folder; "
        "print(mn.__file__, mn.load_evidence().path, analyses_folder())"
    )
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "empty",
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.stdout.count(str(tmp_path / "site")) == 3


def test_messages_of_the_library_name_arguments_and_no_options_of_the_command():
    import ast
    import re

    for path in sorted((PROJECT / "metanet").rglob("*.py")):
        if path.name == "cli.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                # A whole command, as a README shows it, may have options, and Rscript has one of its own.
                text = re.sub(r"`metanet \w+ [^`]*`|^--vanilla$", "", node.value)
                assert not re.search(r"(?<![\w-])--[a-z]", text.replace("var(--", "")), (path.name, node.lineno)
