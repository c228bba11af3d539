"""The embedding filters (ViT paper, Fig. 7 left): principal components, the raw ones, the variance explained."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from vit_explore.explain.results import FilterComponents
from vit_explore.plots import theme
from vit_explore.plots.canvas import labelled_tiles

__all__ = ["explained_variance", "filter_components", "raw_filters"]


def filter_components(result: FilterComponents, columns: int = 7, height: int | None = None) -> go.Figure:
    """The components in order, each with the share of the variance that it explains."""
    shares = result.explained_variance_ratio
    texts = [
        f"component {i + 1}<br>explains {share:.1%} of the variance<br>first {i + 1}: {total:.1%}"
        for i, (share, total) in enumerate(zip(shares, np.cumsum(shares), strict=True))
    ]
    fig = labelled_tiles(_pixels(result.images), columns, texts, [f"{share:.1%}" for share in shares], height)
    weights = result.components.reshape(len(shares), 3, *result.images.shape[1:3])
    theme.keep(fig, weights, "component", "channel", "row", "column", name="weight")
    return theme.describe(
        fig,
        f"The first {len(shares)} principal components of the embedding filters as small pictures; the first explains "
        f"{shares[0]:.1%} of their variance, all together {sum(shares):.1%}.",
    )


def raw_filters(
    result: FilterComponents, n: int = 64, columns: int | None = None, height: int | None = None
) -> go.Figure:
    """The first n filters as they are, one per unit of the embedding."""
    images = result.filters[:n]
    columns = columns or max(1, math.ceil(math.sqrt(len(images) * 1.5)))
    of = "embedding unit" if result.is_projection else "channel"
    texts = [f"filter of {of} {i + 1}" for i in range(len(images))]
    fig = labelled_tiles(_pixels(images), columns, texts, None, height)
    theme.keep(fig, images, "filter", "row", "column", "channel", name="contrast")
    layer = "embedding" if result.is_projection else "first layer"
    return theme.describe(fig, f"The first {len(images)} filters of the {layer} as small pictures.")


def explained_variance(result: FilterComponents, height: int = 320) -> go.Figure:
    """Bars: the share of each component. Line: the share of all up to it."""
    shares = np.asarray(result.explained_variance_ratio, dtype=float)
    number = np.arange(1, len(shares) + 1)
    fig = go.Figure(
        [
            go.Bar(
                x=number,
                y=shares,
                name="one component",
                marker={"color": theme.VIT, "line": {"width": 0}},
                hovertemplate="component %{x}: %{y:.1%}<extra></extra>",
            ),
            go.Scatter(
                x=number,
                y=np.cumsum(shares),
                name="all up to it",
                mode="lines+markers",
                line={"color": theme.AMBER, "width": 3},
                marker={"size": 6},
                hovertemplate="first %{x} components: %{y:.1%}<extra></extra>",
            ),
        ]
    )
    theme.style(fig, height, legend=True)
    fig.update_xaxes(title_text="principal component")
    fig.update_yaxes(title_text="share of the variance", tickformat=".0%", range=[0, 1.03])
    return theme.describe(
        fig,
        f"Of the filters' variance the first component explains {shares[0]:.1%}, the first {len(shares)} together "
        f"{shares.sum():.1%}.",
    )


def _pixels(images: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
