"""Every public function refuses one wrong value for every parameter, and an unknown keyword, by name."""

import inspect
from functools import cache

import pandas as pd
import pytest

import metanet as mn
from metanet.base.arguments import checked, whole
from metanet.figures.registry import figures
from tests.figures.every_kind import data_of, ratio_of, result_of


class Nonsense:
    """What no function takes for anything."""

    def __repr__(self):
        return "<nonsense>"


NONSENSE = Nonsense()
#: Parameters that take anything by their nature: what is shown, or passed on as it stands.
ANYTHING = {("save_analysis", "result")}


@cache
def given():
    """A value that each parameter without a default may have, by its name."""
    data = data_of("ordinary")
    rates = data[["study", "events", "total"]]
    evidence = mn.load_evidence()
    selected = evidence.rates("objective_response", modality="TARE")
    fit = mn.pool(selected)
    return {
        "fit": fit,
        "fits": fit,
        "data": data,
        "source": data,
        "condition": "weight > 0",
        "by": "group",
        "formula": "~ dose",
        "evidence": evidence,
        "audit": mn.audit(evidence),
        "bias": result_of("traffic light", "ordinary"),
        "outcome": "objective_response",
        "outcomes": ["objective_response"],
        "modality": "TARE",
        "modality_class": "TARE",
        "measure": "PLO",
        "value": 0.3,
        "threshold": 0.3,
        "rates": selected,
        "results": [fit, mn.pool(selected, model="beta_binomial")],
        "studies": fit,
        "frame": rates,
        "title": "A title",
        "text": "A text",
        "kind": "comparison",
        "result": fit,
        "folder": "nowhere",
        "old": "nowhere",
        "new": "nowhere",
        "scheduler": "local",
        "ax_or_figure": fit.forest(),
        "path": "nowhere/figure",
        "width": "single",
        "printed": "16.1%",
        "events": [[12, 20], [15, 25]],
        "treatment": [[0, 1], [1, 2]],
        "network": mn.network(study=list("AABB"), treatment=list("xyxy"), events=[12, 20, 15, 25], total=[40] * 4),
        "figures": ["91.3%", "92.3%"],
        "total": 36,
        "n": 20,
        "bayes": fit,
        "first": "TACE",
        "second": "TAE",
        "found": mn.contrast_ladder(evidence, "disease_control", "TACE", "TAE"),
        "references": mn.manuscript(evidence, "hepatotoxicity").references,
    }


#: What a name means for one function alone.
FOR = {"against": {"events": 14}}


def good(function, name):
    """A good value of a parameter."""
    return FOR.get(function.__name__, {}).get(name, given()[name]) if name in given() else FOR[function.__name__][name]


def takes(function):
    """The parameters of a function, and whether it takes any keyword."""
    parameters = inspect.signature(function).parameters
    return [p for p in parameters.values() if p.kind is not p.VAR_KEYWORD]


FUNCTIONS = {
    name: getattr(mn, name)
    for name in mn.__all__
    if inspect.isfunction(getattr(mn, name)) or hasattr(getattr(mn, name), "__wrapped__")
}
CASES = [
    (name, parameter.name)
    for name, function in FUNCTIONS.items()
    for parameter in takes(function)
    if (name, parameter.name) not in ANYTHING
]


def call(function, name, bad):
    """Call with good values for what is needed, and the bad one for `name`."""
    options, positional = {}, []
    for parameter in takes(function):
        if parameter.kind is parameter.VAR_POSITIONAL:
            if parameter.name == name:
                positional.append(bad)
        elif parameter.name == name:
            options[name] = bad
        elif parameter.default is parameter.empty:
            options[parameter.name] = good(function, parameter.name)
    if positional and options:
        # What comes before a starred parameter is given by position.
        positional = [*options.values(), *positional]
        options = {}
    return function(*positional, **options)


@pytest.mark.parametrize(("function", "parameter"), CASES)
def test_a_wrong_value_is_refused_by_the_name_of_its_parameter(function, parameter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if function == "explore":
        pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    with pytest.raises(mn.MetanetError) as caught:
        call(FUNCTIONS[function], parameter, NONSENSE)
    assert parameter.removesuffix("es").removesuffix("s") in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_unknown_keyword_is_refused_with_its_name(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = [p.name for p in takes(FUNCTIONS[function]) if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    needed = {name: good(FUNCTIONS[function], name) for name in wanted}
    with pytest.raises(mn.MetanetError, match="quatsch"):
        FUNCTIONS[function](**needed, quatsch=1)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_missing_argument_is_named(function):
    needed = [p.name for p in takes(FUNCTIONS[function]) if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    if needed:
        with pytest.raises(mn.MetanetError, match=needed[0]):
            FUNCTIONS[function]()


FIGURES = [(name, p.name) for name, figure in figures().items() for p in takes(figure.function)]


@pytest.mark.parametrize(("name", "parameter"), FIGURES)
def test_every_parameter_of_a_figure_refuses_what_it_cannot_use(name, parameter):
    function = figures()[name].function
    first = takes(function)[0].name
    options = {} if parameter == first else {first: drawn_from(name)}
    for p in takes(function)[1:]:
        if p.default is p.empty and p.name != parameter:
            options[p.name] = "Outcome"
    with pytest.raises(mn.MetanetError) as caught:
        function(**options, **{parameter: NONSENSE})
    assert parameter.removesuffix("es").removesuffix("s") in str(caught.value)


@pytest.mark.parametrize("name", figures())
def test_an_unknown_option_of_a_figure_is_named(name):
    with pytest.raises(mn.MetanetError, match="quatsch"):
        figures()[name].function(drawn_from(name), quatsch=1)


METHODS = [
    (owner, name)
    for owner in mn.__all__
    if inspect.isclass(getattr(mn, owner))
    for name, function in inspect.getmembers(getattr(mn, owner), inspect.isfunction)
    if not name.startswith("_") and function.__module__.startswith("metanet.") and len(takes(function)) > 1
]
METHOD_CASES = [(owner, name, p.name) for owner, name in METHODS for p in takes(getattr(getattr(mn, owner), name))[1:]]


@cache
def object_of(owner):
    """An object of a public class; a bare one where the declared check comes before anything is looked at."""
    made = {
        "Evidence": mn.load_evidence,
        "Pooled": lambda: given()["fit"],
        "Regression": lambda: mn.meta_regression(data_of("ordinary").assign(dose=range(len(data_of("ordinary")))), "~ dose"),
    }
    return made[owner]() if owner in made else object.__new__(getattr(mn, owner))


@pytest.mark.parametrize(("owner", "name", "parameter"), METHOD_CASES)
def test_a_wrong_value_is_refused_by_every_method(owner, name, parameter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = getattr(object_of(owner), name)
    needed = {p.name: given().get(p.name, "text") for p in takes(function) if p.default is p.empty}
    with pytest.raises(mn.MetanetError) as caught:
        function(**needed | {parameter: NONSENSE})
    assert parameter in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("owner", "name"), METHODS)
def test_a_method_names_an_argument_that_it_does_not_have_or_lacks(owner, name):
    function = getattr(object_of(owner), name)
    needed = {p.name: given().get(p.name, "text") for p in takes(function) if p.default is p.empty}
    with pytest.raises(mn.MetanetError, match=rf"{owner}\.{name} has no argument 'quatsch'"):
        function(**needed, quatsch=1)
    for missing in needed:
        with pytest.raises(mn.MetanetError, match=rf"{owner}\.{name} needs the argument '{missing}'"):
            function(**{word: value for word, value in needed.items() if word != missing})


@cache
def drawn_from(name):
    """What a figure draws, from the battery of all figures."""
    from tests.figures.every_kind import KIND_OF, result_of

    result = ratio_of("ordinary") if name == "labbe" else result_of(KIND_OF.get(name, "forest"), "ordinary")
    return result.to_frame() if name in ("leave_one_out", "cumulative") else result


def test_the_declared_rules_come_before_the_function():
    @checked(times=whole(1, 3))
    def ask(text: str, times: int = 1, *, shout: bool = False, by: str | None = None) -> str:
        return text * times

    assert ask("a", 2) == "aa"
    assert ask("a", times=1, by=None) == "a"
    for arguments, words in (
        ({"times": 4}, "times=4 must be a whole number from 1 to 3"),
        ({"times": True}, "times=True must be a whole number"),
        ({"shout": 1}, "shout=1 must be True or False"),
        ({"by": 3}, "by=3 must be a text"),
        ({"tims": 3}, "has no argument 'tims'. Did you mean 'times'"),
    ):
        with pytest.raises(mn.ArgumentError, match=words.split(".")[0]):
            ask("a", **arguments)
    with pytest.raises(mn.ArgumentError, match="needs the argument 'text'"):
        ask()
    with pytest.raises(mn.ArgumentError, match="at most 2 arguments"):
        ask("a", 1, True)
    with pytest.raises(mn.ArgumentError, match="twice"):
        ask("a", text="b")


def test_a_frame_is_told_from_other_data():
    with pytest.raises(mn.ArgumentError, match=r"data must be a pandas DataFrame, evidence .* not list"):
        mn.compare([1, 2])
    assert isinstance(mn.pool_many(pd.DataFrame({"g": ["a"], "events": [1], "total": [9]}), "g"), pd.DataFrame)
