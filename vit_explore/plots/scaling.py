"""Accuracy as something grows, with the spread over seeds; and seeds as dots, a line for each variant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from vit_explore.errors import BadConfig
from vit_explore.plots import theme

__all__ = ["ScalingSeries", "SeedRow", "accuracy_scaling", "seed_dots"]

_AXES: dict[str, tuple[str, str]] = {  # title, hover format
    "column": ("", ""),
    "train_images": ("training images", ",.0f"),
    "images_seen": ("images seen in training", ",.3s"),
    "flops": ("FLOPs of training (3 × forward × images)", ".3s"),
    "params": ("parameters", ",.3s"),
    "seconds": ("seconds of training", ",.3s"),
}
_FEW, _WIDE = 6, 60  # ticks at each x; the ratio of the ends from which on only powers of ten have one
_UNITS = {1e9: "G", 1e6: "M", 1e3: "k"}


@dataclass(frozen=True)
class ScalingSeries:
    """One line: x, and the top-1 (mean, lowest, highest) over the seeds at each x; labels: what each point is."""

    name: str
    x: Sequence[float | str]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    labels: Sequence[str] = ()
    role: str | None = None  # the family of its model; None: the palette's colour of its place
    place: int = 0
    dash: bool = False  # records of another machine, beside one's own


def accuracy_scaling(
    series: Sequence[ScalingSeries], x: str = "flops", title: str = "", height: int = 420, chance: float | None = None
) -> go.Figure:
    """Test accuracy against one of the axes, on a log scale; bars from the lowest to the highest seed.

    x = "column": labels, in their order, which `title` says what they are. chance: what guessing gives, drawn where
    something comes near it.
    """
    if x not in _AXES:
        raise BadConfig(f"There is no axis {x!r}; choose one of: {', '.join(_AXES)}.")
    known, number = _AXES[x]
    title = title or known
    at = f"%{{x:{number}}}" if number else "%{x}"
    fig = go.Figure()
    for line in series:
        colour = theme.role_colour(line.role, line.place)
        fig.add_trace(
            go.Scatter(
                x=list(line.x), y=list(line.mean), name=theme.plain(line.name), mode="lines+markers",
                line={"color": colour, "width": 2 if line.dash else 3, "dash": "dot" if line.dash else "solid"},
                marker={"size": 9, "symbol": _symbol(line), "color": colour},
                error_y={
                    "type": "data", "symmetric": False, "color": colour, "thickness": 1.5, "width": 5,
                    "array": [high - mean for high, mean in zip(line.high, line.mean, strict=True)],
                    "arrayminus": [mean - low for low, mean in zip(line.low, line.mean, strict=True)],
                },
                customdata=[[theme.plain(label)] for label in line.labels or [""] * len(line.x)],
                hovertemplate=f"%{{fullData.name}}<br>%{{customdata[0]}}<br>%{{y:.1%}} at {at} {title}<extra></extra>",
            )
        )  # fmt: skip
    theme.style(fig, height, legend=True)
    fig.update_xaxes(title_text=title)
    if x == "column":
        fig.update_xaxes(type="category")
    else:
        ticks = _ticks(x, sorted({float(value) for line in series for value in line.x}))
        fig.update_xaxes(type="log", tickvals=list(ticks), ticktext=list(ticks.values()))
    fig.update_yaxes(title_text="test accuracy (top-1)", tickformat=".0%")
    if chance is not None and min((min(line.low) for line in series if len(line.low)), default=1.0) < 2 * chance:
        fig.add_hline(y=chance, line={"color": theme.GREY, "width": 2, "dash": "dot"})
        fig.add_annotation(
            x=1, xref="paper", xanchor="right", y=chance, yanchor="bottom", text="guessing", showarrow=False
        )
    ends = "; ".join(_said(line) for line in series if len(line.mean))
    return theme.describe(fig, f"Test accuracy against {title}. {ends or 'Nothing is measured yet'}.")


def _symbol(line: ScalingSeries) -> str:
    known = theme.role_marker(line.role) if line.role else ("circle", "square", "diamond", "cross", "x", "star")[
        line.place % 6
    ]  # fmt: skip
    return f"{known}-open" if line.dash else known


def _ticks(x: str, values: Sequence[float]) -> dict[float, str]:
    """Where ticks stand, and what they say: at each x where there are few, such as the sizes of a training set; else at
    1, 2 and 5 of each power of ten, over a wide range at the powers alone."""
    if x in ("train_images", "images_seen") and len(values) <= _FEW:
        return {value: f"{value:,.0f}" for value in values}
    low, high = min(values, default=1.0) / 1.3, max(values, default=1.0) * 1.3
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    leading = (1, 2, 5) if high < _WIDE * low else (1,)
    there = [(digit, power) for power in powers for digit in leading if low <= digit * 10.0**power <= high]
    return {digit * 10.0**power: _number(digit, power, x == "flops") for digit, power in there}


def _number(digit: int, power: int, as_power: bool) -> str:
    """Such as 2·10¹², or 200 k."""
    if as_power:
        return f"{'' if digit == 1 else f'{digit}·'}10<sup>{power}</sup>"
    value = digit * 10.0**power
    unit = next((unit for unit in _UNITS if value >= unit), 1.0)
    return f"{value / unit:g}{f' {_UNITS[unit]}' if unit in _UNITS else ''}"


def _said(line: ScalingSeries) -> str:
    if len(line.mean) == 1:
        return f"{line.name} {line.mean[0]:.1%}"
    return f"{line.name} from {line.mean[0]:.1%} to {line.mean[-1]:.1%}"


@dataclass(frozen=True)
class SeedRow:
    """A variant: the top-1 of each of its seeds, and the number of its colour in the palette."""

    name: str
    top1: Sequence[float]
    place: int = 0


def seed_dots(rows: Sequence[SeedRow], lines: Mapping[str, float], height: int | None = None) -> go.Figure:
    """Each variant's seeds as dots and their mean as a bar, the first on top; `lines`: figures to hold them against."""
    fig = go.Figure()
    names = [theme.plain(row.name) for row in rows]
    for name, row in zip(names, rows, strict=True):
        colour = theme.role_colour(None, row.place)
        mean = sum(row.top1) / len(row.top1)
        fig.add_trace(
            go.Bar(
                x=[mean], y=[name], orientation="h", width=0.55, name=name,
                marker={"color": theme.faded(colour, 0.35), "line": {"width": 0}},
                hovertemplate=f"{name}<br>mean %{{x:.1%}} of {len(row.top1)} seeds<extra></extra>",
            )
        )  # fmt: skip
        fig.add_trace(
            go.Scatter(
                x=list(row.top1), y=[name] * len(row.top1), mode="markers", name=name,
                marker={"color": colour, "size": 10, "line": {"width": 1, "color": "white"}},
                hovertemplate=f"{name}<br>%{{x:.1%}}<extra></extra>",
            )
        )  # fmt: skip
    theme.style(fig, height or 90 + 38 * len(rows))
    for i, (words, value) in enumerate(lines.items()):
        fig.add_vline(x=value, line={"color": theme.GREY, "width": 2, "dash": "dot"})
        fig.add_annotation(
            x=value, y=1, yref="paper", yanchor="bottom", xanchor="right" if i % 2 == 0 else "left", text=words,
            showarrow=False,
        )  # fmt: skip
    fig.update_layout(margin={"t": 34})
    fig.update_xaxes(title_text="test accuracy (top-1)", tickformat=".0%", rangemode="tozero", showgrid=True)
    fig.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names, showgrid=False)
    means = "; ".join(f"{row.name} {sum(row.top1) / len(row.top1):.1%}" for row in rows)
    return theme.describe(fig, f"Test accuracy of {len(rows)} variants, a dot for each seed. Means: {means}.")
