"""The description of the checks for GitHub Actions: what it runs is there, and it fits the project."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / ".github" / "workflows" / "checks.yml"
JOBS = yaml.safe_load(FILE.read_text(encoding="utf-8"))["jobs"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def commands(job: str) -> list[list[str]]:
    """The words of every command of a job."""
    lines = [step["run"] for step in JOBS[job]["steps"] if "run" in step]
    return [shlex.split(part) for line in lines for part in re.split(r"&&|\n", line) if part.strip()]


def pythons(job: str) -> list[str]:
    """The versions of Python of a job."""
    wanted = next(step["with"]["python-version"] for step in JOBS[job]["steps"] if "python" in step.get("uses", ""))
    return JOBS[job]["strategy"]["matrix"]["python"] if wanted == "${{ matrix.python }}" else [wanted]


@pytest.mark.parametrize("job", JOBS)
def test_what_a_job_runs_is_there(job):
    for words in commands(job):
        if words[0] == "make":
            assert words[1] in TARGETS
            assert all(re.fullmatch(r"[A-Z]+=\w+", word) for word in words[2:])
        elif words[0].startswith("."):
            assert os.access(ROOT / words[0], os.X_OK)
        else:
            assert words[0] in ("python", "sudo"), words
    assert 0 < JOBS[job]["timeout-minutes"] <= 180


def test_every_way_to_check_is_run_by_a_job():
    run = {words[1] for job in JOBS for words in commands(job) if words[0] == "make"}
    assert run == {"check", "test", "test-least", "test-r"}
    assert [".ci/run"] in commands("everything")


def test_versions_are_texts_and_those_of_the_project():
    """3.10 as a number would be 3.1."""
    found = {version for job in JOBS for version in pythons(job)}
    assert all(isinstance(version, str) for version in found)
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert min(found, key=lambda version: int(version.split(".")[1])) == lowest
    said = {line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", line)}
    assert lowest in said
    assert said <= set(pythons("tests"))
    assert pythons("tests") == ["3.11", "3.12", "3.13", "3.14"]
    assert pythons("least") == [lowest]


def test_every_system_is_tried():
    matrix = JOBS["tests"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert JOBS["tests"]["strategy"]["fail-fast"] is False


def test_the_description_reads_alone_and_names_no_address():
    text = FILE.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert not re.search(r"https?://|index-url|secrets\.", text)


def test_tests_beside_r_exist():
    recipe = re.search(r"^test-r:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE).group(1)
    places = re.findall(r"tests/\S+", recipe)
    assert len(places) > 2
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_recipes_of_the_targets_are_read_by_make():
    for target in ("check", "test", "test-least", "test-r"):
        ran = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "pytest" in ran.stdout or target == "check"
