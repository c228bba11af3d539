"""A model's results on a split, in large batches, the model left in the mode it was in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.data.augment import to_input
from vit_explore.training.devices import Numerics
from vit_explore.training.metrics import confusion_matrix, recall

BATCH = {"cpu": 125, "cuda": 2000}


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

    def first(self, n: int, labels: np.ndarray) -> Evaluation:
        """The same on the first n images alone; `labels` are those of all."""
        return of_logits(self.logits[:n], labels[:n], self.seconds)


def one_by_one(function: Callable[[Tensor], Tensor], batches: Iterable[Tensor]) -> list[Tensor]:
    """`function` of each batch, in this thread."""
    return [function(batch) for batch in batches]


def evaluate(
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    mean: Tensor,
    std: Tensor,
    numerics: Numerics,
    over: Callable[[Callable[[Tensor], Tensor], Iterable[Tensor]], list[Tensor]] = one_by_one,
) -> Evaluation:
    """Evaluate on uint8 images (n, 3, h, w); `mean` and `std` are (1, 3, 1, 1) on the model's device.

    `over` maps a function over batches, in several threads maybe.
    """
    start, training = time.perf_counter(), model.training
    device = mean.device

    @torch.inference_mode()
    def logits_of(batch: Tensor) -> Tensor:
        x = to_input(batch.to(device), mean, std).contiguous(memory_format=torch.channels_last)
        with numerics.autocast(device):
            return model(x).float()

    model.eval()
    logits = over(logits_of, torch.from_numpy(np.array(images)).split(BATCH.get(device.type, 125)))
    model.train(training)
    scores = torch.cat(logits).cpu()
    return of_logits(scores, labels, time.perf_counter() - start)


def of_logits(scores: Tensor, labels: np.ndarray, seconds: float) -> Evaluation:
    """The results that the logits (n, C) give."""
    truth = torch.from_numpy(np.array(labels))
    predictions = scores.argmax(1).numpy()
    confusion = confusion_matrix(labels, predictions, scores.shape[1])
    return Evaluation(
        loss=F.cross_entropy(scores, truth).item(),
        top1=float(confusion.trace() / max(1, confusion.sum())),
        per_class=recall(confusion),
        confusion=confusion,
        probs=scores.softmax(1).numpy(),
        predictions=predictions,
        seconds=seconds,
        logits=scores,
    )
