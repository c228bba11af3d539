"""Which patches speak for this class?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vit_explore.explain.capture import attention_pass, differentiable
from vit_explore.explain.inputs import module_of, ready_images, ready_targets


def relevance(model: Any, images: Tensor, target: int | Tensor | None = None) -> np.ndarray:
    """Gradient-weighted rollout, (B, gh, gw), unscaled (Chefer, Gur & Wolf 2021, for self-attention).

    R becomes R + mean_h relu(dy/dA_l * A_l) R from the first layer to the last, y the raw logit of `target` (None: the
    predicted class). Without a class token: the mean over the patch rows. Raises NotApplicable, BadConfig.
    """
    net = module_of(model)
    images = ready_images(net, images)
    with differentiable():
        logits, maps, shape = attention_pass(net, images.clone().requires_grad_())
        chosen = logits.gather(1, ready_targets(net, logits, target)[:, None])
        gradients = torch.autograd.grad(chosen.sum(), maps)  # in the order of the maps: first layer to last
    total = torch.eye(shape.n_tokens, device=images.device).expand(len(images), -1, -1)
    for attention, gradient in zip(maps, gradients, strict=True):
        step = (gradient * attention.detach()).clamp(min=0).float().mean(dim=1)  # (B, N, N)
        total = total + step @ total
    p = shape.n_prefix
    row = total[:, 0, p:] if shape.reads_class_token else total[:, p:, p:].mean(dim=1)
    return row.reshape(-1, *shape.grid).cpu().numpy()
