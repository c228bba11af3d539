"""Architectures by name, and what each costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from vit_explore.config import ModelConfig

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ModelSummary", "create_model", "summarise"]


@dataclass(frozen=True)
class ModelSummary:
    """What a model costs: parameters, and FLOPs of one image's forward pass (a multiply-add counts 2)."""

    params: int
    flops: int


def create_model(config: ModelConfig) -> nn.Module:
    """The model of `config`, freshly initialised: `model(x)` takes (B, 3, h, w), gives logits (B, classes).

    Raises UnknownName for an architecture that is neither ours nor timm's.
    """
    return config.card.build(config)


@lru_cache(maxsize=256)
def summarise(config: ModelConfig) -> ModelSummary:
    """Parameters and FLOPs of `config` (torch.utils.flop_counter), on the meta device: nothing is computed.

    Raises as create_model, and BadConfig for a model of timm that does not take images of this size.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from vit_explore.models.timm_models import timm_errors

    with torch.device("meta"):
        # its hooks fail on some models whose weights want gradients
        model = create_model(config.replace(pretrained=False)).eval().requires_grad_(False)
        image = torch.empty(1, 3, config.image_size, config.image_size)
    refused = timm_errors(f"{config.architecture} takes no {config.image_size} px images", config.architecture)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), refused:
        model(image)
    return ModelSummary(sum(p.numel() for p in model.parameters()), counter.get_total_flops())
