"""Parts of AutoGluon that it does not document; no other module touches such parts.

All are those of AutoGluon 1.6. A new release of AutoGluon is checked here: each function names the module that it
relies on, and why no setting does the same. AutoGluon is imported by the functions that need it, since importing
``autogluon.multimodal`` takes seconds and changes how Pillow reads files.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agbench.models.registry import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor
    from autogluon.tabular import TabularPredictor
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import Callback

T = TypeVar("T")

PATH_SEPARATOR = ";"
"""AutoMM splits the path of an image at it, to take several images per row (``multimodal.utils.misc``)."""

PER_GPU_BATCH_SIZE = 8
"""Default of ``env.per_gpu_batch_size`` (``multimodal.configs.env``)."""

VALIDATION_ACCURACY = "val_accuracy"
"""Name of the validation accuracy among Lightning's metrics of a training (``multimodal.optim``)."""

WEIGHTS_FILE, CONFIG_FILE = "pytorch_model.bin", "config.json"
"""Files of a checkpoint folder (``multimodal.models.timm_image``)."""

_LOADING_MODULES = ("autogluon.multimodal.data.dataset", "autogluon.multimodal.data.process_image")
_REPLACED = ("Skipping sample", "Using a zero image")


def preset_backbone(preset: str | None) -> str:
    """Return the backbone that a preset of MultiModalPredictor fine-tunes.

    From ``multimodal.utils.presets.get_presets``: the backbone is needed before a predictor exists.

    Parameters
    ----------
    preset : str, optional
        Name of a preset; by default AutoGluon's own.

    Returns
    -------
    str
        Name of a timm model.

    Raises
    ------
    ValueError
        If there is no such preset.
    """
    from autogluon.multimodal.constants import DEFAULT
    from autogluon.multimodal.utils.presets import get_presets

    overrides, _ = get_presets(DEFAULT, preset or DEFAULT)
    return str(overrides["model.timm_image.checkpoint_name"])


def train_exactly_all_epochs(predictor: MultiModalPredictor, added: Sequence[Callback]) -> None:
    """Replace the early stopping of a predictor by other callbacks.

    Wraps ``get_callbacks_per_run`` of the predictor's learner (``multimodal.learners.base``): no setting turns its
    early stopping off. ``optim.patience`` leaves its threshold: a validation accuracy of 1 ends a training.

    Parameters
    ----------
    predictor : MultiModalPredictor
        Predictor that was not fitted yet.
    added : sequence of Callback
        Callbacks of Lightning that are added to trainings, not to predictions.
    """
    from lightning.pytorch.callbacks import EarlyStopping

    learner = predictor._learner
    get_callbacks = learner.get_callbacks_per_run

    def callbacks(*args: Any, is_train: bool = True, **kwargs: Any) -> list[Callback]:
        original: list[Callback] = get_callbacks(*args, is_train=is_train, **kwargs)
        kept = [callback for callback in original if not isinstance(callback, EarlyStopping)]
        return [*kept, *added] if is_train else kept

    learner.get_callbacks_per_run = callbacks


def replace_training_images(trainer: Trainer, make: Callable[[Any], T]) -> T:
    """Replace the images that a training is about to load by others that are made of them, and return these.

    From ``multimodal.data.datamodule``, which makes its loader of ``train_dataset``; no argument takes another.

    Parameters
    ----------
    trainer : Trainer
        Lightning's trainer of a MultiModalPredictor, whose loaders are not made yet (``on_fit_start``).
    make : callable
        Takes AutoMM's data set, and returns the one to load instead.
    """
    images = make(trainer.datamodule.train_dataset)
    trainer.datamodule.train_dataset = images
    return images


class ReplacedImages:
    """Record of the images that AutoMM replaces by a black one or by their neighbour, as it can't read them.

    AutoMM only logs them, at debug level (``multimodal.data.dataset`` and ``process_image``). With
    ``data.image.missing_value_strategy: skip``, the strictest setting, it takes the next image instead. The log
    is a file, because the loaders' processes write to it too.

    Parameters
    ----------
    path : Path
        File that the messages go to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        handler = logging.FileHandler(path, encoding="utf-8")
        for name in _LOADING_MODULES:
            logger = logging.getLogger(name)
            for earlier in [other for other in logger.handlers if isinstance(other, logging.FileHandler)]:
                logger.removeHandler(earlier)
                earlier.close()
            logger.setLevel(logging.DEBUG)
            logger.addHandler(handler)

    def check_none(self) -> None:
        """Raise `ModelError` if AutoMM replaced an image."""
        lines = [line for line in self.path.read_text(encoding="utf-8").splitlines() if line.startswith(_REPLACED)]
        if lines:
            raise ModelError(f"AutoMM could not read {len(lines)} of the images it was given: {lines[0]}")


def write_checkpoint(folder: Path, architecture: str, model: Any, state: dict[str, object]) -> None:
    """Write a checkpoint folder that ``model.timm_image.checkpoint_name`` takes.

    In the form that ``multimodal.models.timm_image`` reads: it puts a classifier of its own on the backbone, and
    refuses weights that include one.

    Parameters
    ----------
    folder : Path
        Folder to be made.
    architecture : str
        Name of the timm model.
    model : torch.nn.Module
        That model.
    state : dict of str to Tensor
        Its state dict.
    """
    import torch

    classifier = tuple(f"{name}." for name, _ in model.named_children() if name == model.default_cfg["classifier"])
    backbone = {name: tensor for name, tensor in state.items() if not name.startswith(classifier)}
    config = {
        "architecture": architecture,
        "num_features": model.num_features,
        "pretrained_cfg": model.default_cfg,
    }
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(backbone, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2))


def seed_learners(seed: int) -> None:
    """Set the seed of all models that TabularPredictor trains in this process.

    Sets ``AbstractModel.default_random_seed`` (``core.models``): no argument of ``fit`` reaches all learners.

    Parameters
    ----------
    seed : int
        Seed, from 0.
    """
    from autogluon.core.models import AbstractModel

    AbstractModel.default_random_seed = seed


def look_up_versions_once() -> None:
    """Let AutoGluon look up the versions of all installed packages once in a process, not twice in each fit.

    Replaces ``get_package_versions`` (``common.utils.utils``): TabularPredictor stores them beside each model, and
    no setting turns that off. It takes a fifth of a probe's fit.
    """
    from autogluon.common.utils import utils

    if not hasattr(utils.get_package_versions, "cache_info"):
        utils.get_package_versions = functools.cache(utils.get_package_versions)


def predict_each_by_its_fold(
    predictor: TabularPredictor, rows: pd.DataFrame, folds: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Predict each row by the model that was fitted without the row's fold.

    From ``core.models.BaggedEnsembleModel``: ``predict_proba_oof`` gives probabilities of the rows of the training
    alone, not of the same images at another level. Its models are in the order of the sorted folds.

    Parameters
    ----------
    predictor : TabularPredictor
        Fitted with ``groups``, and with one learner.
    rows : DataFrame
        Features of rows in any number.
    folds : ndarray of int, shape (rows,)
        Fold of each row; every fold of the training is among them.

    Returns
    -------
    DataFrame
        One row per row of `rows`, one column per class; values from 0 to 1.
    """
    import numpy as np
    import pandas as pd

    (name,) = predictor.model_names()
    bagged = predictor._trainer.load_model(name)
    features = predictor.transform_features(rows)
    classes = predictor.class_labels
    made = np.empty((len(rows), len(classes)), dtype=np.float32)
    for place, fold in enumerate(np.unique(folds)):
        held = folds == fold
        (probabilities,) = bagged.predict_proba_children(features[held], children_idx=[place])
        # Of two classes AutoGluon predicts the probability of the second.
        made[held] = (
            probabilities if probabilities.ndim == 2 else np.column_stack([1 - probabilities, probabilities])
        )
    return pd.DataFrame(made, index=rows.index, columns=classes)


def tabular_presets() -> list[str]:
    """Return the names of TabularPredictor's presets, aliases included.

    From ``tabular.configs.presets_configs``: a wrong name is to be refused before a trial starts.
    """
    from autogluon.tabular.configs.presets_configs import tabular_presets_alias, tabular_presets_dict

    return [*tabular_presets_dict, *tabular_presets_alias]


def tabular_learners() -> list[str]:
    """Return the keys of TabularPredictor's learners, such as ``"GBM"`` (``tabular.registry``)."""
    from autogluon.tabular.registry import ag_model_registry

    return list(ag_model_registry.keys)
