from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from agbench.core.codec import CODECS
from agbench.core.condition import Budget, Preprocessing
from agbench.core.errors import UserError
from agbench.core.metric import METRICS
from agbench.data.catalogue import Catalogue
from agbench.data.dataset import load_prepared
from agbench.data.prepare import prepare
from agbench.runner.trial import Resources, run_trials
from agbench.studies import conditions, study


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace") / "datasets"


@pytest.fixture(scope="module")
def condition(datasets):
    fingerprint = prepare(Catalogue(datasets).find("digits"), datasets, workers=2).fingerprint
    (found,) = conditions.make_conditions(
        [study.STUDIES["quick"]], "digits", fingerprint, Budget(learners=("XT",)), (0,), ("tabular:dct",), (0.3,)
    )
    return found


def run(condition, datasets, tmp_path):
    (result,) = together([condition], datasets, tmp_path)
    return result


def together(conditions, datasets, tmp_path):
    dataset = load_prepared("digits", datasets)
    return run_trials(conditions, dataset, dataset.folder / "variants", tmp_path, Resources(cpus=2))


def test_a_trial_predicts_every_test_image_once(condition, datasets, tmp_path):
    result = run(condition, datasets, tmp_path)
    dataset = load_prepared("digits", datasets)
    test = dataset.index[dataset.index["split"] == "test"].set_index("image_id")
    predictions = result.predictions.set_index("image_id")
    assert predictions["label"].to_dict() == test["label"].to_dict()
    assert result.accuracy == (predictions["label"] == predictions["predicted"]).mean()
    assert result.accuracy > 0.5
    assert predictions["probability"].between(0, 1).all()
    assert predictions["group"].nunique() == test["sha256"].nunique(), "copies are one group"
    of_all = result.probabilities.set_axis(predictions.index)
    assert sorted(of_all.columns) == dataset.classes
    assert of_all.idxmax(axis="columns").tolist() == predictions["predicted"].tolist()
    labels = predictions["label"]
    assert [of_all.loc[one, labels[one]] for one in labels.index] == predictions["probability"].tolist()
    codes = [sorted(of_all.columns).index(one) for one in labels]
    kept = result.probabilities.to_numpy(np.float16).astype(float)
    kept /= kept.sum(axis=1, keepdims=True)
    assert result.scores["roc_auc"] == pytest.approx(roc_auc_score(codes, kept, multi_class="ovr"))
    assert result.scores["accuracy"] == result.accuracy
    assert set(result.scores) == set(METRICS)
    assert result.counts == {
        "classes": 10,
        "train": 1078,
        "validation": 359,
        "test": 360,
        "quarantined": 0,
        "predicted": 360,
        "groups": predictions["group"].nunique(),
    }
    assert result.bytes_original == dataset.index["bytes"].sum()
    assert result.bytes > result.bytes_original, "a JPEG of 8x8 pixels is all header"


@pytest.mark.parametrize("name", ["jpeg", "jxl"])
def test_a_trial_counts_and_times_the_files_of_its_codec(condition, datasets, tmp_path, name):
    result = run(replace(condition, train=Preprocessing.at(0.3, name)), datasets, tmp_path)
    (variant,) = (datasets / "digits" / "variants").glob(f"{name}-0.3-*")
    files = list(variant.glob(f"images/*/*{CODECS[name].suffix}"))
    assert len(files) == result.writing["writing_images"] == 1797
    assert result.bytes == sum(file.stat().st_size for file in files)
    assert result.writing["writing_seconds_encode"] > 0
    assert result.reading["reading_seconds_decode"] > 0
    assert ("reading_header_share" in result.reading) == (name == "jpeg")
    assert result.accuracy > 0.4


def test_another_preprocessing_for_the_test_images_is_used_for_them_alone(condition, datasets, tmp_path):
    crossed = replace(condition, test=Preprocessing())
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    straight = run(condition, datasets, tmp_path / "a")
    other = run(crossed, datasets, tmp_path / "b")
    assert other.bytes == straight.bytes
    assert other.predictions["probability"].tolist() != straight.predictions["probability"].tolist()


def test_a_data_set_that_is_no_longer_the_conditions_is_refused(condition, datasets, tmp_path):
    with pytest.raises(UserError, match="has fingerprint"):
        run(replace(condition, fingerprint="0" * 16), datasets, tmp_path)


def test_one_training_is_tested_under_several_preprocessings(condition, datasets, tmp_path):
    crossed = replace(condition, test=Preprocessing())
    (tmp_path / "together").mkdir()
    (tmp_path / "alone").mkdir()
    both = together([condition, crossed], datasets, tmp_path / "together")
    alone = run(crossed, datasets, tmp_path / "alone")
    assert [result.condition for result in both] == [condition, crossed]
    assert both[0].seconds["fit"] == both[1].seconds["fit"]
    assert both[1].predictions.equals(alone.predictions), "company changes no number"


def test_conditions_with_different_trainings_are_not_run_together(condition, datasets, tmp_path):
    with pytest.raises(ValueError, match="share their training"):
        together([condition, replace(condition, seed=1)], datasets, tmp_path)
