"""Muon (Jordan et al. 2024) for the matrices that the architecture's card names, AdamW for the rest.

Muon makes the update of a matrix orthogonal, so that all its directions are learned at one pace. Its step is scaled to
the size of AdamW's (Liu et al. 2025, "Muon is scalable"), so both take the same learning rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import Card, Rule, rules

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from vit_explore.config import TrainConfig


def make(model: nn.Module, card: Card, train: TrainConfig) -> dict[str, Optimizer]:
    """Two parts; a model without such matrices (a ResNet) has nothing for Muon: AdamW alone."""
    from vit_explore.training.muon import Muon
    from vit_explore.training.optimizers import adamw

    matrices = [p for name, p in model.named_parameters() if card.matrices(name, p.ndim)]
    parts: dict[str, Optimizer] = {"adamw": adamw(model, card, train, without={id(p) for p in matrices})}
    if matrices:
        parts["muon"] = Muon(matrices, lr=train.lr, weight_decay=train.weight_decay)
    return parts


rules.register("muon")(
    Rule("muon", "orthogonal updates for the matrices of the transformer blocks, AdamW for the rest", make)
)
