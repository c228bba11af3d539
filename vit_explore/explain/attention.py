"""Which tokens does each head look at?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vit_explore.explain.capture import attention_pass
from vit_explore.explain.inputs import module_of, ready_images
from vit_explore.explain.results import AttentionMaps


def attention_maps(model: Any, images: Tensor) -> AttentionMaps:
    """Post-softmax attention of every layer and head, (B, L, H, N, N), before attention dropout, in evaluation mode.

    `has_class_token` says whether the head reads a class token. Source: Dosovitskiy et al. 2021, appendix A, eq. 6.
    Raises NotApplicable for a model without attention from patch to patch, BadConfig for images that do not fit.
    """
    net = module_of(model)
    images = ready_images(net, images)
    with torch.no_grad():
        logits, maps, shape = attention_pass(net, images)
        weights = torch.stack(maps, dim=1).float().cpu().numpy()
    return AttentionMaps(
        weights,
        shape.grid,
        shape.n_prefix,
        shape.reads_class_token,
        logits.float().cpu().numpy(),
        shape.prefix_names,
    )
