"""RevMan's own results, computed again when its file is imported: agreement, stale results, other methods and other programs."""

import csv
import re
from math import exp, log

import pytest

import metanet as mn
from metanet.reviews.importing import import_review
from metanet.reviews.new import new_review
from metanet.reviews.verify import verify
from tests.reference.revman5 import pooled
from tests.reviews.conftest import HEAD, package, rm5

COUNTS = [(14, 40, 6, 41), (16, 50, 7, 51), (0, 30, 2, 29)]
_RM5 = {"estimate": "EFFECT_SIZE", "ci_lower": "CI_START", "ci_upper": "CI_END", "tau2": "TAU2", "q": "CHI2", "df": "DF"}


def stated(method, random, measure, counts, **more):
    """The attributes of an outcome or a subgroup with the results of RevMan 5."""
    found = pooled(method, random, measure, counts)
    words = {theirs: repr(float(found[ours])) for ours, theirs in _RM5.items()}
    words |= {"TOTAL_1": str(float(sum(c[1] for c in counts))), "TOTAL_2": str(float(sum(c[3] for c in counts))), "ESTIMABLE": "YES"}
    words |= more
    return " ".join(f'{name}="{value}"' for name, value in words.items())


def settings(method, random, measure, **more):
    words = {"METHOD": method, "RANDOM": "YES" if random else "NO", "CI_TOTAL": "95", "TOTALS": "YES", "SWAP_EVENTS": "NO", **more}
    words["EFFECT_MEASURE"] = "PETO_OR" if measure == "PETO" else measure
    return " ".join(f'{name}="{value}"' for name, value in words.items())


def data(counts, first=1):
    return "".join(
        f'<DICH_DATA STUDY_ID="STD-{i}" EVENTS_1="{a}" TOTAL_1="{n}" EVENTS_2="{c}" TOTAL_2="{m}"/>'
        for i, (a, n, c, m) in enumerate(counts, first)
    )


def outcome(method, random, measure, counts=COUNTS, *, results=None, inner=None, **more):
    results = stated(method, random, measure, counts) if results is None else results
    return (
        f'<DICH_OUTCOME NO="1" {settings(method, random, measure, **more)} {results}><NAME>Pain relief</NAME>'
        "<GROUP_LABEL_1>Drug A</GROUP_LABEL_1><GROUP_LABEL_2>Placebo</GROUP_LABEL_2>"
        f"{data(counts) if inner is None else inner}</DICH_OUTCOME>"
    )


@pytest.fixture
def taken(tmp_path):
    """Import a file into a fresh review."""
    new_review(tmp_path / "r")

    def take(content, kind="revman5", name="pain.rm5"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return import_review(kind, file, tmp_path / "r")

    return take


@pytest.mark.parametrize(
    ("method", "random", "measure"),
    [(m, r, x) for m in ("MH", "IV") for r in (True, False) for x in ("OR", "RR", "RD")] + [("PETO", False, "PETO")],
)
def test_every_method_agrees_and_one_line_says_so(taken, method, random, measure):
    made = taken(rm5(outcome(method, random, measure)))
    assert re.search(
        r"RevMan's own results: 1 of 1 analysis agrees \((largest relative difference \de-\d\d|no difference)\)", made.summary()
    )
    (row,) = made.agreement.rows
    assert (row.agrees, row.measure, row.studies) == (True, measure, 3)
    assert row.difference < 1e-12


def test_both_sides_of_each_are_written_beside_the_review(taken, tmp_path):
    taken(rm5(outcome("MH", True, "RR")))
    place = tmp_path / "r" / "imported" / "pain"
    with (place / "agreement.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["analysis"], row["name"], row["method"], row["agrees"]) == (
        "1.1",
        "Pain relief",
        "Mantel-Haenszel, random effects",
        "yes",
    )
    assert float(row["ours_estimate"]) == pytest.approx(float(row["revman_estimate"]), rel=1e-12)
    page = (place / "agreement.html").read_text(encoding="utf-8")
    assert "1 of 1 analysis agrees" in page
    assert "Estimates, confidence limits, τ² and Q are the same." in page


def test_a_result_of_other_counts_is_named_with_both_numbers_and_the_reason(taken, tmp_path):
    old = [(14, 40, 6, 41), (16, 52, 7, 51), (0, 30, 2, 29)]
    made = taken(rm5(outcome("MH", False, "RR", results=stated("MH", False, "RR", old))))
    text = made.summary()
    assert "RevMan's own results: 0 of 1 analysis agrees" in text
    assert "1.1 Pain relief: estimate" in text
    assert "the result is of 122 patients in the first group, and the studies have 120" in text
    page = (tmp_path / "r" / "imported" / "pain" / "agreement.html").read_text(encoding="utf-8")
    assert "<td>lower limit</td>" in page
    assert "the studies have 120" in page


def test_a_study_whose_own_effect_differs_is_named(taken):
    old = [(14, 40, 6, 41), (17, 50, 7, 51), (0, 30, 2, 29)]
    inner = data(COUNTS[:1]) + data(COUNTS[1:2], 2).replace("/>", ' EFFECT_SIZE="2.477142857142857"/>') + data(COUNTS[2:], 3)
    made = taken(rm5(outcome("IV", True, "RR", results=stated("IV", True, "RR", old), inner=inner)))
    assert "another effect than that of the counts for Smith 2012a as well" in made.summary()


def test_subgroups_are_compared_and_a_total_that_the_review_does_not_give_is_not(taken):
    halves = COUNTS[:1], COUNTS[1:]
    inner = "".join(
        f'<DICH_SUBGROUP NO="{i}" {stated("MH", True, "OR", half)}><NAME>Dose {i}</NAME>{data(half, 1 + (i > 1))}</DICH_SUBGROUP>'
        for i, half in enumerate(halves, 1)
    )
    made = taken(rm5(outcome("MH", True, "OR", inner=inner)))
    assert [row.subgroup for row in made.agreement.rows] == ["Dose 1", "Dose 2", ""]
    assert made.agreement.agreeing == 3


def test_totals_of_subgroups_alone_and_none_at_all(taken):
    inner = f'<DICH_SUBGROUP NO="1" {stated("MH", True, "OR", COUNTS)}><NAME>All</NAME>{data(COUNTS)}</DICH_SUBGROUP>'
    results = stated("MH", True, "OR", COUNTS, EFFECT_SIZE="0.0", CI_START="0.0", CI_END="0.0")
    made = taken(rm5(outcome("MH", True, "OR", results=results, inner=inner, TOTALS="SUB")))
    assert [row.title for row in made.agreement.rows] == ["1.1 Pain relief / All"]
    assert made.agreement.agreeing == 1


def test_nothing_is_said_where_the_file_adds_nothing_up(taken):
    made = taken(rm5(outcome("MH", True, "OR", TOTALS="NO")))
    assert made.agreement is None
    assert "RevMan's own results" not in made.summary()


def test_swapped_events_are_the_patients_without_the_event(taken):
    swapped = [(n - a, n, m - c, m) for a, n, c, m in COUNTS]
    made = taken(rm5(outcome("MH", True, "RR", results=stated("MH", True, "RR", swapped), SWAP_EVENTS="YES")))
    assert made.agreement.agreeing == 1


def test_no_estimate_on_either_side_agrees_and_on_one_side_does_not(taken):
    none = 'EFFECT_SIZE="0.0" CI_START="0.0" CI_END="0.0" TAU2="0.0" CHI2="0.0" ESTIMABLE="NO"'
    assert taken(rm5(outcome("MH", True, "RR", [(0, 20, 0, 21), (0, 31, 0, 30)], results=none))).agreement.agreeing == 1


def test_an_estimate_that_revman_does_not_give_is_a_difference(taken):
    none = 'EFFECT_SIZE="0.0" CI_START="0.0" CI_END="0.0" ESTIMABLE="NO"'
    (row,) = taken(rm5(outcome("MH", True, "RR", results=none))).agreement.rows
    assert not row.agrees
    assert row.why.endswith("RevMan has none")


def test_the_level_of_the_file_is_taken(taken):
    ninety = pooled("MH", True, "OR", COUNTS)
    z, z90 = 1.959963984540054, 1.6448536269514722
    mu, half = float(log(ninety["estimate"])), float(log(ninety["ci_upper"] / ninety["estimate"])) / z * z90
    ends = {"CI_START": repr(exp(mu - half)), "CI_END": repr(exp(mu + half))}
    made = taken(rm5(outcome("MH", True, "OR", results=stated("MH", True, "OR", COUNTS, **ends), CI_TOTAL="90")))
    assert made.agreement.agreeing == 1


def test_an_unknown_method_is_said_and_does_not_stop_the_import(taken):
    made = taken(rm5(outcome("MH", True, "OR").replace('METHOD="MH"', 'METHOD="NEW"')))
    (row,) = made.agreement.rows
    assert not row.agrees
    assert row.why == "the method is not known (NEW, OR)"


def web(method, model, measure, result, **more):
    """A package of RevMan Web with the settings and results of one analysis."""
    head = {
        "Analysis group": "1", "Analysis number": "1", "Analysis name": "Death", "Analysis group name": "Drug A versus placebo",
        "Data type": "Dichotomous", "Experimental group label": "Drug A", "Control group label": "Placebo",
        "Swap event and non-event": "false", "Statistical method": method, "Effect measure": measure, "Analysis model": model,
        "Overall estimates": "true", "CI/PI level": "95%", "Mean": result["estimate"], "CI start": result["ci_lower"],
        "CI end": result["ci_upper"], "Heterogeneity Tau²": result["tau2"], "Heterogeneity Chi²": result["q"], **more,
    }  # fmt: skip
    about = ",".join(head) + "\n" + ",".join(str(value) for value in head.values()) + "\n"
    rows = f"{HEAD}Experimental N,Control mean,Control cases,Control N,O-E\n" + "".join(
        f"1,1,Death,,Study {2010 + i},{2010 + i},,,{a},{n},,{c},{m},\n" for i, (a, n, c, m) in enumerate(COUNTS)
    )
    return package({"X-data-rows.csv": rows, "X-overall-estimates-and-settings.csv": about})


def test_a_package_of_revman_web_is_compared_as_well(taken):
    found = pooled("MH", True, "RR", COUNTS)
    made = taken(web("MH", "Random effect", "Risk Ratio", {k: f"{float(v):.15g}" for k, v in found.items()}), "revman-web", "pain.zip")
    assert made.agreement.agreeing == 1
    short = {k: f"{float(v):.2f}" for k, v in found.items()}
    again = taken(web("MH", "Random effect", "Risk Ratio", short), "revman-web", "pain.zip")
    assert again.agreement.agreeing == 1


def test_revman_since_2025_is_compared_by_reml(taken):
    e, n, c, m = zip(*COUNTS, strict=True)
    fit = mn.pool(events=e, total=n, events_control=c, total_control=m, preset="revman", measure="OR")
    result = {name: repr(getattr(fit, name)) for name in ("estimate", "ci_lower", "ci_upper", "tau2", "q")}
    made = taken(web("IV", "Random effect", "Odds Ratio", result, **{"Heterogeneity estimator": "REML"}), "revman-web", "pain.zip")
    assert made.agreement.agreeing == 1


def test_an_analysis_without_results_is_not_compared():
    assert verify([]).rows == ()
    assert "the file states none" in verify([]).summary()
