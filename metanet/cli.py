"""The `metanet` command. Exit codes: 0 done, 1 some report failed (the others are there), 2 bad usage or bad data."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from metanet._version import __version__
from metanet.base.errors import ArgumentError, MetanetError, ReportError, no_column
from metanet.base.groups import read_groups
from metanet.base.untrusted import json_visible, visible

#: Arguments of `pool` that name a column of counts or of person-time; the options are called the same.
_COLUMNS = ("events", "total", "events_control", "total_control", "person_time", "person_time_control")

#: A column with more groups is probably not one to pool by.
_MOST_GROUPS = 1_000


#: An argument as the messages of the library write it: columns=['site=FIELD'], format='xls', level=1.5.
_ARGUMENT = re.compile(
    r"""\b(\w+)=(?:\[(?P<list>'[^'\n]*'|"[^"\n]*")\]|(?P<one>'[^'\n]*'|"[^"\n]*")|(?P<number>-?\d+(?:\.\d+)?(?:e[-+]?\d+)?))"""
)

Rows = Sequence[tuple[str, str]]


class _Command(click.Command):
    """A command whose errors name options instead of Python arguments."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MetanetError as fault:
            fault.args = (_with_options(str(fault), self), *fault.args[1:])
            raise


class _Listing(_Command):
    """A command whose help ends with a list from a registry."""

    def __init__(self, *args: Any, listed: tuple[str, Callable[[], Rows]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._title, self._rows = listed

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list below the options."""
        with formatter.section(self._title):
            formatter.write_dl(self._rows())


class _Choosing(click.Option):
    """An option whose help ends with the choices of a registry, which is read only when help is shown."""

    def __init__(self, *args: Any, listed: Callable[[], str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listed = listed

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help."""
        kept = self.help
        self.help = f"{kept} {self._listed()}"
        try:
            return super().get_help_record(ctx)
        finally:
            self.help = kept


class _Group(click.Group):
    command_class = _Command


def _with_options(text: str, command: click.Command) -> str:
    """A text of the library with its arguments written as options of the command."""
    known = [option for option in command.params if isinstance(option, click.Option)]
    # A list is named in the singular where one of its members is at fault: harm='…' of --harm, which fills harms.
    options = {name: each.opts[0] for each in known for name in (each.name, each.opts[0].lstrip("-"))}
    flags = {each.opts[0] for each in known if each.is_flag}

    def written(found: re.Match[str]) -> str:
        if (option := options.get(found[1])) is None:
            return found[0]
        if option in flags:
            return option
        if found["number"] is not None:
            return f"{option} {found['number']}"
        try:
            value = visible(ast.literal_eval(found["list"] or found["one"]))
        except (SyntaxError, ValueError):
            # Text of a file that only looks like an argument.
            return found[0]
        return f"{option} '" + value.replace("'", "'\"'\"'") + "'"

    return _ARGUMENT.sub(written, text)


def _formats() -> Rows:
    from metanet.reviews.importers.registry import importers

    return [
        (row.name, f"{row.title}: {row.file} ({' or '.join(row.suffixes)}){', with --map' * row.maps_columns}.")
        for row in importers().values()
    ]


def _analyses() -> Rows:
    from metanet.reporting.plan.registry import NOTEBOOKS

    return [(row.name, f"{row.title}: {row.shows}.") for row in NOTEBOOKS.values()]


def _measures() -> str:
    from metanet.effects.measures import MEASURES

    first = {"PLO": "rates of one group", "OR": "two groups", "IRLN": "person-time of one group", "IRR": "person-time of two groups"}
    parts = []
    for default, heading in first.items():
        alike = [row.name for row in MEASURES.values() if (row.groups, row.data) == (MEASURES[default].groups, MEASURES[default].data)]
        parts.append(f"{heading}: {', '.join([f'{default} (default)', *(name for name in alike if name != default)])}")
    return "; ".join(parts) + "."


def _models() -> str:
    from metanet.effects.measures import MEASURES
    from metanet.models.registry import MODELS

    heading = {0: "any data", 1: "one group", 2: "two groups"}
    of: dict[int, list[str]] = {}
    for code, row in MODELS.items():
        # A model of one and of two groups that does not pool every measure is none for any data.
        limited = row.groups == 0 and "GEN" not in row.measures
        for groups in {MEASURES[measure].groups for measure in row.measures} if limited else {row.groups}:
            of.setdefault(groups, []).append(code)
    return "; ".join(f"{heading[groups]}: {', '.join(of[groups])}" for groups in (1, 2, 0)) + "."


def _codes(table: str) -> Callable[[], str]:
    """The codes of a table of `metanet.models.options` and of the registry behind it."""

    def listed() -> str:
        from metanet.models import options, registry

        return ", ".join(getattr(registry, table, None) or getattr(options, table)) + "."

    return listed


_choice = partial(click.option, cls=_Choosing)
_many = partial(click.option, multiple=True)
_default = partial(click.option, show_default=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="metanet")
def cli() -> None:
    """Pooled rates per treatment modality from curated CSVs."""


def _whose(data: str | None) -> str:
    """Whose tables are used, and where they are unless they are the curated ones."""
    from metanet.evidence.folders import from_here, given_path, is_curated, whose

    folder = given_path(data)
    return whose(folder) if is_curated(folder) else visible(from_here(folder) if data is None else folder)


@cli.command(cls=_Listing, listed=("Analyses", _analyses))
@click.option("--outcome", help="One outcome, such as objective_response; all by default.")
@click.option("--modality", help="One modality class, such as TARE; all by default.")
@_default("--out", default="reports", help="Folder of the reports.")
@click.option("--jobs", type=int, help="Number of reports made in parallel; by default the number of processors.")
@_default("--format", "formats", default="html", help="Further formats, separated by commas: pdf, docx (Word). html is always made.")
@click.option(
    "--scheduler", help="Address of a Dask scheduler whose workers make the reports, or local for a cluster on this machine."
)
@click.option(
    "--data", help="Folder of the evidence; by default the tables of this folder or of one above it, otherwise the curated ones."
)
@_many(
    "--analysis",
    "analyses",
    help="An analysis of the list below; repeat for several. All in a complete run; only the rates where an outcome, a modality or a "
    "parameter is given.",
)
@click.option("--plan", help="A plan in TOML that states what is made; replaces the options above.")
@click.option("--dry-run", is_flag=True, help="Check everything and print what would be made, without making it.")
@click.option("--numbers", is_flag=True, help="First pool everything in one call and write pooled.csv.")
@click.option(
    "--supplement", is_flag=True, help="Also write supplement.zip: evidence, notebooks, numbers and figures, with RO-Crate metadata."
)
@click.option(
    "--check-with-r",
    is_flag=True,
    help="Also run the R script of each report that has one; a report whose numbers R does not reproduce fails.",
)
@click.option("--force", is_flag=True, help="Also remake reports that exist and are unchanged.")
@click.option("--engine", help="metanet (default): forks of a preloaded process; stock: a papermill kernel for each report.")
@_default("--time-limit", type=float, default=1800, help="Time limit of one report in seconds; 0 for none.")
@_default("--memory-limit", type=int, default=2048, help="Memory limit of one report in megabytes; 0 for none.")
@_many("-p", "--parameter", "pairs", nargs=2, metavar="NAME VALUE", help="A parameter of the notebook.")
def report(
    data: str | None,
    formats: str,
    pairs: tuple[tuple[str, str], ...],
    dry_run: bool,
    time_limit: float,
    memory_limit: int,
    **given: Any,
) -> None:
    """Make the reports of every outcome and modality class that has a poolable study."""
    from metanet.reporting.run.batch import planned, report as make
    from metanet.reporting.run.makers import Limits

    click.echo(f"Evidence: {_whose(data)}", err=True)
    given |= {"data": data, "parameters": dict(pairs), "analyses": given["analyses"] or None}
    if dry_run:
        from metanet.evidence import load_evidence

        wanted = ("outcome", "modality", "data", "parameters", "analyses", "plan")
        todo = planned(load_evidence(data), **{name: given[name] for name in wanted})
        click.echo("\n".join(visible(f"{job.folder}: {job.title} ({job.notebook.name})") for job in todo))
        click.echo(f"{len(todo)} reports would be made.")
        return
    made = make(
        **given,
        formats=tuple(part.strip() for part in formats.split(",")),
        limits=Limits(time_limit or None, memory_limit or None),
        progress=True,
    )
    click.echo(made.summary())
    if not made.ok:
        sys.exit(1)


@cli.command()
@_default("--out", default="reports", help="Folder of the reports.")
@_default("--format", "formats", default="docx,pdf", help="Formats beside HTML, separated by commas: pdf, docx (Word).")
@click.option(
    "--data", help="Folder of the evidence; by default the tables of this folder or of one above it, otherwise the curated ones."
)
@_many("--outcome", "outcomes", help="An outcome of the text; repeat for several. By default two benefits and two harms.")
def manuscript(out: str, formats: str, data: str | None, outcomes: tuple[str, ...]) -> None:
    """Write the review as one document: methods, results, summary of findings, statements and references."""
    from metanet.evidence import load_evidence
    from metanet.reporting.run.batch import report as make

    click.echo(f"Evidence: {_whose(data)}", err=True)
    named = " ".join(load_evidence(data).outcome(name, "--outcome") for name in outcomes)
    kinds = tuple(part.strip() for part in formats.split(",") if part.strip())
    parameters = {"outcomes": named} if named else {}
    made = make(
        out=out, data=data, analyses=("manuscript",), formats=("html", *(k for k in kinds if k != "html")), parameters=parameters
    )
    if not made.ok:
        click.echo(made.summary())
        sys.exit(1)
    folder = Path(out) / "analyses" / "manuscript" / "review"
    click.echo("\n".join(str(path) for path in sorted(folder.glob("report.*")) if path.suffix != ".ipynb"))


@cli.command()
@click.argument("path", required=False)
@click.option("--problems", is_flag=True, help="Print the problems and only count the notices.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def validate(path: str | None, problems: bool, as_json: bool) -> None:
    """Check the evidence in PATH (default: the tables of this folder or of one above it, otherwise the curated ones)."""
    from metanet.evidence import validate as check
    from metanet.evidence.folders import VARIABLE, is_curated, own_tables, used_folder

    found = check(path)
    if path is None and os.environ.get(VARIABLE, "").strip():
        click.echo(f"Evidence: {_whose(None)}, as the environment variable {VARIABLE} says.", err=True)
    elif path is None and own_tables() is None and is_curated(used_folder()):
        click.echo("This folder has no tables of its own, nor has one above it: the curated tables of metanet are checked.", err=True)
    click.echo(_json(found.to_dict()) if as_json else found.summary(notices=not problems))
    if not found.ok:
        sys.exit(2)


@cli.command()
@click.argument("file")
@click.option("--events", required=True, help="Column of the events.")
@click.option("--total", help="Column of the patients.")
@click.option("--events-control", help="Column of the events of the control group.")
@click.option("--total-control", help="Column of the patients of the control group.")
@click.option("--person-time", help="Column of the person-time, in place of patients.")
@click.option("--person-time-control", help="Column of the person-time of the control group.")
@click.option("--study", help="Column of the study names.")
@click.option("--by", help="Column of groups; each group is pooled.")
@_choice("--measure", listed=_measures, help="Effect measure, for")
@_choice("--model", listed=_models, help="Model, by default bayes for one group and inverse_variance for two; for")
@_choice(
    "--tau2",
    listed=_codes("TAU2"),
    help="Estimator of the between-study variance in the inverse-variance model, by default REML or that of the preset:",
)
@_choice("--ci", listed=_codes("CI"), help="Interval of the mean, by default that of the model:")
@_choice(
    "--prediction", default="default", listed=_codes("PREDICTION"), help="Prediction interval, by default that of the model, or none:"
)
@_choice("--preset", listed=_codes("PRESETS"), help="Defaults of another program:")
@_default("--level", type=float, default=0.95, help="Level of the intervals (confidence or credible).")
@click.option(
    "--skip-missing", "missing", flag_value="skip", help="Leave out studies without one of the numbers, and name them in a note."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def pool(file: str, study: str | None, by: str | None, prediction: str, missing: str | None, as_json: bool, **given: Any) -> None:
    """Pool the rates of any CSV FILE with one row for each study."""
    from metanet.base.results import plain
    from metanet.evidence.reading.table import read_counts
    from metanet.models.pooling.inputs import gap_note, no_groups
    from metanet.models.pooling.pool import pool as fit

    columns = {name: given.pop(name) for name in _COLUMNS}
    choices: dict[str, Any] = {**given, "prediction": None if prediction == "none" else prediction}
    _check_columns(columns, choices)
    named = {name: column for name, column in columns.items() if column is not None}
    frame = read_counts(
        file,
        counts=[column for name, column in named.items() if not name.startswith("person_time")],
        times=[column for name, column in named.items() if name.startswith("person_time")],
        study=study,
        missing=missing,
    )
    choices |= {**columns, "study": study, "missing": missing}
    if by is None:
        one = fit(frame, **choices)
        click.echo(_json(one.to_dict()) if as_json else one.summary())
        return
    if by not in frame.columns:
        raise no_column("by", by, frame.columns, of=visible(file))
    found = read_groups(frame[by])
    if not found.names:
        raise no_groups(by)
    if len(found.names) > _MOST_GROUPS:
        raise ArgumentError(f"--by {by!r} has {len(found.names):,} groups; at most {_MOST_GROUPS:,} can be pooled.")
    members: dict[int, list[int]] = {}
    for row, place in enumerate(found.place):
        members.setdefault(place, []).append(row)
    fits = {name: fit(frame.iloc[members[place]], **choices) for place, name in enumerate(found.names)}
    if as_json:
        click.echo(_json(plain({name: one.to_dict() for name, one in fits.items()})))
    else:
        click.echo("\n\n".join(f"{visible(by)}: {visible(name)}\n{one.summary()}" for name, one in fits.items()))
    for note in gap_note(frame, found.gaps, by):
        # Not among the results of --json.
        click.echo(note if as_json else f"\nNote: {note}", err=as_json)


@cli.command()
@click.argument("old")
@click.argument("new")
@click.option("--html", help="Write a page with all changes to this file.")
@_default("--tolerance", type=float, default=1e-9, help="Numbers that differ by less count as equal.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def diff(old: str, new: str, html: str | None, tolerance: float, as_json: bool) -> None:
    """Compare two runs of reports, OLD and NEW: changed numbers, the size of each change, and the rows that caused it."""
    from metanet.reporting.diff.result import diff as compare

    found = compare(old, new, tolerance=tolerance)
    click.echo(_json(found.to_dict()) if as_json else found.summary())
    if html is not None:
        click.echo(f"Wrote {visible(found.to_html(html))}", err=True)


@cli.command()
@click.argument("dir")
@click.option("--data", help="Folder of the evidence; by default the one that each report names.")
@click.option("--jobs", type=int, help="Reports made at the same time; by default the number of processors.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(dir: str, data: str | None, jobs: int | None, as_json: bool) -> None:
    """Make the reports in DIR again from their evidence, in another place, and compare numbers and pages."""
    from metanet.reporting.diff.verify import verify as make_again

    found = make_again(dir, data, jobs=jobs)
    click.echo(_json(found.to_dict()) if as_json else found.summary())
    if not found.ok:
        sys.exit(1)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("folder", default=".")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTERLAB OPTIONS]...")
def lab(folder: str, options: tuple[str, ...]) -> None:
    """Open JupyterLab on a starter notebook in FOLDER (default: the current folder), which is created if it does not exist."""
    from metanet.explorer.lab import open_lab

    # Options may come first: then there is no folder.
    if folder.startswith("-"):
        folder, options = ".", (folder, *options)
    sys.exit(open_lab(folder, options))


@cli.command()
@click.argument("dir")
@click.option("--title", help="Title of the review; by default the name of the folder.")
@_many("--outcome", "outcomes", help="An outcome of which higher is better; repeat for several.")
@_many("--harm", "harms", help="An outcome of which lower is better; repeat for several.")
@_many(
    "--modality",
    "modalities",
    help="A treatment; repeat for several. The column then accepts only these; by default it accepts any text.",
)
def new(dir: str, **given: Any) -> None:
    """Create a new review in DIR: tables with two invented studies, notebooks, a plan and a README."""
    from metanet.reviews.new import new_review

    new_review(dir, **given)
    click.echo(f"{visible(dir)} is ready: tables with two invented studies, notebooks, a plan and a README.\nIn that folder, run:")
    click.echo("  metanet validate\n  metanet report")


@cli.command("import", cls=_Listing, listed=("Formats", _formats))
@click.argument("format")
@click.argument("file")
@click.option("--into", required=True, help="Folder of the review.")
@_many(
    "--map",
    "columns",
    metavar="COLUMN=FIELD",
    help="The field of a column, for formats that take it; COLUMN= leaves the column out, COLUMN=+ keeps it under "
    "its name; *= and *=+ do so with all others.",
)
@_many("--set", "values", metavar="FIELD=VALUE", help="A value for all rows of a field that the file does not have.")
@_many("--rename", "renames", metavar="NAME=OTHER", help="Another name for a study, an outcome or a group of the file.")
@_many(
    "--outcome",
    "outcomes",
    help="The outcomes to import, by name or number; all by default. With --map formats, the outcome of the table.",
)
@click.option("--skip-missing", "missing", flag_value="skip", help="Leave out rows without events or total, and name each.")
@click.option("--sheet", help="The sheet of a workbook, or the data frame of a file of R; by default the one that has the columns.")
def import_(format: str, file: str, into: str, **given: Any) -> None:
    """Add the counts of FILE to a review. FORMAT is one of the formats below."""
    from metanet.reviews.importing import import_review

    made = import_review(format, file, into, **given)
    click.echo(_with_options(made.summary(), click.get_current_context().command))


@cli.command()
@click.argument("figures", nargs=-1, required=True)
@click.option("--of", "total", type=int, metavar="N", help="The denominator of one percentage.")
@click.option(
    "--between",
    type=int,
    nargs=2,
    metavar="LOW HIGH",
    help="Find the denominators from LOW to HIGH that fit all percentages of a group.",
)
@click.option(
    "--together",
    metavar="WORD",
    help="With --between: all if the counts of the percentages sum to the denominator; at most if they sum to no more than it.",
)
@click.option(
    "--groups-sum-to", "groups", type=int, metavar="N", help="Find the sizes of two groups of N patients, one percentage of each."
)
@_default("--rounding", metavar="WORD", default="half", help="How the source shortens percentages: half (it rounds) or truncated.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def counts(
    figures: tuple[str, ...],
    total: int | None,
    between: tuple[int, int] | None,
    together: str | None,
    groups: int | None,
    rounding: str,
    as_json: bool,
) -> None:
    """Find the whole numbers that printed FIGURES can be: a percentage such as 16.1%, or an expression such as "89 - 22% of 89"."""
    from metanet.base.results import plain
    from metanet.evidence.proof import answers, counts as proof

    _check_question(figures, total, between, together, groups)
    asked: dict[str, Any] = {"figures": figures, "rounding": rounding}
    with _figures_named("--groups-sum-to" if groups is not None else "--of"):
        if groups is not None:
            table = proof.two_groups(figures, total=groups, rounding=rounding)
            text, asked = answers.groups_text(table, figures, groups, rounding), asked | {"groups_sum_to": groups}
        elif between is not None:
            table = proof.denominators(figures, between=between, together=together, rounding=rounding)
            text = answers.denominators_text(table, figures, between, together, rounding)
            asked |= {"between": between, "together": together}
        else:
            one = proof.counts(figures[0], total, rounding=rounding)
            click.echo(_json(one.to_dict()) if as_json else answers.counts_text(one))
            return
    click.echo(_json(plain(asked | {"fits": table})) if as_json else text)


def _check_question(
    figures: tuple[str, ...], total: int | None, between: tuple[int, int] | None, together: str | None, groups: int | None
) -> None:
    """Refuse options that ask different questions, and figures without a question; one error for each mistake."""
    from metanet.evidence.proof.printed import is_percentage

    given = [name for name, value in (("--of", total), ("--between", between), ("--groups-sum-to", groups)) if value is not None]
    if len(given) > 1:
        raise ArgumentError(f"{' and '.join(given)} ask different questions. Fix: give one of them.")
    if together is not None and between is None:
        raise ArgumentError(f"--together {visible(together)!r} needs denominators to choose from. Fix: add --between LOW HIGH.")
    if len(figures) > 1 and between is None and groups is None:
        where = "where --of takes one" if total is not None else "where one is expected"
        raise ArgumentError(
            f"{len(figures)} figures are given {where}. Fix: ask for one at a time, an expression in quotation marks, or add "
            "--between LOW HIGH for percentages of one group."
        )
    if not given and is_percentage(figures[0]):
        raise ArgumentError(
            f"{visible(figures[0])!r} is a percentage without its denominator. Fix: add --of N, or --between LOW HIGH to find N."
        )


@contextmanager
def _figures_named(total: str) -> Iterator[None]:
    """Errors about figures with the figure alone, denominators as the option takes them, and `total` by its option."""
    try:
        yield
    except ArgumentError as fault:
        text = re.sub(r"\b(?:printed|figures)=(?=['\"])", "", str(fault))
        text = re.sub(r"\btotal=(?=\d)", f"{total} ", text)
        text = re.sub(r"\bbetween=", "--between ", text)
        raise ArgumentError(re.sub(r"\((\d+), (\d+)\)", r"\1 \2", text)) from None


def _check_columns(columns: dict[str, str | None], choices: dict[str, Any]) -> None:
    """Check that exactly the columns of the measure are given; errors name the option, not the argument of `pool`."""
    from metanet.base.errors import check_choice
    from metanet.effects.measures import MEASURES
    from metanet.models.pooling.pool import options_for

    if choices["measure"] is not None:
        check_choice("measure", choices["measure"], tuple(MEASURES))
    measure = options_for(columns, choices).measure
    needed = MEASURES[measure].arguments
    takes = f"measure={measure!r} takes {', '.join(map(_option, needed))}"
    for name, column in columns.items():
        if column is None and name in needed:
            raise ArgumentError(f"{_option(name)} is missing; {takes}.")
        if column is not None and name not in needed:
            raise ArgumentError(f"{_option(name)} does not go with the others; {takes}.")


def _json(content: Any) -> str:
    """JSON that is safe in a terminal: control characters are escaped."""
    return json_visible(json.dumps(content, indent=2, ensure_ascii=False))


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def main() -> None:
    """Entry point: errors of metanet are one message and exit code 2, without a traceback."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as fault:
        fault.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except MetanetError as fault:
        # It may contain text from files and from the command line.
        click.echo("\n".join(map(visible, f"metanet: {fault}".split("\n"))), err=True)
        # A report that could not be made is not a usage error or a data error.
        sys.exit(1 if isinstance(fault, ReportError) else 2)
    except (MemoryError, ImportError) as fault:
        # A library that finds no room is an ImportError.
        if isinstance(fault, ImportError) and "failed to map segment" not in str(fault):
            raise
        click.echo("metanet: there is not enough memory. Fix: allow more (ulimit -v), or close other programs.", err=True)
        sys.exit(1)
    except OSError as fault:
        place = f"{visible(fault.filename)}: " if fault.filename is not None else ""
        click.echo(f"metanet: {place}{fault.strerror or type(fault).__name__}.", err=True)
        sys.exit(2)
