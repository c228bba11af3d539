"""A line chart for curves that grow each second: it keeps its zoom and its DOM, where Plotly would remount.

The browser's part lies in live_chart.js and live_chart.css. Data are thinned and smoothed here, by pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vit_explore.ui.components.declaring import declared

_MAX_POINTS = 800  # of a series; more than the pixels that a curve gets

_mount = declared(__file__, '<div class="live-chart"></div>')


@dataclass(frozen=True)
class LiveSeries:
    """One curve. `smooth` in [0, 1) draws a running mean over the faint raw line: 0 none, 0.9 over about ten points."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: str = "#0072B2"
    smooth: float = 0.0
    dash: bool = False  # an earlier run, for comparison
    dots: bool = False  # few points, such as validations: mark each
    low: Sequence[float] | np.ndarray | None = None  # with `high`: the band around it, of several seeds
    high: Sequence[float] | np.ndarray | None = None
    of: str = ""  # the name of the curve that it accompanies: thin, dashed, named beside the axis, hidden with that one


@dataclass(frozen=True)
class Level:
    """A height to compare with, such as that of guessing: a dotted line with its name, in the colour of the letters
    where none is given. place: of the name, left, middle or right."""

    y: float
    name: str
    colour: str = ""
    place: str = "right"


@dataclass(frozen=True)
class Mark:
    """Something that happened at x: a thin line with a short label; the text stands under the pointer."""

    x: float
    label: str
    text: str
    colour: str = ""  # that of a curve; the letters' own when not given


def live_chart(
    series: Iterable[LiveSeries],
    *,
    key: str,
    x_label: str,
    y_label: str,
    height: int | str = 300,
    y_range: tuple[float, float] | None = None,
    budget: float | None = None,
    y_format: Literal["number", "percent"] = "number",
    levels: Iterable[Level] = (),
    marks: Iterable[Mark] = (),
    about: str = "",
) -> None:
    """Draw the curves. Drag zooms along x, a double click resets, as does another `about`; `budget` is the x at which
    the run will end.

    height: of the plot in pixels, or a CSS length of the whole chart, which then shows no legend for one curve alone.
    """
    data = {
        "about": about,
        "series": [pack_series(one) for one in series],
        "xLabel": x_label,
        "yLabel": y_label,
        "height": height,
        "yRange": list(y_range) if y_range else None,
        "budget": budget,
        "yFormat": y_format,
        "marks": [vars(mark) for mark in marks],
        "levels": [vars(level) for level in levels],
    }
    _mount(key=key, data=data)


def pack_series(series: LiveSeries, limit: int = _MAX_POINTS) -> dict[str, Any]:
    """A curve as JSON: smoothed over all its points, then thinned to `limit`. What is not finite becomes a gap."""
    x, y = np.asarray(series.x, dtype=float), np.asarray(series.y, dtype=float)
    keep = thin_indices(len(x), limit)
    smoothed = running_mean(y, series.smooth)[keep] if series.smooth > 0 else None
    return {
        "name": series.name,
        "colour": series.colour,
        "dash": series.dash,
        "dots": series.dots,
        "of": series.of,
        "x": _numbers(x[keep]),
        "y": _numbers(y[keep]),
        "smooth": None if smoothed is None else _numbers(smoothed),
        **{side: _band(getattr(series, side), keep) for side in ("low", "high")},
    }


def _band(values: Sequence[float] | np.ndarray | None, keep: np.ndarray) -> list[float | None] | None:
    return None if values is None else _numbers(np.asarray(values, dtype=float)[keep])


def thin_indices(n: int, limit: int = _MAX_POINTS) -> np.ndarray:
    """Which of n points to draw: at most `limit`, always the first and the last.

    The stride is a power of two, so that a point that is drawn stays drawn while the curve grows: no shimmer.
    """
    if limit < 2:
        raise ValueError(f"a thinned curve has at least its two ends; limit = {limit}")
    if n <= limit:
        return np.arange(n)
    stride = 1
    while -(-n // stride) > limit - 1:  # one place is kept for the last point
        stride *= 2
    kept = np.arange(0, n, stride)
    return kept if kept[-1] == n - 1 else np.append(kept, n - 1)


def running_mean(y: np.ndarray, factor: float) -> np.ndarray:
    """Exponential running mean, corrected for its start (Adam's way): the first value is the first point itself."""
    if not 0 <= factor < 1:
        raise ValueError(f"the smoothing factor lies in [0, 1); {factor} given")
    out = np.empty(len(y))
    mean = weight = 0.0
    for i, value in enumerate(y):
        if np.isfinite(value):
            mean = factor * mean + (1 - factor) * float(value)
            weight = factor * weight + (1 - factor)
        out[i] = mean / weight if weight else np.nan
    return out


def _numbers(values: np.ndarray) -> list[float | None]:
    """Five significant digits are more than a screen shows, and half the JSON."""
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values]
