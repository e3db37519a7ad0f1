"""How often a denominator that is wrong by 1 to 3 shows in the printed figures: the numbers of docs/proof.md, computed anew.

Denominators have the same weight, and so have all counts of a denominator (or all divisions of it into four categories, which is what
shares uniform on the simplex give) and all errors of -3 to 3 without 0. Figures are rounded half up.
"""

from __future__ import annotations

import numpy as np
import pytest

from metanet.evidence.proof.integers import bounds, narrowed

WRONG = (-3, -2, -1, 1, 2, 3)
RANGES = ((10, 40), (10, 100), (100, 200))


def half_up(count, n, decimals):
    return (2 * count * 100 * 10**decimals + n) // (2 * n)


def one_figure(first, last, decimals):
    """The share of wrong denominators that one figure shows, in per cent, over every count of every denominator."""
    shares = []
    for n in range(first, last + 1):
        digits = half_up(np.arange(n + 1), n, decimals)
        found = [bounds(digits, decimals, np.full(n + 1, n + wrong)) for wrong in WRONG]
        shares.append(np.mean([low > high for low, high in found]))
    return 100 * float(np.mean(shares))


def divisions(n):
    """Every division of `n` into four counts."""
    parts = []
    for one in range(n + 1):
        two, three = np.meshgrid(np.arange(n - one + 1), np.arange(n - one + 1), indexing="ij")
        two, three = two[two + three <= n - one], three[two + three <= n - one]
        parts.append(np.stack([np.full(len(two), one), two, three, n - one - two - three]))
    return np.concatenate(parts, axis=1)


def fits(digits, decimals, n):
    """Whether four figures that divide a group fit the denominators, and whether their counts are then unique."""
    found = [bounds(each, decimals, n) for each in digits]
    low, high, fit = narrowed([low for low, _ in found], [high for _, high in found], n, "all")
    return fit, fit & (low == high).all(axis=0)


def four_figures(first, last, decimals):
    """The share of wrong denominators that four figures show, over every division of every denominator."""
    shares = []
    for n in range(first, last + 1):
        digits = half_up(divisions(n), n, decimals)
        shares.append(np.mean([~fits(digits, decimals, np.full(digits.shape[1], n + wrong))[0] for wrong in WRONG]))
    return 100 * float(np.mean(shares))


def solved(first, last, decimals, tried):
    """How often four figures have one denominator among those `tried`, and one count each."""
    shares = []
    for n in range(first, last + 1):
        digits = half_up(divisions(n), n, decimals)
        found = [fits(digits, decimals, np.full(digits.shape[1], size)) for size in range(tried[0], tried[1] + 1)]
        shares.append(np.mean((sum(fit.astype(int) for fit, _ in found) == 1) & np.any([unique for _, unique in found], axis=0)))
    return 100 * float(np.mean(shares))


#: One figure: in per cent, for each number of decimals and each range of denominators.
ONE = {
    (0, (10, 40)): 70.2,
    (0, (10, 100)): 42.5,
    (0, (100, 200)): 0.02,
    (1, (10, 40)): 89.2,
    (1, (10, 100)): 90.6,
    (1, (100, 200)): 84.3,
}
#: As a simulation of 20,000 draws gave them in whole per cent, with a standard error of 0.35 points.
DRAWN = {(0, (10, 40)): 70, (0, (10, 100)): 43, (0, (100, 200)): 0, (1, (10, 40)): 89, (1, (10, 100)): 90, (1, (100, 200)): 85}


@pytest.mark.parametrize("decimals", [0, 1])
@pytest.mark.parametrize("span", RANGES)
def test_a_wrong_denominator_shows_in_one_figure_so_often(decimals, span):
    share = one_figure(*span, decimals)
    assert share == pytest.approx(ONE[decimals, span], abs=0.05)
    assert share == pytest.approx(DRAWN[decimals, span], abs=1)


# The other simulation does not say how it drew the four categories, nor which denominators it tried: it is held within five points.
#: Four figures that divide a group, in per cent.
FOUR = {(0, (10, 40)): 97.3, (1, (10, 40)): 99.5, (0, (10, 100)): 84.3, (1, (10, 100)): 99.8}
#: How often denominator and counts are unique, by decimals.
SOLVED = {0: 35.3, 1: 58.3}


@pytest.mark.parametrize(("decimals", "drawn"), [(0, 96), (1, 99.5)])
def test_a_wrong_denominator_of_10_to_40_shows_in_four_figures_of_a_group_so_often(decimals, drawn):
    share = four_figures(10, 40, decimals)
    assert share == pytest.approx(FOUR[decimals, (10, 40)], abs=0.05)
    assert share == pytest.approx(drawn, abs=5)


@pytest.mark.parametrize(("decimals", "drawn"), [(0, 82), (1, 99.6)])
def test_a_wrong_denominator_of_10_to_100_shows_in_four_figures_of_a_group_so_often(decimals, drawn):
    # 4.5 million divisions, so they are drawn here; FOUR has four_figures(10, 100, decimals).
    exact, draws, rng = FOUR[decimals, (10, 100)], 20_000, np.random.default_rng(7)
    n = rng.integers(10, 101, draws)
    digits = half_up(rng.multinomial(n, rng.dirichlet(np.ones(4), draws)).T, n, decimals)
    share = 100 * float(np.mean(~fits(digits, decimals, n + rng.choice(WRONG, draws))[0]))
    four_errors = 4 * 100 * (exact / 100 * (1 - exact / 100) / draws) ** 0.5
    assert share == pytest.approx(exact, abs=four_errors)
    assert share == pytest.approx(drawn, abs=5)


@pytest.mark.parametrize(("decimals", "wider", "drawn"), [(0, 31.1, 30), (1, 55.2, 55)])
def test_denominator_and_counts_are_unique_from_four_figures_so_often(decimals, wider, drawn):
    assert solved(10, 40, decimals, tried=(10, 40)) == pytest.approx(SOLVED[decimals], abs=0.05)
    # With three more denominators on either side; the share falls with every one that is tried.
    assert solved(10, 40, decimals, tried=(7, 43)) == pytest.approx(wider, abs=0.05)
    assert wider == pytest.approx(drawn, abs=5)
