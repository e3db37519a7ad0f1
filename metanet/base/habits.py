"""What users of R, RevMan, Stata and JASP are used to write, and what does the same here.

One registry: an unknown function, argument, word or attribute is answered from it, and the page for those who come from another
program shows it, with every line run by the tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Habit:
    """A line of another program and the line here; `names` are the functions of that program that it answers."""

    program: str
    theirs: str
    ours: str
    names: tuple[str, ...] = ()
    remark: str = ""


#: Names in the lines: `table` is a frame with study, events, total, year, dose and country, `trials` one with ai, n1i, ci and n2i,
#: `effects` one with yi and vi, `arms` and `contrasts` those of a network, `persons` one with events and person_time, `evidence` is
#: `mn.read(table, by="country")`, and `fit` is a result, such as `mn.pool(table)`. A line with `fit` takes its model, so that it gives
#: the numbers of the other program for a result with the preset of that program.
HABITS: tuple[Habit, ...] = (
    # meta
    Habit(
        "meta",
        "metaprop(event, n, studlab, data = d)",
        'mn.pool(table, preset="meta")',
        ("metaprop",),
        "the defaults of meta; without preset those of metanet",
    ),
    Habit("meta", 'metaprop(event, n, sm = "PFT")', 'mn.pool(table, measure="PFT", preset="meta")'),
    Habit("meta", 'metaprop(event, n, method = "Inverse")', 'mn.pool(table, model="inverse_variance", preset="meta")'),
    Habit(
        "meta",
        'metaprop(event, n, method = "Inverse", method.tau = "DL")',
        'mn.pool(table, model="inverse_variance", tau2="DL", preset="meta")',
    ),
    Habit(
        "meta",
        "metaprop(event, n, common = FALSE, random = TRUE)",
        'mn.pool(table, preset="meta")',
        remark="a result is of one model, by default with random effects",
    ),
    Habit(
        "meta",
        'metaprop(event, n, method = "Inverse", common = TRUE, random = FALSE)',
        'mn.pool(table, model="common", preset="meta")',
    ),
    Habit(
        "meta",
        'metaprop(event, n, method = "Inverse", method.random.ci = "HK")',
        'mn.pool(table, model="inverse_variance", ci="HK", preset="meta")',
    ),
    Habit(
        "meta",
        "metaprop(event, n, prediction = TRUE)",
        'mn.pool(table, preset="meta").pi_lower',
        remark="and pi_upper; the interval is always calculated",
    ),
    Habit(
        "meta",
        "metaprop(event, n, subgroup = country)",
        'mn.compare(table, "country", preset="meta", heterogeneity="separate")',
        remark="the groups are tested by the likelihood ratio; meta takes Wald's test",
    ),
    Habit("meta", "metaprop(event, n, subset = year > 2010)", 'mn.pool(table, preset="meta").subset("year > 2010")'),
    Habit(
        "meta",
        "metabin(event.e, n.e, event.c, n.c, data = d)",
        'mn.pool(trials, preset="meta")',
        ("metabin",),
        'the result with random effects; model="mantel_haenszel" gives the common effect that meta prints beside it',
    ),
    Habit(
        "meta",
        "metainc(event.e, time.e, event.c, time.c)",
        'mn.pool(events=[3, 5], person_time=[10, 20], events_control=[4, 9], person_time_control=[11, 19], preset="meta")',
        ("metainc",),
        "the result with random effects",
    ),
    Habit("meta", "metarate(event, time)", 'mn.pool(persons, preset="meta")', ("metarate",), "the result with random effects"),
    Habit(
        "meta",
        "metagen(TE, seTE)",
        'mn.pool(yi=effects["yi"], vi=effects["vi"], preset="meta")',
        ("metagen", "metamean", "metacont"),
        "vi is seTE squared; means and mean differences are pooled as effects with their variances",
    ),
    Habit("meta", 'update(m, method = "Inverse", method.tau = "PM")', 'fit.update(model="inverse_variance", tau2="PM")'),
    Habit("meta", "forest(m)", "fit.forest()", ("forest_meta", "forestplot")),
    Habit("meta", "forest(m, sortvar = year)", 'fit.forest(sort="year")'),
    Habit("meta", 'forest(m, layout = "RevMan5")', 'fit.forest(preset="revman")'),
    Habit("meta", "funnel(m)", "fit.funnel()", ("funnel",)),
    Habit(
        "meta",
        'metabias(m, method.bias = "Peters")',
        'mn.small_study_effects(fit, "peters")',
        ("metabias", "regtest", "ranktest", "radialtest"),
        "for rates with weights n, where meta has x(n − x)/n",
    ),
    Habit(
        "meta",
        "trimfill(m, ma.common = FALSE)",
        "mn.trim_and_fill(fit, allow_biased=True)",
        ("trimfill",),
        "without ma.common = FALSE meta fills about the mean of the common-effect model",
    ),
    Habit("meta", "metainf(m)", "mn.leave_one_out(fit)", ("metainf", "leave1out")),
    Habit("meta", "metacum(m, sortvar = year)", 'mn.cumulative(fit, "year")', ("metacum", "cumul")),
    Habit("meta", "metareg(m, ~ dose)", 'mn.meta_regression(fit, "~ dose")', ("metareg",), 'for the intervals of meta with ci="z"'),
    Habit("meta", "bubble(metareg(m, ~ dose))", 'mn.meta_regression(fit, "~ dose").bubble()', ("bubble",)),
    Habit("meta", "limitmeta(m)", "mn.limit_meta_analysis(fit, allow_biased=True)", ("limitmeta",)),
    Habit(
        "meta",
        "copas(m)",
        "mn.selection_model(mn.pool(effects))",
        ("copas", "selmodel"),
        "a model of selection by the p-value, as metafor's selmodel; that of Copas is not here",
    ),
    # metafor
    Habit("metafor", 'escalc(measure = "PLO", xi, ni, data = d)', 'mn.effect_sizes(table, measure="PLO")', ("escalc",)),
    Habit("metafor", "rma(yi, vi, data = d)", 'mn.pool(effects, preset="metafor")', ("rma", "rma_uni")),
    Habit(
        "metafor",
        'rma(measure = "PLO", xi, ni, method = "REML", test = "knha")',
        'mn.pool(table, model="inverse_variance", tau2="REML", ci="HK", preset="metafor")',
    ),
    Habit(
        "metafor",
        'rma.glmm(measure = "PLO", xi, ni, data = d)',
        'mn.pool(table, model="glmm", preset="metafor")',
        ("rma_glmm", "glmm", "glmer"),
    ),
    Habit("metafor", 'rma.mh(measure = "OR", ai, n1i, ci, n2i)', 'mn.pool(trials, model="mantel_haenszel")', ("rma_mh",)),
    Habit("metafor", "rma.peto(ai, n1i, ci, n2i)", 'mn.pool(trials, model="peto")', ("rma_peto",)),
    Habit(
        "metafor",
        'rma(measure = "PLO", xi, ni, mods = ~ dose)',
        'mn.meta_regression(table, "~ dose", model="inverse_variance", ci="z")',
    ),
    Habit("metafor", "rma.mv(yi, vi, random = ~ 1 | study/arm)", 'mn.three_level(table, cluster="study", ci="z")', ("rma_mv",)),
    Habit(
        "metafor",
        "robust(m, cluster = study, clubSandwich = TRUE)",
        'mn.cluster_robust(fit, cluster="study")',
        ("robust", "coef_test"),
        "by CR2; without clubSandwich = TRUE metafor takes CR1",
    ),
    Habit(
        "metafor",
        "predict(m, transf = transf.ilogit)",
        "fit.predict()",
        ("predict", "transf_ilogit"),
        "results are back-transformed already",
    ),
    Habit(
        "metafor",
        "confint(m)",
        "fit.tau2_lower, fit.tau2_upper",
        ("confint",),
        "the limits of tau2, and i2_lower and i2_upper those of I2; for the intervals of metafor of a result with its preset",
    ),
    Habit("metafor", "weights(m)", "fit.weights", ("weights",), "as fractions of 1; metafor prints per cent"),
    Habit("metafor", "blup(m)", 'fit.studies["shrunken"]', ("blup", "ranef"), "back-transformed, such as rates; metafor gives logits"),
    Habit("metafor", "influence(m)", 'mn.influence(mn.pool(table, preset="metafor"))', ("cooks_distance", "rstudent", "hatvalues")),
    Habit("metafor", "baujat(m)", "fit.baujat()", ("baujat",)),
    Habit("metafor", "labbe(m)", "mn.pool(trials).labbe()", ("labbe",)),
    Habit("metafor", "permutest(m)", 'mn.permutation_test(mn.pool(effects, preset="metafor"), null=0.0)', ("permutest",)),
    # netmeta
    Habit(
        "netmeta",
        'netmeta(pairwise(treatment, event, n = n, studlab = study, data = d, sm = "OR", allstudies = TRUE), method.tau = "DL")',
        'mn.network(arms, model="inverse_variance", tau2="DL")',
        ("netmeta", "pairwise", "netmetabin"),
        'without model="inverse_variance" small counts take an exact model, which is not that of netmetabin',
    ),
    Habit(
        "netmeta",
        "netmeta(TE, seTE, treat1, treat2, studlab, data = d)",
        'mn.network(contrasts, yi="yi", vi="vi")',
        remark="vi is seTE²",
    ),
    Habit("netmeta", 'netrank(n, small.values = "undesirable")', "mn.network(arms).ranking", ("netrank", "rankogram")),
    Habit("netmeta", "netleague(n)", "mn.network(arms).league_table()", ("netleague",)),
    Habit("netmeta", "netsplit(n)", "mn.network(arms).split()", ("netsplit",)),
    Habit("netmeta", "decomp.design(n)", "mn.network(arms).designs()", ("decomp_design",)),
    Habit("netmeta", "netgraph(n)", "mn.network(arms).graph()", ("netgraph", "netconnection")),
    # RevMan
    Habit("RevMan", "Dichotomous, Mantel-Haenszel, random effects, risk ratio (RevMan 5)", 'mn.pool(trials, preset="revman5")'),
    Habit("RevMan", "Inverse variance, REML, prediction interval (since 2025)", 'mn.pool(trials, preset="revman", measure="OR")'),
    Habit(
        "RevMan",
        "Test for subgroup differences",
        'mn.compare(evidence, preset="revman", heterogeneity="separate").test_sentence()',
        remark="by the likelihood ratio; RevMan takes Q between the groups",
    ),
    Habit("RevMan", "Summary of findings table", 'mn.summary_of_findings(evidence, modality="Italy")'),
    # Stata
    Habit("Stata", "meta set / meta esize", "mn.read(table)", ("meta",), "effect sizes are calculated when the rows are pooled"),
    Habit(
        "Stata", "metaprop events total, random ftt", 'mn.pool(table, measure="PFT", tau2="DL", ci="z")', ("metaprop_one", "metapreg")
    ),
    Habit(
        "Stata",
        "metan ai bi ci di, randomi or",
        'mn.pool(trials, model="inverse_variance", tau2="DL", ci="z")',
        ("metan",),
        'with random for randomi tau2 is from Q about the Mantel-Haenszel mean: model="mantel_haenszel_random", measure="OR"',
    ),
    Habit("Stata", "meta forestplot", "fit.forest()"),
    Habit("Stata", "meta summarize, leaveoneout", "mn.leave_one_out(fit)"),
    Habit("Stata", "meta regress dose", 'mn.meta_regression(table, "~ dose", model="inverse_variance", ci="z")'),
    Habit(
        "Stata",
        "meta bias, egger traditional",
        'mn.small_study_effects(mn.pool(trials), "egger")',
        remark="without traditional Stata adds a tau2 to the regression",
    ),
    # JASP
    Habit(
        "JASP",
        "Classical meta-analysis, Restricted ML",
        'mn.pool(effects, preset="metafor")',
        remark='with the z test; ci="HK" for the Knapp-Hartung test',
    ),
    Habit(
        "JASP",
        "Bayesian meta-analysis",
        "mn.bayes_pool(table)",
        remark="one model with random effects and priors for rates; JASP has priors of its own and can average models",
    ),
    Habit("JASP", "Estimates: tau, I², prediction interval", "fit.summary()"),
)

#: Function of another program (dots as underscores) -> its habit.
FUNCTIONS: Mapping[str, Habit] = MappingProxyType({name: habit for habit in HABITS for name in habit.names})

#: Which models have random effects.
_RANDOM = "nothing: every model but 'common', 'mantel_haenszel' and 'peto' has random effects"
#: A p-value of the effect.
_UNTESTED = "none: the estimate is not tested against a value; the test of equal rates or effects is"

#: Argument of another program -> what is written here.
ARGUMENTS: Mapping[str, str] = MappingProxyType(
    {
        "method": "the estimator of tau2 is tau2='REML', the model model='glmm'",
        "method_tau": "tau2='REML'",
        "sm": "measure='PLO'",
        "byvar": "the groups of mn.compare(data, 'COLUMN'), or of mn.pool_many(data, 'COLUMN')",
        "subgroup": "the groups of mn.compare(data, 'COLUMN'), or of mn.pool_many(data, 'COLUMN')",
        "by": "the groups of mn.compare(data, 'COLUMN'), or of mn.pool_many(data, 'COLUMN')",
        "subset": "fit.subset('year > 2010'), or data[data['year'] > 2010]",
        "studlab": "study='COLUMN'",
        "slab": "study='COLUMN'",
        "hakn": "ci='HK', with model='inverse_variance'",
        "test": "ci='HK', with model='inverse_variance', for test='knha'; ci='z' for test='z'",
        "mods": "mn.meta_regression(data, '~ COLUMN')",
        "sortvar": "fit.forest(sort='COLUMN'), or mn.cumulative(fit, 'COLUMN')",
        "xi": "events='COLUMN'",
        "ni": "total='COLUMN'",
        "event": "events='COLUMN'",
        "n": "total='COLUMN'",
        "ai": "events='COLUMN'",
        "n1i": "total='COLUMN'",
        "n2i": "total_control='COLUMN'",
        "TE": "yi='COLUMN'",
        "seTE": "vi, which is the square of seTE",
        "sei": "vi, which is the square of sei",
        "random": _RANDOM,
        "common": "model='common'",
        "fixed": "model='common'",
        "comb_fixed": "model='common'",
        "comb_random": _RANDOM,
        "incr": "add=0.5",
        "drop00": "drop00=True, with a measure of two groups",
        "conf_level": "level=0.95",
        "transf": "nothing: results are back-transformed already",
        "random_effects": _RANDOM,
        "model_type": "model='glmm'",
        "cluster": "mn.cluster_robust(fit, 'COLUMN'), or mn.three_level(data, cluster='COLUMN')",
        "prior_tau": "tau_prior of mn.bayes_pool",
    }
)

#: (argument, value) of another program -> what is written here.
WORDS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        **{
            ("model", word): f"leave model out: {_RANDOM.partition(': ')[2]}"
            for word in ("random", "random effects", "RE", "re", "REM")
        },
        **{("model", word): "model='common'" for word in ("fixed", "FE", "fe", "EE", "CE", "fixed effect", "fixed effects", "equal")},
        **{("model", word): f"model='inverse_variance', tau2='{word}'" for word in ("DL", "REML", "ML", "PM", "SJ", "HS", "HE", "EB")},
        **{("model", word): "model='inverse_variance'" for word in ("Inverse", "inverse", "IV", "iv", "inverse variance", "rma")},
        **{("model", word): "model='glmm'" for word in ("GLMM", "logit", "exact", "binomial", "mixed")},
        **{("model", word): "model='mantel_haenszel'" for word in ("MH", "mh", "Mantel-Haenszel")},
        ("model", "Peto"): "model='peto'",
        ("measure", "PLOGIT"): "measure='PLO'",
        ("measure", "logit"): "measure='PLO'",
        ("measure", "PRAW"): "measure='PR'",
        ("measure", "PROP"): "measure='PR'",
        ("measure", "FT"): "measure='PFT'",
        ("measure", "ftt"): "measure='PFT'",
        ("measure", "freeman-tukey"): "measure='PFT'",
        ("measure", "IRLOG"): "measure='IRLN'",
        **{
            ("measure", word): "yi and vi: mean differences are pooled as effects with their variances"
            for word in ("MD", "SMD", "ROM", "HR", "ZCOR", "COR")
        },
        **{("ci", word): "ci='HK'" for word in ("knha", "hakn", "Hartung-Knapp", "HKSJ", "hksj", "hk")},
        ("ci", "adhoc"): "ci='HK-adhoc'",
        ("ci", "wald"): "ci='z'",
        ("ci", "normal"): "ci='z'",
        ("tau2", "DerSimonian-Laird"): "tau2='DL'",
        ("tau2", "paule-mandel"): "tau2='PM'",
        ("tau2", "random"): f"leave tau2 out: {_RANDOM.partition(': ')[2]}",
        ("tau2", "FE"): "model='common'",
        ("prediction", "True"): "leave prediction out: the interval is always there",
    }
)

#: What others call the columns of a table, in lower case with underscores -> the field or argument here.
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "treatment": "modality",
        "intervention": "modality",
        "studlab": "study",
        "trial": "study",
        "study_name": "study",
        "dosage": "dose",
        "author": "first_author",
        "event": "events",
        "n": "total",
        "event_e": "events",
        "n_e": "total",
        "event_c": "events_control",
        "n_c": "total_control",
        "ai": "events",
        "n1i": "total",
        "ci": "events_control",
        "n2i": "total_control",
        "bi": "nonevents",
        "di": "nonevents_control",
        "tpos": "events",
        "tneg": "nonevents",
        "cpos": "events_control",
        "cneg": "nonevents_control",
        "xi": "events",
        "ni": "total",
        "slab": "study",
    }
)


def folded_name(name: str) -> str:
    """A name of a column as it is compared: in lower case, with underscores for spaces, dots and hyphens."""
    return re.sub(r"[\s.\-]+", "_", name.strip().casefold())


#: Attribute of a result of another program -> the attribute here.
ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "b": "mu (on the model scale), estimate (a rate)",
        "beta": "mu (on the model scale), estimate (a rate)",
        "TE": "studies, with the value of each study",
        "TE_random": "mu (on the model scale), estimate (a rate)",
        "lower_random": "ci_lower",
        "upper_random": "ci_upper",
        "lower_predict": "pi_lower",
        "upper_predict": "pi_upper",
        "ci_lb": "ci_lower",
        "ci_ub": "ci_upper",
        "cr_lb": "pi_lower",
        "cr_ub": "pi_upper",
        "pi_lb": "pi_lower",
        "pi_ub": "pi_upper",
        "lower": "ci_lower",
        "upper": "ci_upper",
        "pred": "estimate, or predict()",
        "I2": "i2 (a fraction)",
        "H2": "h2",
        "QE": "q",
        "QEp": "q_pvalue",
        "Q": "q",
        "pval_Q": "q_pvalue",
        "pval": f"{_UNTESTED} lrt_pvalue or q_pvalue",
        "pvalue": f"{_UNTESTED} lrt_pvalue or q_pvalue",
        "zval": f"{_UNTESTED} lrt or q",
        "se_tau2": "tau2_lower and tau2_upper",
        "tau_squared": "tau2",
        "k_study": "study_count",
        "w_random": "weights",
        "logLik": "loglik",
        "plot": "forest(), funnel(), baujat(), radial(), drapery(), labbe()",
    }
)


def _key(name: str) -> str:
    """A name of R as one of Python: dots are underscores."""
    return name.replace(".", "_")


def function_hint(name: str) -> str:
    """The answer to a function of another program; empty for an unknown name."""
    habit = FUNCTIONS.get(_key(name))
    if habit is None:
        return ""
    remark = f" ({habit.remark})" if habit.remark else ""
    return f"What {habit.program} writes as {habit.theirs} is here: {habit.ours}{remark}."


def argument_hint(name: str) -> str:
    """The answer to an argument of another program; empty for an unknown one."""
    ours = ARGUMENTS.get(_key(name))
    return "" if ours is None else f"Here it is {ours}."


def word_hint(argument: str, value: object) -> str:
    """The answer to a word of another program; empty for an unknown one."""
    ours = WORDS.get((argument, str(value)))
    return "" if ours is None else f"Fix: {ours}."


def attribute_hint(name: str) -> str:
    """The answer to an attribute of a result of another program; empty for an unknown one."""
    ours = ATTRIBUTES.get(_key(name))
    return "" if ours is None else f"Here it is {ours}."
