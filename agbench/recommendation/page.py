"""The answer for one's own images: lines for a terminal, a page, and the curve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agbench.analysis import intervals
from agbench.analysis.intervals import INFERIOR, NOT_DECIDED, NOT_INFERIOR
from agbench.core import files
from agbench.reporting.figures.charts import Chart, Line
from agbench.reporting.pages import markdown
from agbench.reporting.tables import table
from agbench.reporting.tables.table import Column, Table

if TYPE_CHECKING:
    from agbench.recommendation.question import LevelTest, Recommendation

PAGE, CURVE = "recommendation.md", "recommendation"
WIDTH = 41
"""Letters of the curve in a terminal."""


def write(answer: Recommendation, reports: Path, command: str) -> Path:
    """Write an answer's page and curve.

    Parameters
    ----------
    answer : Recommendation
        The answer.
    reports : Path
        The workspace's ``reports`` folder; it goes into ``<dataset>/`` there.
    command : str
        What gives the same answer again.

    Returns
    -------
    Path
        The page.
    """
    # matplotlib takes a second to import.
    from agbench.reporting.figures import static

    folder = reports / answer.dataset
    folder.mkdir(parents=True, exist_ok=True)
    if answer.tests:
        static.draw(chart(answer), folder)
    text = markdown.render(
        f"{PAGE}.j2",
        dataset=answer.dataset,
        lines=list(lines(answer)),
        table=tests_table(answer).markdown() if answer.tests else "",
        tests=answer.question.tests,
        confidence=_percent(1 - 2 * answer.question.one_sided),
        curve=f"{CURVE}.png" if answer.tests else "",
        command=command,
    )
    files.write(folder / PAGE, text)
    return folder / PAGE


def lines(answer: Recommendation) -> Iterator[str]:
    """Say the answer and what it rests on, a line each."""
    asked = answer.question
    margin = f"{_points(asked.margin)} of accuracy"
    if answer.tests:
        rests = answer.tests[0].comparison
        seeds = "one seed" if rests.seeds == 1 else f"{rests.seeds} seeds"
        side = answer.tests[0].image_size
        seen = "" if side is None else f" from {side}x{side} pixels"
        yield (
            f"{answer.dataset}: {rests.images:,} images, each predicted out of fold by {asked.model}{seen}, "
            f"{seeds}; intervals of {_percent(1 - 2 * asked.one_sided)}"
        )
    if not answer.is_complete:
        yield f"Time ran out after {len(answer.tests)} of at most {asked.tests} levels; the same command goes on"
    chosen = answer.chosen
    if answer.is_at_chance:
        yield (
            f"No answer: at the original the accuracy is {table.accuracy(answer.tests[0].base)}, no better than "
            "always naming the largest class. What does not see the classes can't tell what is lost; another "
            "--model may"
        )
        return
    if chosen is not None and answer.is_contradicted:
        yield (
            f"No safe level: {chosen.preprocessing} loses less than {margin} in the eyes of {asked.model}, but "
            f"{asked.confirm} loses more there; a smaller --margin may give a level that both find safe."
        )
        yield f"  {_measured(chosen)}"
    elif chosen is not None:
        yield (
            f"Safe: {chosen.preprocessing} loses less than {margin}, and saves {chosen.saved:.1%} of the bytes "
            f"({table.size(chosen.bytes_original)} to {table.size(chosen.bytes)}, measured)."
        )
        yield f"  {_measured(chosen)}"
        wanted = f"--codec {chosen.preprocessing.codec} --level {chosen.preprocessing.level:g}"
        yield (
            f"  agbench compress FOLDER {wanted} --out DIR does it; what would grow stays as it is there, "
            "and metadata is kept"
        )
    elif any(look.is_safe for look in answer.tests):
        yield "No level that is safe saves bytes: keep the originals."
    elif answer.is_complete:
        yield f"No level is shown to lose less than {margin}: keep the originals, or accept a larger --margin."
    if answer.next is not None:
        yield f"{answer.next.preprocessing}: {_why_not(answer.next)}"
        yield f"  {_measured(answer.next)}"
    if answer.tests and chosen is None:
        fewest = intervals.fewest_images(asked.margin, asked.one_sided)
        if answer.tests[0].comparison.images < fewest:
            yield f"To show a margin of {_points(asked.margin)} takes at least {fewest:,} images; here are fewer."
    if answer.confirmed is not None:
        one = answer.confirmed
        verdict = "confirmed" if one.is_safe else "contradicted" if one.is_harmful else f"open: {_why_not(one)}"
        yield f"{asked.confirm}, fine-tuned, on {one.comparison.images:,} test images: {verdict}"
        yield f"  {_measured(one)}"


def curve(answer: Recommendation) -> Iterator[str]:
    """Draw the differences with their intervals, a line a level, for a terminal."""
    tests = _by_bytes(answer)
    if not tests or answer.is_at_chance:
        return
    margin = answer.question.margin
    low = min(-2 * margin, *(look.comparison.difference.low for look in tests))
    high = max(margin, *(look.comparison.difference.high for look in tests))

    def place(value: float) -> int:
        return round((value - low) / (high - low) * (WIDTH - 1))

    names = [str(look.preprocessing) for look in tests]
    widest = max(map(len, names))
    for name, look in zip(names, tests, strict=True):
        letters = [" "] * WIDTH
        found = look.comparison.difference
        letters[place(found.low) : place(found.high) + 1] = "-" * (place(found.high) - place(found.low) + 1)
        letters[place(-margin)], letters[place(0)] = "|", ":"
        letters[place(found.value)] = "o"
        yield f"{name.ljust(widest)} {1 - look.saved:7.1%} {''.join(letters)} {_verdict(look)}"
    yield (
        f"{'':{widest}} {'bytes':>7} difference of accuracy, {_points(low)} to {_points(high)}; "
        f"|: the margin, ':': none"
    )


def chart(answer: Recommendation) -> Chart:
    """Give the curve: the difference to the original over the achieved size."""
    tests = _by_bytes(answer)
    drawn = []
    for codec in dict.fromkeys(look.preprocessing.codec for look in tests):
        own = [look for look in tests if look.preprocessing.codec == codec]
        differences = [look.comparison.difference for look in own]
        drawn.append(
            Line(
                name=codec or "original",
                x=(100.0, *(100 * (1 - look.saved) for look in own)),
                y=(0.0, *(one.value for one in differences)),
                low=(0.0, *(one.low for one in differences)),
                high=(0.0, *(one.high for one in differences)),
            )
        )
    margin, ends = -answer.question.margin, (0.0, max(100.0, *(x for line in drawn for x in line.x)))
    drawn.append(Line("the margin", ends, (margin, margin), (margin, margin), (margin, margin)))
    values = [value for line in drawn for value in (*line.low, *line.high)]
    return Chart(
        name=CURVE,
        title=f"{answer.dataset}: accuracy minus that of the original",
        x_label="achieved size, % of the original's bytes (100: the original)",
        y_label=f"difference, with {_percent(1 - 2 * answer.question.one_sided)} interval",
        lines=tuple(drawn),
        ticks={},
        above={},
        above_label="",
        falling=True,
        y_range=(min(values) - 0.01, max(values) + 0.01),
    )


def tests_table(answer: Recommendation) -> Table:
    """Give what was looked at, a row a level, from many bytes to few."""
    rows = tuple(
        (
            str(look.preprocessing),
            look.bytes,
            1 - look.saved,
            look.base,
            look.ours,
            look.comparison.difference,
            "judged by one that is blind" if answer.is_at_chance else _verdict(look),
        )
        for look in _by_bytes(answer)
    )
    columns = (
        Column("images"),
        Column("bytes", table.size),
        Column("of original", table.share),
        Column("accuracy, original", table.accuracy),
        Column("accuracy", table.accuracy),
        Column("difference", table.difference),
        Column("verdict"),
    )
    return Table("recommendation", columns, rows)


def _by_bytes(answer: Recommendation) -> list[LevelTest]:
    return sorted(answer.tests, key=lambda look: look.bytes, reverse=True)


def _verdict(look: LevelTest) -> str:
    return NOT_INFERIOR if look.is_safe else INFERIOR if look.is_harmful else NOT_DECIDED


def _measured(look: LevelTest) -> str:
    found = look.comparison.difference
    return (
        f"accuracy {look.base.value:.4f} at the original, {look.ours.value:.4f} there: "
        f"{_points(found.value, '+')} ({_points(found.low, '+')} to {_points(found.high, '+')})"
    )


def _why_not(look: LevelTest) -> str:
    if look.is_harmful:
        return "shown to lose more"
    ways = []
    if look.more_images:
        ways.append(f"about {_rounded(look.more_images):,} more images")
    if look.more_seeds:
        ways.append(f"{look.more_seeds} more seed{'s' if look.more_seeds > 1 else ''}")
    if not ways and look.comparison.difference.value > -look.comparison.margin:
        return "not decided; its seeds differ too much for so few of them: take one, or many more"
    if not ways:
        return "not decided; what was found is a loss of the margin or more, so that more images would hardly help"
    said = " (or ".join(ways) + (")" if len(ways) > 1 else "")
    return f"not decided: {said} would, if the difference stays as it is"


def _rounded(count: int) -> int:
    """Give two leading digits of an estimate, rounded up."""
    step = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // step) * step


def _points(value: float, sign: str = "") -> str:
    return f"{100 * value:{sign}.2f}".rstrip("0").rstrip(".") + (" point" if abs(value) == 0.01 else " points")


def _percent(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %"
