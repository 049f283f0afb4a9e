from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import agbench
from agbench.models import autogluon_internals

PACKAGE = Path(agbench.__file__).parent
DOCUMENTED = {
    ("autogluon.multimodal", "MultiModalPredictor"),
    ("autogluon.tabular", "TabularPredictor"),
    ("autogluon.features.generators", "IdentityFeatureGenerator"),
}
OTHERS = [module for module in sorted(PACKAGE.rglob("*.py")) if module.stem != "autogluon_internals"]


def imported(module: Path) -> set[tuple[str, str]]:
    nodes = list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    plain = {(name.name, "") for node in nodes if isinstance(node, ast.Import) for name in node.names}
    chosen = {
        (node.module or "", name.name) for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names
    }
    return {pair for pair in plain | chosen if pair[0].split(".")[0] == "autogluon"}


@pytest.mark.parametrize("module", OTHERS, ids=lambda module: module.relative_to(PACKAGE).as_posix())
def test_no_other_module_imports_what_autogluon_does_not_document(module):
    assert imported(module) <= DOCUMENTED


def test_it_is_imported_without_autogluon():
    # Planning a sweep imports it, and autogluon.multimodal makes Pillow lenient for the whole process.
    code = (
        "import sys, agbench.models.autogluon_internals\n"
        "print(sorted({'autogluon', 'torch', 'lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_presets_and_learners_of_tabular_predictor_are_known():
    assert {"best_quality", "medium_quality"} <= set(autogluon_internals.tabular_presets())
    assert {"GBM", "CAT", "XGB", "RF", "XT", "LR"} <= set(autogluon_internals.tabular_learners())


def test_a_preset_has_a_backbone():
    assert autogluon_internals.preset_backbone("medium_quality")
    with pytest.raises(ValueError, match="nonsense"):
        autogluon_internals.preset_backbone("nonsense")


def test_versions_are_looked_up_once():
    from autogluon.common.utils import utils

    autogluon_internals.look_up_versions_once()
    first = utils.get_autogluon_metadata()["packages"]
    autogluon_internals.look_up_versions_once()
    assert utils.get_autogluon_metadata()["packages"] is first
    assert "autogluon.tabular" in first
