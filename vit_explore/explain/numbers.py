"""One attention weight, worked out in numbers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.capture import attention_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import name_of
from vit_explore.explain.heads import queries_keys
from vit_explore.explain.inputs import module_of, ready_images
from vit_explore.explain.results import WeightInNumbers

__all__ = ["attention_weight"]

CARD = Explanation(
    name="attention_weight",
    title="An attention weight in numbers",
    needs="attention",
    cost="2 forward passes",
    gives=".query (d); .key (d)",
    source="Vaswani et al. 2017, eq. 1; Dosovitskiy et al. 2021, appendix A, eq. 6",
    formula=r"A_{ij} = \frac{e^{s_{ij}}}{\sum_k e^{s_{ik}}}, \qquad s_{ij} = \frac{q_i \cdot k_j}{\sqrt{d}}",
    what_you_see=(
        "The query of one token and the key of another, number by number, their products, the sum of these over √d, "
        "and its share of the row. The numbers are the model's own, and multiply out."
    ),
    what_to_look_for=(
        "Which dimensions make the score: one large product, or many small ones? How different are two keys that get "
        "very different shares?"
    ),
    what_to_beware=(
        "A score says nothing alone: the share depends on all other scores of the row. Where query and key are "
        "normalised first, these are the normalised ones."
    ),
    example="result = vx.explain.attention_weight(model, images[:1], layer=0, head=0, query=0, key=1)",
    figure="vx.plots.attention_weight(result)",
)

_EXACT = 1e-3  # of a weight: so near the numbers have to come to what the model computed; half precision misses by less


def attention_weight(model: Any, image: Tensor, layer: int, head: int, query: int, key: int) -> WeightInNumbers:
    """The weight with which token `query` takes from token `key` in a head, worked out (Vaswani et al. 2017, eq. 1).

    image: normalised (1, 3, h, w). Layers, heads and tokens are counted from 0, the prefix tokens first. Raises
    NotApplicable where queries and keys cannot be had, or do not multiply out to the model's attention; BadConfig.
    """
    net = module_of(model)
    images = ready_images(net, image)
    if len(images) != 1:
        raise BadConfig(f"{len(images)} images were given; one attention weight is of one image.")
    with torch.no_grad():
        _, maps, _ = attention_pass(net, images)
        _check("layer", layer, len(maps))
        attention = maps[layer][0].float()  # (H, N, N)
        _check("head", head, len(attention))
        _check("query", query, attention.shape[1])
        _check("key", key, attention.shape[1])
        q, k = (one[0, head].float() for one in queries_keys(net, images, layer))
    scores = (q[query] @ k.T) / math.sqrt(q.shape[-1])  # (N,)
    row = scores.softmax(dim=0)
    if (row - attention[head, query]).abs().max() > _EXACT:
        raise NotApplicable(
            f"The queries and keys of {name_of(net)} do not multiply out to its attention, so more happens in between; "
            "choose a plain ViT."
        )
    return WeightInNumbers(
        query=q[query].cpu().numpy(),
        key=k[key].cpu().numpy(),
        score=float(scores[key]),
        weight=float(row[key]),
        scores=scores.cpu().numpy(),
        tokens=(query, key),
    )


def _check(what: str, value: int, count: int) -> None:
    if value not in range(count):
        raise BadConfig(f"{what} = {value} is not possible: choose one of 0 to {count - 1}.")
