"""The README and the documentation say what the code does: examples, help texts, links, parameters."""

from __future__ import annotations

import ast
import contextlib
import csv
import doctest
import json
import re
from importlib import import_module

import click
import pytest
import yaml

import metanet as mn
from metanet.cli import cli
from metanet.effects.formulas import RULES
from metanet.effects.measures import MEASURES
from metanet.effects.study_intervals import INTERVALS
from metanet.models import registry
from metanet.models.options import PRESETS
from metanet.models.registry import CI, I2, LINKS, MODELS, PREDICTION, TAU2, TAU2_CI

from . import habits
from .blocks import PAGES, ROOT, renewed

OTHERS = tuple(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE-DATA.md", "reports/README.md"))
ALL = (*PAGES, *OTHERS)
#: The code of the gallery is run by the test of its pictures.
EXAMPLES = tuple(page for page in PAGES if page.name != "gallery.md")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
#: Files that a page names in code and that must be there.
_FILE = re.compile(r"`((?:analyses|benchmarks|docs|extracted_data|metanet|reports|tests)/[\w./-]*)`")


def name_of(page):
    return str(page.relative_to(ROOT))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", EXAMPLES, ids=name_of)
def test_every_example_runs_and_prints_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    text = page.read_text(encoding="utf-8")
    with contextlib.chdir(tmp_path):
        # When a change was meant: python -m tests.docs.blocks writes the outputs anew.
        assert renewed(text) == text


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_every_link_inside_the_project_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in _LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_every_file_named_is_there(page):
    made_by_a_run = ("reports/index.html", "docs/_build/html")
    for target in _FILE.findall(page.read_text(encoding="utf-8")):
        assert target in made_by_a_run or (ROOT / target).exists(), target


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_no_page_holds_a_place_of_one_machine(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|work|root|tmp|Users)/|[A-Z]:\\", text)


def test_every_link_to_the_web_is_one_that_was_looked_at():
    known = {
        "https://creativecommons.org/licenses/by/4.0/",
        "https://keepachangelog.com/en/1.1.0/",
        "https://semver.org/spec/v2.0.0.html",
        "https://doi.org/",
    }
    for page in ALL:
        assert set(re.findall(r"https?://[^\s)`>]+", page.read_text(encoding="utf-8"))) <= known, page


def test_the_readme_counts_the_reports_of_a_run():
    # The replication is one more.
    pairs = len(mn.load_evidence().poolable())
    assert f"a list of {pairs + 1} reports" in read("README.md")


def test_the_readme_names_every_folder_of_the_checkout_that_it_shows():
    tree = re.search(r"## Where things are\n\n```text\n(.*?)```", read("README.md"), re.DOTALL).group(1)
    for folder in re.findall(r"^(\w+)/", tree, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_the_page_of_the_command_line_names_every_command_and_option():
    page = read("docs/cli.md")
    for name, command in cli.commands.items():
        section = page.split(f"## metanet {name}\n", 1)[1].split("\n## ", 1)[0]
        for parameter in command.params:
            words = parameter.opts if isinstance(parameter, click.Option) else [parameter.name.upper()]
            assert all(word in section for word in words), (name, parameter.name)
    assert set(re.findall(r"^## metanet (\w+)$", page, re.MULTILINE)) == set(cli.commands)


def test_the_page_of_reports_names_every_parameter_with_its_default():
    page = read("docs/reports.md")
    book = json.loads(read("analyses/modality_rate.ipynb"))
    cell = next(c for c in book["cells"] if "parameters" in c["metadata"].get("tags", []))
    for node in ast.parse("".join(cell["source"])).body:
        default = ast.literal_eval(node.value)
        shown = "none" if default is None else f"{default:g}" if isinstance(default, float) else f"`{default}`"
        assert f"| `{node.targets[0].id}` | {shown} |" in page


def test_every_public_name_has_its_entry():
    page = read("docs/api.md")
    listed = set(re.findall(r"^\.\. (?:auto\w+|data):: metanet\.(\w+)$", page, re.MULTILINE))
    assert listed == set(mn.__all__) - {"__version__"}


def test_the_page_of_methods_names_every_word_that_pool_takes():
    page = read("docs/methods.md")
    # A directive of docs/conf.py prints a table of the registry.
    for table in re.findall(r"```{choices} (\w+)", page):
        page += "".join(f"`{code}`" for code in getattr(registry, table.upper()))
    words = {*MODELS, *MEASURES, "GEN", *I2, *PRESETS, *INTERVALS, *RULES, *TAU2, *CI, *TAU2_CI, *PREDICTION}
    words |= {word for choices in LINKS.values() for word in choices}
    # Each model has one link with person-time, which is not chosen, and the first interval of a study is "exact".
    for word in words - {"log", "Clopper-Pearson"}:
        assert re.search(rf"[`\"]{re.escape(word)}[`\"]", page), word


def test_the_table_of_presets_is_what_they_fill_in():
    page = read("docs/methods.md").split("## Presets", 1)[1]
    header = next(line for line in page.splitlines() if line.startswith("| |"))
    programs = re.findall(r'"(\w+)"', header)
    assert programs == list(PRESETS)
    counts, control = ({"events": [3, 9, 2], "total": [21, 40, 18]}, {"events_control": [4, 5, 6], "total_control": [20, 30, 20]})
    models = {"glmm": "GLMM", "inverse_variance": "inverse variance", "mantel_haenszel_random": "Mantel-Haenszel random effects"}
    rows = {line.split(" | ")[0].lstrip("| "): line.strip("| ").split(" | ")[1:] for line in page.splitlines() if " | " in line}
    for i, program in enumerate(programs):
        one, two = mn.pool(**counts, preset=program), mn.pool(**counts, **control, preset=program)
        assert rows["model of one group, `PLO`"][i] == models[one.model]
        assert rows["model of everything else"][i].startswith(models[two.model])
        assert rows["measure of two groups"][i] == f"`{two.measure}`"
        assert rows["τ² (inverse variance)"][i] == two.method["tau2"]
        assert rows["interval of τ²"][i].startswith(two.method["tau2_ci"])
        for fit in (one, two):
            assert rows["`ci`"][i] == fit.method["ci"]
            assert re.match(r"\w+", rows["`prediction`"][i])[0] == (fit.method["prediction"] or "none")
            assert rows["`i2`"][i] == fit.method["i2"]


def test_the_coverage_table_bears_out_what_the_page_says_of_it():
    with (ROOT / "docs" / "coverage_table.csv").open(encoding="utf-8", newline="") as file:
        cells = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    page = read("docs/coverage.md")
    assert len(cells) == 48
    assert {cell["sets"] for cell in cells} == {10_000}
    assert all(cell["unanswered_glmm"] == cell["unanswered_beta"] == 0 for cell in cells)

    def of(name, **where):
        found = [cell[name] for cell in cells if all(cell[key] == value for key, value in where.items())]
        return sum(found) / len(found), min(found)

    for words, value in (
        ("minimum coverage {:.1f} %", of("glmm_t")[1]),
        ("({:.0f} points on the mean)", of("glmm_t_width", k=3)[0]),
        ("with three studies and τ = 1 its coverage falls to {:.0f} %", of("glmm_z", k=3, tau=1)[1]),
        ("{:.0f} % with three studies on the mean", of("glmm_profile", k=3)[0]),
        ("Its minimum coverage is {:.0f} %", of("glmm_profile")[1]),
        ("At a rate of 3 % its mean coverage is {:.0f} %", of("logit_hk", rate=0.03)[0]),
        ("its minimum {:.0f} %", of("logit_hk", rate=0.03)[1]),
        ("falls to {:.0f} % with 20 studies at a rate of 3 %", of("arcsine_hk", k=20, rate=0.03)[1]),
        ("**Freeman-Tukey** falls to {:.0f} % there", of("ft_hk", k=20, rate=0.03)[1]),
    ):
        assert words.format(value).lower() in " ".join(page.split()).lower(), words.format(value)
    assert all(94 <= round(of("glmm_profile", k=k)[0]) <= 95 for k in (10, 20))
    # The default is the only one of the exact models' intervals within two points below 95; for the beta-binomial it is nearly.
    for name in ("glmm_z", "glmm_profile", "beta_z", "logit_hk", "arcsine_hk", "ft_hk"):
        assert of(name)[1] < of("beta_t")[1] < of("glmm_t")[1]
    assert of("glmm_t")[1] >= 93
    assert min(cell["glmm_t"] for cell in cells if cell["k"] == 3) > 95
    for cell in cells:
        assert cell["glmm_z"] <= cell["glmm_t"]
        assert cell["beta_z"] <= cell["beta_t"]


def test_the_table_of_the_defaults_has_what_the_page_says_of_it():
    with (ROOT / "docs" / "defaults_table.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    page = " ".join(read("docs/coverage.md").split("## Coverage of the defaults", 1)[1].split())
    # Two columns of one name would hide each other.
    assert len(set(head)) == len(head)
    cells = [dict(zip(head, row, strict=True)) for row in rows]
    sizes = ("2", "3", "4", "5", "8", "12", "20")
    assert tuple(dict.fromkeys(cell["k"] for cell in cells)) == sizes
    assert {cell["rate"] for cell in cells} == {"0.02", "0.08", "0.2", "0.45", "0.9"}
    assert {cell["effects"] for cell in cells} == {"normal", "t4", "skew"}
    for method in {cell["method"] for cell in cells}:
        assert f"`{method}`" in page, method

    def of(name, method, **where):
        where = {"effects": ("normal",), **where}
        found = [cell for cell in cells if cell["method"] == method and all(cell[key] in values for key, values in where.items())]
        return [float(cell[name]) for cell in found if cell[name]]

    def mean(values):
        return sum(values) / len(values)

    ours, ml, own, some = "posterior 1.25", "ml", ("own",), ("0.3", "0.6", "0.9", "1.2")
    content = {(m, k): mean(of("prediction", m, tau=own, k=(k,))) for m in (ours, ml) for k in sizes if (m, k) != (ml, "2")}
    inside = [content[ours, k] for k in sizes]
    width = {(m, k): mean(of("mean width", m, tau=own, k=(k,))) for m in (ours, ml) for k in sizes}
    least = {m: min(of("mean", m, tau=("0.0", *some))) for m in (ours, ml)}
    few = {m: [min(of("mean", m, tau=("0.0", *some), k=(k,))) for k in ("2", "3")] for m in (ours, ml)}
    lost = {m: min(of("prediction", m, tau=some)) for m in (ours, ml)}
    tau = {m: min(of("tau interval", m, tau=some)) for m in (ours, ml)}
    other = {"effects": ("t4", "skew")}
    for words in (
        f"contains {min(inside):.1f} to {max(inside):.1f} % of the true rates on average",
        f"{content[ml, '3']:.1f} % with three studies and {mean([content[ml, k] for k in sizes[4:]]):.0f} % with eight and more",
        f"the posterior keeps {lost[ours]:.1f} %; maximum likelihood falls to {lost[ml]:.1f} %",
        f"in up to {max(of('below 80', ml, tau=some)):.0f} % of the data sets",
        f"is {width[ours, '2']:.0f} points wide, that of maximum likelihood {width[ml, '2']:.0f};",
        f"with three {width[ours, '3']:.0f} and {width[ml, '3']:.0f};",
        f"the posterior covers {least[ours]:.1f} %, maximum likelihood {least[ml]:.1f} %",
        "({:.1f} and {:.1f} % against {:.1f} and {:.1f} %)".format(*few[ml], *few[ours]),
        f"covers at least {tau[ours]:.1f} %, the profile interval of maximum likelihood {tau[ml]:.1f} %",
        f"keeps {min(of('prediction', ours, **other)):.1f} % in the least favourable cell",
        f"its interval of the average {min(of('average', ours, **other)):.1f} %",
        f"(skewed; maximum likelihood {min(of('average', ml, effects=('skew',))):.1f} %)",
    ):
        assert words in page, words
    assert all(abs(width[ours, k] - width[ml, k]) < 1 for k in sizes[4:])
    assert min(of("average", ours, effects=("skew",))) < min(of("average", ours, effects=("t4",)))


def test_the_coverage_of_networks_is_what_the_page_says_of_it():
    with (ROOT / "docs" / "network_coverage_table.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["rate, %"], row["tau"], row["model"]): row for row in csv.DictReader(file)}
    page = " ".join(read("docs/network.md").split())
    assert {row["networks"] for row in rows.values()} == {"1000"}

    def of(rate, tau, model):
        return rows[rate, tau, model]["coverage, %"]

    rare = [(of("2", tau, "exact"), of("2", tau, "two steps, REML")) for tau in ("0.0", "0.3")]
    apart = [(of(rate, "0.3", "exact"), of(rate, "0.3", "two steps, REML")) for rate in ("10", "40")]
    for words in (
        f"At 2 % events the exact model covers {rare[0][0]} and {rare[1][0]} %, two steps {rare[0][1]} and {rare[1][1]} %",
        f"the exact model covers {apart[0][0]} and {apart[1][0]} %, two steps by REML {apart[0][1]} and {apart[1][1]} %",
    ):
        assert words in page, words


def test_the_speed_table_has_what_the_page_says_of_it():
    with (ROOT / "docs" / "speed_table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    page = read("docs/speed.md")
    assert list(rows[0]) == ["task", "ours", "theirs", "ratio", "against", "goal", "met"]
    for row in rows:
        assert f"| {row['task']} |" in page, row["task"]
        assert float(row["ours"]) > 0
        assert row["met"] in ("yes", "no")
        if row["theirs"]:
            assert float(row["ratio"]) == pytest.approx(float(row["theirs"]) / float(row["ours"]), rel=0.02)


def test_the_changelog_knows_this_version():
    assert re.search(rf"^## {re.escape(mn.__version__)}\b", read("CHANGELOG.md"), re.MULTILINE)


def test_the_citation_is_a_citation_file():
    found = yaml.safe_load(read("CITATION.cff"))
    assert found["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "license"} <= set(found)
    assert found["type"] == "software"
    assert found["authors"] == [{"name": "The metanet authors"}]
    assert found["version"] == mn.__version__


@pytest.mark.parametrize("name", sorted(set(mn._HOMES)))
def test_the_examples_in_docstrings_hold(name):
    value = getattr(import_module(mn._HOMES[name]), name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    # Figures show how they are drawn from the rates and the fit of the gallery.
    rates = mn.load_evidence().rates("objective_response", modality="TARE")
    known = {"mn": mn, "rates": rates, "fit": mn.pool(rates)}
    for example in doctest.DocTestFinder(recurse=False).find(value, name, extraglobs=known):
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def test_the_page_for_users_of_other_programs_shows_the_registry():
    # When a change was meant: python -m tests.docs.habits writes the table anew.
    text = read("docs/coming_from.md")
    assert habits.renewed(text) == text
