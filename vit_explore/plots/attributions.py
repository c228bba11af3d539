"""Which pixels made the decision: relevance, Grad-CAM, gradient attributions, and how far they can be believed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from vit_explore.explain.results import Faithfulness
from vit_explore.plots import theme
from vit_explore.plots.attention import first
from vit_explore.plots.heat import Limits, heat_over_image

__all__ = ["attribution", "faithfulness", "grad_cam", "relevance"]


def relevance(
    values: np.ndarray, image: np.ndarray | None = None, height: int = 520, limits: Limits | None = None
) -> go.Figure:
    """Gradient-weighted rollout (gh, gw) or (B, gh, gw), scaled to [0, 1] over the image; limits: of a common scale."""
    return heat_over_image(
        first(values), image, title="relevance, scaled to 0–1", height=height, noun="relevance", limits=limits
    )


def grad_cam(
    values: np.ndarray, image: np.ndarray | None = None, height: int = 520, limits: Limits | None = None
) -> go.Figure:
    """Grad-CAM (h, w) or (B, h, w), scaled to [0, 1] over the image; limits: of a common scale."""
    return heat_over_image(
        first(values), image, title="Grad-CAM, scaled to 0–1", height=height, noun="Grad-CAM", limits=limits
    )


def attribution(values: np.ndarray, image: np.ndarray | None = None, height: int = 520) -> go.Figure:
    """A signed attribution (h, w) or (B, h, w) by pixel: orange speaks for the class, blue against it."""
    return heat_over_image(
        first(values), image, title="against ← 0 → for the class", signed=True, height=height, noun="attribution"
    )


def faithfulness(
    result: Faithfulness | Mapping[str, Faithfulness], random: Faithfulness | None = None, height: int = 400
) -> go.Figure:
    """Deletion (left) and insertion (right) curves of one method or several, beside a random heatmap."""
    results = {"this method": result} if isinstance(result, Faithfulness) else dict(result)
    fig = go.Figure()
    fig.set_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.1)
    for i, (name, curves) in enumerate(results.items()):
        _curves(fig, theme.plain(name), curves, theme.line_of(i))
    if random is not None:
        _curves(fig, "random", random, theme.CHANCE)
    deletion_insertion_axes(fig, height)
    areas = "; ".join(f"{name}: {c.deletion_auc:.2f} and {c.insertion_auc:.2f}" for name, c in results.items())
    return theme.describe(
        fig, f"The probability of the class while pixels are deleted and inserted. Areas under the two curves: {areas}."
    )


def deletion_insertion_axes(fig: go.Figure, height: int) -> None:
    """The look of two panels: pixels deleted, and inserted, against the probability of the class."""
    theme.style(fig, height, legend=True)
    fig.update_xaxes(range=[0, 1], tickvals=[0, 0.5, 1], ticktext=["0", "50%", "100%"])
    fig.update_xaxes(title_text="pixels deleted<br>(lower is better)", col=1)
    fig.update_xaxes(title_text="pixels inserted<br>(higher is better)", col=2)
    fig.update_yaxes(range=[0, 1.02], tickformat=".0%")
    fig.update_yaxes(title_text="probability of the class", col=1)


def _curves(fig: go.Figure, name: str, result: Faithfulness, look: theme.Line) -> None:
    sides = (
        (1, "deleted", result.deletion, result.deletion_auc),
        (2, "inserted", result.insertion, result.insertion_auc),
    )
    for column, verb, curve, area in sides:
        hover = f"{name}<br>%{{x:.0%}} {verb}: probability %{{y:.1%}}<br>area under the curve {area:.3f}<extra></extra>"
        fig.add_trace(
            go.Scatter(
                x=result.fractions,
                y=curve,
                mode="lines+markers",
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                line={"color": look.colour, "width": 3, "dash": look.dash},
                marker={"size": 8, "symbol": look.symbol, **theme.sparse_marks(len(curve))},
                hovertemplate=hover,
            ),
            row=1,
            col=column,
        )
