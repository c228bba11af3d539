"""Looks at a run: its accuracy on fixed parts of the data, now and then, and not too often for its budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from torch import Tensor, nn

from vit_explore.config import TrainConfig
from vit_explore.data import Dataset
from vit_explore.training.devices import Numerics
from vit_explore.training.evaluate import Evaluation, evaluate

EVAL_SHARE = 0.15  # of a budget in seconds, at most, goes into looks
TRAIN_SHARE = 0.5  # training images per validation image of a look


class Looks:
    """Every look but the last is at the same images: so the points of a curve can be compared."""

    def __init__(self, dataset: Dataset, train: TrainConfig, mean: Tensor, std: Tensor) -> None:
        self.dataset, self.train, self.mean, self.std = dataset, train, mean, std
        self.fixed = min(train.val_images, len(dataset.val.labels))  # of the validation images, the first
        self.seconds = 0.0  # that went into looking
        self._done = 0

    def passed(self, progress: float) -> None:
        """Those that are due at this share of the budget are done."""
        self._done = math.floor(progress * self.train.evaluations)

    def is_due(self, progress: float, elapsed: float) -> bool:
        """Whether the next one is; on a slow machine looks may not eat up a budget in seconds."""
        affordable = self.train.seconds is None or self.seconds <= EVAL_SHARE * elapsed
        return affordable and progress < 1 and math.floor(progress * self.train.evaluations) > self._done

    def images(self, split: str, at_most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of a look: the first ones; of the training images some from everywhere."""
        part = getattr(self.dataset, split)
        if split != "train":
            return part.images[:at_most], part.labels[:at_most]
        count = min(len(part.labels), max(1, round(TRAIN_SHARE * self.fixed)))
        places = np.linspace(0, len(part.labels) - 1, count).astype(np.int64)
        return part.images[places], part.labels[places]

    def at(
        self,
        split: str,
        model: nn.Module,
        numerics: Numerics,
        over: Callable[[Callable[[Tensor], Tensor], Iterable[Tensor]], list[Tensor]],
        at_most: int | None = None,
    ) -> Evaluation:
        """Evaluate the model."""
        images, labels = self.images(split, at_most)
        result = evaluate(model, images, labels, self.mean, self.std, numerics, over)
        self.seconds += result.seconds
        return result
