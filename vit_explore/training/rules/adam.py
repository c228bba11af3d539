"""Adam (Kingma and Ba 2015), as torch.optim.Adam, for every parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import Card, Rule, rules

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from vit_explore.config import TrainConfig


def make(model: nn.Module, card: Card, train: TrainConfig) -> dict[str, Optimizer]:
    """One part; weight decay is added to the gradient (L2), and so is scaled as the gradient is."""
    from torch.optim import Adam

    from vit_explore.training.optimizers import grouped, is_fused

    return {"adam": Adam(grouped(model, card, train), lr=train.lr, fused=is_fused(model))}


rules.register("adam")(Rule("adam", "Adam as first published; its weight decay is L2, not decoupled as AdamW's", make))
