"""The command ``agbench``. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click
import cloup

from agbench.cli import compress, data, nightly, recommend, report, run, sweeps, ui
from agbench.cli.exit import Exit
from agbench.cli.terminal import without_lines_of_libraries
from agbench.core.errors import UserError, in_a_line

REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG),
}
"""Errors of a full or failing disk, of missing rights and of the system's limits."""


class _Group(cloup.Group):
    """A group that prints a user's error as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with without_lines_of_libraries():
                return super().invoke(ctx)
        except click.NoSuchOption as error:
            if error.option_name != "--workspace":
                raise
            words = "--workspace stands before the command: agbench --workspace DIR COMMAND ..."
            raise click.UsageError(words, error.ctx) from error
        except UserError as error:
            click.echo(f"agbench: {error}", err=True)
            ctx.exit(Exit.USER_ERROR)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends anyway, and with this status
            click.echo("agbench: stopped; the same command goes on from here", err=True)
            ctx.exit(Exit.INTERRUPTED)
        except BrokenPipeError:  # as of `agbench compare A B | head`: who read it has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(Exit.OK)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            said = _of_the_machine(error)
            if not said:
                raise
            click.echo(f"agbench: {said}; the same command goes on from here", err=True)
            ctx.exit(Exit.USER_ERROR)


def _of_the_machine(error: BaseException | None) -> str:
    """Return what the machine refuses, in a line; empty where an error is a mistake of ours."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in REFUSALS:
            return in_a_line(error)
        package = type(error).__module__.split(".")[0]
        if package in ("sqlite3", "sqlalchemy"):
            return f"the store can't be read or written: {in_a_line(error)}"
        # MLflow raises its own errors beside those of the store, not from them.
        error = error.__cause__ or (error.__context__ if package == "mlflow" else None)
    return ""


@cloup.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="agbench")
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="AGBENCH_WORKSPACE",
    default=Path(),
    help="Folder of datasets/, results/ and reports/.  [default: the current folder]",
)
@click.pass_context
def main(ctx: click.Context, workspace: Path) -> None:
    """Measure how far images can be compressed before AutoML accuracy drops, and what that saves."""
    from agbench.core.workspace import Workspace

    ctx.obj = Workspace.at(workspace)


main.section("Answer", recommend.recommend, compress.compress)
main.section("Benchmark", run.run, report.report, sweeps.compare, nightly.nightly)
main.section("Data", data.datasets, data.prepare)
main.section("Look up", data.models, data.codecs, sweeps.list_names, sweeps.export, ui.ui)
