"""Looks at a run: its accuracy on fixed parts of the data, now and then, and not too often for its budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from vit_explore.config import TrainConfig
from vit_explore.data import Dataset
from vit_explore.data.fitting import Fitting
from vit_explore.data.spread import spread
from vit_explore.training.devices import FORWARD_AND_BACK, Numerics
from vit_explore.training.evaluate import Evaluation, Over, Pace, evaluate, largest_batch
from vit_explore.training.metrics import order_of_test

EVAL_SHARE = 0.15  # of a budget in seconds, at most, goes into looks
LOOK_SECONDS = 5.0  # at most, of a look on the way of a budget in epochs, or EVAL_SHARE of the training by then
END_SECONDS, END_SHARE = 20.0, 0.1  # of the last validation, and of the test, at most; a share of the training
STOPPED_SECONDS = 10.0  # of each, where somebody has asked for the end and waits
FEWEST_TESTED = 200  # after a stop, a test on fewer images is not worth the wait
LEAST = 32  # images of a look, however slow the model is
SAMPLE = 16  # validation images of all classes whose predictions are followed
TRAIN_SHARE = 0.5  # training images per validation image of a look


class Looks:
    """Every look but the last is at the same images: so the points of a curve can be compared."""

    def __init__(self, dataset: Dataset, train: TrainConfig, mean: Tensor, std: Tensor, fitting: Fitting) -> None:
        self.dataset, self.train, self.mean, self.std, self.fitting = dataset, train, mean, std, fitting
        self.fixed = min(train.val_images, len(dataset.val.labels))  # of the validation images, the first
        self.sample = spread(dataset.val.labels[: self.fixed], SAMPLE)  # their places
        self.seconds = 0.0  # that went into looking
        self.pace = Pace(largest_batch(mean.device.type, fitting.side))
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

    def seconds_on_the_way(self, elapsed: float) -> float:
        """How long one look may take; LEAST images may take longer."""
        return EVAL_SHARE * self.train.seconds if self.train.seconds else max(LOOK_SECONDS, EVAL_SHARE * elapsed)

    def seconds_at_the_end(self, stopped: bool, trained: float) -> float:
        """How long the last validation, and the test, may take after so many seconds of training."""
        return STOPPED_SECONDS if stopped else max(END_SECONDS, END_SHARE * trained)

    def is_worth_testing(self, threads: int, rate: float) -> bool:
        """Whether a test of a stopped run would reach more than a handful of images while somebody waits for it.

        rate: images a second in training, which tells the pace where there was no look yet; 0: that is unknown, too.
        """
        reach = (self.pace.rate * threads or FORWARD_AND_BACK * rate) * STOPPED_SECONDS
        return reach == 0 or reach >= min(FEWEST_TESTED, len(self.dataset.test.labels))

    def words(self, split: str) -> str:
        """What a last look does."""
        doing, n = {"val": "Validating", "test": "Testing"}[split], len(getattr(self.dataset, split).labels)
        return f"{doing} on {n:,} images"

    def at(
        self,
        split: str,
        model: nn.Module,
        numerics: Numerics,
        over: Over,
        at_most: int | None,
        leave: Callable[[], bool],
        seconds: float,
    ) -> Evaluation | None:
        """Evaluate the model, on fewer images when the seconds are over; None where it was left."""
        images, labels = self.images(split, at_most)
        begun = time.perf_counter()
        order = self._order(split, len(labels))
        result = evaluate(
            model, images, labels, self.mean, self.std, numerics, over, self.pace, leave, seconds, LEAST, order,
            self.fitting,
        )  # fmt: skip
        self.seconds += time.perf_counter() - begun
        return result

    def _order(self, split: str, n: int) -> np.ndarray | None:
        """In which order n images are taken, where not in theirs: a look that is cut short has seen the first of it."""
        if split == "test":
            return order_of_test(n)
        return np.concatenate([self.sample, np.delete(np.arange(n), self.sample)]) if split == "val" else None

    def sample_probs(self, result: Evaluation) -> np.ndarray:
        """What a look at validation images said of the sample, float32 (SAMPLE, C)."""
        rows = {int(place): row for row, place in enumerate(result.places)}
        return result.probs[[rows[int(place)] for place in self.sample]]
