"""Replicas of the model in one process: each takes its share of a batch in a thread of its own.

OpenMP's threads meet after every operation, and a small ViT has hundreds of short ones in a step. Replicas meet once a
step: the weights are shared, the gradients are added. On two cores that is worth a quarter to a half more images/s, and
beside other work much more, since a thread that has to wait for a core holds nobody up within an operation.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vit_explore.training.devices import FEWEST, even_threads

CLEARLY = 1.1  # when in doubt, replicas: they lose less to whatever else runs
ROUNDS = 2  # each of them a step to warm up, and one that is timed, of both ways
RATES = ("p", "rate", "drop_prob", "prob", "drop_rate")  # how torch, timm and we call how often something is dropped
LossOf = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (model, x, y) -> the loss *summed* over the images


class Replicas:
    """`count` models over the same weights; with BatchNorm, the statistics of the first share are the model's.

    With two or more, the calling thread works with one thread until `close`.
    """

    def __init__(self, model: nn.Module, count: int) -> None:
        self.models = [model, *(_twin(model) for _ in range(count - 1))]
        self._has_batch_norm = has_batch_norm(model)
        self.threads, self._pool = torch.get_num_threads(), None  # in all
        if count > 1:
            own = max(1, self.threads // count)
            self._pool = ThreadPoolExecutor(count, "replica", torch.set_num_threads, (own,))
            torch.set_num_threads(1)

    def backward(self, loss_of: LossOf, x: Tensor, y: Tensor) -> Tensor:
        """Mean loss of a batch (B, 3, h, w), labels (B,); its gradients replace those of the model."""

        def share(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            model.zero_grad(set_to_none=True)
            loss = loss_of(model, x, y) / size
            with even_threads(model, x):
                loss.backward()
            return loss.detach()

        size = len(y)
        if self._pool is None:
            return share(self.models[0], x, y)
        losses = list(self._pool.map(share, self.models, self._shares(x), self._shares(y)))
        for twin in self.models[1 : len(losses)]:
            _add_gradients(self.models[0], twin)
        return torch.stack(losses).sum()

    def _shares(self, batch: Tensor) -> Sequence[Tensor]:
        """A part of the batch for each replica; those with BatchNorm get no single image, where there are enough."""
        count, images = len(self.models), len(batch)
        leaves_one = images % math.ceil(images / count) == 1
        is_odd = self._has_batch_norm and leaves_one and images >= FEWEST * count
        return batch.tensor_split(count) if is_odd else batch.chunk(count)

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """`function` of each item, in the same threads."""
        return [function(item) for item in items] if self._pool is None else list(self._pool.map(function, items))

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            torch.set_num_threads(self.threads)
            self._pool = None


def _twin(model: nn.Module) -> nn.Module:
    twin = copy.deepcopy(model)
    for own, shared in zip(twin.parameters(), model.parameters(), strict=True):
        own.data = shared.data
    return twin


def _add_gradients(model: nn.Module, twin: nn.Module) -> None:
    for total, part in zip(model.parameters(), twin.parameters(), strict=True):
        if total.grad is not None and part.grad is not None:
            total.grad.add_(part.grad)


def has_batch_norm(model: nn.Module) -> bool:
    """Whether it learns by the statistics of a batch, which those of one image may not be."""
    return any(isinstance(part, _BatchNorm) for part in model.modules())


def may_be_shared_out(model: nn.Module) -> bool:
    """Whether replicas learn as the model alone would.

    Those that draw random numbers would do so from one generator, in an order that no seed decides; and where an image
    is seen among those beside it, a share is not the batch.
    """
    draws = any(getattr(part, rate, 0) for part in model.modules() for rate in RATES)
    return not draws and not getattr(model, "mixes_batch", False)


def pick_replicas(
    model: nn.Module, loss_of: LossOf, x: Tensor, y: Tensor, leave: Callable[[], bool] = lambda: False
) -> int:
    """One replica for each CPU thread, or one in all where a step on this batch is clearly faster so; timed in turn.

    leave: asked before each pair of steps; then it is one.
    """
    threads = torch.get_num_threads()
    least = threads * (FEWEST if has_batch_norm(model) else 1)
    if x.device.type != "cpu" or threads == 1 or len(y) < least:
        return 1
    trial = copy.deepcopy(model)
    times: dict[int, list[float]] = {1: [], threads: []}
    for _ in range(ROUNDS):
        for count, found in times.items():
            if leave():
                return 1
            replicas = Replicas(trial, count)
            try:
                replicas.backward(loss_of, x, y)  # to warm up
                start = time.perf_counter()
                replicas.backward(loss_of, x, y)
                found.append(time.perf_counter() - start)
            finally:
                replicas.close()
    return 1 if min(times[1]) * CLEARLY < min(times[threads]) else threads
