"""Models against each other: the race of accuracies, confusion matrices, bars by class, the likeness of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from vit_explore.errors import BadConfig
from vit_explore.plots import theme

__all__ = ["Curve", "accuracy_race", "cka", "compare_bars", "confusion"]

RaceAxis = Literal["epoch", "elapsed", "images_seen", "flops"]
_AXES: dict[str, tuple[str, str]] = {  # title, hover format
    "epoch": ("epochs", ".2f"),
    "elapsed": ("seconds of training", ".1f"),
    "images_seen": ("images seen", ",.0f"),
    "flops": ("training FLOPs", ".3s"),
}
_WRITTEN = 12  # classes up to which each cell has its number


@dataclass(frozen=True)
class Curve:
    """One model's validations: `top1` in [0, 1] and where each was taken, by the names of the axes."""

    name: str
    top1: Sequence[float] | np.ndarray
    role: str | None = None  # the family of its model: its colour and marker on every page
    dash: bool = False
    epoch: Sequence[float] | np.ndarray = field(default=())
    elapsed: Sequence[float] | np.ndarray = field(default=())
    images_seen: Sequence[float] | np.ndarray = field(default=())
    flops: Sequence[float] | np.ndarray = field(default=())


def accuracy_race(
    series: Sequence[Curve], x: RaceAxis = "epoch", chance: float | None = None, height: int = 420
) -> go.Figure:
    """Validation accuracy against epochs, seconds, images seen or FLOPs; `chance` draws the line of guessing."""
    if x not in _AXES:
        raise BadConfig(f"There is no axis {x!r}; choose one of: {', '.join(_AXES)}.")
    title, number = _AXES[x]
    fig = go.Figure()
    for i, curve in enumerate(series):
        colour = theme.role_colour(curve.role, i)
        fig.add_trace(
            go.Scatter(
                x=np.asarray(getattr(curve, x)),
                y=np.asarray(curve.top1),
                name=theme.plain(curve.name),
                mode="lines+markers",
                line={"color": colour, "width": 3, "dash": "dash" if curve.dash else "solid"},
                marker={"size": 8, "symbol": theme.role_marker(curve.role)},
                hovertemplate=f"%{{fullData.name}}<br>%{{y:.1%}} after %{{x:{number}}} {title}<extra></extra>",
            )
        )
    theme.style(fig, height, legend=True)
    if chance is not None:
        fig.add_hline(y=chance, line={"color": theme.GREY, "width": 2, "dash": "dot"})
        fig.add_annotation(
            x=1,
            xref="paper",
            xanchor="right",
            y=chance,
            yanchor="bottom",
            text="guessing",
            showarrow=False,
        )
    fig.update_xaxes(title_text=title, rangemode="tozero", exponentformat="SI" if x == "images_seen" else "power")
    fig.update_yaxes(title_text="validation accuracy (top-1)", tickformat=".0%", rangemode="tozero")
    ends = "; ".join(f"{curve.name} ends at {curve.top1[-1]:.1%}" for curve in series if len(curve.top1))
    return theme.describe(fig, f"Validation accuracy against {title}. {ends or 'Nothing is measured yet'}.")


def confusion(
    matrix: np.ndarray, classes: Sequence[str], height: int | None = None, guess: tuple[int, int] | None = None
) -> go.Figure:
    """Counts (C, C), rows are the truth. Colours and numbers (in %) are shares of a row: the diagonal is the recall.

    guess: two classes that someone said are mixed up most; both of their cells are framed.
    """
    counts = np.asarray(matrix, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    names = [theme.plain(name) for name in classes]
    n = len(names)
    fig = go.Figure(
        go.Heatmap(
            z=shares,
            x=list(range(n)),
            y=list(range(n)),
            zmin=0,
            zmax=1,
            colorscale=theme.colour_scale("share"),
            showscale=False,
            xgap=2 if n <= _WRITTEN else 0,
            ygap=2 if n <= _WRITTEN else 0,
            customdata=[[[int(counts[r, c]), names[r], names[c]] for c in range(n)] for r in range(n)],
            hovertemplate=(
                "truth: %{customdata[1]}<br>answer: %{customdata[2]}<br>"
                "%{z:.1%} (%{customdata[0]} images)<extra></extra>"
            ),
        )
    )
    if n <= _WRITTEN:
        fig.add_trace(_cell_numbers(shares))
    theme.style(fig, height or min(640, 130 + 38 * n))
    ticks = {"tickvals": list(range(n)), "ticktext": names} if n <= 24 else {"showticklabels": False}
    fig.update_xaxes(
        **ticks,
        title_text="the model's answer (% of each row)",
        showgrid=False,
        showline=False,
        tickangle=-40,
        constrain="domain",
    )
    fig.update_yaxes(**ticks, title_text="the truth", showgrid=False, autorange="reversed")
    for row, column in (guess, guess[::-1]) if guess else ():
        fig.add_shape(
            type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5, name="guess",
            line={"color": theme.AMBER, "width": 4},
        )  # fmt: skip
    said = f" Guessed was {classes[guess[0]]} and {classes[guess[1]]}." if guess else ""
    return theme.describe(fig, f"{_confused(shares, classes)}{said}")


def _cell_numbers(shares: np.ndarray) -> go.Scatter:
    """The share of each cell (C, C) in percent, black or white: Plotly's own choice is too faint in the middle."""
    rows, columns = np.indices(shares.shape)
    return go.Scatter(
        x=columns.ravel(), y=rows.ravel(), mode="text", text=[f"{100 * share:.0f}" for share in shares.ravel()],
        textfont={"size": 13, "color": [theme.ink(theme.colour(share, "share")) for share in shares.ravel()]},
        hoverinfo="skip", showlegend=False, name="numbers",
    )  # fmt: skip


def _confused(shares: np.ndarray, classes: Sequence[str]) -> str:
    """A confusion matrix (C, C) of shares of a row in words."""
    off = shares * (1 - np.eye(len(shares)))
    truth, answer = divmod(int(off.argmax()), len(off))
    words = f"Confusion matrix of {len(classes)} classes: on average {np.diag(shares).mean():.0%} of a class are right"
    worst = f"; most often {classes[truth]} is taken for {classes[answer]}, {off.max():.0%}" if off.max() > 0 else ""
    return f"{words}{worst}."


def compare_bars(
    labels: Sequence[str],
    values: Mapping[str, Sequence[float]],
    roles: Mapping[str, str] | None = None,
    title: str = "accuracy by class (recall)",
    percent: bool = True,
    height: int = 360,
) -> go.Figure:
    """Grouped bars: one group per label, one bar per model; not-a-number leaves a gap."""
    number = ".1%" if percent else ",.3~s"
    fig = go.Figure(
        [
            go.Bar(
                x=[theme.plain(label) for label in labels],
                y=list(one),
                name=theme.plain(name),
                marker={"color": theme.role_colour((roles or {}).get(name), i), "line": {"width": 0}},
                hovertemplate=f"%{{fullData.name}}<br>%{{x}}: %{{y:{number}}}<extra></extra>",
            )
            for i, (name, one) in enumerate(values.items())
        ]
    )
    theme.style(fig, height, legend=True)
    fig.update_layout(barmode="group", bargap=0.25)
    fig.update_yaxes(title_text=title, tickformat=".0%" if percent else "~s", rangemode="tozero")
    means = ", ".join(f"{name} {np.nanmean(list(one)):{'.1%' if percent else ',.3g'}}" for name, one in values.items())
    return theme.describe(fig, f"Bars, {title}, for {len(labels)} groups. Means: {means}.")


def cka(
    matrix: np.ndarray, x_names: Sequence[str], y_names: Sequence[str], x_title: str = "", y_title: str = ""
) -> go.Figure:
    """CKA (len(y_names), len(x_names)) between layers: 0 unlike, 1 alike up to rotation and scale."""
    fig = go.Figure(
        go.Heatmap(
            z=np.asarray(matrix, dtype=np.float32),
            x=list(x_names),
            y=list(y_names),
            zmin=0,
            zmax=1,
            colorscale=theme.colour_scale("heat"),
            colorbar=theme.colour_bar("CKA similarity"),
            hovertemplate="%{y} and %{x}<br>CKA %{z:.2f}<extra></extra>",
        )
    )
    theme.style(fig, 520)
    fig.update_layout(margin={"t": 70})
    fig.update_xaxes(title_text=x_title, type="category", showgrid=False, constrain="domain")
    fig.update_yaxes(
        title_text=y_title, type="category", showgrid=False, scaleanchor="x", constrain="domain", constraintoward="top"
    )
    return theme.describe(fig, f"How alike {len(y_names)} layers are to {len(x_names)} others: CKA, 0 to 1.")
