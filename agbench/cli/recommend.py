"""The command recommend: how far one's own images can be compressed."""

from __future__ import annotations

import re
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agbench.cli.options import Images, Listed, images_options
from agbench.core import files
from agbench.core.errors import UserError

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace

FAILED_TRIAL = 3
"""Exit status where a trial failed, and there is no answer."""

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).strip().lower())
        if found is None or found[2] not in _UNITS or not float(found[1]):
            self.fail(f"{value!r} is no duration: use 90s, 10m or 1.5h", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


@click.command()
@click.argument("folder", required=False)
@images_options
@click.option(
    "--margin", type=float, default=0.01, show_default=True, help="Loss of accuracy that counts: 0.01 is a point."
)
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
@click.option("--model", default="probe:efficientnet_lite0", show_default=True, help="What judges.")
@click.option("--image-size", type=click.IntRange(32), help="Side in pixels that a probe sees.")
@click.option(
    "--budget", type=_Duration(), metavar="10m", help="Stop looking so long after the start.  [default: no limit]"
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
    """Find how far the images of FOLDER can be compressed without losing accuracy.

    FOLDER holds a folder for each class; --dataset and --csv name images in other ways. The answer is the smallest
    level that is shown to lose less than the margin, with its evidence: bytes, accuracies, the difference with its
    interval. Its page goes to reports/.
    """
    from agbench.core.environment import available_cpus
    from agbench.core.progress import Progress
    from agbench.data.catalogue import Catalogue
    from agbench.data.prepare import prepare
    from agbench.models import weights
    from agbench.preprocess import codec
    from agbench.recommendation import page
    from agbench.studies import study

    if folder is not None:
        if options["dataset"] or options["table"] or options["source"]:
            raise UserError("give FOLDER, or --dataset, --csv and --source, not both")
        if not files.expanded(folder).is_dir():
            raise UserError(f"{folder} is no folder; for a data set that is known, give --dataset {folder}")
    started = time.monotonic()
    command = shlex.join(["agbench", *sys.argv[1:]])
    for name in codecs:
        codec.find_codec(name)
    study.check_seeds(seeds)
    # MLflow takes seconds to import: what is mistyped so far is answered before that.
    from agbench.recommendation.question import Question
    from agbench.recommendation.search import TrialFailedError
    from agbench.recommendation.search import recommend as find
    from agbench.runner.display import Display
    from agbench.runner.scheduler import ExecutionConfig

    deep = (study.AUTOGLUON if weights.hub_answers() else study.OFFLINE) if confirm else None
    question = Question(
        margin=margin,
        codecs=codecs,
        seeds=seeds,
        model=model,
        image_size=image_size,
        confirm=deep,
        confirm_budget=study.QUICK if quick else study.STANDARD,
    )
    images, progress = Images.taken_from(options), Progress()
    catalogue = Catalogue(workspace.datasets)
    # A folder is meant as one, also where a data set has its name.
    known = images.find(workspace) if folder is None else catalogue.own_folder(Path(folder), nested=images.nested)
    with progress:
        dataset = prepare(known, workspace.datasets, images.request(known), available_cpus(), progress.advance)
    for remark in dataset.remarks():
        progress.say(f"{dataset.name}: {remark}")
    if budget is not None:
        question = replace(question, budget=max(budget - (time.monotonic() - started), 0.0))
    with Display(None) as display:
        try:
            answer = find(dataset, workspace, question, ExecutionConfig(workers, address), display.show)
        except TrialFailedError as error:
            click.echo(f"agbench: no answer, as a trial gave no result: {error}", err=True)
            sys.exit(FAILED_TRIAL)
    for line in page.lines(answer):
        click.echo(line)
    for line in page.curve(answer):
        click.echo(line)
    click.echo(page.write(answer, workspace.reports, command))
