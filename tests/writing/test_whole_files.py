"""Whole files, and cells that no spreadsheet runs."""

import csv
import stat

import pytest

from metanet.base import whole_files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    whole_files.write_text(path, "old")

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(whole_files.os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        whole_files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_others_may_read_what_is_written(tmp_path):
    whole_files.write_text(tmp_path / "a", "x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-cmd", "@sum", "\tx", "\rx", "＝1+1", "＠x"])
def test_a_formula_becomes_text(tmp_path, cell):
    whole_files.write_csv(tmp_path / "a.csv", ["x", "y"], [[cell, -1.5]])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == [f"'{cell}", "-1.5"]
