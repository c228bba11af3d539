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
    result: PositionSimilarity,
    selected: int | tuple[int, int] | None = None,
    height: int = 620,
    every: int = 1,
    around: int | None = None,
) -> go.Figure:
    """Tile (r, c) is the similarity of patch (r, c) with all patches. A click's `customdata` is the patch's index.

    A grid of many patches is read in parts: every: only each so-manieth row and column; around: only so many rows and
    columns about the selected patch. The frame is about the selected tile, or the one nearest to it.
    """
    gh, gw = result.grid
    r, c = (selected, 0) if selected is None else divmod(selected, gw) if isinstance(selected, int) else selected
    rows, columns = (_shown(n, every, around, at) for n, at in ((gh, r), (gw, c)))
    gap = max(1, round(min(gh, gw) / 6))
    tiles = theme.colour(result.values[np.ix_(rows, columns)].reshape(-1, gh, gw), "similarity", *_RANGE)
    pixels = mosaic(tiles, len(columns), gap)
    x, y = centres(len(rows), len(columns), gh, gw, gap)
    patches = [int(row * gw + column) for row in rows for column in columns]
    texts = [f"{patch_name(i, gw)}<br>click to enlarge" for i in patches]
    marker = 0.8 * min(height / len(rows), 600 / len(columns))
    fig = go.Figure([picture(pixels), touch_layer(x, y, texts, patches, size=marker), _scale()])
    theme.style_picture(fig, height)
    if r is not None:
        top, left = int(np.abs(rows - r).argmin()), int(np.abs(columns - c).argmin())
        half = gap / 2
        fig.add_shape(frame(left * (gw + gap) - half, top * (gh + gap) - half, gw + gap, gh + gap))
    theme.describe(
        fig,
        f"{len(rows)} × {len(columns)} small maps, one a patch: how like the position embedding of that patch is to "
        "those of all patches.",
    )
    theme.keep(fig, result.values, "patch row", "patch column", "row", "column", name="cosine")
    return extent(fig, pixels.shape[1], pixels.shape[0], gap)


def _shown(count: int, every: int, around: int | None, at: int | None) -> np.ndarray:
    """The rows, or columns, whose tiles are shown."""
    if around is not None and at is not None:
        first = min(max(at - around // 2, 0), max(count - around, 0))
        return np.arange(first, min(first + around, count))
    return np.arange(every // 2, count, every)


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
    theme.keep(fig, values, "row", "column", name="cosine")
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
            "No token before this model's patches has a position embedding of its own; open a model in which the class "
            "token or registers have one, such as the project's own ViT with pool = cls."
        )
    texts = [
        f"{name} against the patches<br>cosine from {tile.min():+.2f} to {tile.max():+.2f}"
        for name, tile in zip(names, result.prefix, strict=True)
    ]
    tiles = theme.colour(result.prefix, "similarity", *_RANGE)
    fig = labelled_tiles(tiles, max(min(n, 6), 3), texts, names, height)
    theme.keep(fig, result.prefix, "token", "row", "column", name="cosine")
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
