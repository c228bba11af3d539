"""The exponential moving average of a model's weights, which is looked at and kept in their place."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """A model of averaged weights; BatchNorm's statistics are averaged too, counters are copied.

    After n updates the next keeps min(`decay`, (1 + n) / (10 + n)) of what is there (as TensorFlow's
    ExponentialMovingAverage), so that a short run is not an average over its random start.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay, self.count = copy.deepcopy(model).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """After a step of `model`."""
        kept = min(self.decay, (1 + self.count) / (10 + self.count))
        numbers: tuple[list[Tensor], list[Tensor]] = ([], [])
        for own, new in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if own.is_floating_point():
                numbers[0].append(own)
                numbers[1].append(new)
            else:
                own.copy_(new)
        torch._foreach_lerp_(*numbers, 1 - kept)
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {"count": self.count, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.count = state["count"]
        self.model.load_state_dict(state["model"])
