"""Through all layers, which patches can have reached the output?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vit_explore.errors import BadConfig
from vit_explore.explain.attention import attention_maps
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.heatmaps import Question, heat_method
from vit_explore.explain.results import AttentionMaps

__all__ = ["attention_rollout"]

CARD = Explanation(
    name="attention_rollout",
    title="Attention rollout",
    needs="attention",
    cost="that of the attention maps, and L products of N by N matrices",
    gives="(B, gh, gw)",
    source="Abnar & Zuidema 2020, Quantifying Attention Flow in Transformers",
    formula=(
        r"\tilde{A}_l = \operatorname{rownorm}\bigl(\operatorname{fuse}_h A_l + I\bigr), \qquad R = \tilde{A}_L "
        r"\cdots \tilde{A}_1"
    ),
    what_you_see=(
        "The attention of all layers multiplied, with the residual path as I: how much of each patch can have "
        "reached the output."
    ),
    what_to_look_for=(
        "The object standing out from its background, more clearly with training and with a moderate discard ratio."
    ),
    what_to_beware=(
        "It is the same for every class and takes half of each layer to be residual, whatever the model learned. "
        "Without a class token it is the mean over the patches."
    ),
    example=(
        "maps = vx.explain.attention_maps(model, images)\n"
        'result = vx.explain.attention_rollout(maps, head_fusion="max", discard_ratio=0.5)'
    ),
    figure="vx.plots.attention_rollout(result, picture)",
)

_FUSIONS: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "max": np.max, "min": np.min}


def attention_rollout(
    maps: AttentionMaps, head_fusion: str = "mean", discard_ratio: float = 0.0, start_layer: int = 0
) -> np.ndarray:
    """Attention rollout (Abnar & Zuidema 2020): the class row of the product of all layers' attention, (B, gh, gw),
    unscaled.

    head_fusion: mean, max or min over heads. discard_ratio: share of the smallest entries of a layer set to 0, those of
    prefix tokens spared. start_layer: the first layer of the product. Of a distilled ViT: the mean of the class and the
    distillation row; without a class token that of the patch rows.
    """
    _check(maps, head_fusion, discard_ratio, start_layer)
    n, p = maps.weights.shape[-1], maps.n_prefix
    rollout = np.broadcast_to(np.eye(n), (len(maps.weights), n, n))
    for layer in range(start_layer, maps.weights.shape[1]):
        fused = _FUSIONS[head_fusion](maps.weights[:, layer].astype(np.float64), axis=1)  # (B, N, N)
        step = _discard(fused, discard_ratio, p) + np.eye(n)
        rollout = (step / step.sum(axis=-1, keepdims=True)) @ rollout
    row = rollout[:, maps.read, p:].mean(axis=1)
    return row.reshape(-1, *maps.grid).astype(np.float32)


def _discard(fused: np.ndarray, ratio: float, n_prefix: int) -> np.ndarray:
    """Each image's floor(N² ratio) smallest entries become 0, except in the rows and columns of prefix tokens."""
    batch, n, _ = fused.shape
    smallest = np.argsort(fused.reshape(batch, -1), axis=1, kind="stable")[:, : int(n * n * ratio)]
    drop = np.zeros((batch, n * n), dtype=bool)
    np.put_along_axis(drop, smallest, True, axis=1)
    drop = drop.reshape(fused.shape)
    drop[:, :n_prefix, :] = drop[:, :, :n_prefix] = False
    return np.where(drop, 0.0, fused)


def _check(maps: AttentionMaps, head_fusion: str, discard_ratio: float, start_layer: int) -> None:
    layers = maps.weights.shape[1]
    if head_fusion not in _FUSIONS:
        raise BadConfig(f"head_fusion = {head_fusion!r} is not possible: choose one of {', '.join(_FUSIONS)}.")
    if not 0 <= discard_ratio < 1:
        raise BadConfig(f"discard_ratio = {discard_ratio} is not possible: choose a share from 0 to below 1.")
    if start_layer not in range(layers):
        raise BadConfig(f"start_layer = {start_layer} is not possible: the layers are 0 to {layers - 1}.")


@heat_method(
    "rollout",
    title="Attention rollout",
    about="The attention of all layers multiplied, so that it says what can have reached the answer.",
    source="Abnar & Zuidema 2020",
    needs="attention",
    passes=1,
    is_fine=False,
)
def _mean_of_heads(asked: Question) -> np.ndarray:
    return attention_rollout(attention_maps(asked.net, asked.images))
