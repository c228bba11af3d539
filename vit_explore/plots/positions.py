"""Position-embedding similarity (ViT paper, Fig. 7 centre): all tiles in one picture, one tile, the prefix tokens."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vit_explore.errors import NotApplicable
from vit_explore.explain.results import PositionSimilarity
from vit_explore.plots import theme
from vit_explore.plots.canvas import (
    centres,
    colour_bar_only,
    extent,
    frame,
    labelled_tiles,
    mosaic,
    patch_name,
    picture,
    touch_layer,
)

__all__ = ["position_prefix", "position_similarity", "position_tile"]

_RANGE = (-1.0, 1.0)  # one fixed range for every tile, model and snapshot


def position_similarity(
    result: PositionSimilarity, selected: int | tuple[int, int] | None = None, height: int = 620
) -> go.Figure:
    """Tile (r, c) is the similarity of patch (r, c) with all patches. A click's `customdata` is the patch's index."""
    gh, gw = result.grid
    gap = max(1, round(min(gh, gw) / 6))
    tiles = theme.colour(result.values.reshape(gh * gw, gh, gw), "similarity", *_RANGE)
    pixels = mosaic(tiles, gw, gap)
    x, y = centres(gh, gw, gh, gw, gap)
    texts = [f"{patch_name(i, gw)}<br>click to enlarge" for i in range(gh * gw)]
    marker = 0.8 * min(height / gh, 600 / gw)
    fig = go.Figure([picture(pixels), touch_layer(x, y, texts, size=marker), _scale()])
    theme.style_picture(fig, height)
    if selected is not None:
        r, c = divmod(selected, gw) if isinstance(selected, int) else selected
        half = gap / 2
        fig.add_shape(frame(c * (gw + gap) - half, r * (gh + gap) - half, gw + gap, gh + gap))
    theme.describe(
        fig,
        f"{gh} × {gw} small maps, one a patch: how like the position embedding of that patch is to those of all "
        "patches.",
    )
    return extent(fig, pixels.shape[1], pixels.shape[0], gap)


def position_tile(result: PositionSimilarity, r: int, c: int, height: int = 500) -> go.Figure:
    """One tile, large: the similarity of patch (r, c) with every patch. A click's `customdata` is the patch's index."""
    gw = result.grid[1]
    fig = _patch_map(result.values[r, c], height)
    fig.add_shape(frame(c, r, 1, 1))
    fig.update_traces(
        hovertext=[
            f"{patch_name(i, gw)}<br>cosine with the framed patch: {v:+.2f}"
            for i, v in enumerate(result.values[r, c].ravel())
        ],
        selector={"name": "touch"},
    )
    values = result.values[r, c]
    return theme.describe(
        fig,
        f"A map of {result.grid[0]} × {gw} patches: the cosine similarity of their position embeddings with that of "
        f"{patch_name(r * gw + c, gw)}, from {values.min():+.2f} to {values.max():+.2f}.",
    )


def position_prefix(result: PositionSimilarity, height: int | None = None) -> go.Figure:
    """Class token, distillation token and registers against every patch, one tile each; NotApplicable without any."""
    n, names = len(result.prefix), result.prefix_names
    if n == 0:
        raise NotApplicable(
            "This model has no class token and no registers; open a model with pool = cls or with registers."
        )
    texts = [
        f"{name} against the patches<br>cosine from {tile.min():+.2f} to {tile.max():+.2f}"
        for name, tile in zip(names, result.prefix, strict=True)
    ]
    tiles = theme.colour(result.prefix, "similarity", *_RANGE)
    fig = labelled_tiles(tiles, max(min(n, 6), 3), texts, names, height)
    return theme.describe(fig, f"Maps of the patches: how like their position embeddings are to {', '.join(names)}.")


def _patch_map(values: np.ndarray, height: int) -> go.Figure:
    gh, gw = values.shape
    x, y = centres(gh, gw, 1, 1)
    fig = go.Figure(
        [
            picture(theme.colour(values, "similarity", *_RANGE), png=True),
            touch_layer(x, y, [""] * x.size, size=0.9 * height / max(gh, gw)),
            _scale(),
        ]
    )
    return extent(theme.style_picture(fig, height), gw, gh)


def _scale() -> go.Scatter:
    return colour_bar_only("similarity", *_RANGE, "cosine similarity", tickvals=[-1, -0.5, 0, 0.5, 1])
