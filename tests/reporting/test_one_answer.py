"""A complete run of a small invented review: every place of it prints the same number for one quantity of one group."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from html.parser import HTMLParser

import pytest

import metanet as mn
from metanet.base.display import PARTED, TOO_WIDE
from metanet.reviews.new import new_review

#: Outcome -> modality -> study, events, total. Beta parts median and average, Gamma has one study of two patients, or no events.
COUNTS = {
    "response": {
        "Alpha": [("Ash2011", 12, 40), ("Birch2012", 9, 22), ("Cedar2013", 20, 31), ("Date2014", 5, 30)],
        "Beta": [("Elder2015", 0, 88), ("Fir2016", 37, 67)],
        "Gamma": [("Gum2017", 1, 2)],
    },
    "bleeding": {
        "Alpha": [("Ash2011", 1, 40), ("Birch2012", 3, 22), ("Cedar2013", 2, 31)],
        "Beta": [("Elder2015", 4, 88)],
        "Gamma": [("Gum2017", 0, 20), ("Holly2018", 0, 15)],
    },
}
#: Reports of one cohort in two modalities: each is in the report of its own modality.
SHARED = ("Ash2011", "Elder2015")
LABELS = {"response": "Response", "bleeding": "Bleeding"}
RATES = ("estimate", "ci_lower", "ci_upper"), ("marginal_estimate", "marginal_ci_lower", "marginal_ci_upper")
SAVED = (*RATES[0], *RATES[1], "pi_lower", "pi_upper", "tau", "k", "events", "n")


@pytest.fixture(scope="module")
def review(tmp_path_factory):
    """The review as a folder of evidence."""
    folder = tmp_path_factory.mktemp("one") / "review"
    new_review(folder, title="Invented", outcomes=("response",), harms=("bleeding",), modalities=("Alpha", "Beta", "Gamma"))
    data = folder / "extracted_data"
    studies = {name: group for arms in COUNTS.values() for group, rows in arms.items() for name, *_ in rows}

    def fill(name, rows):
        path = data / f"{name}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            first = next(csv.DictReader(file))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(first), lineterminator="\n")
            writer.writeheader()
            writer.writerows(first | row for row in rows)

    fill("studies", [
        {"study_id": name, "first_author": name[:-4], "year": name[-4:], "title": f"Invented {name}",
         "overlap_group": "one_cohort" if name in SHARED else ""}
        for name in studies
    ])  # fmt: skip
    fill("arms", [{"study_id": name, "modality": group, "modality_class": group, "n": "100"} for name, group in studies.items()])
    for outcome, arms in COUNTS.items():
        rows = [
            {"study_id": name, "events": str(events), "total": str(total), "note": "Invented."}
            for found in arms.values()
            for name, events, total in found
        ]
        fill(outcome, rows)
    return data


@pytest.fixture(scope="module")
def run(review, tmp_path_factory):
    """The folder of a complete run."""
    out = tmp_path_factory.mktemp("one") / "reports"
    made = mn.report(out=out, data=review, numbers=True)
    assert made.ok, made.summary()
    return out


def saved(out, folder):
    return json.loads((out / folder / "numbers.json").read_text(encoding="utf-8"))


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: number(value) for name, value in row.items()} for row in csv.DictReader(file)]


def number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return text or None


@pytest.fixture(scope="module")
def primary(run):
    """(outcome, group) -> the result that its report saved."""
    return {(outcome, group): saved(run, f"{outcome}/{group}")["result"] for outcome, arms in COUNTS.items() for group in arms}


def places(out):
    """Every saved number of a group: place, outcome, group, quantity, value."""
    names = dict(zip(SAVED[:6], ("median", "median_lower", "median_upper", "average", "average_lower", "average_upper"), strict=True))
    for outcome in COUNTS:
        compared = saved(out, f"analyses/comparison/{outcome}")["analysis"]
        folder = out / "analyses/comparison" / outcome
        for group, result in compared["groups"].items():
            yield from (("comparison", outcome, group, name, result[name]) for name in SAVED)
        for row in table(folder / "groups.csv"):
            yield from (("groups of the comparison", outcome, row["modality_class"], name, row[name]) for name in SAVED)
        for row in table(folder / "summary.csv"):
            yield from (("summary table", outcome, row["modality_class"], name, row[names.get(name, name)])
                        for name in SAVED if name not in ("k", "n"))  # fmt: skip
    for group in ("Alpha", "Beta", "Gamma"):
        for row in table(out / "analyses/findings" / group / "findings.csv"):
            outcome = row["outcome"].lower()
            yield from (("findings", outcome, group, name, row[names.get(name, name)])
                        for name in SAVED if name not in ("tau", "k", "n"))  # fmt: skip
    for row in table(out / "analyses/benefit_risk/response-bleeding/groups.csv"):
        for word, outcome in (("benefit", "response"), ("risk", "bleeding")):
            averaged = RATES[1] if row[f"{word}_status"] == "pooled" else RATES[0]
            for name, column in zip(averaged, (word, f"{word}_lower", f"{word}_upper"), strict=True):
                yield "benefit against harm", outcome, row["group"], name, row[column]
            for name in ("k", "n"):
                yield "benefit against harm", outcome, row["group"], name, row[f"{word}_{name}"]
            yield "benefit against harm", outcome, row["group"], "estimate", row[f"{word}_median"]
    for outcome in COUNTS:
        result = saved(out, f"analyses/heterogeneity/{outcome}-Alpha")["analysis"]["result"]
        yield from (("heterogeneity", outcome, "Alpha", name, result[name]) for name in SAVED)
        rows = saved(out, f"analyses/sensitivity/{outcome}-Alpha")["analysis"]["analyses"]
        first = {"grouping": "Alpha", "overlap": "keep_largest", "certainty": "low", "unit": "any", "derived": "in"}
        (found,) = [
            row for row in rows
            if all(row[name] == word for name, word in first.items()) and row["model"] == "Bayesian binomial-normal model"
        ]  # fmt: skip
        yield from (("sensitivity", outcome, "Alpha", name, found[name]) for name in (*RATES[0], "k"))
    for row in table(out / "pooled.csv"):
        outcome, group = row["folder"].split("/")[:2]
        yield from (("numbers in one call", outcome, group, name, row[name]) for name in SAVED)


def test_every_saved_number_of_a_group_is_that_of_its_report(run, primary):
    differing, seen = [], defaultdict(set)
    for place, outcome, group, name, value in places(run):
        reported = primary[outcome, group][name]
        seen[outcome, group].add(place)
        # Pooled in one call the integrals take other steps; they agree far beyond what is printed.
        same = value == reported or (None not in (value, reported) and value == pytest.approx(reported, rel=1e-7, abs=1e-12))
        if not same:
            differing.append(f"{LABELS[outcome]}, {group}, {name}: {reported} in the report, {value} in {place}")
    assert not differing, "\n".join(differing)
    assert set(seen) == set(primary)
    assert all(len(found) >= 5 for found in seen.values()), seen
    assert len(seen["response", "Alpha"]) == 8


def test_the_rows_of_a_comparison_are_those_of_the_reports_and_shared_cohorts_are_named(run, primary):
    compared = saved(run, "analyses/comparison/response")["analysis"]
    for group, result in compared["groups"].items():
        own = primary["response", group]["studies"]
        assert [(row["study"], row["events"], row["total"]) for row in result["studies"]] == [
            (row["study"], row["events"], row["total"]) for row in own
        ]
    assert any("one cohort (Alpha and Beta)" in note for note in compared["method"]["notes"])


def test_the_rate_under_one_tau_has_a_name_of_its_own(run):
    compared = saved(run, "analyses/comparison/response")["analysis"]
    assert all(name.startswith("joint_") for numbers in compared["joint"].values() for name in numbers)
    page = (run / "analyses/comparison/response/report.html").read_text(encoding="utf-8")
    assert "Median with one tau (95 % CrI)" in page


class Page(HTMLParser):
    """The rows of all tables of a page, and its text with that of its pictures."""

    def __init__(self, path):
        super().__init__()
        self.rows, self.text, self._cell = [], [], None
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._cell = []
        elif tag == "img":
            self.text.append(dict(attrs).get("alt") or "")

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None and self.rows:
            self.rows[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self._cell is not None:
            self._cell.append(data)


TOKEN = re.compile(r"[<>]?\d+(?:\.\d+)?")


def prints(token, value, factor):
    """Whether a printed number is `value` times `factor`, with the decimals that it has."""
    if value is None:
        return False
    digits = len(token.partition(".")[2])
    least = 10.0**-digits
    if token[0] == "<":
        return 0 < factor * value < float(token[1:]) <= least
    if token[0] == ">":
        return factor - least <= float(token[1:]) < factor * value < factor
    return abs(float(token) - factor * value) <= 0.5000001 * least


def shows(cells, numbers, factor=100.0):
    """Whether the cells print these numbers in this order, whatever stands between."""
    left = list(numbers)
    for cell in cells:
        for token in TOKEN.findall(cell):
            if left and prints(token, left[0], factor):
                left.pop(0)
    return not left


def wanted(result, *names):
    """Numbers of a result that exist."""
    return [result[name] for name in names if result[name] is not None]


def test_every_page_prints_the_numbers_of_the_report(run, primary):
    wrong, looked = [], 0

    def check(place, key, rows, *names, factor=100.0):
        nonlocal looked
        assert rows, f"{place} has no row on {key}"
        numbers = wanted(primary[key], *names)
        for cells in rows:
            looked += 1
            if not shows(cells, numbers, factor):
                wrong.append(f"{place}, {key}: {numbers} not in {cells}")

    both, median = (*RATES[0], *RATES[1], "pi_lower", "pi_upper"), RATES[0]
    index = Page(run / "index.html")
    for (outcome, group), result in primary.items():
        key = outcome, group
        check("index", key, [row[2:7] for row in index.rows if row[:2] == [LABELS[outcome], group]], *both)
        page = Page(run / outcome / group / "report.html")
        models = [row[2:] for row in page.rows if row and row[0] == "Bayesian binomial-normal model"]
        if result["k"] > 1:
            check("table of models", key, models, *(both if result["status"] == "pooled" else median))
        compared = Page(run / "analyses/comparison" / outcome / "report.html")
        check("comparison", key, [row[1:] for row in compared.rows if row and row[0] == group], *both)
        found = Page(run / "analyses/findings" / group / "report.html")
        check("findings", key, [row[3:] for row in found.rows if row and row[0] == LABELS[outcome]], *both, factor=1000.0)
    plane = Page(run / "analyses/benefit_risk/response-bleeding/report.html")
    for group in ("Alpha", "Beta", "Gamma"):
        rows = [row[1:] for row in plane.rows if row and row[0] == group and "%" in row[1]]
        for outcome, first in (("response", 0), ("bleeding", 3)):
            pooled = primary[outcome, group]["status"] == "pooled"
            names = (*RATES[1], "estimate") if pooled else RATES[0]
            check("benefit against harm", (outcome, group), [row[first : first + 2] for row in rows], *names)
    for outcome in COUNTS:
        tested = Page(run / "analyses/sensitivity" / f"{outcome}-Alpha" / "report.html")
        at = next(i for i, row in enumerate(tested.rows) if row == ["Main analysis"])
        check("sensitivity", (outcome, "Alpha"), [tested.rows[at + 1]], "k", factor=1.0)
        check("sensitivity", (outcome, "Alpha"), [tested.rows[at + 1]], *median)
    assert not wrong, "\n".join(wrong)
    assert looked > 30


SENTENCE = re.compile(
    r"the median rate was (\S+) % \(95 % CrI (\S+) to (\S+) %\),? (?:and )?the population-averaged rate (\S+) % \((\S+) to (\S+) %\)"
)


def test_every_sentence_of_a_page_says_the_numbers_of_the_report(run, primary):
    said = 0
    for (outcome, group), result in primary.items():
        folders = [f"{outcome}/{group}"]
        folders += [f"analyses/{kind}/{outcome}-{group}" for kind in ("heterogeneity", "sensitivity") if group == "Alpha"]
        for folder in folders:
            text = Page(run / folder / "report.html").text
            for found in SENTENCE.findall(text):
                said += 1
                assert shows([" ".join(found)], wanted(result, *RATES[0], *RATES[1])), (folder, found)
            if result["status"] == "pooled":
                assert SENTENCE.search(text), folder
    assert said > 10


def test_pages_say_where_median_and_average_part_and_where_there_are_too_few_data(run):
    beta = Page(run / "response/Beta/report.html").text
    assert PARTED in beta
    assert PARTED not in Page(run / "response/Alpha/report.html").text
    gamma = Page(run / "response/Gamma/report.html").text
    assert f"The interval is wider than 60 points: {TOO_WIDE}." in gamma
    (row,) = [row for row in Page(run / "index.html").rows if row[:2] == ["Response", "Gamma"]]
    assert row[9] == f"not pooled; {TOO_WIDE}"
    assert 'class="faint" data-outcome="response" data-group="Gamma"' in (run / "index.html").read_text(encoding="utf-8")


def test_without_events_pages_say_what_comes_from_the_prior_and_what_the_data_alone_say(run):
    page = Page(run / "bleeding/Gamma/report.html")
    assert "No event was observed, so the estimate comes partly from the prior" in page.text
    assert "their summed counts give 0.0 % (exact 95 % CI 0.0 to 10.0 %)" in page.text
    models = {row[0]: row for row in page.rows if row and "model" in row[0]}
    assert models["Binomial-normal model"][1] == "no events: exact interval on the summed counts; takes the studies as alike"
    assert models["Bayesian binomial-normal model"][1] == "pooled; no events: estimate partly from the prior"
    (row,) = [row for row in Page(run / "index.html").rows if row[:2] == ["Bleeding", "Gamma"]]
    assert row[9] == "pooled; no events: estimate partly from the prior"


def test_sensitivity_analyses_have_columns_of_their_own(run):
    with (run / "response/Alpha/numbers.csv").open(encoding="utf-8", newline="") as file:
        head = next(csv.reader(file))
    assert head == ["quantity", "bayes", "glmm", "beta_binomial"]
    found = saved(run, "response/Alpha")
    assert [each["model"] for each in found["others"]] == ["glmm", "beta_binomial"]
    assert found["result"]["loglik"] is None
    assert found["result"]["log_evidence"] < 0


def test_no_page_calls_a_credible_interval_a_confidence_interval(run):
    for path in run.rglob("report.html"):
        page = Page(path)
        for row in page.rows:
            if row and row[0] in ("Median rate", "Population-averaged rate") and "%" in row[1]:
                assert "CrI" in row[1], (path, row)
        # The interval of a posterior is never named a confidence interval, in whatever words.
        assert not re.search(r"CI [^)]*\)[^.]*half-normal|confidence interval[^.]*credible interval with", page.text), path
