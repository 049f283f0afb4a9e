"""The commands on stored results and named sweeps: list, compare, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cloup

from agbench.cli.exit import Exit
from agbench.core.errors import UserError

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace

threshold_option = click.option(
    "--threshold",
    type=float,
    default=1.5,
    show_default=True,
    metavar="X",
    help="How many times the base's seconds a model may take on the same hardware.",
)


@cloup.command("list")
@click.pass_obj
def list_names(workspace: Workspace) -> None:
    """List the named sweeps, with accuracies, savings and versions."""
    from agbench.reporting.sweeps import names_table
    from agbench.store.reader import read_records

    table = names_table(read_records(workspace.results))
    if table.rows:
        click.echo(table.markdown())
    else:
        click.echo("no sweep has a name yet: `agbench run --name NAME` gives one", err=True)


@cloup.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dataset", metavar="NAME", help="Only its trials.")
@click.option("--name", "sweep_name", metavar="NAME", help="Only the trials of that named sweep.")
@click.pass_obj
def export(workspace: Workspace, /, file: Path, dataset: str | None, sweep_name: str | None) -> None:
    """Write all stored trials to FILE, a .parquet or .csv.

    A row is a trial, also where it failed.
    """
    from agbench import api
    from agbench.store.export import write

    table = api.results(dataset=dataset, name=sweep_name, workspace=workspace.folder)
    if table.empty:
        of = "" if dataset is None else f" of {dataset}"
        raise UserError(f"there are no trials{of} to export in {workspace.folder}: `agbench run` makes some")
    write(table, file)
    click.echo(f"{len(table):,} trials in {file}")


@cloup.command()
@click.argument("base")
@click.argument("new")
@threshold_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "terminal"]),
    help="Markdown, or drawn for a terminal.  [default: as standard output is one]",
)
@click.pass_context
def compare(ctx: click.Context, base: str, new: str, threshold: float, form: str | None) -> None:
    """Compare the named sweep NEW with the earlier one BASE.

    The exit status is 1 where something got worse: accuracy, bytes, seconds, or a result that is missing now.
    """
    from agbench import api

    compared = api.compare(base, new, threshold=threshold, workspace=ctx.obj.folder)
    if form == "terminal" or (form is None and sys.stdout.isatty()):
        from rich.console import Console

        compared.print_to(Console(highlight=False))
    else:
        click.echo(compared.text(), nl=False)
    if compared.regressions:
        ctx.exit(Exit.REGRESSED)
