"""What the figures of a network show: marks where the numbers are, lines as the studies allocated, tiles as the ranks."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

import metanet as mn
from tests.figures.chart_cases import shown_texts
from tests.figures.every_kind import figure

TRIALS = pd.DataFrame(
    {
        "study": list("AABBCCDDDEE"),
        "treatment": ["x", "y", "x", "z", "y", "z", "x", "y", "z", "x", "y"],
        "events": [12, 24, 11, 28, 18, 24, 14, 22, 31, 15, 25],
        "total": [80, 82, 78, 84, 75, 77, 90, 88, 92, 70, 72],
        "design": ["RCT", "RCT", "cohort", "cohort", None, None, "RCT", "RCT", "RCT", "cohort", "cohort"],
    }
)


def network(**options):
    return mn.network(TRIALS, study="study", treatment="treatment", reference="x", allocation="design", **options)


def labelled(artists, label):
    return [artist for artist in artists if artist.get_label() == label]


def words(ax):
    return [" ".join(text.get_text().split()) for text in shown_texts(figure(ax))]


@pytest.mark.parametrize("measure", ["OR", "RR", "RD"])
def test_the_marks_of_the_forest_are_the_contrasts(measure):
    fit = network(measure=measure, tau2="DL")
    ax = fit.forest()
    low, high = ax.get_xlim()
    rows = {each.first: each for each in fit.against()}
    centres = sorted(
        float(point) for line in ax.get_lines() + list(ax.collections) for point in _centres(line) if low <= point <= high
    )
    for each in rows.values():
        assert low < each.estimate < high
        assert min(abs(np.array(centres) - each.estimate)) < 1e-6 * (high - low)
    shown = " ".join(words(ax))
    for each in rows.values():
        assert fit.scale.text(each.estimate, fit.scale.digits(each.estimate, each.ci_lower, each.ci_upper)) in shown


def _centres(artist):
    if hasattr(artist, "get_offsets"):
        return np.asarray(artist.get_offsets())[:, 0].tolist() if len(artist.get_offsets()) else []
    return np.asarray(artist.get_xdata(), dtype=float).tolist()


def test_another_reference_turns_the_forest():
    ax = network(tau2="DL").forest(reference="z")
    assert any("against z" in text for text in words(ax))
    with pytest.raises(mn.ArgumentError, match="reference='q' is not a treatment of the network"):
        network(tau2="DL").forest(reference="q")


def test_lines_of_the_graph_are_the_comparisons_by_allocation():
    fit = network(tau2="DL")
    ax = fit.graph()
    edges = labelled(ax.get_lines(), "_edge")
    assert len(edges) == 3
    # x with y: two RCT and a cohort; x with z: a cohort and an RCT; y with z: one not stated, one RCT.
    styles = {line.get_linestyle() for line in edges}
    assert styles == {"--"}
    widths = sorted(line.get_linewidth() for line in edges)
    assert widths[-1] > widths[0]
    assert len(labelled(ax.patches, "_treatment")) == 3
    areas = {round(patch.radius**2, 6) for patch in labelled(ax.patches, "_treatment")}
    assert len(areas) == 3
    shown = words(ax)
    assert "randomised in some studies" in shown
    for name in "xyz":
        total = TRIALS.loc[TRIALS["treatment"] == name, "total"].sum()
        assert f"{name} n = {total}" in shown


def test_a_graph_of_trials_alone_has_unbroken_lines():
    trials = TRIALS.assign(design="RCT")
    ax = mn.network(trials, study="study", treatment="treatment", allocation="design").graph()
    assert {line.get_linestyle() for line in labelled(ax.get_lines(), "_edge")} == {"-"}
    assert "randomised in all studies" in words(ax)


def test_tiles_of_the_rankogram_are_the_probabilities():
    fit = network(tau2="DL")
    ax, frame = fit.rank_plot(), fit.rankogram()
    tiles = labelled(ax.patches, "_tile")
    assert len(tiles) == 9
    # The darker a tile, the more probable the rank.
    found = sorted(1 - np.mean(to_rgb(tile.get_facecolor())) for tile in tiles)
    expected = sorted(frame["probability"])
    assert np.corrcoef(found, expected)[0, 1] > 0.999
    for value in fit.ranking["sucra"]:
        assert f"{100 * value:.0f}" in words(ax)


def test_cells_of_the_league_are_those_of_the_table():
    fit = network(tau2="DL")
    shown, table = words(fit.league()), fit.league_table()
    for text in table.to_numpy().ravel().tolist():
        assert text in shown
    few = fit.league(most=2)
    assert len(labelled(few.patches, "_cell")) == 4
    assert any("The first 2 of 3 treatments are shown." in text for text in words(few))


def test_points_of_the_funnel_are_the_comparisons_of_pairs_with_two_studies():
    fit = network(tau2="DL")
    frame = fit.comparisons()
    several = frame[frame.groupby(["first", "second"])["study"].transform("size") > 1]
    ax = fit.funnel()
    points = np.concatenate(
        [np.asarray(dots.get_offsets()) for dots in ax.collections if dots.get_label() in ("_comparisons", "_outside")]
    )
    np.testing.assert_allclose(np.sort(points[:, 0]), np.sort(several["adjusted"]))
    np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(several["sei"]))


def test_a_network_without_comparisons_says_so():
    fit = mn.network(study=["A", "B"], treatment=["x", "x"], events=[3, 4], total=[9, 9])
    for draw in (fit.graph, fit.forest, fit.league, fit.rank_plot, fit.funnel):
        assert any("No study compares two treatments" in text for text in words(draw()))
