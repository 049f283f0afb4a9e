"""The store that keeps results: MLflow, one run a trial."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlparse
from urllib.request import url2pathname

from filelock import FileLock

from agbench.core.condition import Condition
from agbench.core.environment import digest_of_software
from agbench.core.errors import NotStoredError, UserError, in_a_line
from agbench.store.metrics import CURVE, STORING, of_result
from agbench.store.outcome import STATUS, Ending, Failure, Result, Status, Usage
from agbench.store.record import (
    DATABASE,
    DATASET,
    ENVIRONMENT,
    EXAMPLES,
    FLIPS,
    GREEN,
    LOCKED_FOR,
    LOG,
    LOOKS,
    NOTE,
    PREDICTIONS,
    PROBABILITIES,
    SWEEP,
    TAG,
    Record,
    artifacts_of,
    record_of,
)

if TYPE_CHECKING:
    import pandas as pd

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

import httpx
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE, ErrorCode
from sqlalchemy.exc import SQLAlchemyError

_PAGE = 1000

LAST_LINES, LAST_LETTERS = 20, 4000
"""Of a log, what is kept with a trial's reason."""

SERVER_PATIENCE = 10.0
"""Seconds in which a tracking server must answer."""


class Store:
    """The results of a workspace.

    Parameters
    ----------
    folder : Path
        The workspace's ``results`` folder. MLFLOW_TRACKING_URI, where it is set, names another store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._owner = f"{platform.node()}:{self.folder}"
        self._elsewhere = os.environ.get("MLFLOW_TRACKING_URI")
        if not self._elsewhere:
            self._make_database()
        elif self._elsewhere.startswith(("http://", "https://")):
            _check_answers(self._elsewhere)
        try:
            self._client = MlflowClient(self._elsewhere or self._address(DATABASE))
            self._client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError) as error:
            place = self._elsewhere or self.folder / DATABASE
            raise UserError(f"the store {place} can't be opened: {in_a_line(error)}") from error

    def begin(
        self,
        condition: Condition,
        environment: dict[str, Any],
        sweeps: Mapping[str, int] | None = None,
        log: str = "",
    ) -> str:
        """Note that a trial starts.

        Parameters
        ----------
        condition : Condition
            Condition that is run.
        environment : dict
            As `agbench.core.environment.describe` gives it.
        sweeps : mapping of str to int, optional
            Names of sweeps that it counts to, and when these began, in milliseconds since 1970.
        log : str
            Path of its log while it runs.

        Returns
        -------
        str
            The run's id.

        Raises
        ------
        NotStoredError
            If it can't be noted now.
        """
        tags = {
            "id": condition.id,
            "condition": json.dumps(condition.to_dict(), sort_keys=True),
            "software": digest_of_software(environment["software"]),
            "owner": self._owner,
            "log": log,
            **{f"{SWEEP.removeprefix(TAG)}{name}": str(started) for name, started in (sweeps or {}).items()},
        }
        with _writing():
            experiment = self._experiment(condition.dataset)
            run = self._client.create_run(
                experiment,
                start_time=self._after_all_others(experiment),
                run_name=str(condition),
                tags={TAG + name: value for name, value in tags.items()},
            )
        run_id = str(run.info.run_id)
        try:
            with _writing():
                self._client.log_batch(run_id, params=[Param(*pair) for pair in _params(condition).items()])
                self._client.log_dict(run_id, environment, ENVIRONMENT)
        except NotStoredError:
            with suppress(*_CAUSES):  # no half of a trial; where that fails, the next sweep closes it
                self._client.delete_run(run_id)
            raise
        return run_id

    def finish(
        self, run_id: str, result: Result, usage: Usage, log: bytes, sweep: Mapping[str, float] | None = None
    ) -> None:
        """Keep a trial's result; only then is the trial done.

        Parameters
        ----------
        run_id : str
            What `begin` gave.
        result : Result
            The trial's.
        usage : Usage
            Seconds and memory of the trial.
        log : bytes
            Its log.
        sweep : mapping of str to float, optional
            What its sweep took before the first trial, by the names in `agbench.store.metrics.SWEEP_PHASES`.

        Raises
        ------
        NotStoredError
            If it can't be kept now. The same call may be made again.
        """
        with _writing():
            self._finish(run_id, result, usage, log, sweep or {})

    def _finish(self, run_id: str, result: Result, usage: Usage, log: bytes, sweep: Mapping[str, float]) -> None:
        started = time.monotonic()
        now = int(time.time() * 1000)
        values = of_result(result, usage, sweep)
        metrics = [Metric(name, value, now, 0) for name, value in cast(Mapping[str, float], values).items()]
        metrics += [Metric(CURVE, value, now, epoch) for epoch, value in enumerate(result.curve, 1)]
        tags = [RunTag(f"{NOTE}{name}", value) for name, value in result.notes.items()]
        self._client.log_batch(run_id, metrics=metrics, tags=tags)
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / PREDICTIONS
            result.predictions.to_parquet(path, index=False)
            self._client.log_artifact(run_id, str(path))
            if result.probabilities is not None:
                path = Path(scratch) / PROBABILITIES
                shares = result.probabilities.to_numpy(np.float16)
                np.savez_compressed(path, values=shares, classes=result.probabilities.columns.to_numpy(str))
                self._client.log_artifact(run_id, str(path))
            if result.examples is not None:
                path = Path(scratch) / EXAMPLES
                result.examples.to_parquet(path, index=False)
                self._client.log_artifact(run_id, str(path))
        self._client.log_dict(run_id, result.dataset, DATASET)
        self._client.log_metric(run_id, STORING, time.monotonic() - started, synchronous=True)
        self._end(run_id, Ending.FINISHED, log)

    def fail(self, run_id: str, failure: Failure, usage: Usage, log: bytes) -> None:
        """Keep why a trial did not finish, what it took, and the end of its log.

        Raises
        ------
        NotStoredError
            If it can't be kept now. The same call may be made again.
        """
        now = int(time.time() * 1000)
        said = log.decode(errors="replace").splitlines()[-LAST_LINES:]
        tags = [RunTag(TAG + "reason", failure.reason), RunTag(TAG + "log_end", "\n".join(said)[-LAST_LETTERS:])]
        metrics = [Metric(name, value, now, 0) for name, value in usage.metrics().items()]
        with _writing():
            self._client.log_batch(run_id, metrics=metrics, tags=tags)
            self._end(run_id, failure.ending, log)

    def keep_flips(self, run_id: str, flips: pd.DataFrame) -> None:
        """Keep images that a finished trial and the original's predict differently.

        Parameters
        ----------
        run_id : str
            Run of the trial.
        flips : DataFrame
            Columns `agbench.store.record.FLIP_COLUMNS`, one row per image.

        Raises
        ------
        NotStoredError
            If they can't be kept now.
        """
        with _writing(), TemporaryDirectory() as scratch:
            path = Path(scratch) / FLIPS
            flips.to_parquet(path, index=False)
            self._client.log_artifact(run_id, str(path))

    def name(self, run_ids: Iterable[str], name: str, started: int) -> None:
        """Count trials to a named sweep.

        Parameters
        ----------
        run_ids : iterable of str
            The trials' runs, whatever their state.
        name : str
            The sweep's; `agbench.store.sweeps.check_sweep_name` says which there can be.
        started : int
            When it began, in milliseconds since 1970.
        """
        for run_id in run_ids:
            self._client.set_tag(run_id, f"{SWEEP}{name}", str(started))

    def mark_green(self, run_ids: Iterable[str], name: str) -> None:
        """Note on the trials of a nightly that it had no failure and no regression."""
        for run_id in run_ids:
            self._client.set_tag(run_id, GREEN, name)

    def plan_looks(self, run_ids: Iterable[str], looks: int) -> None:
        """Note on trials at how many points, more trainings at each, their comparison may be looked at."""
        for run_id in run_ids:
            self._client.set_tag(run_id, LOOKS, str(looks))

    def close_abandoned(self, reason: str) -> None:
        """Mark this workspace's trials that nobody runs any more as killed; only while it has no other sweep.

        Parameters
        ----------
        reason : str
            Why they did not finish.
        """
        for record in self.records():
            if record.status is Status.RUNNING and record.owner == self._owner:
                log = Path(self._client.get_run(record.run_id).data.tags.get(TAG + "log", ""))
                said = log.read_bytes() if log.is_file() else b""
                self.fail(record.run_id, Failure(reason, Ending.STOPPED), Usage(), said)

    def records(self, dataset: str | None = None) -> list[Record]:
        """Return all trials, the oldest first.

        Parameters
        ----------
        dataset : str, optional
            Only this one's.

        Returns
        -------
        list of Record
        """
        experiments = [
            experiment.experiment_id
            for experiment in self._client.search_experiments()
            if dataset is None or experiment.name == dataset
        ]
        runs: list[Run] = []
        token = None
        while experiments:
            page = self._client.search_runs(experiments, max_results=_PAGE, page_token=token)
            runs += page
            token = page.token
            if not token:
                break
        records = [self._record(run) for run in runs if TAG + "condition" in run.data.tags]
        return sorted(records, key=lambda record: (record.started, record.run_id))

    def datasets(self) -> list[str]:
        """Return the names of the data sets that have results, sorted."""
        return sorted({record.condition.dataset for record in self.records()})

    def curve(self, record: Record) -> tuple[float, ...]:
        """Return a trial's validation accuracy after each epoch."""
        history = self._client.get_metric_history(record.run_id, CURVE)
        # By epoch: what was stored on a full disk may have been written twice.
        by_epoch = {metric.step: metric.value for metric in history}
        return tuple(by_epoch[epoch] for epoch in sorted(by_epoch))

    def _make_database(self) -> None:
        # MLflow builds its tables step by step: whoever looks in between, or is killed there, finds half of them.
        with FileLock(self.folder / ".agbench.db.lock"):
            if not (self.folder / DATABASE).exists():
                draft = self.folder / f".{DATABASE}.draft"
                draft.unlink(missing_ok=True)
                MlflowClient(self._address(draft.name)).search_experiments(max_results=1)
                draft.rename(self.folder / DATABASE)

    def _address(self, name: str) -> str:
        return f"sqlite:///{self.folder / name}?timeout={LOCKED_FOR}"

    def _experiment(self, dataset: str) -> str:
        found = self._client.get_experiment_by_name(dataset)
        if found is not None:
            return str(found.experiment_id)
        place = None if self._elsewhere else (self.folder / "artifacts").as_uri()
        return str(self._client.create_experiment(dataset, artifact_location=place))

    def _after_all_others(self, experiment: str) -> int:
        """Return a start in milliseconds that is later than all others': a clock may have been put back."""
        found = self._client.search_runs([experiment], max_results=1, order_by=["attributes.start_time DESC"])
        newest = max((run.info.start_time for run in found), default=0)
        return max(int(time.time() * 1000), newest + 1)

    def _end(self, run_id: str, ending: Ending, log: bytes) -> None:
        self._client.set_tag(run_id, TAG + "ending", ending.value)
        if log:
            with TemporaryDirectory() as scratch:
                path = Path(scratch) / LOG
                path.write_bytes(log)
                self._client.log_artifact(run_id, str(path))
        self._client.set_terminated(run_id, STATUS.get(ending, Status.FAILED).value)

    def _record(self, run: Run) -> Record:
        return record_of(
            run.info.run_id,
            run.info.status,
            run.info.start_time,
            run.data.tags,
            run.data.metrics,
            self._artifacts(run),
        )

    def _artifacts(self, run: Run) -> Path:
        if not self._elsewhere:
            # MLflow keeps an absolute address; this one holds when the workspace has moved.
            return artifacts_of(self.folder, run.info.run_id)
        address = urlparse(run.info.artifact_uri)
        if address.scheme in ("", "file"):
            return Path(url2pathname(address.path))
        return Path(self._client.download_artifacts(run.info.run_id, ""))


_CAUSES = (OSError, SQLAlchemyError, MlflowException)
_PASSING = {ErrorCode.Name(code) for code in (TEMPORARILY_UNAVAILABLE, INTERNAL_ERROR)}
"""MLflow's codes for a database that can't be written, and for a server that does not answer."""


@contextmanager
def _writing() -> Iterator[None]:
    """Raise `NotStoredError` for what a disk, a database or a server refuses."""
    try:
        yield
    except _CAUSES as error:
        if isinstance(error, MlflowException) and error.error_code not in _PASSING:
            raise
        raise NotStoredError(in_a_line(error)) from error


def _params(condition: Condition) -> dict[str, str]:
    plain = condition.to_dict()
    budget = plain.pop("budget")
    words = {"train": str(condition.train), "test": str(condition.test_preprocessing)}
    values = {**plain, **words, "level": condition.train.level, **budget}
    return {name: str(value) for name, value in values.items()}


def _check_answers(server: str) -> None:
    """Raise `UserError` where no tracking server answers: MLflow would try for minutes, without a word."""
    try:
        httpx.get(f"{server.rstrip('/')}/health", timeout=SERVER_PATIENCE)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(
            f"no tracking server answers at {server}, which MLFLOW_TRACKING_URI names: {error}"
        ) from error
