"""Formulas: what is read, and that nothing beyond it is."""

import numpy as np
import pandas as pd
import pytest

from metanet import ArgumentError
from metanet.models.regression.formulas import read_formula

DATA = pd.DataFrame(
    {
        "a": [1.0, 2, 3, 4, 5],
        "b": [2, 4, 5, 7, 1],
        "g": ["x", "y", "x", "z", "y"],
        "gap": [1.0, None, 3, 4, 5],
        "pct of <b>": [1.0, 2, 4, 4, 0],
        "__import__('os').abort()": [1.0, 2, 3, 4, 4],
        "flag": [True, False, True, True, False],
    }
)


def design(formula, data=DATA):
    return read_formula(formula, data).design(data, [f"s{i}" for i in range(len(data))])


@pytest.mark.parametrize(
    ("formula", "terms"),
    [
        ("~ a + b", ("Intercept", "a", "b")),
        ("~ a*g", ("Intercept", "a", "g[T.y]", "g[T.z]", "a:g[T.y]", "a:g[T.z]")),
        ("~ 0 + g", ("g[x]", "g[y]", "g[z]")),
        ("~ C(g, 'y')", ("Intercept", "C(g)[T.x]", "C(g)[T.z]")),
        ("~ C(b)", ("Intercept", "C(b)[T.2]", "C(b)[T.4]", "C(b)[T.5]", "C(b)[T.7]")),
        ("~ flag", ("Intercept", "flag[T.True]")),
        ("~ (a + b)**2", ("Intercept", "a", "b", "a:b")),
        ("~ `pct of <b>` + center(a)", ("Intercept", "pct of <b>", "center(a)")),
    ],
)
def test_terms_are_named_as_the_reader_wrote_them(formula, terms):
    assert design(formula).terms == terms


def test_columns_hold_the_values():
    made = design("~ a*g")
    np.testing.assert_array_equal(made.matrix[1], [1, 2, 1, 0, 2, 0])
    np.testing.assert_array_equal(made.matrix[3], [1, 4, 0, 1, 0, 4])
    np.testing.assert_allclose(
        design("~ I(a**2 - 2*b) + log(a + b)").matrix[:, 1:], np.column_stack([DATA.a**2 - 2 * DATA.b, np.log(DATA.a + DATA.b)])
    )


def test_new_values_are_centred_and_scaled_by_the_studies():
    made = design("~ scale(a) + center(b) + g")
    matrix, _ = made.of({"a": [3.0, 4.0], "b": 4.8, "g": "z"})
    assert made.terms == ("Intercept", "scale(a)", "center(b)", "g[T.y]", "g[T.z]")
    # The mean of a is 3, that of b 3.8.
    np.testing.assert_allclose(matrix, [[1, 0, 1, 0, 1], [1, 1 / np.std(DATA.a, ddof=1), 1, 0, 1]], atol=1e-12)


def test_a_column_whose_name_is_code_is_only_a_name():
    made = design("~ `__import__('os').abort()`")
    assert made.terms == ("Intercept", "__import__('os').abort()")
    np.testing.assert_array_equal(made.matrix[:, 1], [1, 2, 3, 4, 4])


def test_categories_from_a_file_are_only_labels():
    data = DATA.assign(g=["L0", "F1:F0", "__import__('os')", "[T.x]", "L0"])
    made = design("~ g + a", data)
    assert made.terms == ("Intercept", "g[T.__import__('os')]", "g[T.F1:F0]", "g[T.L0]", "a")


@pytest.mark.parametrize(
    ("formula", "word"),
    [
        ("~ a.__class__", "two underscores"),
        ("~ __import__('os').system('true')", "two underscores"),
        ("~ a.mean()", "not allowed"),
        ("~ I(a.real)", "not allowed"),
        ("~ np.log(a)", "not allowed"),
        ("~ eval('1')", "'eval' is not known"),
        ("~ open('x')", "'open' is not known"),
        ("~ logg(a)", "Did you mean 'log'"),
        ("~ I(a[0])", "not allowed"),
        ("~ I(a if b else a)", "not allowed"),
        ("~ I([a for a in b])", "not allowed"),
        ("~ I((a := 3))", "not allowed"),
        ("~ I(a > 2)", "not allowed"),
        ("~ {a + b}", "braces"),
        ("~ a | b", "parts"),
        ("~ f'{a}'", "braces"),
        ("~ a @ b", "@"),
        ("~ I(a**9)", "power"),
        ("~ I(9**9**9)", "power"),
        ("~ I(a**b)", "power"),
        ("~ aa", "Did you mean 'a'"),
        ("~ a.b", "not a column"),
        ("~ log(g)", "contains texts"),
        ("~ C(g, 'q')", "not a category"),
        ("~ log(a, 2)", "takes one column"),
        ("~ a +", "cannot be read"),
        ("~ a + 5", "cannot be read"),
        ("~ .", "cannot be read"),
        ("~ 1", "no moderator"),
        ("~", "no moderator"),
        ("a ~ b", "begin with '~'"),
        ("a + b", "begin with '~'"),
        ("~ a ~ b", "more than one"),
        ("~ `a", "backtick"),
        ("~ log(I(a - 1))", "no value for s0"),
        (3, "must be a text"),
        ("~ " + " + ".join(f"n{i}" for i in range(30)), "too many names"),
        ("~ a" + " " * 3 + "+ a" * 300, "characters"),
        ("~ " + "I(" * 40 + "a" + ")" * 40, "deep"),
    ],
)
def test_anything_else_is_refused_in_words(formula, word):
    with pytest.raises(ArgumentError, match=word.replace("(", r"\(")):
        design(formula)


def test_rows_without_a_moderator_are_told():
    np.testing.assert_array_equal(read_formula("~ gap", DATA).usable(DATA), [True, False, True, True, True])


def test_an_unknown_category_of_new_values_names_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'x'"):
        design("~ g").of({"g": "X"})
    with pytest.raises(ArgumentError, match="new lacks g"):
        design("~ g").of({"a": 1})
    with pytest.raises(ArgumentError, match="missing in row 1"):
        design("~ a").of({"a": [1.0, None]})
    with pytest.raises(ArgumentError, match="must be numbers"):
        design("~ a").of({"a": "many"})
