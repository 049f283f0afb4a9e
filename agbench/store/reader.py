"""Read a store's trials without MLflow, whose import takes longer than a report."""

from __future__ import annotations

import math
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from agbench.core.errors import UserError
from agbench.store.metrics import CURVE
from agbench.store.record import DATABASE, LOCKED_FOR, TAG, Record, artifacts_of, record_of


def read_records(folder: Path, dataset: str | None = None) -> list[Record]:
    """Read all trials of a store, the oldest first, as `agbench.store.store.Store.records` does.

    Parameters
    ----------
    folder : Path
        The workspace's ``results`` folder. MLFLOW_TRACKING_URI, where it is set, names another store.
    dataset : str, optional
        Only this one's.

    Returns
    -------
    list of Record
        Of the workspace's own database by SQL (MLflow's tables); of another store by MLflow.

    Raises
    ------
    UserError
        If the database can't be read.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        from agbench.store.store import Store

        store = Store(folder)
        return [replace(record, curve=store.curve(record)) for record in store.records(dataset)]
    database = folder.resolve() / DATABASE
    if not database.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=LOCKED_FOR)) as connection:
            found = _rows(connection, dataset)
    except sqlite3.Error as error:
        raise UserError(f"the store {database} can't be opened: {error}") from error
    records = [
        record_of(run, status, started, tags, metrics, artifacts_of(folder.resolve(), run), tuple(curve))
        for run, status, started, tags, metrics, curve in found
        if f"{TAG}condition" in tags
    ]
    return sorted(records, key=lambda record: (record.started, record.run_id))


def _rows(
    connection: sqlite3.Connection, dataset: str | None
) -> list[tuple[str, str, int, dict[str, str], dict[str, float], list[float]]]:
    runs = connection.execute(
        "SELECT run_uuid, status, start_time FROM runs JOIN experiments USING (experiment_id)"
        " WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'"
        " AND (? IS NULL OR experiments.name = ?)",
        (dataset, dataset),
    ).fetchall()
    tags: dict[str, dict[str, str]] = {run: {} for run, *_ in runs}
    metrics: dict[str, dict[str, float]] = {run: {} for run, *_ in runs}
    for run, key, value in connection.execute("SELECT run_uuid, key, value FROM tags"):
        if run in tags:
            tags[run][key] = value
    for run, key, value, is_nan in connection.execute("SELECT run_uuid, key, value, is_nan FROM latest_metrics"):
        if run in metrics:
            metrics[run][key] = math.nan if is_nan else value
    curves: dict[str, list[float]] = {run: [] for run, *_ in runs}
    history = "SELECT run_uuid, value, is_nan FROM metrics WHERE key = ? ORDER BY run_uuid, step"
    for run, value, is_nan in connection.execute(history, (CURVE,)):
        if run in curves:
            curves[run].append(math.nan if is_nan else value)
    return [(run, status, started, tags[run], metrics[run], curves[run]) for run, status, started in runs]
