"""The docs are built strictly, and their links, commands and examples are true."""

from __future__ import annotations

import ast
import configparser
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import pytest
import yaml
from markdown_it import MarkdownIt
from rich.filesize import decimal

import agbench as package
from agbench.cli.main import main
from agbench.data.card import UNPACKED_LIMIT, Card
from agbench.store.export import table_of
from agbench.studies.yaml_file import find_studies
from tests.reporting import made

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TOP = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
MOST_LINES = 150
"""Of the README."""


class Page(HTMLParser):
    """Addresses and anchors of a page of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif found.get("rel") != "canonical":
            self.loaded += [found[name] for name in ("src", "href", "srcset", "data") if found.get(name)]


@pytest.fixture(scope="module")
def built_site(tmp_path_factory):
    """The site, built strictly: MkDocs resolves links and anchors between pages."""
    folder = tmp_path_factory.mktemp("site")
    command = [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built_and_in_the_contents(built_site):
    built = {path.relative_to(built_site).with_suffix(".md") for path in built_site.rglob("*.html")}
    assert built - {Path("404.md")} == {path.relative_to(DOCS) for path in PAGES}
    assert not [*built_site.rglob("*.py")]


def test_the_site_works_without_a_network(built_site):
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in built_site.rglob("*.html")}
    elsewhere = [one for page in pages.values() for one in page.loaded if urlsplit(one).netloc]
    assert elsewhere == []
    styles = built_site.rglob("*.css")
    assert not [path for path in styles if re.search(r"url\(['\"]?(https?:)?//", path.read_text())]


def test_links_within_the_site_lead_somewhere(built_site):
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in built_site.rglob("*.html")}
    for path, page in pages.items():
        if path.name == "404.html":  # its links are those of a server's root
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].anchors, f"{path.name}: {link}"


def test_the_command_line_has_all_commands_in_their_groups(built_site):
    text = (built_site / "reference" / "command-line.html").read_text(encoding="utf-8")
    for name in main.commands:
        assert f'id="agbench-{name}"' in text, name
    for heading in ("Answer", "Images:", "Budget of the models:", "How it is run:"):
        assert heading in text, heading


def test_the_functions_are_those_that_are_public(built_site):
    anchors = Page((built_site / "reference" / "api.html").read_text(encoding="utf-8")).anchors
    functions = {f"agbench.{name}" for name in package.__all__ if name != "__version__"}
    assert {name for name in anchors if re.fullmatch(r"agbench\.\w+", name)} == functions


def test_what_functions_return_is_on_the_page_of_functions(built_site):
    anchors = Page((built_site / "reference" / "api.html").read_text(encoding="utf-8")).anchors
    functions = [one for name in package.__all__ if inspect.isfunction(one := getattr(package, name))]
    returned = {one.__annotations__["return"] for one in functions} - {"pd.DataFrame"}
    assert len(returned) == 5
    paths = [name for name in anchors if re.fullmatch(r"agbench(\.[a-z]+){2,}\.[A-Z]\w+", name)]
    classes = {path.rpartition(".")[2] for path in paths}
    (public,) = re.findall(r"^- the classes (.*?) of", (DOCS / "versions.md").read_text("utf-8"), re.M | re.S)
    assert returned <= classes == {*re.findall(r"`(\w+)`", public)}


def test_what_plug_ins_import_is_there_and_said_to_be_public():
    public = {*re.findall(r"`(agbench(?:\.\w+)*\.\w+)`", (DOCS / "versions.md").read_text(encoding="utf-8"))}
    public -= {"agbench.datasets", "agbench.codecs", "agbench.models"}  # groups of entry points
    for name in public:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute), name
    plug_ins = [ast.parse(one.content) for one in blocks_of(DOCS / "extending.md") if one.title.endswith(".py")]
    imports = [node for tree in plug_ins for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    used = {f"{node.module}.{one.name}" for node in imports for one in node.names}
    assert {name for name in used if name.startswith("agbench.")} <= public


def test_the_keys_of_a_card_are_those_of_the_page():
    text = (DOCS / "extending.md").read_text(encoding="utf-8")
    assert names_in_table(text, "key") == [*Card.model_fields]
    assert f"without it {decimal(UNPACKED_LIMIT).replace('.0', '')}" in text


def test_the_columns_of_an_export_are_those_of_the_page():
    record = made.failed(made.condition("any", "tabular:pixels", 1.0))
    settings = {f"budget_{name}" for name in record.condition.budget.settings()}
    columns = [name for name in table_of([record]) if name not in {*record.measured(), *settings}]
    shown = names_in_table((DOCS / "reference" / "metrics-and-store.md").read_text(encoding="utf-8"), "column")
    assert [name for name in shown if name != "budget_…"] == columns
    assert "budget_…" in shown


def names_in_table(text, head):
    """Return what stands in code in the first column of the table with such a heading."""
    (rows,) = re.findall(rf"^\| {head} \|.*\n\| --- .*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [name for row in rows.splitlines() for name in re.findall("`([^`]+)`", row.split("|")[1])]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_readme_shows_the_samples_answer():
    sample = (ROOT / "reports" / "sample" / "patches" / "report.md").read_text(encoding="utf-8")
    _, shown, _ = re.split("<!-- /?answer -->", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert quoted(shown) == quoted(sample.partition("\nContents: ")[0])
    assert quoted(shown)


def quoted(text):
    return [line for line in text.splitlines() if re.match("> .", line)]


@pytest.mark.parametrize("path", [*TOP, *PAGES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_files_lead_somewhere(path):
    """As a code host shows them: relative to the file, with its anchors."""
    for link in links_of(path):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        assert target.exists(), link
        if parts.fragment and not is_generated(target):
            assert parts.fragment in anchors_of(target), link


def is_generated(path):
    """Return whether a page gets its headings when it is built; those are looked at in the site."""
    return path.relative_to(ROOT).as_posix() in ("docs/reference/api.md", "docs/reference/command-line.md")


def tokens_of(path):
    return MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))


def links_of(path):
    inline = [child for token in tokens_of(path) for child in token.children or ()]
    return [link for one in inline if (link := one.attrGet("href") or one.attrGet("src"))]


def anchors_of(path):
    tokens = tokens_of(path)
    titles = [after.content for one, after in pairwise(tokens) if one.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@dataclass(frozen=True)
class Block:
    """A fenced block: its file, language, title and content."""

    path: Path
    language: str
    title: str
    content: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}: {self.content.splitlines()[0][:50]}"


def blocks(language: str) -> list[Block]:
    return [one for path in (*TOP, *PAGES) for one in blocks_of(path) if one.language == language]


def blocks_of(path: Path) -> Iterator[Block]:
    for token in tokens_of(path):
        if token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            yield Block(path, language, title[1] if title else "", token.content)


def commands() -> list[str]:
    """Return the command lines that the docs show, without comments."""
    lines = "\n".join(one.content for one in blocks("sh")).replace("\\\n", " ").splitlines()
    return [text for line in lines if (text := shlex.join(shlex.split(line, comments=True)))]


def test_every_command_line_is_of_a_program_that_there_is():
    programs = {re.sub(r"^(\w+=\S* )+", "", line).split()[0] for line in commands()}
    assert "./run.sh" in programs
    of_shells = {".", "pip", "python3", "sed", "uv"}
    of_environment = {".venv/bin/ray", ".venv/bin/python", ".venv/bin/pre-commit"}
    assert programs <= {"./run.sh", *of_shells, *of_environment}
    for program in (one for one in programs if one.startswith(".venv/")):
        assert (Path(sys.executable).parent / Path(program).name).exists(), program


AGBENCH = [
    words[1:]
    for line in commands()
    if (words := shlex.split(re.sub(r"^(\w+=\S* )+", "", line)))[0] in ("./run.sh", "agbench")
    if words[1:2] not in ([], ["test"])
]


@pytest.mark.parametrize("arguments", AGBENCH, ids=" ".join)
def test_every_command_line_is_understood(arguments, tmp_path, monkeypatch):
    """Its command, options and values, without running it."""
    monkeypatch.chdir(tmp_path)
    with main.make_context("agbench", ["--workspace", str(tmp_path), *arguments]) as ctx:
        _, command, rest = main.resolve_command(ctx, ctx._protected_args + ctx.args)
        with command.make_context(command.name, [*rest], parent=ctx) as inner:
            of_run = inner.params.get("options") or inner.args  # a nightly hands them on
        with main.commands["run"].make_context("run", [*of_run], parent=ctx):
            pass


def test_a_wrong_command_line_is_noticed(tmp_path, monkeypatch):
    for wrong in (["run", "--dataste", "dtd"], ["run", "--level", "much"], ["rum"]):
        with pytest.raises(click.UsageError):
            test_every_command_line_is_understood(wrong, tmp_path, monkeypatch)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_compiles_imports_what_there_is_and_calls_it_rightly(block):
    tree = ast.parse(block.content)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "agbench":
            module = import_module(node.module)
            assert all(hasattr(module, one.name) for one in node.names), ast.unparse(node)
        elif isinstance(node, ast.Call) and re.fullmatch(r"agbench\.\w+", ast.unparse(node.func)):
            function = getattr(package, ast.unparse(node.func).removeprefix("agbench."))
            inspect.signature(function).bind(*node.args, **{one.arg: one.value for one in node.keywords})
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "agbench":
            assert node.attr in package.__all__


def test_cards_and_studies_are_read(tmp_path):
    found = 0
    for number, block in enumerate(blocks("yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block.content, encoding="utf-8")
        if "layout" in yaml.safe_load(block.content):
            Card.model_validate(yaml.safe_load(block.content))
        else:
            assert find_studies(str(path))
        found += 1
    assert found == 2


def test_a_study_of_the_docs_has_conditions():
    (block,) = [one for one in blocks("python") if "Study(" in one.content]
    names = {}
    exec(block.content, names)
    assert [one.level for one in names["tiny_steps"].treatments] == [1.0, 0.99, 0.97, 0.95]


@pytest.fixture
def extended(tmp_path):
    """The package of the page on extending, as it stands there; the environment in which it is found."""
    files = {one.title: one.content for one in blocks_of(DOCS / "extending.md") if one.title}
    project = configparser.ConfigParser()  # which reads this much of TOML; Python 3.10 has no other reader
    project.read_string(files["pyproject.toml"])
    site = tmp_path / "site"
    site.mkdir()
    for name in re.findall(r"\w+", project["tool.setuptools"]["py-modules"]):
        (site / f"{name}.py").write_text(files[f"{name}.py"], encoding="utf-8")
    information = site / "my_package-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    points = files["pyproject.toml"].split("[project.entry-points.")[1:]
    (information / "entry_points.txt").write_text("".join(f"[{one}" for one in points).replace('"', ""))
    return {"PYTHONPATH": str(site)}


def test_the_package_of_the_docs_works(agbench, extended, tmp_path):
    (shown,) = [one.content for one in blocks("sh") if "nearest:mean" in one.content]
    for line in shown.splitlines():
        done = agbench("--workspace", tmp_path / "w", *shlex.split(line)[1:], **extended)
        assert done.returncode == 0, done.stderr
    head, *rows = (line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|"))
    assert [name.strip() for name in (head[0], head[-1])] == ["codec", "nearest:mean"]
    assert "jpeg2000" in {row[0].strip() for row in rows}
    assert "No answer" not in done.stdout
