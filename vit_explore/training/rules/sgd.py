"""Stochastic gradient descent with momentum (Sutskever et al. 2013), as torch.optim.SGD, for every parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import Card, Rule, rules

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from vit_explore.config import TrainConfig


def make(model: nn.Module, card: Card, train: TrainConfig) -> dict[str, Optimizer]:
    """One part; weight decay is added to the gradient (L2), and so passes through the momentum."""
    from torch.optim import SGD

    from vit_explore.training.optimizers import grouped, is_fused

    groups, fused = grouped(model, card, train), is_fused(model)
    return {"sgd": SGD(groups, lr=train.lr, momentum=train.momentum, nesterov=train.nesterov, fused=fused)}


rules.register("sgd")(
    Rule(
        "sgd",
        "gradient descent with `momentum`; it wants a higher learning rate than the others, about 0.01 to 0.1, and its "
        "weight decay is L2, usually 0 to 0.0005",
        make,
    )
)
