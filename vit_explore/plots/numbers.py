"""One attention weight as a figure: query, key and their products, dimension by dimension."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from vit_explore.explain.results import WeightInNumbers
from vit_explore.plots import theme

__all__ = ["attention_weight"]


def attention_weight(result: WeightInNumbers, height: int = 250) -> go.Figure:
    """Three strips (d,): the query, the key, their product; blue is negative, orange positive. The sum is in words."""
    products = result.query * result.key
    rows = [("query × key", products), ("key", result.key), ("query", result.query)]
    names, values = zip(*rows, strict=True)
    scaled = [row / max(float(np.abs(row).max()), 1e-12) for row in values]
    fig = go.Figure(
        go.Heatmap(
            z=scaled,
            y=list(names),
            x=list(range(1, len(products) + 1)),
            zmin=-1,
            zmax=1,
            customdata=np.stack(values),
            colorscale=theme.colour_scale("signed"),
            showscale=False,
            hovertemplate="dimension %{x}, %{y}: %{customdata:+.3f}<extra></extra>",
            xgap=1,
            ygap=6,
        )
    )
    theme.style(fig, height)
    fig.update_xaxes(title_text="dimension of the head", showline=False)
    fig.update_yaxes(showgrid=False)
    return theme.describe(fig, in_words(result))


def in_words(result: WeightInNumbers) -> str:
    """The numbers in a line."""
    d = len(result.query)
    total = float((result.query * result.key).sum())
    return (
        f"q · k = {total:.2f}; over √{d} = {math.sqrt(d):.2f} it is a score of {result.score:.2f}, and "
        f"{100 * result.weight:.1f} % of the row."
    )
