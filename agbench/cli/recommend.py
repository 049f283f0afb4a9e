"""The command ``agbench recommend``."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click
import cloup

from agbench.cli.exit import Exit
from agbench.cli.options import Duration, Listed, Share, images_options, metric_option, selection_of

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace


@cloup.command()
@click.argument("folder", required=False)
@images_options
@click.option(
    "--margin",
    type=Share(),
    default=0.01,
    show_default=True,
    help="Loss of accuracy, or of --metric, that counts: 0.01, or 1%.",
)
@metric_option
@click.option(
    "--codec",
    "codecs",
    type=Listed(str, "codec"),
    default="jpeg",
    show_default=True,
    metavar="A,B",
    help="One or several.",
)
@click.option(
    "--seeds",
    type=Listed(int, "seed"),
    default="0",
    show_default=True,
    metavar="0,1,2",
    help="One trial of a level each. Two to four decide little, as their interval is wide: use one, or five.",
)
@click.option(
    "--model", default="probe:efficientnet_lite0", show_default=True, help="Model trained at each level."
)
@click.option("--image-size", type=click.IntRange(32), help="Side in pixels that a probe sees.")
@click.option(
    "--budget",
    type=Duration(),
    metavar="10m",
    help="Answer within so long, as well as can be by then.  [default: no limit]",
)
@click.option("--confirm", is_flag=True, help="Fine-tune a deep model at the original and at the level found.")
@click.option("--quick", is_flag=True, help="Confirm with small images and few epochs.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Trials at once.  [default: what fits]")
@click.option("--address", metavar="RAY", help="Run on a Ray cluster, as `agbench run` does.")
@click.pass_obj
def recommend(
    workspace: Workspace,
    /,
    folder: str | None,
    margin: float,
    metric: str,
    codecs: tuple[str, ...],
    seeds: tuple[int, ...],
    model: str,
    image_size: int | None,
    budget: float | None,
    confirm: bool,
    quick: bool,
    workers: int | None,
    address: str | None,
    **options: Any,
) -> None:
    """Find how far the images of FOLDER can be compressed.

    FOLDER holds a folder for each class; --dataset and --csv name images in other ways. The answer is the smallest
    level that is shown to lose less than the margin, with its evidence: bytes, accuracies, the difference with its
    interval. Its page goes to reports/.
    """
    from agbench import api
    from agbench.core.progress import Progress
    from agbench.runner.config import ExecutionConfig

    deadline, command = api.deadline_in(budget), shlex.join(["agbench", *sys.argv[1:]])
    selection = selection_of(options, folder)
    selection.spec(workspace.datasets)
    question = api.make_question(
        margin=margin,
        metric=metric,
        codecs=codecs,
        seeds=seeds,
        model=model,
        image_size=image_size,
        confirm=confirm,
        quick=quick,
        budget=budget,
    )
    dataset = api.prepare_images(selection, workspace, Progress(), deadline=deadline)
    # MLflow takes seconds to import: what is mistyped is refused before that.
    from agbench.recommendation.search import TrialFailedError

    try:
        answer = api.find_level(dataset, workspace, question, ExecutionConfig(workers, address), deadline)
    except TrialFailedError as error:
        click.echo(f"agbench: no answer, as a trial gave no result: {error}", err=True)
        sys.exit(Exit.FAILED_TRIALS)
    click.echo(answer.text())
    click.echo(answer.write(command=command))
