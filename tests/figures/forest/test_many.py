"""Many studies: folded where rows have no room, or on pages; narrow columns; both read back from the drawing."""

import warnings

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.figures.forest.pages import MOST_ROWS, PAGE_ROWS
from metanet.figures.page.save import description_of
from tests.figures.cases import diamonds, figure_of, fit_of, texts
from tests.figures.forest.test_forest_layout import check_texts


def data(k, groups=5):
    rng = np.random.default_rng(k)
    total = rng.integers(8, 150, k)
    return pd.DataFrame(
        {
            "study": [f"Author {i}" for i in range(k)],
            "events": rng.binomial(total, 0.3),
            "total": total,
            "group": [f"Group {'ABCDEFGH'[i % groups]}" for i in range(k)],
        }
    )


def fit_to(k):
    return mn.pool(data(k)[["study", "events", "total"]], model="inverse_variance")


@pytest.mark.parametrize("k", [MOST_ROWS, MOST_ROWS + 1])
def test_so_many_studies_have_rows_and_more_are_lines(k):
    fit = fit_to(k)
    ax = fit.forest()
    shown = texts(ax)
    folded = k > MOST_ROWS
    assert ("Author 3" in shown) is not folded
    note = f"The {k} studies are drawn as lines without names, sorted by value."
    assert (note in " ".join(ax.metanet_caption.split())) is folded
    assert (f"{k} studies" in shown) is folded
    assert figure_of(ax).get_figheight() < 15
    check_texts(ax, 130)
    (lines,) = [c for c in ax.collections if c.get_label() == "_interval"] if folded else (None,)
    if folded:
        known = fit.studies.sort_values("rate", kind="stable")
        ends = np.array([s[:, 0] for s in lines.get_segments()])
        np.testing.assert_allclose(ends, 100 * known[["ci_lower", "ci_upper"]].clip(upper=ax.get_xlim()[1] / 100), rtol=1e-9)
    assert diamonds(ax)


def test_everything_is_drawn_where_it_is_asked_for():
    shown = texts(fit_to(70).forest(fold=False))
    assert all(f"Author {i}" in shown for i in range(70))
    assert "Strosberg" not in texts(fit_of("twelve").forest(fold=True))


def test_groups_of_many_studies_are_folded_to_their_results():
    comparison = mn.compare(data(90), "group", bootstrap=0)
    ax = comparison.forest(studies=True)
    shown = texts(ax)
    assert [f"Group {g} (18 studies)" in shown for g in "ABCDE"] == [True] * 5
    assert "Author 3" not in shown
    assert len(diamonds(ax)) == 5
    assert "The 90 studies of the groups are not drawn one by one." in ax.metanet_caption
    assert "Author 3" in texts(mn.forest(comparison, fold=False))


@pytest.mark.parametrize("k", [3, 41, 90, 200])
def test_pages_have_every_study_once_and_what_was_pooled_at_the_end(k):
    fit = fit_to(k)
    pages = fit.forest(pages=True, title="Response")
    names = [text for ax in pages for text in texts(ax) if text.startswith("Author ")]
    assert sorted(names) == sorted(f"Author {i}" for i in range(k))
    assert len(pages) == -(-k // PAGE_ROWS)
    assert [len(diamonds(ax)) for ax in pages] == [0] * (len(pages) - 1) + [1]
    assert len({ax.get_xlim() for ax in pages}) == 1
    assert len({round(figure_of(ax).get_figwidth(), 6) for ax in pages}) == 1
    assert len({ax.metanet_caption for ax in pages}) == 1
    for i, ax in enumerate(pages, 1):
        (title,) = [text for text in texts(ax) if text.startswith("Response, page")]
        assert title == f"Response, page {i} of {len(pages)}" + (", continued" if i > 1 else "")
        check_texts(ax, 130)
        assert figure_of(ax).get_figheight() < 12
        assert len(description_of(figure_of(ax)).alt) < 300


def test_a_group_that_goes_on_is_named_again_and_none_is_left_alone():
    comparison = mn.compare(data(90, 2), "group", bootstrap=0)
    pages = mn.forest(comparison, pages=True)
    heads = [[t for t in texts(ax) if t.startswith("Group ")] for ax in pages]
    assert sum(len([h for h in page if "continued" not in h]) for page in heads) == 2
    assert any("continued" in h for page in heads for h in page)
    for ax in pages:
        rows = [
            t.get_text() for t in sorted(ax.texts, key=lambda t: t.get_position()[1]) if t.get_text().startswith(("Author", "Group"))
        ]
        assert rows[-1].startswith("Author") or len(rows) == 0


@pytest.mark.parametrize("other", [{"fold": True}, {"backend": "forestplot"}, {"ax": "axes"}])
def test_pages_refuse_what_they_have_no_use_for(other):
    if "ax" in other:
        other = {"ax": figure_of(fit_of("two").forest()).axes[0]}
    with pytest.raises(ArgumentError, match="pages=True has no use for"):
        fit_of("two").forest(pages=True, **other)


def test_thousands_of_studies_are_a_figure_of_the_same_size():
    few, many = fit_to(150).forest(), fit_to(5000).forest()
    assert figure_of(many).get_figheight() == pytest.approx(figure_of(few).get_figheight(), rel=0.15)
    assert "5,000 studies" in texts(many)
    assert len(many.texts) < 40
    assert all(c.get_rasterized() for c in many.collections if c.get_label() in ("_interval", "_dots"))


@pytest.mark.parametrize("preset", mn.FOREST_PRESETS)
@pytest.mark.parametrize("width", [84, "single"])
def test_a_single_column_has_the_numbers_under_the_names(preset, width):
    fit = fit_of("twelve")
    with mn.column_width(width), warnings.catch_warnings():
        warnings.simplefilter("error", mn.MetanetWarning)
        ax = fit.forest(preset=preset)
    check_texts(ax, 130)
    shown = [" ".join(text.replace("·", ".").split()) for text in texts(ax)]
    for row in fit.studies.itertuples():
        (under,) = [text for text in shown if text.startswith((f"{row.events}/{row.total};", f"{row.events}; {row.total};"))]
        assert f"{100 * row.rate:.1f}" in under
    assert min(t.get_fontsize() for t in ax.texts) >= 5.99
    assert min(tick.label1.get_fontsize() for tick in ax.xaxis.majorTicks) >= 5.99


def test_pages_and_folded_studies_fit_into_a_single_column():
    with mn.column_width(84), warnings.catch_warnings():
        warnings.simplefilter("error", mn.MetanetWarning)
        pages, folded = fit_to(90).forest(pages=True), fit_to(150).forest()
    for ax in (*pages, folded):
        check_texts(ax, 130)
        assert figure_of(ax).get_figwidth() * 25.4 == pytest.approx(84, rel=2e-3)
        assert min(t.get_fontsize() for t in ax.texts) >= 5.99
    assert len({round(ax.get_position().x0, 6) for ax in pages}) == 1
