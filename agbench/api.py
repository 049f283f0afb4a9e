"""What a notebook and the command line both call.

The public functions, `load_dataset` to `results`, take plain values. Each of them, and the command of its name, is
a few calls of the functions below them, where the orchestration is written once.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from agbench.core import environment, files
from agbench.core.arguments import as_float, as_path, checked, filled, integers, is_path, numbers, texts
from agbench.core.condition import Budget, Condition
from agbench.core.errors import UserError
from agbench.core.metric import ACCURACY, find_metric
from agbench.core.progress import Progress, seconds_of
from agbench.core.step import OnProgress, Step
from agbench.core.workspace import Workspace
from agbench.data import groups
from agbench.data.catalogue import Catalogue
from agbench.data.dataset import Dataset
from agbench.data.groups import Relatives
from agbench.data.prepare import look_once, prepare
from agbench.data.selection import ImageSelection
from agbench.runner.config import ExecutionConfig
from agbench.store.export import table_of
from agbench.store.reader import read_records
from agbench.store.sweeps import check_sweep_name, named
from agbench.studies import study, yaml_file
from agbench.studies.conditions import check_seeds, make_conditions, runnable

if TYPE_CHECKING:
    import pandas as pd

    from agbench.compression.result import Compressed
    from agbench.recommendation.answer import Recommendation
    from agbench.recommendation.question import Question
    from agbench.recommendation.until import Decisions
    from agbench.reporting.build import Report
    from agbench.reporting.pages.comparison import ComparisonPage
    from agbench.runner.estimate import Estimate
    from agbench.runner.events import Ended
    from agbench.runner.plan import Plan
    from agbench.store.record import Record
    from agbench.store.store import Store

AnyDataset = Dataset | str | PathLike[str]
"""A prepared data set, its name, or the path of a folder of class folders or of a table of images and labels."""

AnyPath = str | PathLike[str]

FORMATS = ("md", "html", "csv")
"""Formats of a report where no others are named."""

THRESHOLD = 1.5
"""How many times the seconds of the base a model may take on the same hardware."""

_FULL_STUDIES, _QUICK_STUDIES = ("compression", "storage", "tabular"), ("quick",)

MOST_LOOKED_AT = 5000
"""Images among which related ones are looked for: of each class as many."""

CLOSING_SECONDS = 10.0
"""Seconds of a budget of time that are kept for stopping trials and workers, and for the answer; half at most."""

Say = Callable[[str], None]
"""Receives a line about what is being done."""


def load_dataset(
    name: AnyPath,
    *,
    workspace: AnyPath | None = None,
    nested: bool = False,
    image_column: str = "image",
    label_column: str = "label",
    group_column: str | None = None,
    group_by: str | None = None,
    independent: bool = False,
    source: AnyPath | None = None,
    accept_unverified: bool = False,
    drop_small_classes: bool = False,
    fresh: bool = False,
) -> Dataset:
    """Return a prepared data set: downloaded, verified, every image checked, split.

    Parameters
    ----------
    name : str or Path
        Name of a data set (``agbench datasets`` lists them), or path of a folder of class folders, or of a table
        of images and labels (``.csv``, ``.tsv``).
    workspace : str or Path, optional
        Folder of ``datasets/``, ``results/`` and ``reports/``; by default that of the environment variable
        AGBENCH_WORKSPACE, else the current folder.
    nested : bool
        Whether each folder of images is a class, named by its whole path.
    image_column : str
        Column of a table that holds the images' paths.
    label_column : str
        Column of a table that holds their labels.
    group_column : str, optional
        Column of a table whose values tell which images belong together, such as that of the patient: these are
        never on two sides of a split or fold, and intervals count groups.
    group_by : str, optional
        The same by the images' paths: ``"folder"``, or a regular expression.
    independent : bool
        Whether no images belong together, whatever they look like.
    source : str or Path, optional
        Archive, folder or address to take the data set from, instead of the addresses of its card.
    accept_unverified : bool
        Whether a source with another checksum, or another number of images, is accepted.
    drop_small_classes : bool
        Whether classes with too few images to be split are left out.
    fresh : bool
        Whether an earlier preparation is replaced.

    Returns
    -------
    Dataset
        Its ``index`` is a DataFrame with one row per image: path, label, split, bytes.

    Raises
    ------
    UserError
        If there is no such data set, or it can't be prepared.

    Examples
    --------
    >>> import agbench, tempfile
    >>> digits = agbench.load_dataset("digits", workspace=tempfile.mkdtemp())
    >>> digits.parts
    {'train': 1078, 'test': 360, 'validation': 359}
    """
    selection = _selection(
        name,
        workspace_at := Workspace.at(workspace),
        nested=checked("nested", nested, bool, "true or false"),
        image_column=filled("image_column", image_column),
        label_column=filled("label_column", label_column),
        group_column=None if group_column is None else filled("group_column", group_column),
        group_by=None if group_by is None else filled("group_by", group_by),
        independent=checked("independent", independent, bool, "true or false"),
        source=None if source is None else str(as_path("source", source)),
        accept_unverified=checked("accept_unverified", accept_unverified, bool, "true or false"),
        drop_small_classes=checked("drop_small_classes", drop_small_classes, bool, "true or false"),
    )
    return prepare_images(selection, workspace_at, Progress(), checked("fresh", fresh, bool, "true or false"))


def run(
    dataset: AnyDataset,
    studies: str | Sequence[str] | None = None,
    *,
    models: str | Sequence[str] | None = None,
    levels: float | Sequence[float] | None = None,
    codecs: str | Sequence[str] | None = None,
    noise: bool = False,
    seeds: int | Sequence[int] = 0,
    quick: bool = False,
    budget: Budget | None = None,
    workers: int | None = None,
    address: str | None = None,
    retries: int = 1,
    keep_models: bool = False,
    per_gpu: int | None = None,
    loaders: int | None = None,
    name: str | None = None,
    fresh: bool = False,
    until_decided: float | None = None,
    time_budget: float | str | None = None,
    workspace: AnyPath | None = None,
) -> pd.DataFrame:
    """Run the missing trials of studies, and return all of their trials.

    The same call again runs nothing; interrupted, it goes on where it was.

    Parameters
    ----------
    dataset : Dataset, str or Path
        Data set, its name, a folder of class folders, or a table of images and labels.
    studies : str or sequence of str, optional
        Names of studies, or paths of YAML files; by default compression, storage and tabular, with `quick` the
        study of that name.
    models, levels, codecs : optional
        One or several, instead of the studies' own.
    noise : bool
        Whether all images get the paper's noise first (section III-A).
    seeds : int or sequence of int
        Seeds, one trial each.
    quick : bool
        Whether trials take minutes rather than hours: small images, few epochs, fast learners.
    budget : Budget, optional
        Settings of the models; each that is set replaces that of the default, or of `quick`.
    workers : int, optional
        Number of concurrent trials; by default as many as cores, GPUs and memory allow.
    address : str, optional
        Address of a Ray cluster: ``"auto"``, ``"HOST:PORT"`` or ``"ray://HOST:PORT"``.
    retries : int
        Maximum number of further attempts for a trial that crashed or ran out of memory.
    keep_models : bool
        Whether fitted models are kept in ``results/models``.
    per_gpu : int, optional
        Number of trials that share each GPU; by default as many as its memory and the cores allow.
    loaders : int, optional
        Number of processes per trial that decode images for a deep model; by default none without a GPU, and
        beside one as many as the trial has cores, at most 8. It changes no result.
    name : str, optional
        Name of the sweep, for `report`, `compare` and `results`.
    fresh : bool
        Whether no older result is reused; with `name`, only those of that name are.
    until_decided : float, optional
        Loss of accuracy, above 0 and below 1: folds and seeds are added until it is decided of each level whether
        it loses as much, or more of them would probably not decide it. All verdicts are corrected for these looks.
    time_budget : float or str, optional
        Seconds, or a duration such as ``"2h"``, in which all is to be over: trials in flight are stopped then.
    workspace : str or Path, optional
        As in `load_dataset`; a `Dataset` knows its own.

    Returns
    -------
    DataFrame
        One row per condition, its last trial, also where it failed; columns as in `results`. With
        `until_decided`, the state of each level is printed on standard error.

    Raises
    ------
    UserError
        If a study, model, level or codec is unknown, or can't be used on this machine.

    Examples
    --------
    >>> import agbench, tempfile
    >>> digits = agbench.load_dataset("digits", workspace=tempfile.mkdtemp())
    >>> trials = agbench.run(digits, models="tabular:dct", levels=0.3, quick=True)  # doctest: +SKIP
    """
    if budget is not None:
        checked("budget", budget, Budget, "an agbench.Budget, such as Budget(epochs=3)")
    deadline = deadline_in(_seconds(time_budget))
    request = RunRequest(
        studies=texts("studies", studies) or (),
        models=texts("models", models),
        levels=numbers("levels", levels),
        codecs=texts("codecs", codecs),
        noise=checked("noise", noise, bool, "true or false"),
        seeds=integers("seeds", seeds) or (0,),
        quick=checked("quick", quick, bool, "true or false"),
        budget=budget or Budget(),
        config=ExecutionConfig(workers, address, retries, keep_models, per_gpu, loaders),
        name=name,
        fresh=checked("fresh", fresh, bool, "true or false"),
        until_decided=until_decided,
    )

    def check(name: str) -> None:
        request.conditions(request.chosen(), name, "")

    images, place = _prepared(dataset, workspace, check, deadline)
    planned = plan_run(request, images, place, Progress().say)
    wanted = {condition.id for condition in planned.conditions}
    if until_decided is None:
        execute(planned, Progress().say, deadline)
    else:
        decisions, _ = decide(planned, until_decided, Progress().say, deadline)
        Progress().say(decisions.text())
        wanted |= {condition.id for condition in decisions.conditions()}
    last = {record.condition.id: record for record in read_records(place.results) if record.condition.id in wanted}
    return table_of(last.values())


def recommend(
    dataset: AnyDataset,
    margin: float = 0.01,
    codecs: str | Sequence[str] = "jpeg",
    *,
    metric: str = "accuracy",
    seeds: int | Sequence[int] = 0,
    model: str = study.PROBE,
    image_size: int | None = None,
    budget: float | str | None = None,
    confirm: bool = False,
    quick: bool = False,
    workers: int | None = None,
    address: str | None = None,
    workspace: AnyPath | None = None,
) -> Recommendation:
    """Return the smallest level at which a data set is shown to lose less than a margin.

    Parameters
    ----------
    dataset : Dataset, str or Path
        Data set, its name, a folder of class folders, or a table of images and labels.
    margin : float
        Smallest loss of the metric that matters, in its unit: a share below 1, where 0.01 is one point, or nats.
    codecs : str or sequence of str
        Names of the codecs to try.
    metric : str
        What decides: ``"accuracy"``, ``"balanced_accuracy"``, ``"f1_macro"``, ``"log_loss"``,
        ``"top_5_accuracy"``, ``"roc_auc"`` or ``"calibration_error"``; of log loss and calibration error a rise is
        a loss.
    seeds : int or sequence of int
        Seeds, one trial a level each.
    model : str
        Model that is trained at each level, a ``probe`` or ``tabular`` one.
    image_size : int, optional
        Side in pixels to which a probe scales images; by default its backbone's own.
    budget : float or str, optional
        Seconds, or a duration such as ``"10m"``, in which the best answer so far is to be there.
    confirm : bool
        Whether a deep model is fine-tuned at the original and at the level found.
    quick : bool
        Whether that model is fine-tuned on small images, for few epochs.
    workers, address, workspace
        As in `run`.

    Returns
    -------
    Recommendation
        Its ``chosen`` has the level, the bytes, and the difference with its interval.

    Raises
    ------
    UserError
        If a value is wrong, a model can't work on this machine, or a trial that the answer needs failed.

    Examples
    --------
    >>> import agbench, tempfile
    >>> patches = agbench.load_dataset("patches", workspace=tempfile.mkdtemp())
    >>> answer = agbench.recommend(patches, margin=0.05, codecs=["jpeg", "webp"])  # doctest: +SKIP
    """
    deadline = deadline_in(_seconds(budget))
    question = make_question(
        margin=margin,
        metric=filled("metric", metric),
        codecs=texts("codecs", codecs) or (),
        seeds=integers("seeds", seeds) or (),
        model=filled("model", model),
        image_size=image_size,
        confirm=checked("confirm", confirm, bool, "true or false"),
        quick=checked("quick", quick, bool, "true or false"),
        budget=_seconds(budget),
    )
    config = ExecutionConfig(workers, address)
    images, place = _prepared(dataset, workspace, deadline=deadline)
    return find_level(images, place, question, config, deadline)


def compress(
    source: AnyPath,
    out: AnyPath,
    *,
    level: float | None = None,
    target_bytes: float | str | None = None,
    codec: str = "jpeg",
    strip_metadata: bool = False,
    unreadable: Literal["copy", "skip"] = "copy",
    verify: bool = False,
    image_column: str = "image",
    label_column: str = "label",
    workers: int | None = None,
) -> Compressed:
    """Write a compressed copy of a folder of images, or of the images that a table names.

    The same call again goes on where it was interrupted, and makes again what changed in the source since.

    Parameters
    ----------
    source : str or Path
        Folder of images, or table (``.csv``, ``.tsv``) that names them. Nothing in it is changed.
    out : str or Path
        Folder of the copy: one that does not exist, an empty one, or an earlier copy of the same source.
    level : float, optional
        Quality as a level, 0.01 to 0.99; either this or `target_bytes` is needed.
    target_bytes : float or str, optional
        Size that all images may take: a share (0.3) or an amount (``"5GB"``, ``"300MiB"``).
    codec : str
        Name of the codec.
    strip_metadata : bool
        Whether metadata is dropped, but for the orientation; colours are converted to sRGB.
    unreadable : {"copy", "skip"}
        Whether images that can't be decoded are copied or left out.
    verify : bool
        Whether every image of the copy is decoded in the end.
    image_column : str
        Column of a table that holds the images' paths.
    label_column : str
        Column of a table that holds their labels.
    workers : int, optional
        Number of processes; by default one a core.

    Returns
    -------
    Compressed
        Bytes before and after, and what became of every file. A warning is given where files could not be read.

    Raises
    ------
    UserError
        If the source can't be read, the copy can't be written, or a value is wrong.

    Examples
    --------
    >>> import agbench, pathlib, tempfile
    >>> from PIL import Image
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "photos").mkdir()
    >>> Image.effect_noise((64, 64), 50).save(folder / "photos" / "noise.png")
    >>> done = agbench.compress(folder / "photos", folder / "small", level=0.3, workers=1)
    >>> done.after < done.before
    True
    """
    from agbench.compression.compress import compress_folder

    with Progress() as progress:
        done = compress_folder(
            source,
            out,
            level=level,
            target_bytes=target_bytes,
            codec=codec,
            strip_metadata=strip_metadata,
            unreadable=unreadable,
            verify=verify,
            image_column=image_column,
            label_column=label_column,
            workers=workers,
            on_progress=progress.advance,
        )
    if done.problem():
        warnings.warn(done.problem(), stacklevel=2)
    return done


def compare(
    base: str, new: str, *, threshold: float = THRESHOLD, workspace: AnyPath | None = None
) -> ComparisonPage:
    """Return the comparison of a named sweep with an earlier one, condition by condition.

    Parameters
    ----------
    base, new : str
        Names of the earlier and of the later sweep.
    threshold : float
        How many times the seconds of the base a model may take on the same hardware, 1 or more.
    workspace : str or Path, optional
        As in `load_dataset`.

    Returns
    -------
    ComparisonPage
        Its ``regressions`` is the number of things that got worse.

    Raises
    ------
    UserError
        If no sweep has that name, or the threshold is none.

    Examples
    --------
    >>> import agbench
    >>> agbench.compare("monday", "tuesday")
    Traceback (most recent call last):
    ...
    agbench.core.errors.UserError: no sweep called 'tuesday', and none has a name yet: ...
    """
    from agbench.analysis import regressions
    from agbench.reporting.pages.comparison import ComparisonPage

    for argument, value in (("base", base), ("new", new)):
        filled(argument, value)
    checked("threshold", threshold, (int, float), "a number")
    records = read_records(Workspace.at(workspace).results)
    return ComparisonPage(regressions.compare(records, base, new, threshold))


def report(
    dataset: AnyDataset,
    *,
    formats: str | Sequence[str] = FORMATS,
    name: str | None = None,
    metric: str = "accuracy",
    workspace: AnyPath | None = None,
) -> Report:
    """Write a data set's report from the stored results; nothing is run.

    Parameters
    ----------
    dataset : Dataset or str
        Data set, or its name.
    formats : str or sequence of str
        ``"md"``, ``"html"``, ``"latex"`` or ``"csv"``, one or several.
    name : str, optional
        Name of the sweep whose trials alone are used.
    metric : str
        What decides what a level costs, as in `recommend`; the paper's claims and tables stay those of accuracy.
    workspace : str or Path, optional
        As in `run`.

    Returns
    -------
    Report
        Path of the page, which a report can be used as, and its tables: ``table("differences")`` is a DataFrame.

    Raises
    ------
    UserError
        If there are no results, or a format or the metric is unknown.

    Examples
    --------
    >>> import agbench, tempfile
    >>> agbench.report("patches", workspace=tempfile.mkdtemp())
    Traceback (most recent call last):
    ...
    agbench.core.errors.UserError: no results of patches: run `agbench run --dataset patches` first
    """
    wanted = texts("formats", formats) or FORMATS
    if not isinstance(dataset, (Dataset, str)):
        raise UserError(f"dataset should be a Dataset or the name of one, got {dataset!r}")
    dataset_name = dataset.name if isinstance(dataset, Dataset) else filled("dataset", dataset)
    (written,) = write_reports(
        _workspace_of(dataset, workspace), [dataset_name], wanted, name, filled("metric", metric)
    )
    return written


def results(
    *, dataset: Dataset | str | None = None, name: str | None = None, workspace: AnyPath | None = None
) -> pd.DataFrame:
    """Return all stored trials.

    Parameters
    ----------
    dataset : Dataset or str, optional
        Data set, or the name of one, whose trials alone are returned.
    name : str, optional
        Name of the sweep whose trials alone are returned.
    workspace : str or Path, optional
        As in `run`.

    Returns
    -------
    DataFrame
        One row per trial, the oldest first: ``condition`` (its id) and its parts, ``status``, ``ending``,
        ``reason``, ``started``, and every metric; those of predictions have the names that `recommend` takes, and
        ``images_groups`` is the number of groups. A trial without a result has a row too, and no accuracy.

    Raises
    ------
    UserError
        If no sweep has that name.

    Examples
    --------
    >>> import agbench, tempfile
    >>> agbench.results(workspace=tempfile.mkdtemp()).empty
    True
    """
    if dataset is not None and not isinstance(dataset, (Dataset, str)):
        raise UserError(f"dataset should be a Dataset or the name of one, got {dataset!r}")
    wanted = dataset.name if isinstance(dataset, Dataset) else dataset and dataset.lower()
    records = read_records(_workspace_of(dataset, workspace).results, wanted or None)
    return table_of(records if name is None else named(records, filled("name", name)))


# What follows is shared with the command line, and not public.


@dataclass(frozen=True)
class RunRequest:
    """Conditions that a user asks for, and how they are to be run.

    Parameters
    ----------
    studies : tuple of str
        Names of studies, or paths of YAML files; where there are none, the default ones.
    models, levels, codecs : tuple, optional
        Values instead of the studies' own.
    noise : bool
        Whether all images get the paper's noise first.
    seeds : tuple of int
        Seeds, one condition each.
    quick : bool
        Whether small images, few epochs and fast learners are used.
    budget : Budget
        Settings that replace those of the default budget, or of the quick one.
    config : ExecutionConfig
        How trials are executed.
    name : str, optional
        Name of the sweep.
    fresh : bool
        Whether no older result is reused.
    until_decided : float, optional
        Loss of accuracy that is to be decided of each level.

    Raises
    ------
    UserError
        If the name is none that a sweep can have, or the loss is none.
    """

    studies: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    levels: tuple[float, ...] | None = None
    codecs: tuple[str, ...] | None = None
    noise: bool = False
    seeds: tuple[int, ...] = (0,)
    quick: bool = False
    budget: Budget = field(default_factory=Budget)
    config: ExecutionConfig = field(default_factory=ExecutionConfig)
    name: str | None = None
    fresh: bool = False
    until_decided: float | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            check_sweep_name(self.name)
        if self.until_decided is not None:
            # It imports the analysis, which help must not.
            from agbench.recommendation.question import check_margin

            check_margin(self.until_decided)

    def chosen(self) -> list[study.Study]:
        """Return the studies that are asked for, as they are with the model hub."""
        names = self.studies or (_QUICK_STUDIES if self.quick else _FULL_STUDIES)
        return [one for name in names for one in yaml_file.find_studies(name)]

    def runnable(self, say: Say) -> list[study.Study]:
        """Return the studies as they can be run now: with other models where the model hub does not answer."""
        if self.models is not None:
            return self.chosen()
        studies, remark = runnable(self.chosen())
        if remark:
            say(remark)
        return studies

    def conditions(self, studies: Sequence[study.Study], dataset: str, fingerprint: str) -> list[Condition]:
        """Return the conditions of studies on a data set; each wrong name or value is a `UserError`."""
        made = make_conditions(
            studies,
            dataset=dataset,
            fingerprint=fingerprint,
            budget=self.budget.over(study.QUICK if self.quick else study.STANDARD),
            seeds=self.seeds,
            models=self.models,
            levels=self.levels,
            noise=study.PAPER_NOISE if self.noise else None,
            codecs=self.codecs,
        )
        if self.until_decided is not None:
            from agbench.recommendation.looks import can_be_decided

            if not any(map(can_be_decided, made)):
                raise UserError(
                    "there is nothing to decide: name levels below 1.0, or a study that has such without noise"
                )
        return made


@dataclass(frozen=True)
class PlannedRun:
    """Conditions beside what the store has of them.

    Parameters
    ----------
    request : RunRequest
        What was asked for.
    dataset : Dataset
        Prepared images.
    workspace : Workspace
        Workspace of the data set.
    store : Store
        Store of the workspace.
    conditions : tuple of Condition
        All conditions of the request.
    plan : Plan
        Which of them are done, outdated or to be run.
    started : int
        Start of the sweep, in milliseconds since 1970.
    estimate : Estimate
        Seconds of the data set's trials that were run before.
    set_aside : frozenset of str
        Ids of runs in the store that are not reused.
    """

    request: RunRequest
    dataset: Dataset
    workspace: Workspace
    store: Store
    conditions: tuple[Condition, ...]
    plan: Plan
    started: int
    estimate: Estimate
    set_aside: frozenset[str]

    def stored(self) -> list[Record]:
        """Return the trials that the store has now and that may be used, the oldest first."""
        return [one for one in self.store.records(self.dataset.name) if one.run_id not in self.set_aside]

    def counts(self) -> str:
        """Return in a line how many conditions are done and how many are to be run."""
        again = len(self.plan.outdated)
        return f"{len(self.conditions)} conditions: {len(self.plan.done)} done, {len(self.plan.todo)} to run" + (
            f" ({again} of them again: other versions)" if again else ""
        )


def prepare_images(
    selection: ImageSelection,
    workspace: Workspace,
    progress: Progress,
    fresh: bool = False,
    deadline: float = math.inf,
) -> Dataset:
    """Return the data set that is meant, prepared where that has not been done.

    Parameters
    ----------
    selection : ImageSelection
        Images that are meant.
    workspace : Workspace
        Workspace of the data set.
    progress : Progress
        Shows the steps.
    fresh : bool
        Whether an earlier preparation is replaced.
    deadline : float
        Result of `deadline_in`.

    Raises
    ------
    UserError
        If the images can't be prepared, or not before the deadline.
    """

    def advance(step: Step) -> None:
        if time.monotonic() >= deadline:
            raise UserError(
                f"nothing is known yet: the budget of time ended while {step.what}; with a longer one the same "
                "command goes on"
            )
        progress.advance(step)

    spec = selection.spec(workspace.datasets)
    request = selection.request(spec, fresh)
    with progress:
        dataset = prepare(spec, workspace.datasets, request, environment.available_cpus(), advance)
        return _with_relatives(dataset, workspace.datasets, advance)


def _with_relatives(dataset: Dataset, datasets: Path, on_progress: OnProgress) -> Dataset:
    """Return a data set after a look for related images, where its groups are not named."""
    if dataset.grouped_by or dataset.relatives is not None:
        return dataset
    return look_once(dataset, datasets, partial(_relatives, dataset, on_progress), on_progress)


def _relatives(dataset: Dataset, on_progress: OnProgress) -> Relatives:
    """Return what a look for related images finds."""
    if len(dataset.index) < groups.FEWEST:
        return Relatives(0)
    # PyTorch takes seconds to import.
    from agbench.models import relatives

    # Copies of the same bytes are one group already.
    different = dataset.index.drop_duplicates("sha256")
    ordered = different.sort_values(["label", "image_id"], kind="stable")
    # Of each class those whose names come first: images of one origin are neighbours, mostly.
    looked_at = ordered.groupby("label", sort=False).head(max(MOST_LOOKED_AT // len(dataset.classes), 2))
    paths = [Path(path) for path in looked_at["image"]]
    found = relatives.find(paths, environment.available_cpus(), on_progress)
    others = [*dataset.index["image_id"], *dataset.quarantined["image_id"]]
    return Relatives.among(looked_at["image_id"].tolist(), found, len(different), others)


def plan_run(request: RunRequest, dataset: Dataset, workspace: Workspace, say: Say) -> PlannedRun:
    """Return what a request comes to: studies, conditions, and what of them is done.

    Parameters
    ----------
    request : RunRequest
        What is asked for.
    dataset : Dataset
        Prepared images.
    workspace : Workspace
        Workspace of the data set.
    say : callable
        Receives a line about each thing that the user should know.
    """
    studies = request.runnable(say)
    for remark in dataset.remarks():
        say(f"{dataset.name}: {remark}")
    conditions = request.conditions(studies, dataset.name, dataset.fingerprint)
    _check_sizes(dataset, conditions)
    # MLflow takes seconds to import: what is mistyped is refused before that.
    from agbench.runner.estimate import Estimate
    from agbench.runner.plan import make_plan
    from agbench.store.store import Store

    store, started = Store(workspace.results), int(time.time() * 1000)
    records = store.records(dataset.name)
    reusable = [record for record in records if not request.fresh or request.name in record.sweeps]
    plan = make_plan(conditions, reusable)
    set_aside = frozenset(record.run_id for record in records) - {record.run_id for record in reusable}
    return PlannedRun(
        request, dataset, workspace, store, tuple(conditions), plan, started, Estimate(records), set_aside
    )


def _check_sizes(dataset: Dataset, conditions: Iterable[Condition]) -> None:
    """Raise `UserError` for an image that a codec can't hold: of a data set prepared before that was looked at."""
    from agbench.core.codec import too_large_for

    widths, heights = dataset.index["width"].to_numpy(), dataset.index["height"].to_numpy()
    place = int(np.maximum(widths, heights).argmax())
    largest = str(dataset.index["image_id"].iloc[place])
    used = {images.codec for one in conditions for images in (one.train, one.test_preprocessing)}
    for name in sorted(name for name in used if name is not None):
        if problem := too_large_for(name, int(widths[place]), int(heights[place])):
            raise UserError(
                f"{largest} has {problem}: `agbench prepare --fresh --dataset {dataset.name}` leaves it out"
            )


def execute(planned: PlannedRun, say: Say, deadline: float = math.inf) -> list[Ended]:
    """Run what is left of a plan, show its progress on standard error, and return the trials that failed.

    Parameters
    ----------
    planned : PlannedRun
        Result of `plan_run`.
    say : callable
        Receives a line about what is to be run.
    deadline : float
        Result of `deadline_in`.
    """
    plan, name = planned.plan, planned.request.name
    if name is not None:
        reused = [record.run_id for record in plan.done if name not in record.sweeps]
        planned.store.name(reused, name, planned.started)
    say(planned.counts())
    if not plan.todo:
        say("nothing to run")
        return []
    from agbench.runner import sweep
    from agbench.runner.display import Display
    from agbench.runner.events import Ended
    from agbench.runner.flips import keep_flips

    sweeps = {} if name is None else {name: planned.started}
    running = sweep.run(
        plan.todo, planned.dataset, planned.workspace, planned.store, planned.request.config, sweeps, deadline
    )
    left = {condition.id for condition in plan.todo}
    with Display(len(plan.todo)) as display, closing(running) as events:
        for event in events:
            display.show(event)
            if isinstance(event, Ended):
                left.discard(event.condition.id)
    if left:
        say(f"the budget of time holds no more, {len(left)} conditions are left: the same command goes on")
    keep_flips(planned.conditions, planned.dataset, planned.store)
    return [event for event, _ in display.failures]


def decide(
    planned: PlannedRun, margin: float, say: Say, deadline: float = math.inf
) -> tuple[Decisions, list[Ended]]:
    """Run a plan and what follows until its levels are decided, and show the progress on standard error.

    Parameters
    ----------
    planned, say, deadline
        As in `execute`.
    margin : float
        Loss of accuracy that is to be decided of each level.

    Returns
    -------
    tuple of (Decisions, list of Ended)
        What is decided, and the trials that failed.
    """
    from agbench.recommendation.until import prospects, run_until_decided
    from agbench.runner.display import Display

    request = planned.request
    for line in prospects(planned.dataset, planned.conditions, margin):
        say(f"{planned.dataset.name}: {line}")
    with Display(None) as display:
        decisions = run_until_decided(
            planned.dataset,
            planned.workspace,
            planned.store,
            planned.conditions,
            margin,
            planned.stored,
            request.config,
            {} if request.name is None else {request.name: planned.started},
            deadline,
            display.show,
        )
    return decisions, [event for event, _ in display.failures]


def deadline_in(seconds: float | None) -> float:
    """Return the time on `time.monotonic` when trials have to end, so that all is over in so many seconds."""
    return math.inf if seconds is None else time.monotonic() + seconds - min(CLOSING_SECONDS, seconds / 2)


def make_question(
    *,
    margin: float,
    metric: str,
    codecs: tuple[str, ...],
    seeds: tuple[int, ...],
    model: str,
    image_size: int | None,
    confirm: bool,
    quick: bool,
    budget: float | None,
) -> Question:
    """Return the question of a recommendation; names and seeds are checked first.

    Parameters are those of `recommend`, in plain values; `budget` is in seconds.
    """
    from agbench.core import codec
    from agbench.models import weights

    for name in codecs:
        codec.find_codec(name)
    check_seeds(seeds)
    from agbench.recommendation.question import Question

    deep = (study.AUTOGLUON if weights.hub_answers() else study.OFFLINE) if confirm else None
    return Question(
        margin=margin,
        codecs=codecs,
        metric=find_metric(metric),
        seeds=seeds,
        model=model,
        image_size=image_size,
        budget=budget,
        confirm=deep,
        confirm_budget=study.QUICK if quick else study.STANDARD,
    )


def find_level(
    dataset: Dataset, workspace: Workspace, question: Question, config: ExecutionConfig, deadline: float
) -> Recommendation:
    """Return the answer to a question, and show the progress of its trials on standard error.

    Parameters
    ----------
    dataset : Dataset
        Prepared images.
    workspace : Workspace
        Workspace of the data set.
    question : Question
        What is asked.
    config : ExecutionConfig
        How trials are executed.
    deadline : float
        Result of `deadline_in`.
    """
    from agbench.analysis.clusters import Clusters
    from agbench.analysis.outlook import out_of_reach, outlook
    from agbench.recommendation.search import search
    from agbench.runner.display import Display

    for remark in dataset.remarks():
        Progress().say(f"{dataset.name}: {remark}")
    if question.budget is not None:
        question = replace(question, budget=max(deadline - time.monotonic(), 0.0))
    clusters = Clusters.of_groups(len(dataset.index), dataset.group_numbers)
    for line in (
        outlook(clusters, question.one_sided),
        out_of_reach(question.margin, clusters, question.one_sided),
    ):
        if line and question.metric is ACCURACY:
            Progress().say(f"{dataset.name}: {line}")
    with Display(None) as display:
        return search(dataset, workspace, question, config, display.show)


def answer(workspace: Workspace, dataset: str) -> list[str]:
    """Return what the stored results of a data set say, in sentences: what is saved, and what it costs at worst.

    Parameters
    ----------
    workspace : Workspace
        Workspace of the results.
    dataset : str
        Name of the data set.
    """
    from agbench.reporting import build

    records = [record for record in read_records(workspace.results) if record.condition.dataset == dataset]
    return build.answer_to(records, workspace, dataset) if records else []


def write_reports(
    workspace: Workspace,
    datasets: Sequence[str],
    formats: Sequence[str],
    name: str | None,
    metric: str = ACCURACY.name,
) -> Iterator[Report]:
    """Write reports of data sets, and the index of all that have results.

    Parameters
    ----------
    workspace : Workspace
        Workspace of the results.
    datasets : sequence of str
        Names of data sets; where there are none, all that have results.
    formats : sequence of str
        Formats of the report.
    name : str, optional
        Name of the sweep whose trials alone are used.
    metric : str
        Name of the metric that decides what a level costs.

    Yields
    ------
    Report

    Raises
    ------
    UserError
        If there are no results, or a format, the sweep or the metric is unknown.
    """
    from agbench.reporting import build

    build.check_formats(formats)
    decisive = find_metric(metric)
    records = read_records(workspace.results)
    own = records if name is None else named(records, filled("name", name))
    known = sorted({record.condition.dataset for record in own})
    missing = [one for one in datasets if one.lower() not in known]
    if missing or not known:
        wanted = missing[0] if missing else "any data set"
        others = f"; there are results of {', '.join(known)}" if known else ""
        command = f"agbench run --dataset {missing[0] if missing else 'NAME'}"
        raise UserError(f"no results of {wanted}: run `{command}` first{others}")
    names = [one.lower() for one in datasets] or known
    yield from build.write_reports(records, workspace, names, formats, name, decisive)


def _prepared(
    dataset: AnyDataset,
    workspace: AnyPath | None,
    check: Callable[[str], None] = lambda name: None,
    deadline: float = math.inf,
) -> tuple[Dataset, Workspace]:
    """Return a data set and its workspace; `check` is called with its name before it is downloaded."""
    place = _workspace_of(dataset, workspace)
    if isinstance(dataset, Dataset):
        return dataset, place
    selection = _selection(dataset, place)
    check(selection.spec(place.datasets).name)
    return prepare_images(selection, place, Progress(), deadline=deadline), place


def _workspace_of(dataset: object, workspace: AnyPath | None) -> Workspace:
    if not isinstance(dataset, Dataset):
        return Workspace.at(workspace)
    if workspace is not None and Workspace.at(workspace).folder.resolve() != dataset.workspace.resolve():
        raise UserError(
            f"{dataset.name} was prepared in the workspace {dataset.workspace}, not in {workspace}: "
            "leave out workspace, or load the data set there"
        )
    folder, here = dataset.workspace, Path.cwd()
    return Workspace(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _selection(name: object, workspace: Workspace, **options: Any) -> ImageSelection:
    """Return the images that a name or path means: a known name first, then a table, then a folder."""
    if isinstance(name, Dataset):
        raise UserError(f"{name.name} is loaded already: use it as it is")
    if not is_path(name):
        raise UserError(
            f"dataset should be the name of a data set, or the path of a folder or table, got {name!r}"
        )
    text = str(name)
    is_name = isinstance(name, str) and text.lower() in Catalogue(workspace.datasets).names()
    if is_name or options.get("source"):
        return ImageSelection(dataset=text, **options)
    path = files.expanded(text)
    if path.is_file():
        return ImageSelection(table=path, **options)
    if path.is_dir():
        return ImageSelection(folder=path, **options)
    return ImageSelection(dataset=text, **options)


def _seconds(budget: float | str | None) -> float | None:
    if budget is None or isinstance(budget, str):
        return None if budget is None else seconds_of(budget)
    seconds = as_float(checked("budget", budget, (int, float), "seconds, or a duration such as '10m'"))
    if not 0 < seconds < float("inf"):
        raise UserError(f"{seconds:g} is not a duration: use 90s, 10m or 1h30m")
    return seconds
