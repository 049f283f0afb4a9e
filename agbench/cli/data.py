"""The commands on what there is: datasets, prepare, models, codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import cloup

from agbench.cli.options import images_options, selection_of

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace


@cloup.command()
@click.pass_obj
def datasets(workspace: Workspace) -> None:
    """List the data sets, with counts, state, licence and citation."""
    from agbench.cli.listing import describe
    from agbench.data.catalogue import Catalogue

    catalogue = Catalogue(workspace.datasets)
    for name in catalogue.names():
        click.echo(describe(name, catalogue))


@cloup.command()
@images_options
@click.option("--fresh", is_flag=True, help="Replace an earlier preparation, and its variants.")
@click.pass_obj
def prepare(workspace: Workspace, /, fresh: bool, **options: Any) -> None:
    """Download, verify, unpack, check and split a data set.

    The same command again goes on where it was interrupted, and does nothing where the data set is ready.
    """
    from agbench import api
    from agbench.core.progress import Progress

    click.echo(api.prepare_images(selection_of(options), workspace, Progress(), fresh).text())


@cloup.command()
@click.pass_obj
def models(workspace: Workspace) -> None:
    """List the models."""
    from agbench.models import registry

    for family, entry in registry.families().items():
        click.echo(f"{family}: {entry.summary}")
        for variant in entry.variants:
            click.echo(f"  {family}:{variant}" if variant else f"  {family}")
        if entry.others:
            click.echo(f"  {family}:NAME  ({entry.others})")
    for family, reason in registry.broken_families().items():
        click.echo(f"{family}: can't be used: {reason}")


@cloup.command()
def codecs() -> None:
    """List the codecs, with their libraries and quality scales."""
    from agbench.cli import listing
    from agbench.core import codec

    for name, entry in codec.codecs().items():
        click.echo(listing.describe_codec(name, entry))
    for name, reason in codec.broken_codecs().items():
        click.echo(listing.describe_broken(name, reason))
