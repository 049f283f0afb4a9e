"""Stored trials as one table, and as a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agbench.core import files
from agbench.core.errors import UserError
from agbench.store.record import Record

if TYPE_CHECKING:
    import pandas as pd


def table_of(records: Iterable[Record]) -> pd.DataFrame:
    """Return trials as a table.

    Parameters
    ----------
    records : iterable of Record
        Records to tabulate.

    Returns
    -------
    DataFrame
        A row a trial in the same order, as `agbench.results` describes it.
    """
    import pandas as pd

    table = pd.DataFrame([_row(record) for record in records])
    if not table.empty:
        table["started"] = pd.to_datetime(table["started"], unit="ms", utc=True)
    return table


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as what its file's suffix says; it appears whole or not at all.

    Parameters
    ----------
    table : DataFrame
        As `table_of` gives it.
    path : Path
        Ends in ``.parquet`` or ``.csv``; a file that is there is replaced.

    Raises
    ------
    UserError
        If the suffix is another, or the file can't be written.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise UserError(f"{path.name} has no suffix that is known: end it in .parquet or .csv")
    try:
        with files.atomic_file(path) as half_made:
            if path.suffix == ".parquet":
                table.to_parquet(half_made, index=False)
            else:
                table.to_csv(half_made, index=False)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}") from error


def _row(record: Record) -> dict[str, Any]:
    condition = record.condition
    tested = condition.test_preprocessing
    budget = {
        f"budget_{name}": "+".join(value) if isinstance(value, tuple) else value
        for name, value in condition.budget.settings().items()
    }
    return {
        "run": record.run_id,
        "condition": condition.id,
        "dataset": condition.dataset,
        "fingerprint": condition.fingerprint,
        "model": condition.model,
        "codec": condition.train.codec,
        "level": condition.train.level,
        "noise": condition.train.noise,
        "test_codec": tested.codec,
        "test_level": tested.level,
        "seed": condition.seed,
        **budget,
        "status": record.status.value,
        "ending": "" if record.ending is None else record.ending.value,
        "reason": record.reason,
        "started": record.started,
        "software": record.software,
        "sweeps": " ".join(record.sweeps),
        **record.measured(),
    }
