"""Which patches speak for this class?"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import VitExploreWarning
from vit_explore.explain.capture import attention_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.heatmaps import Question, heat_method
from vit_explore.explain.inputs import check_finite, module_of, ready_images, ready_targets
from vit_explore.explain.results import has_signal
from vit_explore.explain.states import differentiable

__all__ = ["relevance"]

CARD = Explanation(
    name="relevance",
    title="Class relevance",
    needs="attention",
    cost="about 3 forward passes: one, and one backward",
    gives="(B, gh, gw)",
    source="Chefer, Gur & Wolf 2021, Generic Attention-model Explainability",
    formula=(
        r"\bar{A}_l = \operatorname{mean}_h \operatorname{relu}\!\left(\frac{\partial y_c}{\partial A_l} \odot "
        r"A_l\right), \qquad R \leftarrow R + \bar{A}_l R \quad (l = 1 \dots L)"
    ),
    what_you_see="Rollout in which only attention that raises the logit of the chosen class counts.",
    what_to_look_for=(
        "Choose another class and watch the map move. Where two objects are in the picture, each class should "
        "find its own."
    ),
    what_to_beware=(
        "It shows what speaks for the class; evidence against it is cut off by the relu. On a wrong prediction "
        "it explains the wrong class, unless you choose another."
    ),
    example="result = vx.explain.relevance(model, images, target=0)",
    figure="vx.plots.relevance(result, picture)",
)


def relevance(model: Any, images: Tensor, target: int | Tensor | None = None) -> np.ndarray:
    """Gradient-weighted rollout, (B, gh, gw), unscaled (Chefer, Gur & Wolf 2021, for self-attention).

    R becomes R + mean_h relu(dy/dA_l * A_l) R from the first layer to the last, y the raw logit of `target` (None: the
    predicted class). Given is R - I, in the row of the class token, of a distilled ViT the mean of that and the
    distillation token's, without a class token that of the patches'. A map of rounding alone comes with a
    VitExploreWarning. Raises NotApplicable, BadConfig.
    """
    net = module_of(model)
    images = ready_images(net, images)
    heat = _relevance(net, images, target)
    _warn_of_nothing(heat, torch.finfo(images.dtype).eps)
    return heat


def _relevance(net: nn.Module, images: Tensor, target: int | Tensor | None) -> np.ndarray:
    with differentiable(net):
        logits, maps, shape = attention_pass(net, images.clone().requires_grad_())
        chosen = logits.gather(1, ready_targets(net, logits, target)[:, None])
        gradients = torch.autograd.grad(chosen.sum(), maps)  # in the order of the maps: first layer to last
    check_finite("The gradients", *gradients)
    # R - I, in double precision: beside the 1 of the residual path what attention adds would be lost in rounding.
    added = torch.zeros(len(images), shape.n_tokens, shape.n_tokens, dtype=torch.float64)
    for attention, gradient in zip(maps, gradients, strict=True):
        dtype = torch.promote_types(gradient.dtype, torch.float32)  # a product of two halves may be beyond their range
        step = (gradient.to(dtype) * attention.detach().to(dtype)).clamp(min=0).mean(dim=1).cpu().double()  # (B, N, N)
        added = added + step + step @ added
    p = shape.n_prefix
    row = added[:, shape.read, p:].mean(dim=1)
    return row.reshape(-1, *shape.grid).numpy().astype(np.float32)


def _warn_of_nothing(heat: np.ndarray, precision: float) -> None:
    empty = sum(not has_signal(one, precision) for one in heat)
    if empty:
        warnings.warn(
            f"Relevance has no signal for {empty} of {len(heat)} images: its values differ by no more than rounding, "
            "so attention from patch to patch does not move the logit; choose another class or model.",
            VitExploreWarning,
            stacklevel=3,
        )


@heat_method(
    "relevance",
    title="Class relevance",
    about="Rollout of the attention that raises the logit of the class.",
    source="Chefer, Gur & Wolf 2021",
    needs="attention",
    passes=4,
    is_fine=False,
)
def _without_warning(asked: Question) -> np.ndarray:
    return _relevance(asked.net, asked.images, asked.targets)
