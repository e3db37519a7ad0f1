"""The reference files have one record a line, and writing them in that form changes no digit."""

import json
import re

import pytest

from tests.reference.compact import FOLDER, compact

FILES = sorted(path.name for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", FILES)
def test_a_reference_file_has_one_record_a_line(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert compact(text) == text, "python -m tests.reference.compact writes it so"


@pytest.mark.parametrize("name", FILES)
def test_the_form_of_r_becomes_the_same_file_to_the_last_digit(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    # What R's pretty form has: every number on a line of its own, written as it was.
    pretty = re.sub(r'("(?:[^"\\]|\\.)*")|([\[{,]) ?', lambda found: found[1] or f"{found[2]}\n    ", text)
    assert json.loads(pretty) == json.loads(text)
    assert pretty.count("\n") > 2 * text.count("\n")
    assert compact(pretty) == text


def test_digits_stand_as_they_were_written():
    assert compact('{"a": [1.50, 1E-3, 0.1234567890123456789, -0, null]}') == (
        '{"a": [1.50, 1E-3, 0.1234567890123456789, -0, null]}\n'
    )
