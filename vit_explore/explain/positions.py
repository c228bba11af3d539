"""Has the model learned that an image is two-dimensional?"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from vit_explore.errors import NotApplicable
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import Geometry, geometry, is_torchvisions, name_of
from vit_explore.explain.inputs import check_finite, module_of
from vit_explore.explain.results import PositionSimilarity

__all__ = ["position_similarity"]

CARD = Explanation(
    name="position_similarity",
    title="Similarity of position embeddings",
    needs="positions",
    cost="nothing: only weights are read",
    gives=".values (gh, gw, gh, gw); .prefix (n, gh, gw)",
    source="Dosovitskiy et al. 2021, Fig. 7 centre",
    formula=r"S_{ij} = \frac{e_i \cdot e_j}{\lVert e_i \rVert \, \lVert e_j \rVert}",
    what_you_see=(
        "One tile for each patch: how similar its position embedding is to that of every patch, from -1 to 1. "
        "Its own cell is 1."
    ),
    what_to_look_for=(
        "Before training the tiles are noise. Later each is orange around its own place, darkest where it meets "
        "itself, often along its row and column: the model has found out that the sequence is a picture."
    ),
    what_to_beware=(
        "Values within the noise floor 1/√D mean nothing. Fixed sine-cosine embeddings show structure without "
        "any training, and embeddings resampled to another grid look smoother than the trained ones."
    ),
    example="result = vx.explain.position_similarity(model)",
    figure="vx.plots.position_similarity(result)",
)


def position_similarity(model: Any) -> PositionSimilarity:
    """Cosine similarity of the patches' position embeddings (Dosovitskiy et al. 2021, Fig. 7 centre).

    `prefix` holds the prefix tokens that have a position embedding of their own. A cosine with an embedding of all
    zeros is 0. Raises NotApplicable for a model without absolute position embeddings.
    """
    net = module_of(model)
    shape = geometry(net)
    prefix, patches = _embeddings(net, shape)
    gh, gw = shape.grid
    similarity = np.clip(_unit(patches) @ _unit(patches).T, -1, 1)
    return PositionSimilarity(
        values=similarity.reshape(gh, gw, gh, gw).astype(np.float32),
        prefix=np.clip(_unit(prefix) @ _unit(patches).T, -1, 1).reshape(-1, gh, gw).astype(np.float32),
        grid=shape.grid,
        noise_floor=float(patches.shape[1] ** -0.5),
        distance_correlation=_distance_correlation(similarity, shape.grid),
        prefix_names=shape.prefix_names[: len(prefix)],
    )


def _embeddings(net: Any, shape: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Position embeddings of the prefix tokens that have one, and of the patches, (n, D) each."""
    table = _table(net)
    if table is None:
        raise NotApplicable(
            f"{name_of(net, at_start=True)} adds no position embedding to its tokens; "
            "choose a model with learned or sincos2d ones."
        )
    check_finite("The position embeddings", table)
    rows = table.detach().float().cpu().numpy().astype(np.float64).reshape(-1, table.shape[-1])
    n_prefix = len(rows) - shape.n_patches  # 0 where the prefix tokens have none (timm's no_embed_class)
    if not 0 <= n_prefix <= shape.n_prefix:
        raise NotApplicable(
            f"{name_of(net, at_start=True)} has {len(rows)} position embeddings for {shape.n_patches} patches, "
            "so they cannot be laid out on the grid; choose a plain ViT."
        )
    return rows[:n_prefix], rows[n_prefix:]


def _table(net: Any) -> Tensor | None:
    """What the model adds to its tokens, (..., D) in their order; None for a model that adds nothing."""
    if is_torchvisions(net):
        return net.encoder.pos_embedding
    holder = getattr(net, "embeds", net)  # timm's NaFlexVit keeps it there, or one for each axis
    if getattr(holder, "pos_embed_y", None) is not None:
        return holder.pos_embed_y[:, :, None] + holder.pos_embed_x[:, None]
    table = getattr(holder, "pos_embed", None)
    return table if isinstance(table, Tensor) else None


def _unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def _distance_correlation(similarity: np.ndarray, grid: tuple[int, int]) -> float:
    """Pearson r of similarity and minus the distance over pairs of different patches; NaN where either is constant."""
    place = np.stack(np.unravel_index(np.arange(grid[0] * grid[1]), grid), axis=1)
    nearness = -np.linalg.norm(place[:, None] - place[None], axis=-1)
    pairs = ~np.eye(len(place), dtype=bool)
    x, y = similarity[pairs], nearness[pairs]
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
