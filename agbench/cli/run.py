"""The command ``agbench run``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
import cloup

from agbench.cli.exit import Exit
from agbench.cli.options import (
    Duration,
    Listed,
    Share,
    budget_of,
    budget_options,
    images_options,
    selection_of,
)

if TYPE_CHECKING:
    from agbench.api import PlannedRun
    from agbench.core.condition import Condition
    from agbench.core.workspace import Workspace
    from agbench.data.dataset import Dataset


def _study_help() -> str:
    from agbench.studies.study import study_names

    return f"{', '.join(study_names())}, or a YAML file."


@cloup.command()
@images_options
@cloup.option_group(
    "What is run",
    cloup.option("--study", "studies", multiple=True, metavar="NAME|FILE", help=_study_help()),
    cloup.option("--models", type=Listed(str, "model"), metavar="A,B", help="Instead of the study's own."),
    cloup.option("--levels", type=Listed(float, "level"), metavar="1.0,0.3", help="Instead of the study's own."),
    cloup.option(
        "--codec", "codecs", type=Listed(str, "codec"), metavar="jpeg,webp", help="Instead of the study's own."
    ),
    cloup.option("--noise", is_flag=True, help="Add the paper's noise to all images first."),
    cloup.option("--seeds", type=Listed(int, "seed"), default=(0,), metavar="0,1,2", help="One trial for each."),
    cloup.option(
        "--quick", is_flag=True, help="Minutes rather than hours: small images, few epochs, fast learners."
    ),
    cloup.option(
        "--until-decided",
        type=Share(),
        metavar="0.01",
        help="Add folds and seeds until it is decided of each level whether it loses so much.",
    ),
    cloup.option("--name", "sweep_name", metavar="NAME", help="Of the trials, for list, compare, report --name."),
    cloup.option("--fresh", is_flag=True, help="Reuse no older result; with --name, only those of that name."),
)
@budget_options
@cloup.option_group(
    "How it is run",
    cloup.option("--workers", type=click.IntRange(1), metavar="N", help="Trials at once.  [default: what fits]"),
    cloup.option(
        "--per-gpu",
        type=click.IntRange(1),
        metavar="N",
        help="Trials a GPU.  [default: what fits; 1 on a cluster]",
    ),
    cloup.option(
        "--loaders",
        type=click.IntRange(0),
        metavar="N",
        help="Processes a trial that decode images for a deep model.  [default: what fits]",
    ),
    cloup.option("--address", metavar="RAY", help="Of a Ray cluster: auto, HOST:PORT or ray://HOST:PORT."),
    cloup.option(
        "--budget", "time_budget", type=Duration(), metavar="2h", help="End within so long, finished or not."
    ),
    cloup.option(
        "--retries", type=click.IntRange(0), default=1, help="Of a trial that crashed.", show_default=True
    ),
    cloup.option("--keep-models", is_flag=True, help="Keep fitted models in results/models."),
    cloup.option("--dry-run", is_flag=True, help="Print what would be run, and what is done already."),
)
@click.pass_obj
def run(
    workspace: Workspace,
    /,
    studies: tuple[str, ...],
    models: tuple[str, ...] | None,
    levels: tuple[float, ...] | None,
    codecs: tuple[str, ...] | None,
    noise: bool,
    seeds: tuple[int, ...],
    quick: bool,
    keep_models: bool,
    workers: int | None,
    per_gpu: int | None,
    loaders: int | None,
    address: str | None,
    retries: int,
    sweep_name: str | None,
    fresh: bool,
    until_decided: float | None,
    time_budget: float | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Run what is missing of studies, and say what is saved and lost.

    The same command again runs nothing; killed, it goes on where it was.

    \b
    Examples:
      agbench run --dataset dtd --quick
      agbench run --dataset ~/photos --levels 1.0,0.5 --seeds 0,1,2
    """  # noqa: D301 # raw, it would have no backspace, by which click keeps the lines
    from agbench import api
    from agbench.core.progress import Progress
    from agbench.data.dataset import is_prepared
    from agbench.runner.config import ExecutionConfig

    selection, progress, deadline = selection_of(options), Progress(), api.deadline_in(time_budget)
    request = api.RunRequest(
        studies=studies,
        models=models,
        levels=levels,
        codecs=codecs,
        noise=noise,
        seeds=seeds,
        quick=quick,
        budget=budget_of(options),
        config=ExecutionConfig(workers, address, retries, keep_models, per_gpu, loaders),
        name=sweep_name,
        fresh=fresh,
        until_decided=until_decided,
    )
    name = selection.spec(workspace.datasets).name
    request.conditions(request.chosen(), name, "")  # a mistyped model or codec is refused before a download
    if dry_run and not is_prepared(name, workspace.datasets):
        _print_unprepared(name, request.conditions(request.runnable(progress.say), name, ""))
        return
    dataset = api.prepare_images(selection, workspace, progress, deadline=deadline)
    planned = api.plan_run(request, dataset, workspace, progress.say)
    if dry_run:
        _print_plan(planned)
        return
    if until_decided is None:
        failed = api.execute(planned, progress.say, deadline)
    else:
        decisions, failed = api.decide(planned, until_decided, progress.say, deadline)
        click.echo(decisions.text())
    for line in api.answer(workspace, dataset.name):
        click.echo(line)
    if failed:
        sys.exit(Exit.FAILED_TRIALS)


def _outlook(dataset: Dataset, conditions: Sequence[Condition]) -> Iterator[str]:
    """Yield what the images can show that are predicted: the test images, or with folds all; and the trainings."""
    from agbench.analysis.clusters import Clusters
    from agbench.analysis.outlook import outlook
    from agbench.data.splits import TEST
    from agbench.models.registry import Kind, kind_of

    folded = {one.budget.folds is not None for one in conditions}
    tested = dataset.group_numbers[dataset.index["split"] == TEST]
    if False in folded:
        yield f"{dataset.name}: as test images, {outlook(Clusters.of_groups(len(tested), tested))}"
    if True in folded:
        every = dataset.group_numbers
        yield f"{dataset.name}: out of fold, {outlook(Clusters.of_groups(len(every), every))}"
    seeds = {one.seed for one in conditions}
    if len(seeds) == 1 and any(kind_of(one.model) is Kind.DEEP and not one.budget.folds for one in conditions):
        yield (
            f"{dataset.name}: networks are trained once for each level, and verdicts will be of this training; "
            "--folds 5 or --seeds 0,1,2 say more"
        )


def _print_unprepared(name: str, conditions: list[Condition]) -> None:
    for condition in conditions:
        click.echo(f"to run  {condition}: {condition.budget}")
    click.echo(f"{len(conditions)} conditions, all to run: {name} is not prepared yet")


def _print_plan(planned: PlannedRun) -> None:
    from agbench.core.progress import duration
    from agbench.runner import sweep

    plan = planned.plan
    done = {record.condition.id for record in plan.done}
    outdated = {record.condition.id for record in plan.outdated}
    for condition in planned.conditions:
        state = "done" if condition.id in done else "again" if condition.id in outdated else "to run"
        click.echo(f"{condition.id}  {state:6}  {condition}: {condition.budget}")
    click.echo(f"{len(planned.conditions)} conditions: {len(plan.done)} done, {len(plan.todo)} to run")
    if planned.request.until_decided is None:
        lines: Iterable[str] = _outlook(planned.dataset, planned.conditions)
    else:
        from agbench.recommendation.until import prospects

        found = prospects(planned.dataset, planned.conditions, planned.request.until_decided)
        lines = [f"{planned.dataset.name}: {line}" for line in found]
    for line in lines:
        click.echo(line)
    if plan.todo:
        allocated = sweep.allocation(planned.request.config, planned.estimate.gpu_memory(plan.todo))
        click.echo(allocated)
        if planned.request.config.address is None:
            sweep.check_models(plan.todo)
        seconds = planned.estimate.left(plan.todo)
        if seconds is not None:
            click.echo(f"about {duration(seconds / allocated.workers)}, by trials that were run before")
