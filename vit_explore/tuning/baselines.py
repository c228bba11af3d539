"""Classifiers on frozen features that need no training worth the name. Features are (n, D) float32, labels (n,) int64.

Nearest mean and nearest neighbours compare directions: features are scaled to length 1 first (Caron et al. 2021, DINO).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.training.metrics import confusion_matrix

HEADS = 10  # untrained ones, whose mean is told
NEIGHBOURS = (1, 5, 10, 20)  # of which one is chosen on the validation images
PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4)  # on the squared weights of the linear head, as well
ITERATIONS = 100  # of L-BFGS, at most
_ROWS = 1000  # of a table of similarities at a time


@dataclass(frozen=True)
class Features:
    """Features of one split, with their labels."""

    x: Tensor  # (n, D) float32
    y: Tensor  # (n,) int64


def untrained_heads(test: Features, classes: int, count: int = HEADS) -> np.ndarray:
    """The confusion (C, C) of `count` random linear heads, summed: chance, whatever the features are."""
    total = np.zeros((classes, classes), np.int64)
    for seed in range(count):
        weights = torch.randn(classes, test.x.shape[1], generator=torch.Generator().manual_seed(seed))
        total += confusion_matrix(test.y.numpy(), (test.x @ weights.T).argmax(1).numpy(), classes)
    return total


def nearest_mean(train: Features, x: Tensor, classes: int) -> np.ndarray:
    """(n,) int64: the class whose mean feature is nearest to each of x (n, D)."""
    directions = F.normalize(train.x)
    means = torch.stack([directions[train.y == label].mean(0) for label in range(classes)])
    return torch.cdist(F.normalize(x), means).argmin(1).numpy()


def nearest_neighbours(train: Features, x: Tensor, classes: int, counts: Sequence[int]) -> Iterator[np.ndarray]:
    """For each k of `counts`, (n,) int64: what most of the k nearest training features of each of x (n, D) are.

    A tie goes to the first of the classes.
    """
    known, most = F.normalize(train.x), max(counts)
    near = [(part @ known.T).topk(most).indices for part in F.normalize(x).split(_ROWS)]
    labels = train.y[torch.cat(near)]  # (n, most), the nearest first
    for k in counts:
        votes = F.one_hot(labels[:, :k], classes).sum(1)
        yield votes.numpy().argmax(1)


def logistic_regression(train: Features, classes: int, penalties: Sequence[float]) -> Iterator[nn.Module]:
    """For each penalty, the best linear head there is: least mean cross-entropy + penalty / 2 · |W|², by L-BFGS.

    It takes features as they are: their standardisation is folded into its weights.
    """
    mean, std = train.x.mean(0), train.x.std(0).clamp(min=1e-6)
    x = (train.x - mean) / std
    weights = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    for penalty in penalties:  # each from where the one before ended
        _minimise(x, train.y, weights, bias, penalty)
        head = nn.Linear(x.shape[1], classes)
        with torch.no_grad():
            head.weight.copy_(weights / std)
            head.bias.copy_(bias - (weights / std) @ mean)
        yield head.requires_grad_(False)


def _minimise(x: Tensor, y: Tensor, weights: Tensor, bias: Tensor, penalty: float) -> None:
    optimizer = torch.optim.LBFGS(
        [weights, bias], max_iter=ITERATIONS, tolerance_grad=1e-5, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ weights.T + bias, y) + penalty / 2 * weights.square().sum()
        loss.backward()
        return loss.item()

    optimizer.step(closure)


def best(candidates: Iterator[np.ndarray], truth: Tensor) -> tuple[int, float]:
    """The place of the candidate that is right most often, the first of equals, and how often."""
    shares = [float((said == truth.numpy()).mean()) for said in candidates]
    return (int(np.argmax(shares)), max(shares)) if shares else (0, math.nan)
