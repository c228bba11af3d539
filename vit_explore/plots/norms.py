"""How long the tokens are: by layer, and over the picture."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vit_explore.explain.results import TokenNorms
from vit_explore.plots import theme
from vit_explore.plots.heat import heat_over_image

__all__ = ["token_norms", "token_norms_map"]


def token_norms(norms: TokenNorms, index: int = 0, height: int = 400) -> go.Figure:
    """Lengths by layer: the patches from the shortest to the longest with their median, and each prefix token."""
    values = norms.values[index]  # (L, N)
    p, layers = len(norms.prefix_names), np.arange(1, len(values) + 1)
    patches = values[:, p:]
    fig = go.Figure()
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    fig.add_trace(go.Scatter(x=layers, y=patches.max(axis=1), name="patches: longest", showlegend=False, **edge))
    fill = {"fill": "tonexty", "fillcolor": theme.faded(theme.VIT, 0.22), "name": "patches: shortest to longest"}
    fig.add_trace(go.Scatter(x=layers, y=patches.min(axis=1), **edge, **fill))
    lines = [("patches: median", np.median(patches, axis=1), theme.VIT)]
    lines += [(n, values[:, i], theme.PALETTE[(i + 1) % len(theme.PALETTE)]) for i, n in enumerate(norms.prefix_names)]
    for name, y, colour in lines:
        fig.add_trace(
            go.Scatter(
                x=layers, y=y, name=name, mode="lines+markers", line={"color": colour, "width": 3}, marker={"size": 8},
                hovertemplate=f"after layer %{{x}}, {name}: %{{y:.2f}}<extra></extra>",
            )
        )  # fmt: skip
    theme.style(fig, height, legend=True)
    fig.update_xaxes(title_text="layer (depth)", dtick=1 if len(values) <= 12 else 4)
    fig.update_yaxes(title_text="length of the token", rangemode="tozero")
    ratio = float(patches[-1].max() / max(float(np.median(patches[-1])), 1e-12))
    return theme.describe(
        fig, f"Token lengths by layer; in the last the longest patch has {ratio:.1f} times the median."
    )


def token_norms_map(
    norms: TokenNorms, layer: int, image: np.ndarray | None = None, index: int = 0, height: int = 520
) -> go.Figure:
    """The patches' lengths after a layer (from 0) over the picture, from 0 to the longest."""
    values = norms.values[index, layer, len(norms.prefix_names) :].reshape(norms.grid)
    title = f"length after layer {layer + 1}"
    return heat_over_image(values, image, title=title, scale=False, height=height, noun="length")
