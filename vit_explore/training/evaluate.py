"""A model's results on a split, in large batches, the model left in the mode it was in.

Somebody may wait for its end: a batch of a slow model is small, and between two of them it can be left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.data.augment import to_input
from vit_explore.data.fitting import as_is
from vit_explore.training.devices import Numerics, wait_for
from vit_explore.training.metrics import confusion_matrix, recall

BATCH = {"cpu": 125, "cuda": 2000}
LARGE_SIDE = 64  # of larger images there are fewer in a batch, so that they take no more memory
BATCH_SECONDS = 0.4  # of one batch of a slow model, about: so long waits who asks for the end
FIRST, GROWTH = 4, 8  # images of the very first batch, and how much larger the next may be

Over = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]  # maps a function over items, in threads maybe


@dataclass(frozen=True)
class Evaluation:
    """Results on n images and C classes."""

    loss: float
    top1: float
    per_class: np.ndarray  # (C,)
    confusion: np.ndarray  # (C, C)
    probs: np.ndarray  # (n, C) float32
    predictions: np.ndarray  # (n,) int64
    seconds: float
    logits: Tensor  # (n, C) float32, on the CPU
    labels: np.ndarray  # (n,) int64, the truth
    places: np.ndarray  # (n,) int64, which of the images that were to be looked at

    def first(self, n: int) -> Evaluation:
        """The same on the first n images alone, or on as many as there are."""
        return of_logits(self.logits[:n], self.labels[:n], self.places[:n], self.seconds)


@dataclass
class Pace:
    """The size of a model's next batch: it starts small and grows to `most`, or to what takes BATCH_SECONDS."""

    most: int
    size: int = FIRST
    rate: float = 0.0  # images a second, as the last timed batch had them; 0 before any
    _rounds: int = field(default=0, repr=False)
    is_settled: bool = False

    def __post_init__(self) -> None:
        self.size = min(self.size, self.most)

    def learn(self, images: int, seconds: float) -> None:
        """A batch of so many images took so long; that of the first one has much in it that will not come again."""
        self.rate, self._rounds = images / max(seconds, 1e-9), self._rounds + 1
        wanted, reach = int(self.rate * BATCH_SECONDS), GROWTH * images
        self.size = max(1, min(wanted, reach, self.most))
        self.is_settled = self.size == self.most or (self._rounds > 1 and wanted < reach)


def one_by_one(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """`function` of each item, in this thread."""
    return [function(item) for item in items]


def never() -> bool:
    """Nobody asks for anything."""
    return False


def evaluate(
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    mean: Tensor,
    std: Tensor,
    numerics: Numerics,
    over: Over = one_by_one,
    pace: Pace | None = None,
    leave: Callable[[], bool] = never,
    seconds: float = math.inf,
    least: int = 1,
    order: np.ndarray | None = None,
    fitting: Callable[[Tensor], Tensor] = as_is,
) -> Evaluation | None:
    """Evaluate on uint8 images (n, 3, h, w); `mean` and `std` are (1, 3, 1, 1) on the model's device.

    pace: what is known of the model's speed, and learns more. leave: asked before each batch, and when it says so there
    is no result: None. seconds: after so long it ends with the first images of `order` (all of them, each once; theirs
    unless given), `least` at the fewest; the results of all are in the order of the images, those of a part in `order`.
    fitting: gives a batch the size that the model takes.
    """
    start, training = time.perf_counter(), model.training
    pace = pace or Pace(largest_batch(mean.device.type, images.shape[-1]))
    order = np.arange(len(images)) if order is None else order
    work = _Work(model, images, order, mean, std, numerics, leave, start + seconds, least, fitting)
    model.eval()
    try:
        logits = work.all(over, pace)
    finally:
        model.train(training)
    if work.left or not logits:
        return None
    scores, seen = torch.cat(logits).cpu(), order[: sum(map(len, logits))]
    if len(seen) == len(images):
        scores, seen = scores[torch.from_numpy(np.argsort(seen))], np.arange(len(images))
    return of_logits(scores, np.array(labels[seen]), seen, time.perf_counter() - start)


@dataclass
class _Work:
    """The batches of one evaluation. left: somebody asked for its end."""

    model: nn.Module
    images: np.ndarray  # (n, 3, h, w) uint8
    order: np.ndarray  # (n,)
    mean: Tensor
    std: Tensor
    numerics: Numerics
    leave: Callable[[], bool]
    deadline: float
    least: int
    fitting: Callable[[Tensor], Tensor]
    left: bool = False

    def all(self, over: Over, pace: Pace) -> list[Tensor]:
        """Logits of one batch after another; first of single ones, until their size is found."""
        done: list[Tensor] = []
        at, n = 0, len(self.images)
        while at < n and not pace.is_settled:
            begun, part = time.perf_counter(), slice(at, min(at + pace.size, n))
            logits = self.logits_of(part)
            if logits is None:
                return done
            done.append(logits)
            if part.stop - at == pace.size:  # what is left over at the end tells little
                wait_for(self.mean.device)
                pace.learn(pace.size, time.perf_counter() - begun)
            at = part.stop
        parts = [slice(start, start + pace.size) for start in range(at, n, pace.size)]
        return done + list(takewhile(lambda logits: logits is not None, over(self.logits_of, parts)))

    @torch.inference_mode()
    def logits_of(self, part: slice) -> Tensor | None:
        """(B, classes) float32; None where nobody waits for it any more."""
        self.left = self.left or self.leave()
        if self.left or (part.start >= self.least and time.perf_counter() > self.deadline):
            return None
        device = self.mean.device
        batch = torch.from_numpy(self.images[self.order[part]]).to(device)
        x = to_input(self.fitting(batch), self.mean, self.std).contiguous(memory_format=torch.channels_last)
        with self.numerics.autocast(device):
            return self.model(x).float()


def largest_batch(device: str, side: int) -> int:
    """The most images of this side in a batch."""
    most = BATCH.get(device, BATCH["cpu"])
    return max(1, int(most * min(1.0, (LARGE_SIDE / side) ** 2)))


def of_logits(scores: Tensor, labels: np.ndarray, places: np.ndarray, seconds: float) -> Evaluation:
    """The results that the logits (n, C) give; labels and places (n,)."""
    predictions = scores.argmax(1).numpy()
    confusion = confusion_matrix(labels, predictions, scores.shape[1])
    return Evaluation(
        loss=F.cross_entropy(scores, torch.from_numpy(np.array(labels))).item(),
        top1=float(confusion.trace() / max(1, confusion.sum())),
        per_class=recall(confusion),
        confusion=confusion,
        probs=scores.softmax(1).numpy(),
        predictions=predictions,
        seconds=seconds,
        logits=scores,
        labels=labels,
        places=places,
    )
