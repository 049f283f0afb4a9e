"""A table of values, and its forms: Markdown, LaTeX, CSV."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agbench.analysis.intervals import Interval

MISSING = "not run"
WRAPPED = 45
"""Letters from which on a column of LaTeX is set as a paragraph."""

ALIGNED = 90
"""Letters up to which a cell of Markdown widens its column; a longer one wraps in a terminal anyway."""

_PARAGRAPH = r">{\raggedright\arraybackslash}p{55mm}"


@dataclass(frozen=True)
class Remarked(Interval):
    """An interval that needs a word beside it.

    Parameters
    ----------
    remark : str
        The word.
    """

    remark: str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
        Its heading.
    show : callable
        Gives the text of a value that is neither missing nor a text.
    """

    name: str
    show: Callable[[Any], str] = str


@dataclass(frozen=True)
class Table:
    """A table of values; what has no value is ``None``.

    Parameters
    ----------
    name : str
        Name of the table, and of its files.
    columns : tuple of Column
        Columns of the table.
    rows : tuple of tuple
        The values: texts, numbers, tuples of numbers, intervals.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    def texts(self) -> list[tuple[str, ...]]:
        """Return headings and rows as texts."""
        shown = [
            tuple(_text(column, value) for column, value in zip(self.columns, row, strict=True))
            for row in self.rows
        ]
        return [tuple(column.name for column in self.columns), *shown]

    def markdown(self) -> str:
        """Return the table in Markdown, its columns aligned for reading as plain text."""
        lines = [tuple(map(escape_markdown, line)) for line in self.texts()]
        widths = [
            max(len(text) for text in column if len(text) <= ALIGNED or text is column[0])
            for column in zip(*lines, strict=True)
        ]
        padded = [
            "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
            for line in lines
        ]
        rule = "| " + " | ".join("-" * width for width in widths) + " |"
        return "\n".join([padded[0], rule, *padded[1:]])

    def html(self) -> str:
        """Return the table as an HTML ``table`` element, its texts escaped."""
        heading, *rows = self.texts()
        lines = ["<table>", "<tr>" + "".join(f"<th>{escape_html(text)}</th>" for text in heading) + "</tr>"]
        lines += ["<tr>" + "".join(f"<td>{escape_html(text)}</td>" for text in row) + "</tr>" for row in rows]
        return "\n".join([*lines, "</table>"])

    def by_first(self) -> dict[str, Table]:
        """Return a table for each value of the first column, without it, in the order of the rows."""
        return {
            name: replace(
                self, columns=self.columns[1:], rows=tuple(row[1:] for row in self.rows if row[0] == name)
            )
            for name in dict.fromkeys(row[0] for row in self.rows)
        }

    def only(self, *names: str) -> Table:
        """Return the table with the columns of these names alone."""
        places = [place for place, column in enumerate(self.columns) if column.name in names]
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return replace(self, columns=tuple(self.columns[place] for place in places), rows=rows)

    def pieces(self, rows: int) -> list[Table]:
        """Return the table in parts of so many rows, each with the heading: itself where it has no more."""
        if len(self.rows) <= rows:
            return [self]
        starts = range(0, len(self.rows), rows)
        return [
            replace(self, name=f"{self.name}-{part}", rows=self.rows[start : start + rows])
            for part, start in enumerate(starts, 1)
        ]

    def latex(self) -> str:
        """Return the table as a ``tabular`` with booktabs' rules; long columns need the package array."""
        heading, *rows = [" & ".join(map(escape_latex, line)) + r" \\" for line in self.texts()]
        widest = [max(map(len, column)) for column in zip(*self.texts(), strict=True)]
        columns = "".join("l" if width <= WRAPPED else _PARAGRAPH for width in widest)
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", heading, r"\midrule", *rows, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}"]) + "\n"

    def csv(self) -> str:
        """Return the table's values, unrounded: an interval takes three columns, several numbers one."""
        spread = [any(isinstance(row[place], Interval) for row in self.rows) for place in range(len(self.columns))]
        header: list[str] = []
        for column, is_interval in zip(self.columns, spread, strict=True):
            header += (
                [column.name, f"{column.name}, low", f"{column.name}, high"] if is_interval else [column.name]
            )
        target = io.StringIO()
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(header)
        for row in self.rows:
            cells: list[Any] = []
            for value, is_interval in zip(row, spread, strict=True):
                if isinstance(value, Interval):
                    cells += [value.value, value.low, value.high]
                else:
                    cells += [_plain(value), *([""] * 2 if is_interval else [])]
            writer.writerow(cells)
        return target.getvalue()


def escape_markdown(text: str) -> str:
    r"""Make a text from outside harmless in Markdown, and in a row of a table.

    Examples
    --------
    >>> print(escape_markdown("a|b <i>"))
    a\|b \<i\>
    """
    # An underscore between letters or digits is no markup, and names are easier to read without the slash.
    # Neither is "<" before a space.
    escaped = re.sub(r"[\\`*\[\]>|#~&]|<(?! )|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", _flat(text))
    # What would begin a list, or underline a heading.
    return re.sub(r"^(\d{0,9})([-+.)=])(?=\s|$|[-=])", r"\1\\\2", escaped)


def capitalised(text: str) -> str:
    """Return a text that begins a sentence, with its other capitals as they are.

    Examples
    --------
    >>> capitalised("macro F1"), capitalised("AUC")
    ('Macro F1', 'AUC')
    """
    return text[:1].upper() + text[1:]


def escape_html(text: str) -> str:
    """Make a text from outside harmless in HTML.

    Examples
    --------
    >>> escape_html("a & b")
    'a &amp; b'
    """
    return html.escape(_flat(text), quote=True)


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": r"{-}",
    "[": r"{[}",
    "]": r"{]}",
    "*": r"{*}",
    "\N{CHECK MARK}": "$+$",
    "\N{BALLOT X}": "$-$",
    "\N{WHITE CIRCLE}": r"$\circ$",
    **{letter: rf"\{letter}" for letter in "#$%&_"},
}


def escape_latex(text: str) -> str:
    r"""Make a text from outside harmless in LaTeX; letters beyond Latin-1 are given by their numbers.

    Examples
    --------
    >>> print(escape_latex("50 %"))
    50 \%
    """
    return "".join(
        _LATEX.get(letter) or (letter if _in_latex(letter) else _number(letter)) for letter in _flat(text)
    )


def number(digits: int = 4) -> Callable[[float], str]:
    """Show so many decimals.

    Examples
    --------
    >>> number(2)(0.12345)
    '0.12'
    """
    return lambda value: f"{value:.{digits}f}"


def accuracy(interval: Interval) -> str:
    """Show an accuracy with its interval, and the remark where there is one.

    Examples
    --------
    >>> accuracy(Interval(0.9, 0.85, 0.94))
    '0.9000 (0.8500 to 0.9400)'
    """
    remark = f", {interval.remark}" if isinstance(interval, Remarked) else ""
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f}){remark}"


def difference(interval: Interval) -> str:
    """Show a difference with its interval.

    Examples
    --------
    >>> difference(Interval(-0.02, -0.05, 0.01))
    '-0.0200 (-0.0500 to +0.0100)'
    """
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"


def points(interval: Interval) -> str:
    """Show a difference of accuracy with its interval, in points.

    Examples
    --------
    >>> points(Interval(-0.02, -0.05, 0.01))
    '-2.00 (-5.00 to +1.00) points'
    """
    return f"{100 * interval.value:+.2f} ({100 * interval.low:+.2f} to {100 * interval.high:+.2f}) points"


def share(value: float) -> str:
    """Show a share as a percentage.

    Examples
    --------
    >>> share(0.25)
    '25.00%'
    """
    return f"{value:.2%}"


def p_value(value: float) -> str:
    """Show a p-value.

    Examples
    --------
    >>> p_value(0.03), p_value(0.00001)
    ('0.03', '< 0.0001')
    """
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.01 else f"{value:.2g}"


def each(show: Callable[[Any], str]) -> Callable[[Sequence[Any]], str]:
    """Show several values.

    Examples
    --------
    >>> each(share)([0.25, 0.5])
    '25.00% / 50.00%'
    """
    return lambda values: " / ".join(map(show, values))


def level(value: float) -> str:
    """Show a level.

    Examples
    --------
    >>> level(1.0), level(0.3)
    ('1.0 (original)', '0.3')
    """
    return "1.0 (original)" if value == 1 else f"{value:g}"


def estimated(count: int) -> str:
    """Show an estimated number, rounded up to two leading digits.

    Examples
    --------
    >>> estimated(257), estimated(12_345)
    ('260', '13,000')
    """
    step = int(10 ** max(len(str(count)) - 2, 0))
    return f"{-(-count // step) * step:,}"


def size(count: float) -> str:
    """Show bytes as the paper does, in decimal units.

    Examples
    --------
    >>> size(1_234_567)
    '1.2 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _text(column: Column, value: Any) -> str:
    if value is None:
        return MISSING
    return value if isinstance(value, str) else column.show(value)


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return _flat(value) if isinstance(value, str) else value


def _flat(text: str) -> str:
    """Put a text on one line, with what can't be printed as its escape."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in " ".join(text.split()))


def _in_latex(letter: str) -> bool:
    return letter.isascii() or "\u00c0" <= letter <= "\u00ff"


def _number(letter: str) -> str:
    return rf"\texttt{{U+{ord(letter):04X}}}"
