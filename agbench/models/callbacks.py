"""What AutoMM's training is told at its events, through callbacks of Lightning."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from agbench.models import autogluon_internals, memory_layout
from agbench.models.augmentation import RepeatableImages
from agbench.models.autogluon_internals import VALIDATION_ACCURACY
from agbench.models.registry import Task


class Curve(Callback):  # type: ignore[misc] # mypy does not follow lightning
    """Validation accuracy after each epoch."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.accuracies: list[float] = []
        self._batches = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the epoch's batches."""
        self._batches = batch_idx + 1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Append a whole epoch's accuracy to the curve."""
        # A time limit ends an epoch early, and Lightning validates all the same.
        if trainer.sanity_checking or self._batches < trainer.num_training_batches:
            return
        self.accuracies.append(float(trainer.callback_metrics[VALIDATION_ACCURACY]))
        self.task.on_epoch(len(self.accuracies), self.accuracies[-1])


class FastestLayout(Callback):  # type: ignore[misc]
    """The memory layout that is fastest for the network, from the first batch to the last prediction."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Change the network's layout."""
        memory_layout.apply(pl_module)


class Augmentations(Callback):  # type: ignore[misc]
    """Augmentations that are drawn from the seed, the epoch and the image alone."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the training's images over."""
        self._images = autogluon_internals.replace_training_images(
            trainer, lambda images: RepeatableImages(images, self._seed)
        )

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw anew, as the epoch says."""
        self._images.begin(trainer.current_epoch)
