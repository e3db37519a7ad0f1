"""Results of every model on data of every kind, by name, for the comparison with R."""

import json
from pathlib import Path

import metanet as mn
from metanet.models.registry import TAU2

_REFERENCE = Path(__file__).parents[2] / "reference"


def _stored(name, *keys):
    content = json.loads((_REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    return [content[key] for key in keys]


def one_group():
    """Counts of one group by name."""
    data = {
        name: dict(zip(("events", "total"), _stored(name, "events", "total"), strict=True)) for name in ("homogeneous", "hugestudy")
    }
    tare = mn.load_evidence().rates("objective_response", modality="TARE")
    return data | {
        "five": {"events": [117, 9, 17, 20, 5], "total": [168, 40, 33, 51, 10]},
        "tare": {"events": tare["events"].tolist(), "total": tare["total"].tolist()},
        "zero cells": {"events": [0, 3, 0, 12, 1], "total": [14, 40, 33, 80, 25]},
        "both edges": {"events": [0, 37, 0], "total": [88, 67, 37]},
        "no events": {"events": [0, 0, 0], "total": [10, 20, 30]},
        "only events": {"events": [10, 20], "total": [10, 20]},
        "without a maximum": {"events": [0, 20, 0], "total": [20, 20, 15]},
        "one patient each": {"events": [0, 1, 1, 0], "total": [1, 1, 1, 1]},
        "three patients each": {"events": [0, 1, 1, 0], "total": [3, 3, 3, 5]},
        "k = 2": {"events": [3, 7], "total": [20, 30]},
        "k = 1": {"events": [3], "total": [20]},
    }


def two_groups():
    """Counts of two groups by name."""
    names = ("events", "total", "events_control", "total_control")
    data = {name: dict(zip(names, _stored(name, "ai", "n1i", "ci", "n2i"), strict=True)) for name in ("nielweise2007", "bcg")}
    return data | {
        "k = 2": dict(zip(names, ([3, 7], [20, 30], [6, 9], [22, 31]), strict=True)),
        "one arm without events": dict(zip(names, ([0, 0, 0], [20, 20, 30], [1, 2, 3], [20, 21, 22]), strict=True)),
        "no events": dict(zip(names, ([0, 0, 0], [20, 20, 30], [0, 0, 0], [20, 21, 22]), strict=True)),
        "one informative": dict(zip(names, ([0, 0, 1], [20, 20, 30], [0, 0, 2], [20, 21, 22]), strict=True)),
        "k = 1": dict(zip(names, ([3], [20], [6], [22]), strict=True)),
        "zero cells": dict(zip(names, ([0, 4, 0, 2], [20, 41, 30, 25], [3, 9, 0, 5], [22, 39, 31, 24]), strict=True)),
    }


TIMED = {
    "rates": {"events": [3, 0, 7, 12], "person_time": [20.5, 11.0, 30.0, 44.2]},
    "no events": {"events": [0, 0], "person_time": [20.5, 11.0]},
    "k = 1": {"events": [4], "person_time": [20.5]},
}
EFFECTS = {
    "effects": {"yi": [0.2, 0.37, -0.85, 1.66, 1.96], "vi": [0.38, 0.06, 0.24, 0.34, 0.36]},
    "equal": {"yi": [0.4, 0.4, 0.4], "vi": [0.1, 0.2, 0.3]},
    "k = 1": {"yi": [0.2], "vi": [0.38]},
}
_ONE = ("bayes", "glmm", "beta_binomial", "inverse_variance", "common")
_TWO = ("bayes", "UM.FS", "UM.RS", "CM.EL", "CM.AL", "mantel_haenszel", "mantel_haenszel_random", "inverse_variance", "common")


def models():
    """(model, data) -> result: every model with its defaults on all data it takes."""
    out = {}
    for name, data in one_group().items():
        out |= {(model, name): mn.pool(**data, model=model) for model in _ONE}
    for name, data in two_groups().items():
        # The likelihood of UM.RS by hand takes long with many studies.
        out |= {(model, f"{name}, two groups"): mn.pool(**data, model=model) for model in _TWO if (model, name) != ("UM.RS", "bcg")}
        out[("peto", f"{name}, two groups")] = mn.pool(**data, model="peto")
    for name, data in TIMED.items():
        out |= {
            (model, f"{name}, person-time"): mn.pool(**data, model=model) for model in ("bayes", "glmm", "inverse_variance", "common")
        }
    for name, data in EFFECTS.items():
        out |= {(model, f"{name}, as given"): mn.pool(**data, model=model) for model in ("inverse_variance", "common")}
    return out


def words():
    """(choice, data) -> result: every word of every choice once."""
    data, two = one_group()["five"], two_groups()["nielweise2007"]
    out = {}

    def put(name, **choices):
        out[(name, "five")] = mn.pool(**data, **choices)

    for ci in ("t", "z", "profile"):
        put(f"glmm, ci={ci}", model="glmm", ci=ci, prediction="z" if ci == "z" else "V")
        put(f"beta_binomial, ci={ci}", model="beta_binomial", ci=ci)
    put("glmm, no prediction", model="glmm", prediction=None, level=0.9)
    put("bayes, no prediction", prediction=None, level=0.9)
    for link in ("probit", "cloglog"):
        put(f"glmm, {link}", model="glmm", link=link)
        put(f"bayes, {link}", link=link)
    for tau2 in TAU2:
        put(f"tau2={tau2}", model="inverse_variance", tau2=tau2)
    for ci in ("HK", "z", "t", "HK-adhoc", "KR"):
        put(f"ci={ci}", model="inverse_variance", ci=ci)
    put("ci=profile", model="inverse_variance", tau2="ML", ci="profile")
    for tau2 in ("ML", "REML"):
        put(f"tau2_ci=profile, {tau2}", model="inverse_variance", tau2=tau2, tau2_ci="profile")
    put("tau2_ci=Jackson", model="inverse_variance", tau2_ci="Jackson")
    for prediction in ("HTS", "HK", "KR", "bootstrap", "z", "V", None):
        put(f"prediction={prediction}", model="inverse_variance", prediction=prediction)
    put("prediction=HK, ci=HK-adhoc", model="inverse_variance", prediction="HK", ci="HK-adhoc")
    put("i2=Q", model="inverse_variance", i2="Q")
    for preset in ("metafor", "meta", "revman", "revman5"):
        put(f"preset={preset}", preset=preset, measure="PLN")
    for measure in ("PR", "PLN", "PAS", "PFT"):
        for model in ("inverse_variance", "common"):
            put(f"{model}, {measure}", model=model, measure=measure)
    for to in ("all", "if0all", "none"):
        out[(f"to={to}", "zero cells")] = mn.pool(**one_group()["zero cells"], model="inverse_variance", to=to)
    for measure in ("IR", "IRS", "IRFT"):
        out[(measure, "rates")] = mn.pool(**TIMED["rates"], measure=measure)
    for measure in ("RR", "RD", "AS", "PETO"):
        out[(f"inverse_variance, {measure}", "nielweise2007")] = mn.pool(**two, measure=measure)
    timed = {
        "events": [3, 0, 7],
        "person_time": [20.5, 11.0, 30.0],
        "events_control": [5, 2, 6],
        "person_time_control": [22.5, 13.0, 29.0],
    }
    for measure in ("IRR", "IRD"):
        out[(measure, "three")] = mn.pool(**timed, measure=measure)
    for measure in ("RR", "RD"):
        for model in ("mantel_haenszel", "mantel_haenszel_random"):
            out[(f"{model}, {measure}", "nielweise2007")] = mn.pool(**two, model=model, measure=measure)
    for preset in ("meta", "revman", "revman5"):
        for measure in ("OR", "RR", "RD"):
            for model in ("mantel_haenszel", "mantel_haenszel_random", "inverse_variance"):
                out[(f"{model}, {measure}, {preset}", "nielweise2007")] = mn.pool(**two, model=model, measure=measure, preset=preset)
    out[("mantel_haenszel_random, to=all", "nielweise2007")] = mn.pool(**two, model="mantel_haenszel_random", to="all", drop00=True)
    return out
