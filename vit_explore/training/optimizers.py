"""The optimiser of a run, made by one of `rules/` from the groups of parameters that the architecture's card names."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from vit_explore.cards import Card, rules
from vit_explore.config import TrainConfig
from vit_explore.errors import TrainingFailed
from vit_explore.training.layers import tuned
from vit_explore.training.muon import Muon, Over

GROUPING = 2  # 1: of a release that asked the card alone


class Optimizers:
    """Several optimisers, each with its own parameters, as one."""

    def __init__(self, **parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    def set_lr(self, lr: float) -> None:
        """The learning rate of the next step."""
        for part in self.parts.values():
            for group in part.param_groups:
                group["lr"] = lr * group.get("lr_scale", 1.0)

    def set_weight_decay(self, weight_decay: float) -> None:
        """That of the next step, where there is any: the groups that a card spares stay without."""
        for part in self.parts.values():
            for group in part.param_groups:
                if group.get("decays", True):
                    group["weight_decay"] = weight_decay

    def step(self, over: Over = map) -> None:
        """One update of every parameter; Muon's by `over`, as its `step` says."""
        for part in self.parts.values():
            if isinstance(part, Muon):
                part.step(over=over)
            else:
                part.step()

    def state_dict(self) -> dict[str, Any]:
        """The state of each part, by its name."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave. Raises TrainingFailed when it is of other optimisers."""
        if set(state) != set(self.parts):
            raise TrainingFailed(
                f"The checkpoint was made with other optimisers ({', '.join(map(str, sorted(state)))}) than this run "
                f"has ({', '.join(sorted(self.parts))}); start a new run."
            )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def make_optimizers(model: nn.Module, card: Card, train: TrainConfig, grouping: int = GROUPING) -> Optimizers:
    """As `train.optimizer` says; which parameter goes where, the architecture's card does, and a model of timm itself.

    grouping: 1 for a run of an earlier release, whose buffers lie by it.
    """
    card = _sparing(model, card) if grouping > 1 else card
    return Optimizers(**tuned(rules.get(train.optimizer).make(model, card, train), model, train))


def adamw(
    model: nn.Module, card: Card, train: TrainConfig, without: frozenset[int] | set[int] = frozenset()
) -> torch.optim.AdamW:
    """AdamW for every parameter but those whose id is in `without`."""
    return torch.optim.AdamW(grouped(model, card, train, without), lr=train.lr, fused=is_fused(model))


def grouped(
    model: nn.Module, card: Card, train: TrainConfig, without: frozenset[int] | set[int] = frozenset()
) -> list[dict[str, Any]]:
    """Every parameter but those whose id is in `without`: first the group that decays, then what the card spares."""
    decay: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if id(parameter) not in without:
            (spared if card.spared(name, parameter.ndim) else decay).append(parameter)
    return [
        {"params": decay, "weight_decay": train.weight_decay},
        {"params": spared, "weight_decay": 0.0, "decays": False},
    ]


def _sparing(model: nn.Module, card: Card) -> Card:
    """The card, which spares besides what the model itself does, and makes no matrices of that."""
    exempt = exempted(model)
    return replace(
        card,
        matrices=lambda name, ndim: name not in exempt and card.matrices(name, ndim),
        spared=lambda name, ndim: name in exempt or card.spared(name, ndim),
    )


def exempted(model: nn.Module) -> set[str]:
    """The parameters that a model of timm says are not to decay, and its tables of relative positions, by name.

    Such a table holds a number for each offset and head, and is no matrix that is multiplied by.
    """
    tell = getattr(model, "no_weight_decay", None)
    patterns = {"*bias_table", *(tell() if callable(tell) else ())}
    return {name for name, _ in model.named_parameters() if any(fnmatchcase(name, pattern) for pattern in patterns)}


def is_fused(model: nn.Module) -> bool:
    """Whether torch updates all parameters of the model's device in one go."""
    return next(model.parameters()).device.type in ("cpu", "cuda")
