"""How far does each head look?"""

from __future__ import annotations

import numpy as np

from vit_explore.errors import BadConfig
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.results import AttentionMaps

__all__ = ["attention_distance", "uniform_attention_distance"]

CARD = Explanation(
    name="attention_distance",
    title="Mean attention distance",
    needs="attention",
    cost="that of the attention maps",
    gives="(L, H)",
    source="Dosovitskiy et al. 2021, Fig. 7 right and Fig. 11",
    formula=(
        r"\mathrm{MAD}_{lh} = \frac{1}{N_p} \sum_i \sum_j A^{lh}_{ij} D_{ij}, \qquad D_{ij} = P \, \lVert p_i - "
        r"p_j \rVert_2"
    ),
    what_you_see="How far, in pixels, each head looks on average: the counterpart of a CNN's receptive field.",
    what_to_look_for=(
        "In a trained ViT the early layers have near and far heads side by side, and late layers look far. "
        "Compare with the line of uniform attention, where an untrained model sits."
    ),
    what_to_beware=(
        "As in the paper, attention to the class token counts as distance 0 and lowers the value; renormalise "
        "removes that. Small images and little data leave the heads close to uniform."
    ),
    example=(
        "maps = vx.explain.attention_maps(model, images)\nresult = vx.explain.attention_distance(maps, patch_size=16)"
    ),
    figure="vx.plots.attention_distance(result)",
)


def attention_distance(
    maps: AttentionMaps, patch_size: float | tuple[float, float], renormalise: bool = False
) -> np.ndarray:
    """Mean attention distance of each head, (L, H) pixels, over images and query patches (Dosovitskiy et al. 2021, Fig.
    7 right).

    The paper drops the columns of prefix tokens and does not renormalise; renormalise=True divides each row by what is
    left. patch_size: pixels, one side or (height, width).
    """
    distance = _distances(maps.grid, patch_size)
    result = np.empty(maps.weights.shape[1:3], dtype=np.float32)
    for layer in range(len(result)):
        attention = maps.weights[:, layer, :, maps.n_prefix :, maps.n_prefix :].astype(np.float64)
        reach = (attention * distance).sum(axis=-1)  # (B, H, query patches)
        if renormalise:
            reach /= np.maximum(attention.sum(axis=-1), np.finfo(np.float64).tiny)
        result[layer] = reach.mean(axis=(0, 2))
    return result


def uniform_attention_distance(
    maps: AttentionMaps, patch_size: float | tuple[float, float], renormalise: bool = False
) -> float:
    """The attention distance, in pixels, of a head that attends to all tokens alike: the line to compare with."""
    distance = _distances(maps.grid, patch_size)
    tokens = len(distance) + (0 if renormalise else maps.n_prefix)
    return float(distance.sum(axis=1).mean() / tokens)


def _distances(grid: tuple[int, int], patch_size: float | tuple[float, float]) -> np.ndarray:
    """D_ij in pixels between the centres of all patches, (gh gw, gh gw)."""
    cell = np.broadcast_to(np.asarray(patch_size, dtype=np.float64), (2,))
    if not (cell > 0).all():
        raise BadConfig(f"patch_size = {patch_size} is not possible: give the side of a patch in pixels, above 0.")
    place = np.stack(np.unravel_index(np.arange(grid[0] * grid[1]), grid), axis=1) * cell
    return np.linalg.norm(place[:, None] - place[None], axis=-1)
