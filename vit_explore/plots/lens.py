"""The logit lens: what the head would answer if it read a token after each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from vit_explore.plots import theme
from vit_explore.plots.canvas import labelled_tiles
from vit_explore.plots.heat import heat_over_image

__all__ = ["logit_lens", "logit_lens_last", "logit_lens_maps"]


def logit_lens(
    probs: np.ndarray,
    classes: Sequence[str],
    token: int = 0,
    top: int = 5,
    index: int = 0,
    height: int = 400,
    prefix_names: Sequence[str] | None = None,
) -> go.Figure:
    """Probabilities (L, N, C), or (B, L, N, C), of one token by layer; the `top` classes of the last layer are drawn.

    prefix_names: what the first tokens are (AttentionMaps.prefix_names); the token is then called by its name.
    """
    values = _one(probs, index)[:, token]  # (L, C)
    layers = np.arange(1, len(values) + 1)
    chosen = np.argsort(values[-1])[::-1][:top]
    fig = go.Figure()
    for i, c in enumerate(chosen):
        look = theme.line_of(i)
        fig.add_trace(
            go.Scatter(
                x=layers, y=values[:, c], name=theme.plain(classes[c]), mode="lines+markers",
                line={"color": look.colour, "width": 3, "dash": look.dash}, marker={"size": 9, "symbol": look.symbol},
                hovertemplate="after layer %{x}: %{fullData.name} %{y:.1%}<extra></extra>",
            )
        )  # fmt: skip
    theme.style(fig, height, legend=True)
    fig.update_xaxes(title_text="layer (depth)", dtick=1 if len(values) <= 12 else 4)
    fig.update_yaxes(
        title_text=f"probability, read from {_token_name(token, prefix_names)}", tickformat=".0%", range=[0, 1.02]
    )
    last = ", ".join(f"{classes[c]} {values[-1, c]:.0%}" for c in chosen)
    return theme.describe(fig, f"The answer after each of {len(values)} layers; after the last: {last}.")


def logit_lens_maps(
    probs: np.ndarray, target: int, grid: tuple[int, int], n_prefix: int, index: int = 0, columns: int = 6
) -> go.Figure:
    """One tile per layer: the probability of class `target` that each patch's token would give; 0 to 1 in all tiles."""
    values = _one(probs, index)[:, n_prefix:, target].reshape(-1, *grid)
    texts = [f"after layer {i + 1}<br>{tile.min():.0%} to {tile.max():.0%}" for i, tile in enumerate(values)]
    labels = [f"layer {i + 1}" for i in range(len(values))]
    fig = labelled_tiles(theme.colour(values, "heat"), columns, texts, labels)
    theme.keep(fig, values, "layer", "row", "column", name="probability")
    return theme.describe(fig, f"{len(values)} maps, one a layer: where the patches already answer with the class.")


def logit_lens_last(
    probs: np.ndarray, image: np.ndarray | None = None, patch: int | None = None, height: int = 400
) -> go.Figure:
    """Probabilities (gh, gw) of a class, read from each patch after the last layer, over the picture; patch: framed."""
    title = "probability of the class"
    return heat_over_image(probs, image, title=title, scale=False, query=patch, height=height, noun="probability")


def _token_name(token: int, prefix_names: Sequence[str] | None) -> str:
    if prefix_names is None:
        return f"token {token + 1}"
    patch = token - len(prefix_names)
    return prefix_names[token] if patch < 0 else f"patch {patch + 1}"


def _one(probs: np.ndarray, index: int) -> np.ndarray:
    probs = np.asarray(probs)
    return probs[index] if probs.ndim == 4 else probs
