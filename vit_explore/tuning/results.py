"""What comes of a probe: arrays and numbers, without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vit_explore.training.metrics import macro_f1


@dataclass(frozen=True)
class Baseline:
    """A classifier that costs seconds, on the test images."""

    name: str
    title: str
    about: str  # what it does, in one sentence
    confusion: np.ndarray  # (C, C) int64, rows are the truth; of several untrained heads their sum
    seconds: float
    chosen: str = ""  # what was chosen on the validation images

    @property
    def top1(self) -> float:
        """Accuracy in [0, 1]."""
        return float(self.confusion.trace() / max(1, self.confusion.sum()))

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes."""
        return macro_f1(self.confusion)


@dataclass(frozen=True)
class Probed:
    """The baselines of one model on one dataset. width: numbers in a feature."""

    ref: str
    classes: tuple[str, ...]
    width: int
    image_size: int
    train_images: int
    val_images: int
    test_images: int
    seconds: float  # for the features; next to none where they were there already
    rows: tuple[Baseline, ...]
    left_out: str = ""  # what of the images could not be read, in a sentence
