"""The command ``agbench nightly``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import click
import cloup

from agbench.cli.exit import Exit
from agbench.cli.options import selection_of
from agbench.cli.run import run
from agbench.cli.sweeps import threshold_option
from agbench.core.errors import UserError

BUNDLED = ("--dataset", "patches", "--quick")
"""Options of ``agbench run`` where no data set is named."""


@cloup.command(context_settings={"ignore_unknown_options": True})
@threshold_option
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF RUN]...")
@click.pass_context
def nightly(ctx: click.Context, threshold: float, options: tuple[str, ...]) -> None:
    """Run afresh, report, and compare with the last green nightly.

    Takes the options of `agbench run`; without a data set among them it runs `--dataset patches --quick`. One that
    was interrupted goes on, on the same day. Its summary is written to reports/nightly/, and added to the file
    that GITHUB_STEP_SUMMARY names. The exit status is 1 where something got worse, 3 where a trial failed, 4
    where nothing was measured.
    """
    from datetime import date

    from agbench.analysis.regressions import check_threshold
    from agbench.reporting import nightly as reporting

    check_threshold(threshold)
    wanted = _parse_run(ctx, options)
    if not (wanted.params["dataset"] or wanted.params["table"]):
        wanted = _parse_run(ctx, (*BUNDLED, *options))
    _check_options(wanted.params)
    dataset = selection_of({**wanted.params}).spec(ctx.obj.datasets).name
    name = reporting.choose_name(ctx.obj, dataset, date.today())
    click.echo(f"{name} of {dataset}", err=True)
    wanted.params.update(sweep_name=name, fresh=True)
    _run(wanted)
    result = reporting.conclude(ctx.obj, name, threshold)
    click.echo(result.path)
    for words in result.complaints.values():
        click.echo(f"agbench: {words}", err=True)
    for complaint in result.complaints:
        ctx.exit(Exit[complaint.name])


def _check_options(options: Mapping[str, Any]) -> None:
    """Raise `UserError` for options of a run that a nightly has no use for."""
    if options["sweep_name"] is not None:
        raise UserError("a nightly is named by its date: leave out --name")
    if options["until_decided"] is not None:
        raise UserError("a nightly runs the same trials each night: leave out --until-decided")
    if options["dry_run"]:
        raise UserError("a nightly can't be a dry run: for a plan use `agbench run --fresh --dry-run` instead")


def _parse_run(ctx: click.Context, options: tuple[str, ...]) -> click.Context:
    return run.make_context("run", [*options], parent=ctx.parent)


def _run(ctx: click.Context) -> None:
    """Run a sweep; failed trials are complained of later, and any other exit ends the nightly too.

    Its answer goes to standard error: the nightly prints the path of its summary alone.
    """
    try:
        with ctx, redirect_stdout(sys.stderr):
            ctx.command.invoke(ctx)
    except SystemExit as ended:
        if ended.code != Exit.FAILED_TRIALS:
            raise
