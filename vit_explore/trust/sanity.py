"""Does a map depend on what the model has learned? (Adebayo et al. 2018)"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from vit_explore.explain.states import lock_of


def shuffled(net: nn.Module, seed: int) -> nn.Module:
    """A copy in which the numbers of each weight, bias or embedding come in a random order: as large, and aimless."""
    with lock_of(net):
        twin = copy.deepcopy(net)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in twin.parameters():
            order = torch.randperm(value.numel(), generator=draw).to(value.device)
            value.copy_(value.flatten()[order].view_as(value))
    return twin


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two maps of one shape; NaN where one is flat."""
    a, b = _ranks(one), _ranks(other)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / scale) if scale else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value, the mean one for equals."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[place.ravel()]
    return ranks
