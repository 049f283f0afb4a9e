from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from autogluon.multimodal import MultiModalPredictor
from PIL import Image

from agbench.core import images
from agbench.core.codec import CODECS, Metadata
from agbench.core.condition import Budget
from agbench.core.errors import UserError
from agbench.models import multimodal
from agbench.models.registry import ModelError

BUDGET = Budget(epochs=1, learning_rate=1e-3, batch_size=8, image_size=32)
LITE0 = "efficientnet_lite0"


def test_epochs_are_exact_even_when_validation_is_perfect(make_task):
    # AutoMM's own early stopping ends a training at a validation accuracy of 1.
    seen = []
    task = replace(
        make_task(budget=replace(BUDGET, epochs=5, image_size=64), variant=LITE0),
        on_epoch=lambda epoch, accuracy: seen.append((epoch, accuracy)),
    )
    fitted = multimodal.fit_predict(task)
    assert 1.0 in fitted.curve[:-1], "the images are made to be learned before the last epoch"
    assert len(fitted.curve) == 5
    assert seen == list(enumerate(fitted.curve, 1))
    assert fitted.predictions[0].probabilities.shape == (8, 2)
    predicted = fitted.predictions[0].probabilities.idxmax(axis=1).to_numpy()
    assert (predicted == task.tests[0]["label"].to_numpy()).mean() > 0.8


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(make_task):
    def probabilities(seed):
        task = make_task(budget=BUDGET, seed=seed, variant=LITE0)
        values = multimodal.fit_predict(task).predictions[0].probabilities.to_numpy()
        shutil.rmtree(task.folder)
        return values

    first = probabilities(0)
    assert np.array_equal(first, probabilities(0))
    assert not np.array_equal(first, probabilities(1))


def test_the_number_of_loaders_changes_no_bit(make_task):
    """Two epochs with augmentations, loaded in this process, by two others and by eight."""

    def probabilities(loaders):
        task = make_task(budget=replace(BUDGET, epochs=2), loaders=loaders, variant=LITE0)
        fitted = multimodal.fit_predict(task)
        shutil.rmtree(task.folder)
        return fitted.curve, fitted.predictions[0].probabilities.to_numpy()

    curve, first = probabilities(0)
    for loaders in (2, 8):
        other_curve, other = probabilities(loaders)
        assert other_curve == curve
        assert np.array_equal(first, other)


@pytest.mark.parametrize("loaders", [0, 2])
def test_an_image_that_automm_replaces_fails_the_trial(make_task, loaders):
    task = make_task(budget=BUDGET, loaders=loaders, variant=LITE0)
    Path(task.train["image"][5]).write_bytes(b"no image")
    with pytest.raises(ModelError, match="could not read"):
        multimodal.fit_predict(task)


@pytest.mark.parametrize("loaders", [0, 2])
def test_the_pictures_of_every_codec_are_read_and_none_is_black(make_task, tmp_path, loaders):
    task = make_task(budget=BUDGET, loaders=loaders, variant=LITE0)
    (tests,) = task.tests

    def copies(name, suffix, write):
        rows = tests.assign(image=[str(tmp_path / f"{name}-{place}{suffix}") for place in range(len(tests))])
        for source, target in zip(tests["image"], rows["image"], strict=True):
            with Image.open(source) as image:
                write(image.convert("RGB"), Path(target))
        return rows

    def plain(rows):
        """The same pictures as files that any Pillow reads."""
        decoded = iter(rows["image"])

        def write(_, target):
            with images.opened(Path(next(decoded))) as image:
                image.convert("RGB").save(target)

        return copies(f"plain-{rows['image'][0][-4:]}", ".png", write)

    written = [
        copies(name, entry.suffix, lambda image, path, entry=entry: entry.encode(image, path, 30, Metadata()))
        for name, entry in CODECS.items()
    ]
    black = copies("black", ".png", lambda image, path: Image.new("RGB", image.size).save(path))
    task = replace(task, tests=(black, *written, *map(plain, written)))
    none, *read = (one.probabilities.to_numpy() for one in multimodal.fit_predict(task).predictions)
    for compressed, same in zip(read[: len(CODECS)], read[len(CODECS) :], strict=True):
        assert np.array_equal(compressed, same)
        assert not np.isclose(compressed, none).all(axis=1).any()


def test_a_time_limit_that_cuts_epochs_off_fails_the_trial(make_task):
    task = make_task(budget=replace(BUDGET, epochs=500, time_limit=3), variant=LITE0)
    with pytest.raises(ModelError, match="of 500 epochs"):
        multimodal.fit_predict(task)


def test_an_epoch_that_was_cut_off_is_no_epoch(make_task):
    task = make_task(budget=replace(BUDGET, batch_size=1, image_size=224, time_limit=0.3), variant=LITE0)
    with pytest.raises(ModelError, match="after 0 of 1 epochs"):
        multimodal.fit_predict(task)


def test_an_unknown_preset_is_refused():
    with pytest.raises(UserError, match="no preset 'nonsense'"):
        multimodal.check(LITE0, Budget(preset="nonsense"))


def test_a_path_that_automm_would_split_is_refused(make_task):
    task = make_task(budget=BUDGET, variant=LITE0)
    task.train.loc[0, "image"] = "/a;b.png"
    with pytest.raises(ModelError, match="';'"):
        multimodal.fit_predict(task)


def folded(task, folds=3):
    """Return a task of the same pictures in folds, tested twice; the third class has one picture."""
    pictures = pd.concat([task.train, task.validation, *task.tests], ignore_index=True)
    rare = pictures["label"] == "brick"
    pictures = pictures[~rare | (rare.cumsum() == 1)].reset_index(drop=True)
    of_row = pd.Series(pictures.groupby("label").cumcount().to_numpy() % folds)
    return replace(task, train=pictures, validation=pictures[:0], tests=(pictures, pictures), folds=of_row)


def test_each_fold_is_predicted_by_a_network_that_did_not_see_it(make_task, monkeypatch):
    fits, seen = [], []
    fit = MultiModalPredictor.fit

    def noting(self, images, tuning_data, **settings):
        fits.append((images, tuning_data, settings["seed"], settings["time_limit"], self.path))
        return fit(self, images, tuning_data=tuning_data, **settings)

    monkeypatch.setattr(MultiModalPredictor, "fit", noting)
    budget = replace(BUDGET, epochs=2, folds=3, time_limit=10_000)
    task = folded(make_task(("coffee", "grass", "brick"), budget, variant=LITE0))
    found = multimodal.fit_predict(replace(task, on_epoch=lambda *event: seen.append(event)))
    same, again = (one.probabilities for one in found.predictions)
    for fold, (trained, validated, *_, path) in enumerate(fits):
        held, following = task.folds == fold, task.folds == (fold + 1) % 3
        assert [*trained.index] == [*task.train.index[~held & ~following]]
        # A class that is not in the training has no number for the validation, and no probability.
        known = task.train["label"].isin(trained["label"])
        assert [*validated.index] == [*task.train.index[following & known]]
        assert (same["brick"][held] > 0).all() == ("brick" in set(trained["label"]))
        assert path == str(task.model_folder / f"fold-{fold}")
        own = MultiModalPredictor.load(path).predict_proba(task.train.loc[held, ["image"]])
        assert np.allclose(own, same.loc[held, own.columns], atol=1e-6)
    assert [same.index.tolist(), same.columns.tolist()] == [[*range(41)], ["brick", "coffee", "grass"]]
    assert np.array_equal(same, again)
    assert len({seed for _, _, seed, *_ in fits}) == 3
    limits = [limit for *_, limit, _ in fits]
    assert limits[0] == 10_000
    assert limits[0] > limits[1] > limits[2] > 0, "the time is for all folds together"
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 5, 6]
    curves = np.array([accuracy for _, accuracy in seen]).reshape(3, 2)
    assert found.curve == pytest.approx(tuple(curves.mean(axis=0)))


def test_what_fails_in_one_fold_fails_the_trial(make_task):
    task = folded(make_task(budget=replace(BUDGET, folds=3), variant=LITE0))
    phases = []

    def on_phase(name):
        phases.append(name)
        if phases.count("fit") == 2:
            Path(task.train["image"][5]).write_bytes(b"no image")

    with pytest.raises(ModelError, match="could not read"):
        multimodal.fit_predict(replace(task, on_phase=on_phase))
    assert phases == ["fit", "predict"] * 2


def test_two_folds_leave_nothing_to_train_on():
    with pytest.raises(UserError, match="use --folds 3 or more"):
        multimodal.check(LITE0, Budget(folds=2))
