"""The R script of a result: its data, the model in R, and every number of metanet beside that of R."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from metanet.base.errors import ArgumentError
from metanet.base.untrusted import listing, visible
from metanet.base.whole_files import write_text
from metanet.models.r.text import comment, number, numbers, part, quoted, texts
from metanet.models.registry import MODELS

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled

#: The largest relative difference allowed. Closed forms: rounding. Two steps: both sides converge beyond it. Mixed models: what an
#: optimiser leaves. Posterior: quantiles of metanet are exact to about 1e-6, those of tau to 2e-4, of tau2 twice that.
CLOSED, TWO_STEP, MIXED, POSTERIOR, POSTERIOR_TAU2 = 1e-9, 1e-6, 1e-4, 1e-4, 4e-4
#: Numbers that are the data, a choice, or another number in another form (tau is the root of tau2).
_NO_RESULT = ("status", "model", "measure", "level", "k", "n", "events", "tau", "log_evidence")


@dataclass(frozen=True)
class Form:
    """How R computes a result.

    Attributes
    ----------
    title
        What R does, in a phrase.
    code
        Its code, which finds the data by the names of the columns and `level`.
    found
        Number of the result -> expression of R.
    tolerance
        The largest relative difference allowed.
    packages
        The packages that it needs.
    apart
        Number of the result -> why it is not compared.
    wider
        Number of the result -> a tolerance of its own.
    remarks
        Where R and metanet differ, in sentences.
    data
        Columns of its own, in place of those of the studies.
    """

    title: str
    code: str
    found: Mapping[str, str]
    tolerance: float
    packages: tuple[str, ...] = ()
    apart: Mapping[str, str] = field(default_factory=dict)
    wider: Mapping[str, float] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    data: Mapping[str, Sequence[float]] | None = None


def form_of(fit: Pooled) -> Form:
    """The R form of a result, by the row of its model in the registry."""
    module, name = MODELS[fit.model].r
    form: Form = getattr(import_module(f"metanet.models.r.{module}"), name)(fit)
    return form


def expected(fit: Pooled) -> dict[str, float]:
    """The numbers of a result that R is to compute."""
    return {
        name: float(value)
        for name, value in {**fit.numbers(), "loglik": fit.loglik}.items()
        if value is not None and name not in _NO_RESULT
    }


def _units(fit: Pooled) -> dict[str, float]:
    """What a difference is relative to, where the number itself can be zero or near it."""
    se = fit.se or 0.0
    out = dict.fromkeys(("mu", "mu_lower", "mu_upper"), se) | dict.fromkeys(("tau2", "tau2_lower", "tau2_upper"), se * se)
    responses = ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper")
    averages = ("marginal_estimate", "marginal_ci_lower", "marginal_ci_upper", "median")
    out |= dict.fromkeys((*responses, *averages), se if fit.response in ("difference", "effect") else 1e-12)
    out |= dict.fromkeys(("i2", "i2_lower", "i2_upper"), 0.01) | dict.fromkeys(("q_pvalue", "lrt_pvalue", "rho", "rho_lower"), 0.001)
    return out | dict.fromkeys(("q", "lrt", "loglik"), 1.0) | {"se": 1e-9}


def checks(values: Mapping[str, float], form: Form, units: Mapping[str, float]) -> list[str]:
    """One line of code for each number."""
    out = []
    for name, value in values.items():
        if name in form.found:
            unit = units.get(name, 0.0)
            tolerance = number(form.wider[name]) if name in form.wider else "tolerance"
            given = [quoted(name), number(value), form.found[name], tolerance, *([f"unit = {number(unit)}"] if unit else [])]
            out.append(f"check({', '.join(given)})")
    return out


def _wider(form: Form) -> str:
    groups: dict[float, list[str]] = {}
    for name, value in form.wider.items():
        groups.setdefault(value, []).append(name)
    return "".join(f" ({value:g} for {listing(names, 40)})" for value, names in groups.items())


_RUN = "# Run: Rscript check.R"


def _needs(packages: Sequence[str]) -> str:
    return f"R 4.0 or newer with {listing(packages)}" if packages else "R 4.0 or newer; no package"


def head(what: str, form: Form, packages: Sequence[str], missed: Mapping[str, str], *, inner: bool = False) -> str:
    """What a script (or, `inner`, a part of it) is, what it needs, how it is run, and what it does not compare."""
    lines = [
        comment("R script that computes a result of metanet anew and compares the numbers."),
        "#",
        comment(f"Result: {what}", "  "),
        comment(f"In R: {form.title}", "  "),
        comment(f"Needs: {_needs(packages)}."),
        _RUN,
        comment(
            f"Tolerance: {form.tolerance:g}{_wider(form)}, relative to the number, or to `unit` where that is larger. The status is 0 "
            "where every number is within it, 1 where one is not, 3 where a package is missing.",
            "  ",
        ),
    ]
    if inner:
        lines = [*lines[2:4], lines[-1]]
    lines += [comment(text, "  ") for text in form.remarks]
    reasons: dict[str, list[str]] = {}
    for name, reason in missed.items():
        reasons.setdefault(reason, []).append(name)
    lines += [comment(f"Not compared: {listing(names, 40)}. {reason}", "  ") for reason, names in reasons.items()]
    return "\n".join(lines)


def opening(packages: Sequence[str]) -> str:
    """Load the packages, or say which are missing."""
    out = []
    for name in packages:
        told = f'metanet-check: {{\\"missing\\": [\\"{name}\\"]}}\\n'
        out += [
            f"if (!requireNamespace({quoted(name)}, quietly = TRUE)) {{",
            f'  cat("{told}")',
            '  quit(save = "no", status = 3)',
            "}",
            f"suppressMessages(library({name}))",
        ]
    return "\n".join(out)


def script_of(fit: Pooled) -> str:
    """The R script of a pooled result."""
    form, missed, body, compared = _parts(fit)
    return assemble(head(f"{fit.heading}. {fit.method.sentence()}", form, form.packages, missed), form.packages, body, compared)


def scripts_of(fits: Mapping[str, Pooled], what: str) -> str:
    """One script for several results, each in a scope of its own."""
    packages: dict[str, None] = {}
    tops, body = [], []
    for name, fit in fits.items():
        form, missed, code, compared = _parts(fit)
        packages |= dict.fromkeys(form.packages)
        tops.append(head(f"{visible(name)}: {fit.heading}. {fit.method.sentence()}", form, form.packages, missed, inner=True))
        told = f'cat({quoted(f"{name}:")}, "\\n")'
        body += ["", tops[-1], "local({", told, *code, *compared, "})"]
    first = comment("R script that computes the results of metanet anew and compares the numbers.")
    top = "\n".join([first, "#", comment(what, "  ")])
    top += "\n" + comment(f"Needs: {_needs(tuple(packages))}.") + "\n" + _RUN
    return assemble(top, tuple(packages), body, [])


def _parts(fit: Pooled) -> tuple[Form, dict[str, str], list[str], list[str]]:
    """The form of a result, what it does not compare, its data and code, and its checks."""
    if fit.method.get("heterogeneity") == "common":
        raise ArgumentError(
            "The numbers of this group come from a joint model of all groups, which its own studies cannot reproduce. Fix: pool the "
            "group by itself, or compare with heterogeneity='separate'."
        )
    form = form_of(fit)
    wanted = expected(fit)
    missed = {name: form.apart[name] for name in wanted if name not in form.found}
    columns = fit.inputs.columns if form.data is None else form.data
    data = [texts("study", fit.inputs.labels)]
    data += [numbers(name, values) for name, values in columns.items()]
    body = [*data, f"level <- {number(fit.level)}", f"tolerance <- {number(form.tolerance)}", "", form.code, ""]
    return form, missed, body, ["# metanet, R, relative difference.", *checks(wanted, form, _units(fit))]


def assemble(top: str, packages: Sequence[str], body: Sequence[str], compared: Sequence[str]) -> str:
    """A script from its parts."""
    listed = ", ".join(quoted(name) for name in packages)
    parts = [top, "", opening(packages), part("check"), "", *body]
    return "\n".join([*parts, *compared, f"finish(c({listed}))", ""])


def saved(text: str, path: str | Path | None) -> str:
    """The script, written to a file where one is named."""
    if path is not None:
        write_text(Path(path), text)
    return text
