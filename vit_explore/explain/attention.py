"""Which tokens does each head look at?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vit_explore.explain.capture import attention_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.heads import Head, silenced
from vit_explore.explain.heatmaps import Question, heat_method
from vit_explore.explain.inputs import module_of, ready_images
from vit_explore.explain.results import AttentionMaps

__all__ = ["attention_maps"]

CARD = Explanation(
    name="attention_maps",
    title="Attention of every layer and head",
    needs="attention",
    cost="1 to 1.4 forward passes",
    gives=".weights (B, L, H, N, N); .logits (B, C)",
    source="Vaswani et al. 2017; Dosovitskiy et al. 2021, appendix A, eq. 6",
    formula=r"A = \operatorname{softmax}\!\left(\frac{Q K^{\top}}{\sqrt{D_h}}\right), \qquad \sum_j A_{ij} = 1",
    what_you_see="How much each token (the query) takes from each other. A row is a distribution: it sums to 1.",
    what_to_look_for=(
        "Heads of one layer divide the work: some look next to the patch, some at the whole picture, some at one "
        "kind of texture."
    ),
    what_to_beware=(
        "Attention says where information may flow, not what it does: the values, the MLPs and the residual path "
        "are not shown. A few background patches with very high attention are often storage, not content (Darcet "
        "et al. 2024)."
    ),
    example="result = vx.explain.attention_maps(model, images)",
    figure="vx.plots.attention_maps(result, picture)",
)


def attention_maps(model: Any, images: Tensor, without: Sequence[Head] = ()) -> AttentionMaps:
    """Post-softmax attention of every layer and head, (B, L, H, N, N), before attention dropout, in evaluation mode.

    without: heads, as (layer, head) from 0, that are switched off: later layers and the logits then do without what
    they add. `has_class_token` says whether the head reads a class token. Source: Dosovitskiy et al. 2021, appendix A,
    eq. 6. Raises NotApplicable for a model without attention from patch to patch and for maps that do not fit the free
    memory, BadConfig for images that do not fit.
    """
    net = module_of(model)
    images = ready_images(net, images)
    with torch.no_grad(), silenced(net, without):
        logits, maps, shape = attention_pass(net, images)
        weights = np.empty((len(images), len(maps), *maps[0].shape[1:]), np.float32)
        for layer in range(len(maps)):  # one after the other: all of them twice may be gigabytes
            weights[:, layer] = maps.pop(0).float().cpu().numpy()
    return AttentionMaps(
        weights,
        shape.grid,
        shape.n_prefix,
        shape.reads_class_token,
        logits.float().cpu().numpy(),
        shape.prefix_names,
    )


@heat_method(
    "attention",
    title="Raw attention",
    about="What the class token, or what else the answer is read from, takes from each patch in the last layer.",
    source="Vaswani et al. 2017",
    needs="attention",
    passes=1,
    is_fine=False,
)
def _last_layer(asked: Question) -> np.ndarray:
    """Of the tokens that the head reads: two of a distilled ViT, the patches without a class token."""
    with torch.no_grad():
        _, maps, shape = attention_pass(asked.net, asked.images)
    rows = maps[-1].float().mean(dim=1)[..., shape.n_prefix :]  # (B, N, patches)
    row = rows[:, shape.read].mean(dim=1)
    return row.reshape(-1, *shape.grid).cpu().numpy()
