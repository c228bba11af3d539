"""The optimiser of a run: AdamW for everything, or Muon for the matrices of the transformer blocks beside AdamW.

Muon (Jordan et al. 2024) makes the update of a matrix orthogonal, so that all its directions are learned at one pace.
Its step is scaled to the size of AdamW's (Liu et al. 2025, "Muon is scalable"), so both take the same learning rate.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from vit_explore.config import TrainConfig
from vit_explore.errors import TrainingFailed
from vit_explore.training.muon import Muon, Over

SPARED = ("pos_embed", "cls_token", "reg_token")  # no weight decay, whatever their shape


class Optimizers:
    """Several optimisers, each with its own parameters, as one."""

    def __init__(self, **parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    def set_lr(self, lr: float) -> None:
        """The learning rate of the next step."""
        for part in self.parts.values():
            for group in part.param_groups:
                group["lr"] = lr

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


def make_optimizers(model: nn.Module, train: TrainConfig) -> Optimizers:
    """As `train.optimizer` says. A model without transformer blocks (a ResNet) has nothing for Muon: AdamW alone."""
    matrices = [p for name, p in model.named_parameters() if name.startswith("blocks.") and p.ndim == 2]
    matrices = matrices if train.optimizer == "muon" else []
    on_device = next(model.parameters()).device.type
    groups = decay_groups(model, train.weight_decay, {id(p) for p in matrices})
    parts: dict[str, torch.optim.Optimizer] = {
        "adamw": torch.optim.AdamW(groups, lr=train.lr, fused=on_device in ("cpu", "cuda"))
    }
    if matrices:
        parts["muon"] = Muon(matrices, lr=train.lr, weight_decay=train.weight_decay)
    return Optimizers(**parts)


def decay_groups(
    model: nn.Module, weight_decay: float, without: frozenset[int] | set[int] = frozenset()
) -> list[dict[str, Any]]:
    """Weight decay on matrices; none on biases, norms, tokens and position embeddings. `without`: ids left out."""
    decay: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if id(parameter) not in without:
            (rest if parameter.ndim < 2 or name.endswith(SPARED) else decay).append(parameter)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
