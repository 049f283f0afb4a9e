"""The comparison of two sweeps in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
from agbench.store.record import Record


@dataclass(frozen=True)
class ComparisonPage:
    """The page of a comparison, for a terminal, a file or a notebook.

    Parameters
    ----------
    comparison : SweepComparison
        Comparison of two named sweeps.
    """

    comparison: SweepComparison

    @property
    def regressions(self) -> int:
        """Number of conditions and models that got worse."""
        return self.comparison.regressions

    def text(self) -> str:
        """Return what ``agbench compare`` prints: the page in Markdown."""
        return self.markdown()

    def markdown(self, heading: str = "#") -> str:
        """Return the page in Markdown: what changed, what got worse, and a table of all conditions.

        Parameters
        ----------
        heading : str
            Heading mark of the page, ``"#"`` or, within another page, ``"##"``.
        """
        return "\n".join(self._parts(heading, self._conditions().markdown()))

    def print_to(self, console: Console) -> None:
        """Print the page to a terminal, however narrow, with a table of three columns."""
        before, _, after = self._parts("#", "")
        console.print(Markdown(before))
        console.print(self._terminal_table())
        console.print(Markdown(after))

    def _repr_html_(self) -> str:
        """Return the page for a notebook."""
        return str(markdown.parser().render(self.markdown()))

    def _conditions(self) -> Table:
        return conditions_table(pair for pair in self.comparison.pairs if not pair.is_same)

    def _parts(self, heading: str, conditions: str) -> tuple[str, str, str]:
        """Return the page before, in and after the table of conditions."""
        comparison = self.comparison
        values = {
            "comparison": comparison,
            "heading": heading,
            "compared": sum(pair.paired is not None for pair in comparison.pairs),
            "same": sum(pair.is_same for pair in comparison.pairs),
            "regressions": [pair for pair in comparison.pairs if pair.is_regression],
            "slower": [speed for speed in comparison.speeds if speed.is_regression],
            "seconds": seconds_table(comparison.speeds).markdown() if comparison.speeds else "",
            "floor": f"{FLOOR:g}",
            "judged": all(speed.comparable for speed in comparison.speeds),
        }
        before, after = (markdown.render(f"compare_{part}.md.j2", **values) for part in ("before", "after"))
        return before, conditions, after

    def _terminal_table(self) -> RichTable:
        drawn = RichTable(box=box.HORIZONTALS, show_lines=True)
        for name in ("condition", "measured, base → new", "verdict"):
            drawn.add_column(name, overflow="fold")
        titles, *rows = self._conditions().texts()
        for row in rows:
            cells = dict(zip(titles, row, strict=True))
            measured = [
                f"accuracy {cells['accuracy, base'] or '-'} → {cells['accuracy, new'] or '-'}",
                *([f"difference {cells['difference']}, p {cells['p']}"] if cells["difference"] else []),
                f"bytes {cells['bytes, base'] or '-'} → {cells['bytes, new'] or '-'}",
                *([f"seconds {cells['seconds']}"] if cells["seconds"] else []),
            ]
            condition = f"{cells['dataset']}, {cells['images']}, {cells['model']}, seed {cells['seed']}"
            drawn.add_row(*map(escape, (condition, "\n".join(measured), cells["verdict"])))
        return drawn


def conditions_table(pairs: Iterable[Pair]) -> Table:
    """Return one row per condition."""
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
                "; ".join(map(str, pair.verdicts)),
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
    """Return one row per model."""
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
    """Return the preprocessing of a condition's images, in words."""
    return images_of(pair.condition)


def _finished(record: Record | None) -> bool:
    return record is not None and record.is_finished


def _accuracy(record: Record | None) -> float | str:
    if record is None or not record.is_finished:
        return ""
    return float(record.correctness.right.mean())


def _measured(record: Record | None, name: str) -> float | str:
    return "" if record is None or not record.is_finished else record.metric(name) or 0.0


def _ratio(base: Record | None, new: Record | None) -> float | str:
    before, after = _measured(base, "seconds_total"), _measured(new, "seconds_total")
    return after / before if isinstance(before, float) and isinstance(after, float) and before else ""
