"""Every measure of the registry: formulas in mpmath, absent studies, batches, mirrors, null effects."""

from dataclasses import FrozenInstanceError

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from metanet.effects.measures import MEASURES

#: The arms 0 of n and n of n as often as any other.
ARM = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.one_of(st.just(0), st.just(n), st.integers(0, n)), st.just(n)))
SPAN = st.tuples(st.integers(0, 5000), st.floats(0.01, 1e6))


def arms(name):
    """Studies of a measure: tuples in the order of its arguments."""
    one = ARM if MEASURES[name].data == "counts" else SPAN
    return one if MEASURES[name].groups == 1 else st.tuples(one, one).map(lambda pair: (*pair[0], *pair[1]))


def tables(name, most=6):
    return st.lists(arms(name), min_size=1, max_size=most)


def asin_root(x, n):
    return mp.asin(mp.sqrt(mp.mpf(x) / n))


def textbook(name, add, *row):
    """Effect and variance of one study as the textbooks print them, 50 digits; `add` where a cell is empty."""
    row = [mp.mpf(value) for value in row]
    if name in ("IR", "IRLN", "IRS", "IRFT"):
        x, t = row
        x = x + add if x == 0 and name in ("IR", "IRLN") else x
        return {
            "IR": lambda: (x / t, x / t**2),
            "IRLN": lambda: (mp.log(x / t), 1 / x),
            "IRS": lambda: (mp.sqrt(x / t), 1 / (4 * t)),
            "IRFT": lambda: ((mp.sqrt(x / t) + mp.sqrt(x / t + 1 / t)) / 2, 1 / (4 * t)),
        }[name]()
    if name in ("IRR", "IRD"):
        x1, t1, x2, t2 = row
        if x1 == 0 or x2 == 0:
            x1, x2 = x1 + add, x2 + add
        ratio = (mp.log(x1 / t1 / (x2 / t2)), 1 / x1 + 1 / x2)
        return ratio if name == "IRR" else (x1 / t1 - x2 / t2, x1 / t1**2 + x2 / t2**2)
    if len(row) == 2:
        x, n = row
        if x in (0, n) and name not in ("PAS", "PFT"):
            x, n = x + add, n + 2 * add
        return {
            "PR": lambda: (x / n, x / n * (1 - x / n) / n),
            "PLN": lambda: (mp.log(x / n), 1 / x - 1 / n),
            "PLO": lambda: (mp.log(x / (n - x)), 1 / x + 1 / (n - x)),
            "PAS": lambda: (asin_root(x, n), 1 / (4 * n)),
            "PFT": lambda: ((asin_root(x, n + 1) + asin_root(x + 1, n + 1)) / 2, 1 / (4 * n + 2)),
        }[name]()
    a, n1, c, n2 = row
    if (a in (0, n1) or c in (0, n2)) and name != "AS":
        a, n1, c, n2 = a + add, n1 + 2 * add, c + add, n2 + 2 * add
    b, d, n = n1 - a, n2 - c, n1 + n2
    expected = n1 * (a + c) / n
    v = (a + c) * (b + d) * n1 * n2 / (n**2 * (n - 1))
    return {
        "OR": lambda: (mp.log(a / b / (c / d)), 1 / a + 1 / b + 1 / c + 1 / d),
        "RR": lambda: (mp.log(a / n1 / (c / n2)), 1 / a - 1 / n1 + 1 / c - 1 / n2),
        "RD": lambda: (a / n1 - c / n2, a / n1 * (1 - a / n1) / n1 + c / n2 * (1 - c / n2) / n2),
        "AS": lambda: (asin_root(a, n1) - asin_root(c, n2), 1 / (4 * n1) + 1 / (4 * n2)),
        "PETO": lambda: ((a - expected) / v, 1 / v),
    }[name]()


@pytest.mark.parametrize("name", list(MEASURES))
@given(data=st.data())
def test_effects_and_variances_are_those_of_the_textbook(name, data):
    row = data.draw(arms(name))
    made = MEASURES[name].effects(*([value] for value in row))
    with mp.workdps(50):
        yi, vi = textbook(name, mp.mpf("0.5"), *row)
    assert made.vi[0] == pytest.approx(float(vi), rel=1e-12)
    assert made.yi[0] == pytest.approx(float(yi), rel=1e-12, abs=1e-14 * max(1.0, float(vi) ** 0.5))


@pytest.mark.parametrize("name", list(MEASURES))
@settings(max_examples=40)
@given(data=st.data())
def test_the_order_of_studies_does_not_matter(name, data):
    table = data.draw(tables(name))
    order = data.draw(st.permutations(range(len(table))))
    to = data.draw(st.sampled_from(["only0", "if0all", "all"]))
    whole = MEASURES[name].effects(*zip(*table, strict=True), to=to)
    mixed = MEASURES[name].effects(*zip(*(table[i] for i in order), strict=True), to=to)
    for field in ("yi", "vi", "corrected"):
        np.testing.assert_array_equal(getattr(mixed, field), getattr(whole, field)[list(order)])


@pytest.mark.parametrize("name", list(MEASURES))
@settings(max_examples=40)
@given(data=st.data())
def test_a_batch_equals_a_loop_exactly(name, data):
    k = data.draw(st.integers(1, 5))
    batch = np.array(data.draw(st.lists(st.lists(arms(name), min_size=k, max_size=k), min_size=1, max_size=4)), dtype=float)
    columns = np.moveaxis(batch, -1, 0)
    rules = {"to": data.draw(st.sampled_from(["only0", "if0all", "all", "none"])), "drop00": data.draw(st.booleans())}
    together = MEASURES[name].effects(*columns, **rules)
    for i in range(len(batch)):
        alone = MEASURES[name].effects(*columns[:, i], **rules)
        for field in ("yi", "vi", "corrected", "undefined"):
            np.testing.assert_array_equal(getattr(together, field)[i], getattr(alone, field))
        np.testing.assert_array_equal(np.broadcast_to(together.dropped, batch.shape[:2])[i], alone.dropped)


@pytest.mark.parametrize("name", list(MEASURES))
def test_a_large_batch_equals_a_loop_exactly(name):
    # Long enough that the vector instructions of the processor take part.
    rng = np.random.default_rng(20)
    totals = rng.integers(1, 400, (2, 60, 37)).astype(float)
    counts = np.concatenate([rng.binomial(totals.astype(int), 0.1), totals])[[0, 2, 1, 3]]
    counts = counts[: len(MEASURES[name].arguments)]
    together = MEASURES[name].effects(*counts)
    for i in range(60):
        alone = MEASURES[name].effects(*counts[:, i])
        np.testing.assert_array_equal(together.yi[i], alone.yi)
        np.testing.assert_array_equal(together.vi[i], alone.vi)


@pytest.mark.parametrize("name", list(MEASURES))
@settings(max_examples=40)
@given(data=st.data())
def test_an_effect_is_never_nan_and_a_weight_never_negative(name, data):
    table = data.draw(tables(name))
    add = data.draw(st.sampled_from([0.0, 0.5]))
    made = MEASURES[name].effects(*zip(*table, strict=True), add=add, to=data.draw(st.sampled_from(["only0", "none"])))
    assert np.isfinite(made.yi).all()
    assert (made.vi >= 0).all()


@pytest.mark.parametrize(("name", "group"), [(name, g) for name, m in MEASURES.items() for g in range(m.groups)])
@pytest.mark.parametrize("events", [0, 3])
def test_a_study_that_is_absent_in_any_group_has_no_weight_and_changes_no_other(name, group, events):
    measure = MEASURES[name]
    counts = [np.array(column, float) for column in ([3, 4], [9, 8], [2, 5], [7, 9])][: len(measure.arguments)]
    alone = measure.effects(*(column[1:] for column in counts))
    counts[2 * group][0], counts[2 * group + 1][0] = events, 0
    made = measure.effects(*counts, to="if0all")
    assert (made.yi[0], made.vi[0]) == (0, np.inf)
    assert not made.corrected.any()
    assert not made.undefined.any()
    assert (made.yi[1], made.vi[1]) == (alone.yi[0], alone.vi[0])


@given(ARM)
def test_non_events_mirror_events(arm):
    x, n = arm
    both = [[x, n - x], [n, n]]
    for name, centre in (("PR", 0.5), ("PLO", 0.0), ("PAS", np.pi / 4), ("PFT", np.pi / 4)):
        made = MEASURES[name].effects(*both)
        assert made.yi[0] - centre == pytest.approx(centre - made.yi[1], rel=1e-12, abs=1e-15)
        assert made.vi[0] == pytest.approx(made.vi[1], rel=1e-14)


@given(ARM, ARM)
def test_changing_the_groups_turns_the_sign(treated, control):
    for name in ("OR", "RR", "RD", "AS", "PETO"):
        there, back = (MEASURES[name].effects(*x, *y) for x, y in ((treated, control), (control, treated)))
        assert there.yi == pytest.approx(-back.yi, rel=1e-13, abs=1e-15)
        assert there.vi == pytest.approx(back.vi, rel=1e-13)


@pytest.mark.parametrize("name", ["OR", "RR", "RD", "AS", "PETO"])
def test_equal_rates_in_unequal_groups_give_exactly_the_null_value(name):
    made = MEASURES[name].effects([1, 7, 3], [3, 70, 9], [2, 1, 1], [6, 10, 3])
    assert made.yi.tolist() == [MEASURES[name].null] * 3


@pytest.mark.parametrize("name", ["PAS", "PFT", "IRS", "IRFT", "AS"])
def test_measures_that_exist_at_empty_cells_are_never_corrected(name):
    counts = [[0, 4], [20, 20], [3, 0], [10, 10]][: len(MEASURES[name].arguments)]
    assert not MEASURES[name].corrects
    plain, told = (MEASURES[name].effects(*counts, **rules) for rules in ({"add": 0}, {"add": 0.5, "to": "all"}))
    assert plain.yi.tolist() == told.yi.tolist()
    assert not told.corrected.any()


@pytest.mark.parametrize("name", [name for name, m in MEASURES.items() if m.corrects])
def test_the_other_measures_are_corrected(name):
    counts = [[0, 4], [20, 20], [3, 1], [10, 10]][: len(MEASURES[name].arguments)]
    assert MEASURES[name].effects(*counts).corrected.tolist() == [True, False]


def test_freeman_tukey_does_not_keep_the_order_across_sizes():
    # traps.md 1: no events in 100 patients, 2 events in 100, no events in 10.
    made = MEASURES["PFT"].effects([0, 2, 0], [100, 100, 10]).yi
    assert made.round(3).tolist() == [0.050, 0.157, 0.153]


def test_the_registry_knows_every_measure_and_its_arguments():
    assert " ".join(MEASURES) == "PR PLN PLO PAS PFT OR RR RD AS PETO IR IRLN IRS IRFT IRR IRD"
    assert MEASURES["PLO"].arguments == ("events", "total")
    assert MEASURES["OR"].arguments == ("events", "total", "events_control", "total_control")
    assert MEASURES["IRLN"].arguments == ("events", "person_time")
    assert MEASURES["IRR"].arguments == ("events", "person_time", "events_control", "person_time_control")
    assert {name for name, m in MEASURES.items() if m.needs_size} == {"PFT", "IRFT"}
    assert {name for name, m in MEASURES.items() if m.null == 0} == {"OR", "RR", "RD", "AS", "PETO", "IRR", "IRD"}
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.source.startswith("10.")


def test_the_registry_cannot_be_changed():
    with pytest.raises(TypeError):
        MEASURES["XX"] = MEASURES["PR"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        MEASURES["PR"].name = "XX"  # type: ignore[misc]


def test_a_measure_given_too_few_counts_names_what_it_takes():
    with pytest.raises(TypeError, match="OR takes events, total, events_control, total_control"):
        MEASURES["OR"].effects([1], [2])
