"""The command report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agbench.cli.options import Listed
from agbench.core.errors import UserError

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace


@click.command()
@click.option("--dataset", "names", multiple=True, metavar="NAME", help="By default all that have results.")
@click.option(
    "--format",
    "formats",
    type=Listed(str, "format"),
    default=("md", "html", "csv"),
    metavar="md,html,latex,csv",
    help="What is written; figures come with md and html.  [default: md,html,csv]",
)
@click.option("--name", "sweep_name", metavar="NAME", help="Only of the trials of that named sweep.")
@click.option("--show", is_flag=True, help="Print the report's main table too.")
@click.pass_obj
def report(
    workspace: Workspace, names: tuple[str, ...], formats: tuple[str, ...], sweep_name: str | None, show: bool
) -> None:
    """Make reports from the stored results, and an index of them; nothing is run."""
    from agbench.reporting import build
    from agbench.store.reader import read_records
    from agbench.store.sweeps import named

    build.check_formats(formats)
    records = read_records(workspace.results)
    chosen = records if sweep_name is None else named(records, sweep_name)
    known = sorted({record.condition.dataset for record in chosen})
    missing = [name for name in names if name.lower() not in known]
    if missing or not known:
        wanted = missing[0] if missing else "any data set"
        there = f"; there are results of {', '.join(known)}" if known else ""
        command = f"agbench run --dataset {missing[0] if missing else 'NAME'}"
        raise UserError(f"no results of {wanted}: run `{command}` first{there}")
    wanted_names = [name.lower() for name in names] or known
    for built in build.write_reports(records, workspace, wanted_names, formats, sweep_name):
        if show:
            click.echo(built.main_table)
            click.echo()
        click.echo(built.path)
