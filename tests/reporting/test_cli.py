"""The command: exit codes and messages."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from metanet import cli

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
    code, out, _ = run(
        monkeypatch, capsys, "pool", str(tmp_path / "a.csv"), "--events", "e", "--total", "n", "--by", "g"
    )
    assert code == 0
    assert "g: y" in out
    assert "not pooled" in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("e,n\n3/10,10\n", "holds two numbers"),
        ("e,n\n,10\n", "is empty"),
        ("e,m\n1,10\n", "Did you mean 'n'|not among the column names"),
        ("e,n\n", "no rows"),
        ("", "holds no column names|is empty"),
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
    assert run(monkeypatch, capsys, "report", "--format", "pdf")[0] == 2


def test_a_failed_report_is_code_1(monkeypatch, capsys, tmp_path):
    arguments = (
        "report",
        "--outcome",
        "hepatotoxicity",
        "--modality",
        "TAE",
        "--out",
        str(tmp_path),
        "-p",
        "model",
        "glm",
    )
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
        timeout=120,
    )
    wheel = next(tmp_path.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert "metanet/embedded/extracted_data/datapackage.json" in names
    assert "metanet/embedded/analyses/modality_rate.ipynb" in names
    assert "metanet/py.typed" in names
    code = (
        "import metanet as mn; from metanet.reporting.locate import analyses_folder; "
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
        timeout=60,
    )
    assert done.stdout.count(str(tmp_path / "site")) == 3
