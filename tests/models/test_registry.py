from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agbench.core.errors import UserError
from agbench.models import registry
from agbench.models.registry import ModelError, Prediction


@pytest.mark.parametrize("name", registry.names())
def test_listed_models_are_found(name):
    family, variant = registry.find_model(name)
    assert variant in family.variants


def test_any_backbone_is_taken_for_automm_and_not_for_tabular():
    assert registry.find_model("automm:resnet18")[1] == "resnet18"
    with pytest.raises(UserError, match="no model called 'tabular:edges'"):
        registry.find_model("tabular:edges")


@pytest.mark.parametrize("name", ["", "autom", "automm:", "tabular", ":pixels"])
def test_other_names_are_refused(name):
    with pytest.raises(UserError):
        registry.find_model(name)


@pytest.mark.parametrize("values", [[[0.5, 0.4]], [[np.nan, 1.0]], [[2.0, 0.0]]])
def test_what_is_no_probability_is_refused(values):
    with pytest.raises(ModelError):
        Prediction(pd.DataFrame(values), 0.0)
