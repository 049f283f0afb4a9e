"""The commands on stored results and named sweeps: list, compare, nightly, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agbench.cli.options import Images
from agbench.cli.run import FAILED_TRIALS, run

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace

REGRESSED = 1
"""Exit status where something got worse."""

_threshold = click.option(
    "--threshold",
    type=float,
    default=1.5,
    show_default=True,
    metavar="X",
    help="How many times the base's seconds a model may take on the same hardware.",
)


@click.command("list")
@click.pass_obj
def list_names(workspace: Workspace) -> None:
    """List the named sweeps: when they began, what came of them, and by which versions."""
    from agbench.reporting.tables.sweeps import names_table
    from agbench.store.reader import read_records

    table = names_table(read_records(workspace.results))
    if table.rows:
        click.echo(table.markdown())
    else:
        click.echo("no sweep has a name yet: `agbench run --name NAME` gives one", err=True)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dataset", metavar="NAME", help="Only its trials.")
@click.option("--name", "sweep_name", metavar="NAME", help="Only the trials of that named sweep.")
@click.pass_obj
def export(workspace: Workspace, /, file: Path, dataset: str | None, sweep_name: str | None) -> None:
    """Write all stored trials to FILE, a .parquet or .csv: a row a trial, also where it failed."""
    from agbench.store.export import table_of, write
    from agbench.store.reader import read_records
    from agbench.store.sweeps import named

    records = read_records(workspace.results, dataset)
    table = table_of(records if sweep_name is None else named(records, sweep_name))
    write(table, file)
    click.echo(f"{len(table):,} trials in {file}")


@click.command()
@click.argument("base")
@click.argument("new")
@_threshold
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "terminal"]),
    help="Markdown, or drawn for a terminal.  [default: as standard output is one]",
)
@click.pass_context
def compare(ctx: click.Context, base: str, new: str, threshold: float, form: str | None) -> None:
    """Compare the named sweep NEW with the earlier one BASE, condition by condition.

    The exit status is 1 where something got worse: accuracy, bytes, seconds, or a result that is missing now.
    """
    from agbench.analysis import regressions as comparing
    from agbench.reporting.pages import comparison
    from agbench.store.reader import read_records

    compared = comparing.compare(read_records(ctx.obj.results), base, new, threshold)
    if form == "terminal" or (form is None and sys.stdout.isatty()):
        from rich.console import Console

        comparison.print_to(Console(highlight=False), compared)
    else:
        click.echo(comparison.page(compared), nl=False)
    if compared.regressions:
        ctx.exit(REGRESSED)


@click.command(context_settings={"ignore_unknown_options": True})
@_threshold
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF RUN]...")
@click.pass_context
def nightly(ctx: click.Context, threshold: float, options: tuple[str, ...]) -> None:
    """Run the bundled study afresh, report on it, and compare it with the last green nightly.

    Takes the options of `agbench run`; without a data set among them it runs `--dataset patches --quick`. One that
    was interrupted goes on, on the same day. Its summary is written to reports/nightly/, and added to the file
    that GITHUB_STEP_SUMMARY names. The exit status is 1 where something got worse, 3 where a trial failed, 4
    where nothing was measured.
    """
    from datetime import date

    from agbench.analysis.regressions import check_threshold
    from agbench.cli import nightly as night

    check_threshold(threshold)
    wanted = _parse_run(ctx, options)
    if not (wanted.params["dataset"] or wanted.params["table"]):
        wanted = _parse_run(ctx, (*night.BUNDLED, *options))
    night.check_options(wanted.params)
    dataset = Images.taken_from({**wanted.params}).find(ctx.obj).name
    name = night.choose_name(ctx.obj, dataset, date.today())
    click.echo(f"{name} of {dataset}", err=True)
    wanted.params.update(sweep_name=name, fresh=True)
    _run(wanted)
    ended = night.conclude(ctx.obj, name, threshold)
    click.echo(ended.path)
    for complaint in ended.complaints:
        click.echo(f"agbench: {complaint}", err=True)
    ctx.exit(ended.status)


def _parse_run(ctx: click.Context, options: tuple[str, ...]) -> click.Context:
    return run.make_context("run", [*options], parent=ctx.parent)


def _run(ctx: click.Context) -> None:
    """Run a sweep; failed trials are told later, and whatever else ends it ends the nightly too."""
    try:
        with ctx:
            ctx.command.invoke(ctx)
    except SystemExit as ended:
        if ended.code != FAILED_TRIALS:
            raise
