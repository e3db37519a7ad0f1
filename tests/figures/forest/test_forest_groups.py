"""Groups of studies under one another: headers, subtotals, the diamond of all, the test between groups."""

import pandas as pd
import pytest

import metanet as mn
from metanet.base.display import per_cent
from metanet.base.errors import ArgumentError
from metanet.figures.forest.forest import forest
from metanet.figures.page.save import description_of
from tests.figures.cases import EVENTS, HOSTILE, LONG, NAMES, TOTAL, corners, diamonds, lines, squares, texts
from tests.figures.forest.test_forest_layout import _check

GROUPS = ["PRRT"] * 5 + ["TARE"] * 4 + [HOSTILE] * 2 + [LONG]


def data():
    return pd.DataFrame({"study": NAMES, "events": EVENTS, "total": TOTAL, "group": GROUPS, "year": range(2001, 2013)})


@pytest.fixture(scope="module")
def comparison():
    return mn.compare(data(), "group", bootstrap=0)


@pytest.fixture(scope="module")
def overall():
    return mn.pool(data())


def rows_of(ax):
    """Texts by the place of their row, from the top."""
    return [text for _, text in sorted((t.get_position()[1], t.get_text()) for t in ax.texts if t.get_position()[1] > 0)]


@pytest.mark.parametrize("preset", ["metanet", "revman", "jama", "lancet"])
def test_nothing_meets_in_a_figure_of_groups(comparison, overall, preset):
    _check(forest(comparison, overall=overall, preset=preset, title="Groups"), 144)


def test_every_group_has_header_studies_and_its_own_diamond(comparison, overall):
    ax = forest(comparison, overall=overall)
    order = rows_of(ax)
    for name, fit in comparison.groups.items():
        many = f"{fit.k} {'study' if fit.k == 1 else 'studies'}"
        title = next(t for t in order if " ".join(t.split("\n")).startswith(name[:20]) and many in t.replace("\n", " "))
        studies = [order.index(study) for study in fit.studies["study"]]
        assert order.index(title) < min(studies)
    drawn = [(c["left"], c["middle"], c["right"]) for c in map(corners, diamonds(ax))]
    pooled = [fit for fit in comparison.groups.values() if fit.status == "pooled"]
    wanted = [(100 * f.ci_lower, 100 * f.estimate, 100 * f.ci_upper) for f in [*pooled, overall]]
    assert [v for row in drawn for v in row] == pytest.approx([v for row in wanted for v in row])


def test_with_an_overall_result_squares_and_weights_are_its_own(comparison, overall):
    ax = forest(comparison, overall=overall, sort=None)
    weights = dict(zip(overall.studies["study"], overall.weights, strict=True))
    studies = [name for fit in comparison.groups.values() for name in fit.studies["study"]]
    areas = squares(ax).get_sizes()
    wanted = [weights[name] / max(weights.values()) for name in studies]
    assert list(areas / areas.max()) == pytest.approx(wanted)
    shown = texts(ax)
    for fit in comparison.groups.values():
        if fit.status == "pooled":
            assert f"{per_cent(sum(weights[s] for s in fit.studies['study']))} %" in shown
    assert any("among all studies" in t.replace("\n", " ") for t in shown)


def test_without_one_the_largest_square_of_each_group_is_as_large(comparison):
    ax = forest(comparison, sort=None)
    areas = iter(squares(ax).get_sizes())
    largest = []
    for fit in comparison.groups.values():
        own = [next(areas) for _ in range(fit.k)]
        assert [a / max(own) for a in own] == pytest.approx(list(fit.weights / fit.weights.max()))
        largest.append(max(own))
    assert largest == pytest.approx([largest[0]] * len(largest))


def test_the_test_between_groups_and_its_kind_stand_below(comparison, overall):
    shown = " ".join(" ".join(texts(forest(comparison, overall=overall))).split())
    assert comparison.test_sentence() in shown
    assert "An observational comparison" in shown
    assert "One study, not pooled" in shown
    assert "Heterogeneity of all studies" in shown


def test_the_dashed_line_is_the_overall_estimate(comparison, overall):
    (line,) = lines(forest(comparison, overall=overall), "_reference")
    assert line.get_xdata()[0] == pytest.approx(100 * overall.estimate)
    assert not lines(forest(comparison), "_reference")


def test_studies_are_sorted_within_their_group(comparison):
    order = rows_of(forest(comparison, sort="year", ascending=False))
    assert [order.index(name) for name in ("Ruszniewski", "Pavel", "Kulke", "Yao", "Strosberg")] == sorted(
        order.index(name) for name in NAMES[:5]
    )


def test_the_alternative_text_is_the_comparison(comparison):
    ax = forest(comparison)
    title, alt, text = description_of(ax.get_figure(root=True))
    assert title == "Forest plot"
    assert text == f"Forest plot of 4 groups. {comparison.sentence()} The axis shows: Events, % of patients."
    assert alt.startswith("Forest plot of 4 groups: PRRT ")
    assert len(alt) < 300


def test_what_does_not_belong_together_is_refused(comparison, overall):
    with pytest.raises(ArgumentError, match="pool the same studies"):
        forest(comparison, overall=mn.pool(data().head(8)))
    with pytest.raises(ArgumentError, match="overall must be a result"):
        forest(comparison, overall=comparison)
    with pytest.raises(ArgumentError, match="second applies to one result"):
        forest(comparison, second=overall)
    with pytest.raises(ArgumentError, match="overall applies to a comparison"):
        forest(overall, overall=overall)
    with pytest.raises(ArgumentError, match="one result, not groups"):
        forest(comparison, backend="forestplot")
    with pytest.raises(ArgumentError, match=r"result of mn\.pool or mn\.compare"):
        forest("fit")
    with pytest.raises(ArgumentError, match="columns has an effect only with studies=True"):
        comparison.forest(columns=("rate",))


def test_two_groups_of_a_ratio_under_one_another():
    frame = pd.DataFrame(
        {
            "study": list("abcdef"),
            "events": [4, 6, 3, 6, 3, 18],
            "total": [123, 306, 231, 135, 50, 154],
            "events_control": [11, 29, 11, 24, 4, 37],
            "total_control": [139, 303, 220, 128, 58, 145],
            "region": list("xxxyyy"),
        }
    )
    names = {name: name for name in ("events", "total", "events_control", "total_control")}
    ax = forest(mn.compare(frame, "region", measure="OR", bootstrap=0, **names))
    _check(ax, 144)
    assert ax.get_xscale() == "log"
