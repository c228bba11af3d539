"""The reliability diagram: how often a model is right when it is so sure."""

from __future__ import annotations

import plotly.graph_objects as go

from vit_explore.plots import theme
from vit_explore.trust.results import Reliability

__all__ = ["reliability"]


def reliability(result: Reliability, height: int = 380) -> go.Figure:
    """Bars of accuracy by confidence, beside the line on which both are equal; empty bins have none."""
    middle = (result.edges[1:] + result.edges[:-1]) / 2
    known = result.counts > 0
    above = result.accuracy[known] >= result.confidence[known]
    fig = go.Figure(
        go.Bar(
            x=middle[known],
            y=result.accuracy[known],
            name="validation images",
            width=0.92 * float(result.edges[1]),
            marker={"color": [theme.VIT if ok else theme.RESNET for ok in above]},
            customdata=list(zip(result.confidence[known], result.counts[known], strict=True)),
            hovertemplate="%{customdata[1]} images, sure by %{customdata[0]:.1%}: %{y:.1%} right<extra></extra>",
            showlegend=False,
        )
    )
    line = {"color": theme.GREY, "dash": "dash", "width": 2}
    fig.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False))
    theme.style(fig, height)
    fig.update_xaxes(title_text="how sure it is: largest probability", tickformat=".0%", range=[0, 1])
    fig.update_yaxes(title_text="how often it is right", tickformat=".0%", range=[0, 1.02])
    return theme.describe(fig, f"Accuracy by confidence; expected calibration error {100 * result.error:.1f} points.")
