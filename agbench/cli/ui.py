"""The command ``agbench ui``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
import cloup

from agbench.core.errors import UserError

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace

LOOPBACK = "127.0.0.1"


@cloup.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Of the page.")
@click.pass_obj
def ui(workspace: Workspace, port: int) -> None:
    """Show the stored trials in a browser, by MLflow.

    The page is served to this machine alone, until Ctrl-C.
    """
    from agbench.store.record import DATABASE

    database = (workspace.results / DATABASE).resolve()
    if not database.is_file():
        raise UserError(f"there are no results in {workspace.folder}: `agbench run` makes some")
    server = [sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port)]
    store = ["--backend-store-uri", f"sqlite:///{database}"]
    click.echo(f"http://{LOOPBACK}:{port}  (Ctrl-C ends it)")
    sys.stdout.flush()
    os.execve(sys.executable, [*server, *store], {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})
