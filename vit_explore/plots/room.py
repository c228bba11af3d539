"""What a class said that a run would reach, and what it reached."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from vit_explore.errors import BadConfig
from vit_explore.plots import theme

__all__ = ["guesses"]

BIN = 0.05  # of the accuracy


def guesses(
    top1: Sequence[float], truth: float | None = None, names: Sequence[str] = (), height: int = 320
) -> go.Figure:
    """A histogram of guessed accuracies in [0, 1], their median, and the accuracy that came of it.

    names: whose guesses they are, told under the pointer; empty ones are not.
    """
    values = np.asarray(top1, dtype=float)
    if not len(values) or values.min() < 0 or values.max() > 1:
        raise BadConfig("A histogram of guesses takes one or more accuracies from 0 to 1.")
    edges = np.arange(0.0, 1.0 + BIN / 2, BIN)
    place = np.minimum((values / BIN + 1e-9).astype(int), len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    said = [", ".join(_named(names, place, at)) for at in range(len(counts))]
    fig = go.Figure(
        go.Bar(
            x=edges[:-1] + BIN / 2, y=counts, width=BIN * 0.94, marker={"color": theme.SKY}, customdata=said,
            hovertemplate="%{x:.0%}: %{y} said so<br>%{customdata}<extra></extra>", name="guesses",
        )
    )  # fmt: skip
    theme.style(fig, height)
    middle = float(np.median(values))
    lines = [
        (middle, "the middle", theme.GREY, "dot"),
        *([(truth, "it reached", theme.VIT, "solid")] if truth is not None else []),
    ]
    for at, word, colour, dash in lines:
        fig.add_vline(x=at, line={"color": colour, "width": 3, "dash": dash})
        fig.add_annotation(x=at, y=1.02 if word == "the middle" else 1.12, yref="paper", text=f"{word} {at:.0%}",
                           showarrow=False, yanchor="bottom")  # fmt: skip
    fig.update_xaxes(title_text="guessed accuracy", tickformat=".0%", range=[0, 1])
    fig.update_yaxes(title_text="guesses", dtick=max(1, int(counts.max()) // 5), rangemode="tozero")
    fig.update_layout(margin={"t": 60})
    came = "" if truth is None else f"; it reached {truth:.0%}"
    return theme.describe(fig, f"{len(values)} guesses from {values.min():.0%} to {values.max():.0%}, the middle "
                               f"{middle:.0%}{came}.")  # fmt: skip


def _named(names: Sequence[str], place: np.ndarray, at: int) -> list[str]:
    return [theme.plain(name) for name, where in zip(names, place, strict=False) if where == at and name]
