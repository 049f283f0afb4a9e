"""What a notebook needs: the commands as functions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from agbench.core import environment, files
from agbench.core.condition import Budget
from agbench.core.errors import UserError
from agbench.core.workspace import Workspace
from agbench.data.card import Columns
from agbench.data.catalogue import Catalogue, DatasetSpec
from agbench.data.dataset import Dataset
from agbench.data.prepare import Request, prepare
from agbench.store.export import table_of
from agbench.store.reader import read_records
from agbench.store.sweeps import named
from agbench.studies import study, yaml_file

if TYPE_CHECKING:
    import pandas as pd

    from agbench.recommendation.question import Question, Recommendation
    from agbench.runner.scheduler import ExecutionConfig

HERE = Path()


def load_dataset(
    name: str | Path,
    *,
    workspace: str | Path = HERE,
    nested: bool = False,
    image_column: str = "image",
    label_column: str = "label",
    drop_small_classes: bool = False,
    fresh: bool = False,
) -> Dataset:
    """Give a data set, and prepare it first where that has not been done.

    Parameters
    ----------
    name : str or Path
        As ``agbench datasets`` lists it; or a folder of class folders; or a table of images and labels (``.csv``,
        ``.tsv``).
    workspace : str or Path
        Folder of ``datasets/``, ``results/`` and ``reports/``; by default the current one.
    nested : bool
        Whether each folder of images is a class, named by its whole path.
    image_column, label_column : str
        Of a table.
    drop_small_classes : bool
        Whether classes that are too small to be split are left out.
    fresh : bool
        Whether an earlier preparation is replaced.

    Returns
    -------
    Dataset
        Its ``index`` has a row an image: path, label, split, bytes.

    Raises
    ------
    UserError
        If there is none, or it can't be prepared.

    Examples
    --------
    >>> agbench.load_dataset("digits").index["split"].value_counts()  # doctest: +SKIP
    """
    place = Workspace(Path(workspace))
    known = _known(str(name), place, nested, Columns(image=image_column, label=label_column))
    request = Request(drop_small_classes=drop_small_classes, fresh=fresh)
    return prepare(known, place.datasets, request, environment.available_cpus())


def run(
    dataset: Dataset,
    studies: Sequence[str] = ("quick",),
    *,
    workspace: str | Path = HERE,
    models: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
    codecs: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
    budget: Budget = study.QUICK,
    config: ExecutionConfig | None = None,
    name: str | None = None,
) -> pd.DataFrame:
    """Run the trials of studies that are missing.

    Parameters
    ----------
    dataset : Dataset
        As `load_dataset` gives it.
    studies : sequence of str
        Names, or paths of YAML files.
    workspace : str or Path
        As in `load_dataset`.
    models, levels, codecs : sequence, optional
        Instead of the studies' own.
    seeds : sequence of int
        One trial each.
    budget : Budget
        What each model may spend; by default minutes rather than hours (``agbench run --quick``).
    config : ExecutionConfig, optional
        How trials are run; by default on this machine, as many at once as fit.
    name : str, optional
        Groups the trials.

    Returns
    -------
    DataFrame
        As `results` gives it, of these trials: the last one of each condition, also where it failed.

    Raises
    ------
    UserError
        If a study, model, level or codec is unknown, or can't be used here.
    """
    from agbench.runner import sweep
    from agbench.runner.display import Display
    from agbench.runner.plan import make_plan
    from agbench.store.store import Store
    from agbench.store.sweeps import check_sweep_name

    if name is not None:
        check_sweep_name(name)
    chosen = [one for study_name in studies for one in yaml_file.find_studies(study_name)]
    if models is None:
        chosen, _ = study.runnable(chosen)
    conditions = study.conditions(
        chosen,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        budget=budget,
        seeds=tuple(seeds),
        models=None if models is None else tuple(models),
        levels=None if levels is None else tuple(levels),
        codecs=None if codecs is None else tuple(codecs),
    )
    place = Workspace(Path(workspace))
    store, started = Store(place.results), int(time.time() * 1000)
    plan = make_plan(conditions, store.records(dataset.name))
    if name is not None:
        store.name([record.run_id for record in plan.done if name not in record.sweeps], name, started)
    if plan.todo:
        running = sweep.run(plan.todo, dataset, place, store, config, {} if name is None else {name: started})
        with Display(len(plan.todo)) as display, closing(running) as events:
            for event in events:
                display.show(event)
    wanted = {condition.id for condition in conditions}
    last = {record.condition.id: record for record in read_records(place.results) if record.condition.id in wanted}
    return table_of(last.values())


def results(*, workspace: str | Path = HERE, dataset: str | None = None, name: str | None = None) -> pd.DataFrame:
    """Give all stored trials.

    Parameters
    ----------
    workspace : str or Path
        As in `load_dataset`.
    dataset, name : str, optional
        Only of this data set, or of this named sweep.

    Returns
    -------
    DataFrame
        A row a trial, the oldest first: ``condition`` (its id) and its parts, ``status``, ``ending``, ``reason``,
        ``started``, and what was measured. A trial without a result has a row too, and no accuracy.

    Raises
    ------
    UserError
        If no sweep has that name.
    """
    records = read_records(Workspace(Path(workspace)).results, dataset)
    return table_of(records if name is None else named(records, name))


def report(
    dataset: Dataset | str,
    *,
    workspace: str | Path = HERE,
    formats: Sequence[str] = ("md", "html", "csv"),
    name: str | None = None,
) -> Path:
    """Make a data set's report from the stored results; nothing is run.

    Parameters
    ----------
    dataset : Dataset or str
        Whose results.
    workspace : str or Path
        As in `load_dataset`.
    formats : sequence of str
        Of ``"md"``, ``"html"``, ``"latex"`` and ``"csv"``.
    name : str, optional
        Only of the trials of this named sweep.

    Returns
    -------
    Path
        Its page.

    Raises
    ------
    UserError
        If there are no results, or a format is unknown.
    """
    from agbench.reporting import build

    build.check_formats(formats)
    place = Workspace(Path(workspace))
    wanted = dataset if isinstance(dataset, str) else dataset.name
    records = read_records(place.results)
    own = records if name is None else named(records, name)
    if wanted not in {record.condition.dataset for record in own}:
        raise UserError(f"no results of {wanted}: agbench.run makes some")
    (written,) = build.write_reports(records, place, [wanted], formats, name)
    return written.path


def recommend(
    dataset: Dataset,
    *,
    workspace: str | Path = HERE,
    question: Question | None = None,
    config: ExecutionConfig | None = None,
) -> Recommendation:
    """Find the smallest level at which a data set loses less than a margin.

    Parameters
    ----------
    dataset : Dataset
        As `load_dataset` gives it.
    workspace : str or Path
        As in `load_dataset`.
    question : Question, optional
        Margin, codecs, seeds and more; by default a loss of one point, and JPEG.
    config : ExecutionConfig, optional
        As in `run`.

    Returns
    -------
    Recommendation
        Its ``chosen`` has level, bytes, and the difference with its interval.

    Raises
    ------
    UserError
        If the model can't work here.
    TrialFailedError
        If a trial that the answer needs failed.
    """
    from agbench.recommendation.search import recommend as find
    from agbench.runner.display import Display

    with Display(None) as display:
        return find(dataset, Workspace(Path(workspace)), question, config, display.show)


def _known(name: str, workspace: Workspace, nested: bool, columns: Columns) -> DatasetSpec:
    catalogue = Catalogue(workspace.datasets)
    if name.lower() in catalogue.names():
        return catalogue.find(name)
    path = files.expanded(name)
    if path.is_file():
        return catalogue.own_table(path, columns, None)
    return catalogue.own_folder(path, nested=nested) if path.is_dir() else catalogue.find(name)
