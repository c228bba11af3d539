"""Where the semantic tokens of a Visual Transformer gather: one small map of the picture for each token."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from vit_explore.explain.results import SemanticTokens
from vit_explore.plots import theme
from vit_explore.plots.canvas import labelled_tiles
from vit_explore.plots.heat import blended

__all__ = ["places_of", "semantic_tokens"]

_TILE = 144  # pixels of a tile at least


def semantic_tokens(
    result: SemanticTokens | np.ndarray,
    image: np.ndarray | None = None,
    module: int = -1,
    index: int = 0,
    own_scale: bool = False,
    height: int | None = None,
) -> go.Figure:
    """A tile for each token of one module: its share of each place, over the image; below it, of how many it gathers.

    result: also maps (T, y, x) of one module. own_scale: each tile runs to its own maximum; else all to that of all.
    """
    maps = result.maps[index, module] if isinstance(result, SemanticTokens) else np.asarray(result)
    places, top = places_of(maps), None if own_scale else float(maps.max())
    tiles = np.stack([blended(one, image, _TILE, top) for one in maps])
    count = maps[0].size
    texts = [
        f"token {i + 1}<br>gathers from {n:.0f} of {count} places, in effect<br>largest share {one.max():.1%}, "
        f"even would be {1 / count:.1%}"
        for i, (n, one) in enumerate(zip(places, maps, strict=True))
    ]
    labels = [f"{i + 1} · {n:.0f}" for i, n in enumerate(places)]
    fig = labelled_tiles(tiles, math.ceil(math.sqrt(len(maps))), texts, labels, height)
    return theme.describe(
        fig,
        f"{len(maps)} small maps over the picture, one for each semantic token: from which of {count} places it "
        f"gathers; in effect from {places.min():.0f} to {places.max():.0f} of them.",
    )


def places_of(maps: np.ndarray) -> np.ndarray:
    """From how many places a token gathers in effect, (...): 2 to the entropy in bits of its shares (..., y, x)."""
    shares = np.asarray(maps, dtype=np.float64)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(axis=(-2, -1))
    return 2**entropy
