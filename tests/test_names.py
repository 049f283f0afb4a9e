"""One name for one thing, and docstrings in numpydoc's idiom."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import agbench

PACKAGE = Path(agbench.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

NO_OPENINGS = {"Give", "Say", "Tell", "Have", "Look", "Notice", "Know", "Gives", "Says", "Tells"}


def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def test_no_module_shadows_the_standard_library():
    assert not {module.stem for module in MODULES} & set(sys.stdlib_module_names)


def test_a_class_and_a_constant_have_a_name_of_their_own():
    places = defaultdict(list)
    for module in MODULES:
        for node in tree(module).body:
            for name in _named(node):
                if not name.startswith("_") and len(name) > 1:  # a single letter is a type variable
                    places[name].append(module.relative_to(PACKAGE).as_posix())
    # Help must not import the analysis; a test compares the two.
    assert places.pop("THRESHOLD") == ["analysis/regressions.py", "api.py"]
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def _named(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return [node.name]
    targets = (
        node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    )
    return [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.relative_to(PACKAGE).as_posix())
def test_docstrings_open_with_a_plain_verb(module):
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            documented = ast.get_docstring(node) or ""
            assert documented.split(" ")[0] not in NO_OPENINGS, documented.splitlines()[0]


@pytest.mark.parametrize("name", [name for name in agbench.__all__ if name[0].islower()])
def test_public_functions_show_an_example(name):
    assert ">>> " in (getattr(agbench, name).__doc__ or "")
