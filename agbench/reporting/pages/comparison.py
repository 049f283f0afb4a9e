"""The comparison of two sweeps in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table as RichTable

from agbench.analysis.regressions import FLOOR, Pair, Speed, SweepComparison
from agbench.reporting.pages import markdown
from agbench.reporting.tables import table
from agbench.reporting.tables.details import images_of
from agbench.reporting.tables.table import Column, Table
from agbench.store.record import FINISHED, Record


def print_to(console: Console, comparison: SweepComparison) -> None:
    """Print a comparison to a terminal, however narrow: its page, with a table of three columns."""
    before, after = page(comparison, conditions=_PLACE).split(_PLACE)
    console.print(Markdown(before))
    drawn = RichTable(box=box.HORIZONTALS, show_lines=True)
    for name in ("condition", "measured, base → new", "verdict"):
        drawn.add_column(name, overflow="fold")
    titles, *rows = conditions_table(comparison.pairs).texts()
    for row in rows:
        said = dict(zip(titles, row, strict=True))
        measured = [
            f"accuracy {said['accuracy, base'] or '-'} → {said['accuracy, new'] or '-'}",
            *([f"difference {said['difference']}, p {said['p']}"] if said["difference"] else []),
            f"bytes {said['bytes, base'] or '-'} → {said['bytes, new'] or '-'}",
            *([f"seconds {said['seconds']}"] if said["seconds"] else []),
        ]
        condition = f"{said['dataset']}, {said['images']}, {said['model']}, seed {said['seed']}"
        drawn.add_row(*map(escape, (condition, "\n".join(measured), said["verdict"])))
    console.print(drawn)
    console.print(Markdown(after))


_PLACE = "THE CONDITIONS"


def page(comparison: SweepComparison, heading: str = "#", conditions: str | None = None) -> str:
    """Give a comparison's page: what changed, what got worse, and a table of all conditions.

    Parameters
    ----------
    comparison : SweepComparison
        What it is about.
    heading : str
        Of the page itself, ``"#"`` or, within another page, ``"##"``.
    conditions : str, optional
        What stands for the table of conditions; by default it does.

    Returns
    -------
    str
    """
    return markdown.render(
        "compare.md.j2",
        comparison=comparison,
        heading=heading,
        compared=sum(pair.paired is not None for pair in comparison.pairs),
        regressions=[pair for pair in comparison.pairs if pair.is_regression],
        slower=[speed for speed in comparison.speeds if speed.is_regression],
        conditions=conditions_table(comparison.pairs).markdown() if conditions is None else conditions,
        seconds=seconds_table(comparison.speeds).markdown() if comparison.speeds else "",
        floor=f"{FLOOR:g}",
        judged=all(speed.comparable for speed in comparison.speeds),
    )


def conditions_table(pairs: Iterable[Pair]) -> Table:
    """Give a row for each condition of either sweep."""
    rows = []
    for pair in pairs:
        condition, both = pair.condition, _finished(pair.base) and _finished(pair.new)
        rows.append(
            (
                condition.dataset,
                images(pair),
                condition.model,
                str(condition.seed),
                *(_accuracy(record) for record in (pair.base, pair.new)),
                "" if pair.paired is None else pair.paired.difference,
                "" if pair.p_value is None else pair.p_value,
                *(_measured(record, "bytes") for record in (pair.base, pair.new)),
                _ratio(pair.base, pair.new) if both else "",
                "; ".join(pair.verdicts),
            )
        )
    columns = (
        *map(Column, ("dataset", "images", "model", "seed")),
        *(Column(f"accuracy, {which}", table.number()) for which in ("base", "new")),
        Column("difference", table.difference),
        Column("p", table.p_value),
        *(Column(f"bytes, {which}", "{:,.0f}".format) for which in ("base", "new")),
        Column("seconds", "x {:.2f}".format),
        Column("verdict"),
    )
    return Table("conditions", columns, tuple(rows))


def seconds_table(speeds: Iterable[Speed]) -> Table:
    """Give a row for each model."""
    rows = tuple((one.model, one.conditions, one.base, one.new, one.ratio, one.verdict) for one in speeds)
    columns = (
        Column("model"),
        Column("conditions"),
        Column("seconds, base", table.number(1)),
        Column("seconds, new", table.number(1)),
        Column("ratio", "x {:.2f}".format),
        Column("verdict"),
    )
    return Table("seconds", columns, rows)


def images(pair: Pair) -> str:
    """Say what the images of a condition went through."""
    return images_of(pair.condition)


def _finished(record: Record | None) -> bool:
    return record is not None and record.status == FINISHED


def _accuracy(record: Record | None) -> float | str:
    if record is None or record.status != FINISHED:
        return ""
    return float(record.correctness.right.mean())


def _measured(record: Record | None, name: str) -> float | str:
    return "" if record is None or record.status != FINISHED else record.metrics[name]


def _ratio(base: Record | None, new: Record | None) -> float | str:
    before, after = _measured(base, "seconds_total"), _measured(new, "seconds_total")
    return after / before if isinstance(before, float) and isinstance(after, float) and before else ""
