"""Names, strict JSON and whole folders."""

import json
import os

import pytest
from hypothesis import given, strategies as st

from metanet.reporting import files


@given(st.text(min_size=1, max_size=80))
def test_a_folder_name_is_always_one_safe_part(name):
    made = files.slug(name)
    assert made
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")
    assert not made.startswith(".")
    assert os.sep not in made
    assert made != ".."


@pytest.mark.parametrize("name", ["../../etc", "..", "a/b", "CON", "nul.txt", "a\x00b", "<script>", "x" * 500, "é"])
def test_a_changed_name_carries_a_digest_so_that_two_stay_two(name):
    assert files.slug(name) != name
    assert files.slug(name) != files.slug(name + "!")


def test_plain_names_stay():
    assert files.slug("objective_response") == "objective_response"
    assert files.slug("TARE") == "TARE"


def test_json_never_holds_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    files.write_json(tmp_path / "a.json", {"x": None})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": None}


def test_a_folder_is_replaced_whole(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "report.html").write_text("old")
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged" / "new").write_text("new")
    files.replace_folder(tmp_path / "staged", tmp_path / "target")
    assert [p.name for p in (tmp_path / "target").iterdir()] == ["new"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["target"]
