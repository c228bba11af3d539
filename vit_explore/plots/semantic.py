"""Where the semantic tokens of a Visual Transformer gather: one small map of the picture for each token."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from vit_explore.explain.results import SemanticTokens, places_of
from vit_explore.plots import theme
from vit_explore.plots.canvas import labelled_tiles
from vit_explore.plots.heat import blended

__all__ = ["semantic_tokens"]

_TILE = 144  # pixels of a tile at least


def semantic_tokens(
    result: SemanticTokens | np.ndarray,
    image: np.ndarray | None = None,
    module: int = -1,
    index: int = 0,
    one_scale: bool = False,
    height: int | None = None,
) -> go.Figure:
    """A tile for each token of one module: its share of each place, over the image; below it, of how many it gathers.

    result: also maps (T, y, x) of one module. one_scale: a colour is the same share in all tiles; else each runs to its
    own maximum.
    """
    maps = result.maps[index, module] if isinstance(result, SemanticTokens) else np.asarray(result)
    places, top = places_of(maps), float(maps.max()) if one_scale else None
    tiles = np.stack([blended(one, image, _TILE, top) for one in maps])
    count = maps[0].size
    texts = [
        f"token {i + 1}<br>gathers from {n:.0f} of {count} places, in effect<br>largest share {one.max():.1%}, "
        f"even would be {1 / count:.1%}"
        for i, (n, one) in enumerate(zip(places, maps, strict=True))
    ]
    labels = [f"{i + 1} · {n:.0f}" for i, n in enumerate(places)]
    fig = labelled_tiles(tiles, math.ceil(math.sqrt(len(maps))), texts, labels, height)
    theme.keep(fig, maps, "token", "row", "column", name="share")
    return theme.describe(
        fig,
        f"{len(maps)} small maps over the picture, one for each semantic token: from which of {count} places it "
        f"gathers; in effect from {places.min():.0f} to {places.max():.0f} of them.",
    )
