"""Whatever a text from outside holds, it stays that text in every form of a table."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agbench.analysis.intervals import Interval
from agbench.reporting.tables import table
from agbench.reporting.tables.table import Column, Table
from tests.reporting.made import HOSTILE


def of(text):
    return Table("made", (Column("a"), Column("b", table.number())), ((text, 0.5), ("end", None)))


def flat(text):
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in " ".join(text.split()))


@given(st.text())
@example(HOSTILE)
def test_in_markdown(text):
    tokens = MarkdownIt("commonmark").enable("table").parse(of(text).markdown())
    cells = [token for token in tokens if token.type == "inline"]
    assert [cell.content for cell in cells][:2] == ["a", "b"]
    assert len(cells) == 6
    children = cells[2].children or []
    assert "".join(child.content for child in children) == flat(text)
    assert {child.type for child in children} <= {"text", "text_special"}


@given(st.text())
@example("1. one")
@example("- item")
@example("10) ten")
@example("===")
@example("+ x")
def test_at_the_start_of_a_line_nothing_becomes_a_list_or_heading(text):
    tokens = MarkdownIt("commonmark").parse(f"words\n\n{table.escape_markdown(text)}\n")
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}


def test_long_tables_are_several_in_latex():
    long = Table("long", (Column("a"),), tuple((str(row),) for row in range(80)))
    pieces = long.pieces(35)
    assert [(piece.name, len(piece.rows)) for piece in pieces] == [("long-1", 35), ("long-2", 35), ("long-3", 10)]
    short = of("x")
    assert short.pieces(35) == [short]


@given(st.text())
@example(HOSTILE)
def test_in_html(text):
    seen: list[Any] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            seen.append((tag, attributes))

        def handle_data(self, data):
            seen.append(data)

    reader = Reader()
    reader.feed(f'<p title="{table.escape_html(text)}">{table.escape_html(text)}</p>')
    reader.close()
    assert seen[0] == ("p", [("title", flat(text))])
    assert "".join(one for one in seen[1:] if isinstance(one, str)) == flat(text)
    assert len([one for one in seen if isinstance(one, tuple)]) == 1


@given(st.text())
@example(HOSTILE)
def test_in_latex_nothing_is_left_that_means_something(text):
    escaped = table.escape_latex(text)
    words = re.sub(r"\\text\w+\{(U\+[0-9A-F]+)?\}|\\[#$%&_{}]|\{[][*-]\}", "", escaped)
    assert not set(words) & set('\\{}#$%&_~^<>|"`[]*')
    assert all(letter.isascii() or "\u00c0" <= letter <= "\u00ff" for letter in escaped)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs LaTeX")
def test_latex_compiles(all_studies):
    folder = all_studies.reports / "cifar10" / "tables"
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "all.pdf").stat().st_size > 10_000
    for made in folder.glob("all.[!t]*"):
        made.unlink()


@given(
    st.lists(st.tuples(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.floats(0, 1)), min_size=1)
)
def test_in_csv_values_are_whole(rows):
    made = Table("made", (Column("a"), Column("b")), tuple((text, Interval(x, 0.0, 1.0)) for text, x in rows))
    header, *found = csv.reader(io.StringIO(made.csv(), newline=""))
    assert header == ["a", "b", "b, low", "b, high"]
    assert [(text, float(x)) for text, x, *_ in found] == [(flat(text), x) for text, x in rows]


def test_what_has_no_value_is_shown_as_missing():
    assert of("x").markdown().splitlines()[-1] == "| end | not run |"
    assert "end & not run" in of("x").latex()
    assert of("x").csv().splitlines()[-1] == "end,"
