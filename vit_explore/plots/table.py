"""The numbers of a figure as CSV: those that it was drawn from where it keeps them, else those of its lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from html import unescape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vit_explore.plots import theme
from vit_explore.text import harmless

__all__ = ["as_csv", "has_numbers"]

_NO_DATA = ("touch", "scale", "labels", "numbers")  # traces that carry hover texts, a colour bar, words


def has_numbers(fig: go.Figure) -> bool:
    """Whether a figure is more than a picture, such as that of an image cut into patches."""
    return theme.numbers_of(fig) is not None or any(_is_data(trace) for trace in fig.data)


def as_csv(fig: go.Figure) -> str:
    """A header and a row for each number.

    Of lines and bars: the series, x, y, and the ends of an interval where there is one; of cells: their value, too.
    """
    kept = theme.numbers_of(fig)
    table = _of_values(kept) if kept is not None else _of_traces(fig)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


def _of_values(kept: theme.Numbers) -> Iterator[list[Any]]:
    """Indices are counted from 1, as the pages count."""
    yield [*kept.axes, kept.name]
    for index in np.ndindex(kept.values.shape):
        yield [*(i + 1 for i in index), _short(kept.values[index])]


def _of_traces(fig: go.Figure) -> Iterator[list[Any]]:
    traces = [trace for trace in fig.data if _is_data(trace)]
    panels = sorted({trace.xaxis or "x" for trace in traces})
    columns = [_title(fig.layout.xaxis) or "x", _title(fig.layout.yaxis) or "y"]
    if len(panels) > 1:
        columns = ["panel", "x", columns[1]]
    has_cells = any(trace.type == "heatmap" for trace in traces)
    has_ends = any(_errors(trace) for trace in traces)
    ends = ["value"] if has_cells else ["low", "high"] if has_ends else []
    yield ["series", *columns, *ends]
    for number, trace in enumerate(traces, start=1):
        begin = [_short(trace.name or f"series {number}")]
        if len(panels) > 1:
            begin.append(_title(fig.layout[f"xaxis{(trace.xaxis or 'x')[1:]}"]) or trace.xaxis)
        cells = _cells(trace) if trace.type == "heatmap" else _points(trace, has_ends)
        yield from ([*begin, *map(_short, row)] for row in cells)


def _title(axis: Any) -> str:
    """What is written along an axis, on one line."""
    return unescape((axis.title.text or "").replace("<br>", " "))


def _is_data(trace: Any) -> bool:
    """Whether a trace shows numbers, and is no line to compare with, no name and no part of a drawing."""
    if trace.type == "heatmap":
        return trace.z is not None
    is_drawn = trace.hoverinfo == "skip" and not trace.name
    is_words = trace.name in _NO_DATA or (trace.type == "scatter" and trace.mode == "text")
    has_points = trace.type in ("scatter", "bar") and trace.x is not None and trace.y is not None
    return has_points and not is_drawn and not is_words


def _points(trace: Any, has_ends: bool) -> Iterator[list[Any]]:
    errors = _errors(trace)
    for i, (x, y) in enumerate(zip(trace.x, trace.y, strict=False)):
        if x is None or y is None:
            continue
        if not has_ends:
            yield [x, y]
        elif errors is None or errors[1] is None:
            yield [x, y, None, None]
        else:
            axis, above, below = errors
            at = x if axis == "x" else y
            yield [x, y, at - (above if below is None else below)[i], at + above[i]]


def _errors(trace: Any) -> tuple[str, Any, Any] | None:
    """Along which axis a trace has intervals, and their lengths above and below."""
    for axis in ("x", "y"):
        error = getattr(trace, f"error_{axis}", None)
        if error is not None and error.array is not None:
            return axis, error.array, error.arrayminus
    return None


def _cells(trace: Any) -> Iterator[list[Any]]:
    cells = np.asarray(trace.z)
    y = range(1, cells.shape[0] + 1) if trace.y is None else trace.y
    x = range(1, cells.shape[1] + 1) if trace.x is None else trace.x
    for i, row in zip(y, cells, strict=True):
        for j, value in zip(x, row, strict=True):
            yield [j, i, value]


def _short(value: Any) -> Any:
    """Six digits of a number; words without mark-up, and no formula; nothing for none."""
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    return harmless(unescape(value)) if isinstance(value, str) else value
