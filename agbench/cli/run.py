"""The command run."""

from __future__ import annotations

import math
import sys
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from agbench.cli.data import prepared
from agbench.cli.options import Images, Listed, images_options
from agbench.core.errors import UserError

if TYPE_CHECKING:
    from agbench.core.condition import Budget, Condition
    from agbench.core.workspace import Workspace

STUDY_HELP = (
    "compression, model-size, storage, noise, convergence, tabular, transfer, paper, quick, or a YAML file."
)

FAILED_TRIALS = 3
"""Exit status of a sweep in which trials failed."""


@click.command()
@images_options
@click.option("--study", "studies", multiple=True, metavar="NAME|FILE", help=STUDY_HELP)
@click.option("--models", type=Listed(str, "model"), metavar="A,B", help="Instead of the study's own.")
@click.option("--levels", type=Listed(float, "level"), metavar="1.0,0.3", help="Instead of the study's own.")
@click.option(
    "--codec", "codecs", type=Listed(str, "codec"), metavar="jpeg,webp", help="Instead of the study's own."
)
@click.option("--noise", is_flag=True, help="Add the paper's noise to all images first.")
@click.option("--seeds", type=Listed(int, "seed"), default=(0,), metavar="0,1,2", help="One trial for each.")
@click.option("--quick", is_flag=True, help="Minutes rather than hours: small images, few epochs, fast learners.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs of fine-tuning, exactly.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="Of fine-tuning.")
@click.option("--batch-size", type=click.IntRange(1), help="Images an optimiser step.")
@click.option("--image-size", type=click.IntRange(32), help="Side in pixels that the deep model sees.")
@click.option("--loaders", type=click.IntRange(0), help="Processes that decode images for the deep model.")
@click.option("--preset", metavar="NAME", help="AutoGluon's, such as medium_quality or best_quality.")
@click.option("--learners", type=Listed(str, "learner"), metavar="GBM,CAT,XGB", help="TabularPredictor's.")
@click.option("--time-limit", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds for fitting.")
@click.option("--folds", type=click.IntRange(2), help="Every image out of fold: probe, tabular.")
@click.option("--keep-models", is_flag=True, help="Keep fitted models in results/models.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Trials at once.  [default: what fits]")
@click.option("--address", metavar="RAY", help="Run on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT.")
@click.option("--retries", type=click.IntRange(0), default=1, help="Of a trial that crashed.", show_default=True)
@click.option("--name", "sweep_name", metavar="NAME", help="Group the trials: for list, compare, report --name.")
@click.option("--fresh", is_flag=True, help="Reuse no older result; with --name, only those of that name.")
@click.option("--dry-run", is_flag=True, help="Print what would be run, and what is done already.")
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
    address: str | None,
    retries: int,
    sweep_name: str | None,
    fresh: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Run the trials of studies that are missing.

    The same command again runs nothing; killed, it goes on where it was.
    """
    from agbench.core.progress import Progress
    from agbench.data.dataset import is_prepared
    from agbench.store.sweeps import check_sweep_name
    from agbench.studies import study, yaml_file

    if sweep_name is not None:
        check_sweep_name(sweep_name)
    images = Images.taken_from(options)
    budget = _budget(study.QUICK if quick else study.STANDARD, options)
    progress = Progress()
    chosen = [one for name in studies or _default_studies(quick) for one in yaml_file.find_studies(name)]
    grid = partial(
        study.conditions,
        budget=budget,
        seeds=seeds,
        models=models,
        levels=levels,
        noise=1.0 if noise else None,
        codecs=codecs,
    )
    name = images.find(workspace).name
    grid(chosen, dataset=name, fingerprint="")  # a mistyped model or codec is answered before a download
    dataset = None
    if not dry_run or is_prepared(name, workspace.datasets):
        dataset = prepared(workspace, images, progress)
    if models is None:
        chosen, said = study.runnable(chosen)
        if said:
            progress.say(said)
    if dataset is None:
        _print_unprepared(name, grid(chosen, dataset=name, fingerprint=""))
        return
    for remark in dataset.remarks():
        progress.say(f"{dataset.name}: {remark}")
    conditions = grid(chosen, dataset=dataset.name, fingerprint=dataset.fingerprint)
    # MLflow takes seconds to import: a mistyped name is answered before that.
    from agbench.runner import sweep
    from agbench.runner.plan import make_plan
    from agbench.runner.scheduler import ExecutionConfig
    from agbench.store.store import Store

    config = ExecutionConfig(workers, address, retries, keep_models)
    store = Store(workspace.results)
    before, started = store.records(dataset.name), int(time.time() * 1000)
    counted = [record for record in before if not fresh or sweep_name in record.sweeps]
    plan = make_plan(conditions, counted)
    if dry_run:
        _print_plan(plan, conditions)
        if plan.todo:
            click.echo(sweep.allocation(config))
        return
    if sweep_name is not None:
        reused = [record.run_id for record in plan.done if sweep_name not in record.sweeps]
        store.name(reused, sweep_name, started)
    progress.say(
        f"{len(conditions)} conditions: {len(plan.done)} done, {len(plan.todo)} to run"
        + (f" ({len(plan.outdated)} of them again: other versions)" if plan.outdated else "")
    )
    if not plan.todo:
        progress.say("nothing to run")
        return
    from agbench.runner.display import Display

    named = {} if sweep_name is None else {sweep_name: started}
    run_all = sweep.run(plan.todo, dataset, workspace, store, config, named)
    with Display(len(plan.todo)) as display, closing(run_all) as events:
        for event in events:
            display.show(event)
    if display.failures:
        sys.exit(FAILED_TRIALS)


def _default_studies(quick: bool) -> tuple[str, ...]:
    return ("quick",) if quick else ("compression", "storage", "tabular")


def _budget(base: Budget, settings: dict[str, Any]) -> Budget:
    from dataclasses import replace

    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{value} is no value for --{name.replace('_', '-')}: use a finite number")
    return replace(base, **{name: value for name, value in settings.items() if value is not None})


def _print_unprepared(name: str, conditions: list[Condition]) -> None:
    for condition in conditions:
        click.echo(f"to run  {condition}: {condition.budget}")
    click.echo(f"{len(conditions)} conditions, all to run: {name} is not prepared yet")


def _print_plan(plan: Any, conditions: list[Any]) -> None:
    done = {record.condition.id for record in plan.done}
    outdated = {record.condition.id for record in plan.outdated}
    for condition in conditions:
        state = "done" if condition.id in done else "again" if condition.id in outdated else "to run"
        click.echo(f"{condition.id}  {state:6}  {condition}: {condition.budget}")
    click.echo(f"{len(conditions)} conditions: {len(plan.done)} done, {len(plan.todo)} to run")
