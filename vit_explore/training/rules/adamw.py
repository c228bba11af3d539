"""AdamW (Loshchilov and Hutter 2019) for every parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import Card, Rule, rules

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from vit_explore.config import TrainConfig


def make(model: nn.Module, card: Card, train: TrainConfig) -> dict[str, Optimizer]:
    """One part."""
    from vit_explore.training.optimizers import adamw

    return {"adamw": adamw(model, card, train)}


rules.register("adamw")(Rule("adamw", "AdamW for everything (a ResNet always)", make))
