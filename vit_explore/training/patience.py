"""Early stopping: after so many validations without a better accuracy, the weights of the best one come back."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Patience:
    """The best look so far, its weights, and how many came after it. most: None is endless, and keeps no weights."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.top1, self.step, self.waited = -1.0, 0, 0
        self.weights: dict[str, Tensor] | None = None

    @property
    def is_over(self) -> bool:
        """Whether enough looks came after the best one."""
        return self.most is not None and self.waited >= self.most

    def look(self, top1: float, step: int, model: nn.Module) -> None:
        """A look at the weights of `model` on the way."""
        if self.most is None:
            return
        if top1 > self.top1:
            self.top1, self.step, self.waited = top1, step, 0
            self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        else:
            self.waited += 1

    def bring_back(self, model: nn.Module) -> None:
        """The best weights, into `model`."""
        if self.weights is not None:
            model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {"top1": self.top1, "step": self.step, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.top1, self.step, self.waited = state["top1"], state["step"], state["waited"]
        self.weights = state["weights"]
