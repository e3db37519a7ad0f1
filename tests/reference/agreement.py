"""The page "what agrees with metafor and meta, what does not, and why", made from the reference files.

    python -m tests.reference.agreement

writes docs/agreement.md; a test holds the page to what this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import metanet as mn
from metanet.effects.measures import MEASURES as REGISTRY

from .cases import MEASURES, SINGLE, as_list, counts, load

PAGE = Path(__file__).resolve().parents[2] / "docs" / "agreement.md"
CI = {"z": "z", "knha": "HK", "adhoc": "HK-adhoc"}
TWO_GROUPS = ("bcg", "nielweise2007")
PAIRS = {"mu": "estimate", "se": "se", "mu_lower": "ci_lower", "mu_upper": "ci_upper"}
Compared = Iterator[tuple[float | None, float | None]]


def effects(name: str, measure: str) -> dict[str, list[float]]:
    """Effects and variances of a reference file."""
    fits = load(name)["fits"][measure]
    return {"yi": as_list(fits["yi"]), "vi": as_list(fits["vi"])}


def arms(name: str) -> dict[str, list[float]]:
    """Counts of a file with two groups."""
    keys = {"events": "ai", "total": "n1i", "events_control": "ci", "total_control": "n2i"}
    return {ours: load(name)[theirs] for ours, theirs in keys.items()}


def effect_sizes() -> Compared:
    """Every measure of one proportion and of two groups."""
    for name in SINGLE:
        events, total = counts(name)
        for measure in MEASURES:
            made = mn.effect_sizes(measure=measure, events=events, total=total)
            for column in ("yi", "vi"):
                yield from zip(made[column], effects(name, measure)[column], strict=True)
    for name in TWO_GROUPS:
        for measure in ("OR", "RR", "RD", "AS", "PETO"):
            made = mn.effect_sizes(measure=measure, **arms(name))
            for column in ("yi", "vi"):
                yield from zip(made[column], effects(name, measure)[column], strict=True)


def two_step() -> Compared:
    """Ten estimators and three intervals, with Q, I2 and H2."""
    for name in (*SINGLE, *TWO_GROUPS):
        for measure, fits in load(name)["fits"].items():
            data = effects(name, measure)
            if len(data["yi"]) < 2:
                continue
            for wanted in fits["models"]:
                if wanted["method"] == "EE":
                    if wanted["test"] != "z":
                        continue
                    fit = mn.pool(**data, model="common")
                else:
                    fit = mn.pool(**data, tau2=wanted["method"], ci=CI[wanted["test"]])
                    yield fit.tau2, wanted["tau2"]
                    yield 100 * (fit.i2 or 0.0), wanted["I2"]
                yield fit.q, wanted["Q"]
                for ours, theirs in PAIRS.items():
                    yield getattr(fit, ours), wanted[theirs]


def glmm() -> Compared:
    """The binomial-normal model against 51 nodes."""
    for name in ("pritz1997", "zeros", "allones", "two", "hugestudy"):
        events, total = counts(name)
        fit, wanted = mn.pool(events=events, total=total, model="glmm", ci="z"), load(name)["glmm_plo_agq51"]
        for ours, theirs in (("mu", "estimate"), ("se", "se"), ("tau2", "tau2")):
            yield getattr(fit, ours), wanted[theirs]


def glmm_tests() -> Compared:
    """Likelihood-ratio and Wald tests of equal rates."""
    for name in ("pritz1997", "zeros", "allones", "two", "hugestudy"):
        events, total = counts(name)
        fit, wanted = mn.pool(events=events, total=total, model="glmm"), load(name)["glmm_plo"]
        yield fit.lrt, wanted["QE_LRT"]
        yield fit.q, wanted["QE_Wld"]


def two_group_glmm() -> Compared:
    """UM.FS, CM.EL and CM.AL."""
    for name in TWO_GROUPS:
        for model in ("UM.FS", "CM.EL", "CM.AL"):
            fit, wanted = mn.pool(**arms(name), model=model, ci="z"), load(name)["glmm"][model]
            for ours, theirs in (("mu", "estimate"), ("se", "se"), ("tau2", "tau2")):
                yield getattr(fit, ours), wanted[theirs]


def classic() -> Compared:
    """Mantel-Haenszel and Peto."""
    for name in TWO_GROUPS:
        for measure in ("OR", "RR", "RD"):
            fit, wanted = mn.pool(**arms(name), measure=measure, model="mantel_haenszel"), load(name)["mh"][measure]
            for ours, theirs in {**PAIRS, "q": "Q"}.items():
                yield getattr(fit, ours), wanted[theirs]
        fit, wanted = mn.pool(**arms(name), model="peto"), load(name)["peto"]
        for ours, theirs in (("mu", "estimate"), ("se", "se"), ("q", "Q")):
            yield getattr(fit, ours), wanted[theirs]


def back_transformed() -> Compared:
    """meta's rates on the logit, arcsine and Freeman-Tukey scales, with Hartung-Knapp and HTS intervals."""
    keys = {"estimate": "random", "ci_lower": "lower", "ci_upper": "upper", "pi_lower": "pi_lower", "pi_upper": "pi_upper"}
    for name in SINGLE:
        events, total = counts(name)
        for measure, theirs in (("PLO", "PLOGIT"), ("PAS", "PAS"), ("PFT", "PFT")):
            if len(events) < 2:
                continue
            fit = mn.pool(events=events, total=total, measure=measure, model="inverse_variance")
            wanted = load(name)["meta"][theirs]["backtransformed"]
            for ours, key in keys.items():
                yield getattr(fit, ours), wanted[key]


def meta_intervals() -> Compared:
    """meta's classic and Kenward-Roger intervals, HK and normal prediction intervals, I2 from Q with its interval."""
    for name in SINGLE:
        for measure, key in (("PLO", "PLOGIT"), ("PAS", "PAS"), ("PFT", "PFT")):
            data, wanted = effects(name, measure), load(name).get("meta", {}).get(key)
            if len(data["yi"]) < 3:
                continue
            for choice, theirs in (("z", "randomci_classic"), ("KR", "randomci_KR")):
                fit = mn.pool(**data, ci=choice)
                if not any("Kenward-Roger" in note for note in fit.notes):
                    yield from zip((fit.mu_lower, fit.mu_upper), wanted[theirs], strict=True)
            for choice, theirs in (("HK", "predict_HK"), ("z", "predict_S")):
                fit = mn.pool(**data, prediction=choice)
                yield from zip((fit.pi_lower, fit.pi_upper), wanted[theirs], strict=True)
            fit = mn.pool(**data, i2="Q")
            for ours, theirs in (("i2", "I2"), ("i2_lower", "I2_lower"), ("i2_upper", "I2_upper")):
                yield getattr(fit, ours), wanted[theirs]


def _networks() -> Iterator[tuple[mn.Network, dict[str, Any]]]:
    """Two-step networks by DerSimonian-Laird, treatments in the order of the reference."""
    for found in load("networks")["sets"].values():
        frame = pd.DataFrame(found["arms"])
        frame["treatment"] = pd.Categorical(frame["treatment"], found["DL"]["trts"])
        yield mn.network(frame, model="inverse_variance", tau2="DL"), found["DL"]


def networks() -> Compared:
    """Effects, standard errors, τ² and Q of four networks."""
    for fit, wanted in _networks():
        for ours, theirs in ((fit.parts[0].mu, wanted["TE_random"]), (fit.parts[0].se, wanted["seTE_random"])):
            yield from zip(ours.ravel().tolist(), np.array(theirs, dtype=float).ravel().tolist(), strict=True)
        yield fit.tau2, wanted["tau2"]
        yield fit.q, wanted["Q"]


def network_parts() -> Compared:
    """Q within and between designs, and direct and indirect evidence."""
    for fit, wanted in _networks():
        yield fit.q_within, wanted["Q_heterogeneity"]
        yield fit.q_between, wanted["Q_inconsistency"]
        table, part = wanted["netsplit_random"], fit.parts[0]
        for row, comparison in enumerate(table["comparison"]):
            i, j = (part.treatments.index(name) for name in comparison.split(":"))
            for ours, theirs in (("direct", "direct"), ("indirect", "indirect"), ("difference", "diff")):
                if table[theirs][row] is not None:
                    yield float(getattr(part.split, ours)[i, j]), table[theirs][row]


#: What is compared, with whom, the values, and the relative tolerance of the tests (absolute below one).
TABLE = (
    ("Effect sizes and variances: PR PLN PLO PAS PFT, OR RR RD AS PETO", "metafor `escalc`", effect_sizes, 1e-10),
    ("Ten estimators of τ², three intervals, Q, I²", "metafor `rma`, converged", two_step, 1e-6),
    ("GLMM: mean, standard error, τ²", "metafor `rma.glmm`, 51 nodes", glmm, 1e-4),
    ("GLMM: likelihood-ratio and Wald tests", "metafor `rma.glmm`", glmm_tests, 1e-5),
    ("Two-group GLMMs: UM.FS, CM.EL, CM.AL", "metafor `rma.glmm`", two_group_glmm, 2e-3),
    ("Mantel-Haenszel (OR, RR, RD) and Peto", "metafor `rma.mh`, `rma.peto`", classic, 1e-8),
    ("Rates, HK and HTS intervals on the logit, arcsine and Freeman-Tukey scales", "meta `metaprop`", back_transformed, 2e-4),
    ("Networks: effects, standard errors, τ² (DL), Q", "netmeta `netmeta`", networks, 1e-8),
    ("Networks: designs, direct and indirect evidence", "netmeta `decomp.design`, `netsplit`", network_parts, 1e-7),
    ("Classic and KR intervals, HK and normal prediction, I² from Q", "meta `metaprop`", meta_intervals, 2e-4),
)


def largest(pairs: Compared) -> tuple[int, float]:
    """How many values were compared, and the largest difference relative to the value (absolute below one)."""
    worst, number = 0.0, 0
    for ours, theirs in pairs:
        if ours is None and theirs is None:
            continue
        assert ours is not None
        assert theirs is not None
        number += 1
        worst = max(worst, abs(ours - theirs) / max(1.0, abs(theirs)))
    return number, worst


def table() -> list[tuple[str, str, int, float, float]]:
    """One line for each thing compared: what, with whom, values, largest difference, tolerance."""
    return [(what, whom, *largest(pairs()), tolerance) for what, whom, pairs, tolerance in TABLE]


def differences() -> dict[str, str]:
    """The figures in the second part of the page."""
    events, total = counts("pritz1997")
    meta = load("pritz1997")["meta"]
    raw, log = (mn.pool(events=events, total=total, measure=m) for m in ("PR", "PLN"))
    rs = mn.pool(**arms("nielweise2007"), model="UM.RS")
    none = {"events": [0, 0, 0, 0], "total": [10, 20, 30, 15]}
    zeros, posterior = mn.pool(**none, model="glmm"), mn.pool(**none)
    two = mn.pool(**effects("two", "PLO"), ci="KR")
    theirs = load("two")["meta"]["PLOGIT"]["randomci_KR"]
    return {
        "pr": f"{100 * raw.estimate:.2f} % against {100 * meta['PRAW']['backtransformed']['random']:.2f} %",
        "pln": f"{100 * log.estimate:.2f} % against {100 * meta['PLN']['backtransformed']['random']:.2f} %",
        "umrs": f"{rs.mu:.4f} and τ² {rs.tau2:.4f} against {load('nielweise2007')['glmm']['UM.RS']['estimate']:.4f} and "
        f"{load('nielweise2007')['glmm']['UM.RS']['tau2']:.4f}",
        "zeros": f"0 to {100 * zeros.ci_upper:.1f} %",
        "posterior": f"{100 * posterior.estimate:.1f} % with an upper limit of {100 * posterior.ci_upper:.1f} %",
        "kr": f"{two.mu_lower:.1f} to {two.mu_upper:.1f} against {theirs[0]:.1f} to {theirs[1]:.1f}",
        "measures": str(len(REGISTRY)),
    }


def page() -> str:
    """The whole page."""
    rows = []
    for what, whom, number, worst, tolerance in table():
        size = "exact" if worst == 0 else f"10{str(int(np.ceil(np.log10(worst)))).translate(_SUPERSCRIPT)} or less"
        rows.append(f"| {what} | {whom} | {number:,} | {size} | {tolerance:.0e} |")
    return _TEXT.format(rows="\n".join(rows), **differences())


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_TEXT = Path(__file__).with_name("agreement_page.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
