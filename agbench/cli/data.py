"""The commands on what there is: datasets, prepare, models, codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agbench.cli.options import Images, images_options

if TYPE_CHECKING:
    from agbench.core.progress import Progress
    from agbench.core.workspace import Workspace
    from agbench.data.dataset import Dataset


@click.command()
@click.pass_obj
def datasets(workspace: Workspace) -> None:
    """List the data sets that are known, with what is to be known of them."""
    from agbench.cli.listing import describe
    from agbench.data.catalogue import Catalogue

    catalogue = Catalogue(workspace.datasets)
    for name in catalogue.names():
        click.echo(describe(name, catalogue))


@click.command()
@images_options
@click.option("--fresh", is_flag=True, help="Replace an earlier preparation, and its variants.")
@click.pass_obj
def prepare(workspace: Workspace, /, fresh: bool, **options: Any) -> None:
    """Download, verify, unpack, check and split a data set.

    The same command again goes on where it was interrupted, and does nothing where the data set is ready.
    """
    from agbench.core.progress import Progress

    dataset = prepared(workspace, Images.taken_from(options), Progress(), fresh)
    parts = ", ".join(f"{count:,} {part}" for part, count in dataset.parts.items())
    click.echo(
        f"{dataset.name} is ready: {len(dataset.classes):,} classes, {len(dataset.index):,} images ({parts})"
    )
    click.echo(f"  from {dataset.source.origin} ({dataset.source.state})")
    for remark in dataset.remarks():
        click.echo(f"  {remark}")


@click.command()
@click.pass_obj
def models(workspace: Workspace) -> None:
    """List the models that are known."""
    from agbench.models import registry

    for family, entry in registry.families().items():
        click.echo(f"{family}: {entry.summary}")
        for variant in entry.variants:
            click.echo(f"  {family}:{variant}" if variant else f"  {family}")
        if entry.others:
            click.echo(f"  {family}:NAME  ({entry.others})")


@click.command()
def codecs() -> None:
    """List the codecs that are known, with the library that does the work here."""
    from agbench.cli import listing
    from agbench.preprocess.codec import CODECS

    for name, entry in CODECS.items():
        click.echo(listing.describe_codec(name, entry))


def prepared(workspace: Workspace, images: Images, progress: Progress, fresh: bool = False) -> Dataset:
    """Prepare the data set that is meant, where that has not been done."""
    from agbench.core import environment
    from agbench.data.prepare import prepare

    known = images.find(workspace)
    with progress:
        return prepare(
            known,
            workspace.datasets,
            images.request(known, fresh),
            environment.available_cpus(),
            progress.advance,
        )
