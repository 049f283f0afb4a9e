"""The command recommend: how far one's own images can be compressed."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agbench.errors import UserError
from agbench.options import Images, images_options

if TYPE_CHECKING:
    from agbench.workspace import Workspace

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
@click.option("--codec", "codecs", default="jpeg", show_default=True, metavar="A,B", help="One or several.")
@click.option("--seeds", default="0", show_default=True, metavar="0,1,2", help="One trial of a level each.")
@click.option("--model", default="probe:efficientnet_lite0", show_default=True, help="What judges.")
@click.option("--image-size", type=click.IntRange(32), help="Side in pixels that a probe sees.")
@click.option("--budget", type=_Duration(), metavar="10m", help="Stop looking after so long.  [default: no limit]")
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
    codecs: str,
    seeds: str,
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
    from agbench import study
    from agbench.data.catalogue import Catalogue
    from agbench.data.prepare import prepare
    from agbench.environment import available_cpus
    from agbench.models import registry, weights
    from agbench.preprocess import codec
    from agbench.progress import Progress
    from agbench.reporting import recommendation

    if folder is not None:
        if options["dataset"] or options["table"] or options["source"]:
            raise UserError("give FOLDER, or --dataset, --csv and --source, not both")
        if not Path(folder).is_dir():
            raise UserError(f"{folder} is no folder; for a data set that is known, give --dataset {folder}")
    command = shlex.join(["agbench", *sys.argv[1:]])
    names = _listed(codecs, "codec")
    for name in names:
        codec.find(name)
    family, _ = registry.find(model)
    if "folds" not in family.reads:
        raise UserError(f"{model} can't predict images out of fold: use a probe or tabular model, and --confirm")
    try:
        drawn = tuple(dict.fromkeys(int(seed) for seed in _listed(seeds, "seed")))
    except ValueError as error:
        raise UserError(f"{seeds!r} is no comma-separated list of seeds") from error
    study.refuse_bad_seeds(drawn)
    # MLflow takes seconds to import: what is mistyped so far is answered before that.
    from agbench.display import Display
    from agbench.flights import Engine
    from agbench.recommendation import Question, TrialFailedError
    from agbench.recommendation import recommend as find

    deep = (study.AUTOGLUON if weights.hub_answers() else study.OFFLINE) if confirm else None
    question = Question(
        margin=margin,
        codecs=names,
        seeds=drawn,
        model=model,
        image_size=image_size,
        budget=budget,
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
    with Display(None) as display:
        try:
            answer = find(dataset, workspace, question, Engine(workers, address), display.show)
        except TrialFailedError as error:
            click.echo(f"agbench: no answer, as a trial gave no result: {error}", err=True)
            sys.exit(FAILED_TRIAL)
    for line in recommendation.lines(answer):
        click.echo(line)
    for line in recommendation.curve(answer):
        click.echo(line)
    click.echo(recommendation.write(answer, workspace.reports, command))


def _listed(text: str, what: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise UserError(f"{text!r} names no {what}")
    return found
