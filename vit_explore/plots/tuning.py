"""Fine-tuning: validation accuracy and loss of several models, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from vit_explore.plots import theme

Part = Literal["all", "head", "scratch"]

__all__ = ["TuningCurve", "tuning_curves"]

_MARKERS = ("circle", "square", "diamond", "triangle-up", "star", "x")
_DASHES = {"all": "solid", "head": "dot", "scratch": "dash"}


@dataclass(frozen=True)
class TuningCurve:
    """The validations of one run: `top1` in [0, 1], `loss` and the `epoch` of each. model: its number, for the colour.

    part: what was trained, which the line shows: all of it, the head alone, or all of it from scratch.
    """

    name: str
    model: int
    part: Part = "all"
    epoch: Sequence[float] | np.ndarray = field(default=())
    top1: Sequence[float] | np.ndarray = field(default=())
    loss: Sequence[float] | np.ndarray = field(default=())


def tuning_curves(
    series: Sequence[TuningCurve], y: Literal["top1", "loss"] = "top1", chance: float | None = None, height: int = 380
) -> go.Figure:
    """Validation accuracy, or loss, against epochs: a colour for each model, a kind of line for what was trained.

    chance: the value of guessing, as a dotted line.
    """
    share = y == "top1"
    title = "validation accuracy (top-1)" if share else "validation loss"
    fig = go.Figure()
    for curve in series:
        colour = theme.PALETTE[curve.model % len(theme.PALETTE)]
        fig.add_trace(
            go.Scatter(
                x=np.asarray(curve.epoch), y=np.asarray(getattr(curve, y)), name=theme.plain(curve.name),
                mode="lines+markers", line={"color": colour, "width": 3, "dash": _DASHES[curve.part]},
                marker={"size": 8, "symbol": _MARKERS[curve.model % len(_MARKERS)]},
                hovertemplate=f"%{{fullData.name}}<br>%{{y:{'.1%' if share else '.3f'}}} after %{{x:.2f}} epochs"
                "<extra></extra>",
            )
        )  # fmt: skip
    theme.style(fig, height, legend=True)
    if chance is not None:
        fig.add_hline(y=chance, line={"color": theme.GREY, "width": 2, "dash": "dot"})
        fig.add_annotation(
            x=1, xref="paper", xanchor="right", y=chance, yanchor="bottom", text="guessing", showarrow=False
        )
    fig.update_xaxes(title_text="epochs", rangemode="tozero")
    fig.update_yaxes(title_text=title, tickformat=".0%" if share else "", rangemode="tozero")
    return theme.describe(fig, _words(series, y, title))


def _words(series: Sequence[TuningCurve], y: str, title: str) -> str:
    ends = [(curve.name, float(np.asarray(getattr(curve, y))[-1])) for curve in series if len(getattr(curve, y))]
    said = "; ".join(f"{name} ends at {end:.1%}" if y == "top1" else f"{name} ends at {end:.3f}" for name, end in ends)
    return f"{title.capitalize()} against epochs. {said or 'Nothing is measured yet'}."
