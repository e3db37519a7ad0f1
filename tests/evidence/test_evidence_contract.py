"""The contract: the descriptor of the curated tables, and a descriptor that somebody else brings."""

from __future__ import annotations

import copy
import csv
import json

import pytest

from metanet.evidence import load_evidence, validate
from metanet.evidence.contract import curated_contract
from metanet.evidence.folders import curated_folder

DESCRIPTOR = json.loads((curated_folder() / "datapackage.json").read_text(encoding="utf-8"))
FILES = [resource["path"] for resource in DESCRIPTOR["resources"]]


@pytest.mark.parametrize("resource", DESCRIPTOR["resources"], ids=FILES)
def test_the_descriptor_names_the_columns_of_each_curated_file_in_their_order(resource):
    with (curated_folder() / resource["path"]).open(encoding="utf-8", newline="") as stream:
        header = next(csv.reader(stream))
    assert header == [field["name"] for field in resource["schema"]["fields"]]


@pytest.mark.parametrize("resource", DESCRIPTOR["resources"], ids=FILES)
def test_every_column_has_a_type_a_title_and_a_sentence(resource):
    for field in resource["schema"]["fields"]:
        assert field["type"] in {"string", "integer", "number", "boolean"}
        assert field["title"]
        assert field["description"].endswith(".")
        if field["name"].startswith("pct_"):
            assert field["unit"] == "%"


def test_every_curated_file_is_described_and_every_described_file_is_there():
    assert sorted(path.name for path in curated_folder().glob("*.csv")) == sorted(FILES)


def test_the_data_have_a_licence():
    assert [licence["name"] for licence in DESCRIPTOR["licenses"]] == ["CC-BY-4.0"]


def test_every_outcome_has_a_label_and_a_direction():
    for table in curated_contract().of_role("outcome"):
        assert table.label[0].isupper()
        assert table.extra["direction"] in {"higher_is_better", "lower_is_better"}
        assert "_" not in table.label


def test_the_widest_graded_definition_comes_first():
    families = {f.name: f.members for f in curated_contract().tables["hepatotoxicity.csv"].families}
    assert list(families) == ["graded", "liver_failure", "structural", "other"]
    assert families["graded"][0] == "ctcae_grade3plus_any"


# A descriptor of one's own


def topic() -> dict:
    """Another topic altogether, with as few columns as will do."""

    def field(name, kind, **extra):
        return {"name": name, "type": kind, "constraints": {"required": True}} | extra

    key = [field("study_id", "string"), field("arm", "string")]
    return {
        "name": "knees",
        "resources": [
            {
                "name": "reports",
                "path": "reports.csv",
                "metanet": {"role": "studies"},
                "schema": {"fields": [key[0], field("year", "integer"), {"name": "first_author", "type": "string"}]},
            },
            {
                "name": "groups",
                "path": "groups.csv",
                "metanet": {"role": "arms"},
                "schema": {"fields": [*key, field("modality", "string"), field("modality_class", "string")]},
            },
            {
                "name": "pain_relief",
                "path": "pain.csv",
                "metanet": {"role": "outcome", "label": "Relief of pain"},
                "schema": {"fields": [*key, field("events", "integer"), field("total", "integer")]},
            },
        ],
    }


@pytest.fixture
def knees(tmp_path):
    def write(descriptor):
        (tmp_path / "datapackage.json").write_text(json.dumps(descriptor), encoding="utf-8")
        (tmp_path / "reports.csv").write_text("study_id,year,first_author\nA,2001,Ames\nB,2002,\n")
        (tmp_path / "groups.csv").write_text("study_id,arm,modality,modality_class\nA,all,tape,tape\nB,all,ice,ice\n")
        (tmp_path / "pain.csv").write_text("study_id,arm,events,total\nA,all,3,10\nB,all,4,9\n")
        return tmp_path

    return write


def test_another_topic_with_its_own_descriptor_can_be_loaded(knees):
    evidence = load_evidence(knees(topic()))
    assert evidence.outcome_names == ("pain_relief",)
    assert evidence.modality_classes == ("ice", "tape")
    rates = evidence.rates("pain_relief")
    assert rates[["study", "events", "total"]].to_numpy().tolist() == [["Ames 2001", 3, 10], ["B 2002", 4, 9]]
    assert rates.attrs["label"] == "Relief of pain"
    assert rates.attrs["left_out"] == []
    assert len(evidence.published) == 0


def test_the_rules_hold_for_another_topic_too(knees):
    folder = knees(topic())
    (folder / "pain.csv").write_text("study_id,arm,events,total\nA,all,11,10\nB,al,4,9\nA,all,-1,10\n")
    assert [(p.row, p.column) for p in validate(folder).problems] == [(2, "events"), (3, "arm"), (4, "events")]


def test_certainty_is_refused_where_the_table_has_none(knees):
    from metanet.base.errors import ArgumentError

    with pytest.raises(ArgumentError, match="no such column"):
        load_evidence(knees(topic())).rates("pain_relief", certainty="high")


def spoil(path, value):
    descriptor = copy.deepcopy(topic())
    place = descriptor
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return descriptor


@pytest.mark.parametrize(
    ("descriptor", "words"),
    [
        (spoil(["resources"], "none"), "no list of resources"),
        (spoil(["resources", 0, "path"], "../secret.csv"), "no plain file name"),
        (spoil(["resources", 0, "path"], "https://example.org/a.csv"), "no plain file name"),
        (spoil(["resources", 0, "path"], "C:\\a.csv"), "no plain file name"),
        (spoil(["resources", 0, "schema"], "schema.json"), "no schema with fields"),
        (spoil(["resources", 0, "schema", "fields", 1, "type"], "bogus"), "'reports'"),
        (spoil(["resources", 0, "schema", "fields", 1, "type"], "geopoint"), "'geopoint' is not one of"),
        (spoil(["resources", 0, "schema", "fields", 1, "constraints"], {"minimum": "x", "required": True}), "the minimum is not"),
        (spoil(["resources", 0, "schema", "fields", 0, "constraints"], {"pattern": "(", "required": True}), "'reports'"),
        (spoil(["resources", 0, "metanet"], {"role": "stduies"}), "unknown role"),
        (spoil(["resources", 0, "metanet"], {"role": "arms"}), "2 tables of the role 'arms'"),
        (spoil(["resources", 0, "metanet"], [1]), "cannot be understood"),
        (spoil(["resources", 2, "metanet"], {"role": "other"}), "describes no outcome"),
        (spoil(["resources", 2, "path"], "groups.csv"), "describes groups.csv twice"),
        (spoil(["resources", 2, "schema", "fields", 2, "type"], "number"), "no required column 'events'"),
        (spoil(["resources", 2, "metanet", "definitions"], {"default": "x", "families": []}), None),
        (
            spoil(["resources", 2, "metanet", "definitions"], {"families": [{"name": "f", "members": ["a"]}]}),
            "families of definitions and no required column",
        ),
    ],
)
def test_a_descriptor_that_will_not_do_is_refused_in_words(knees, descriptor, words):
    report = validate(knees(descriptor))
    if words is None:
        assert report.ok
    else:
        assert {problem.file for problem in report.problems} == {"datapackage.json"}
        assert words in str(report)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b"[" * 100_000])
def test_a_descriptor_that_is_not_json_is_refused_in_words(knees, content):
    folder = knees(topic())
    (folder / "datapackage.json").write_bytes(content)
    (problem,) = validate(folder).problems
    assert problem.file == "datapackage.json"
    assert "not JSON" in problem.wrong or "no list of resources" in problem.wrong


def test_a_folder_without_a_descriptor_is_held_against_the_curated_one(folder):
    assert not (folder.write() / "datapackage.json").exists()
    assert validate(folder.path).ok
    folder.set("arms.csv", 2, "modality", "tape")
    assert folder.only().column == "modality"


def test_a_copy_of_the_curated_descriptor_may_be_extended(folder):
    descriptor = copy.deepcopy(DESCRIPTOR)
    arms = next(resource for resource in descriptor["resources"] if resource["name"] == "arms")
    arms["schema"]["fields"].append({"name": "ki67", "type": "number", "constraints": {"minimum": 0, "maximum": 100}})
    folder.files["datapackage.json"] = json.dumps(descriptor).encode()
    rows = folder.rows("arms.csv")
    folder.put("arms.csv", [[*row, "ki67" if place == 0 else str(place)] for place, row in enumerate(rows)])
    rates = folder.load().rates("objective_response")
    assert rates["ki67"].tolist() == [1.0, 3.0, 4.0, 5.0]
