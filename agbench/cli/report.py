"""The command ``agbench report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import cloup

from agbench.cli.options import Listed, metric_option

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace


@cloup.command()
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
@metric_option
@click.option("--show", is_flag=True, help="Print the report's main table too.")
@click.option("--open", "is_opened", is_flag=True, help="Open the report in a browser.")
@click.pass_obj
def report(
    workspace: Workspace,
    names: tuple[str, ...],
    formats: tuple[str, ...],
    sweep_name: str | None,
    metric: str,
    show: bool,
    is_opened: bool,
) -> None:
    """Make reports from the stored results, and an index of them."""
    from agbench import api

    for written in api.write_reports(workspace, names, formats, sweep_name, metric):
        click.echo(written.text() if show else "\n".join([str(written.path), "", *written.answer]))
        if is_opened:
            click.launch(written.path.with_suffix(".html").resolve().as_uri())
