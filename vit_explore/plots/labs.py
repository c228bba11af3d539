"""What is left of a model's accuracy as its pictures are changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from vit_explore.plots import theme

__all__ = ["LabCurve", "lab_lines"]


@dataclass(frozen=True)
class LabCurve:
    """A model's line. family: whose colour it has; accuracy, low, high: (k,) in [0, 1]; guess: of the last level."""

    title: str
    family: str
    accuracy: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    guess: float | None = None


def lab_lines(
    curves: Sequence[LabCurve],
    levels: Sequence[float],
    axis: str,
    chance: float | None = None,
    split: str = "validation",
    guess_at: float | None = None,
    y_range: tuple[float, float] = (0, 1.02),
    height: int = 440,
) -> go.Figure:
    """Accuracy by level, with bands; the levels stand side by side in their order. A guess of an accuracy is a diamond,
    one of a level (guess_at) a line."""
    fig = go.Figure()
    x = [f"{level:,g}" for level in levels]
    for i, curve in enumerate(curves):
        colour, symbol = theme.role_colour(curve.family or None, i), theme.role_marker(curve.family or None)
        name = theme.plain(curve.title)
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        band = {"fill": "tonexty", "fillcolor": theme.faded(colour, 0.18)}
        fig.add_trace(go.Scatter(x=x, y=list(curve.high), name=f"{name}: end of its interval, above", **edge))
        fig.add_trace(go.Scatter(x=x, y=list(curve.low), name=f"{name}: end of its interval, below", **band, **edge))
        fig.add_trace(
            go.Scatter(
                x=x, y=list(curve.accuracy), name=name, mode="lines+markers", line={"color": colour, "width": 3.5},
                marker={"size": 10, "symbol": symbol}, hovertemplate=f"{name}<br>%{{x}}: %{{y:.1%}}<extra></extra>",
            )
        )  # fmt: skip
        if curve.guess is not None:
            fig.add_trace(_guess(x[-1], curve.guess, name, colour))
    if chance is not None:
        fig.add_hline(y=chance, line={"color": theme.GREY, "dash": "dash"}, annotation_text="guessing")
    if guess_at is not None:
        line = {"color": theme.GREY, "width": 3, "dash": "dot"}
        fig.add_vline(x=levels.index(guess_at), line=line, annotation_text="your guess")
    theme.style(fig, height, legend=True)
    fig.update_xaxes(title_text=axis, type="category")
    fig.update_yaxes(title_text=f"accuracy ({split})", tickformat=".0%", range=list(y_range))
    words = "; ".join(f"{theme.plain(c.title)} {c.accuracy[0]:.0%} to {c.accuracy[-1]:.0%}" for c in curves)
    return theme.describe(fig, f"Accuracy by {axis}: {words}.")


def _guess(x: str, y: float, name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=[x], y=[y], mode="markers", name=f"your guess: {name}",
        marker={"symbol": "diamond-open", "size": 17, "color": colour, "line": {"width": 3, "color": colour}},
        hovertemplate=f"your guess for {name}: %{{y:.0%}}<extra></extra>",
    )  # fmt: skip
