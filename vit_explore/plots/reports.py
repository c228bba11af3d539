"""What was reported beside what is measured here: one line for each row, and the curves of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import plotly.graph_objects as go

from vit_explore.plots import theme

__all__ = ["ReportLine", "ReportedRow", "report_curves", "reported_and_measured"]

Kind = Literal["reported", "faithful", "scaled", "yours"]
# name in the legend, colour, marker when it is the last word, marker for a run that was cut short
_KINDS: dict[Kind, tuple[str, str, str]] = {
    "reported": ("reported", theme.RESNET, "diamond-open"),
    "faithful": ("measured here, same settings", theme.VIT, "circle"),
    "scaled": ("measured here, scaled", theme.SKY, "square"),
    "yours": ("yours", theme.GREEN, "star"),
}
_ROW = 34  # pixels of height


@dataclass(frozen=True)
class ReportedRow:
    """A row's accuracies, all in [0, 1]. found: of each kind, by seed; chance: of guessing; key: what a click gives;
    group: rows of the same group stand together; is_on_others: the scaled run has other pictures."""

    key: str
    name: str
    group: str
    reported: float | None
    chance: float
    found: dict[Kind, Sequence[float]] = field(default_factory=dict)
    is_chosen: bool = False
    is_on_others: bool = False


def reported_and_measured(rows: Sequence[ReportedRow]) -> go.Figure:
    """A line for each row, from the reported accuracy to what the same settings, or scaled ones, give here."""
    fig = go.Figure()
    _guessing(fig, rows)
    for i, row in enumerate(rows):
        _connect(fig, i, row)
        if row.is_chosen:
            fig.add_hrect(y0=i - 0.5, y1=i + 0.5, fillcolor=theme.faded(theme.GREY, 0.16), line_width=0, layer="below")
    for kind in _KINDS:
        fig.add_trace(_marks(kind, rows))
    _printed(fig, rows)
    theme.style(fig, 90 + _ROW * len(rows), legend=True)
    fig.update_layout(margin={"r": 64})  # the printed numbers
    ticks = [0, 0.25, 0.5, 0.75, 1]
    fig.update_xaxes(title_text="accuracy (top-1)", tickformat=".0%", range=[0, 1.04], tickvals=ticks, showgrid=True)
    names = [theme.plain(row.name) for row in rows]
    fig.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[len(rows) - 0.5, -0.5], showgrid=False)
    return theme.describe(fig, _overview_words(rows))


def _connect(fig: go.Figure, place: int, row: ReportedRow) -> None:
    """The line from what was printed to what it can be compared with; none to an accuracy on other pictures."""
    measured = row.found.get("faithful") or ([] if row.is_on_others else row.found.get("scaled"))
    if row.reported is None or not measured:
        return
    line = {"color": theme.GREY, "width": 2}
    fig.add_shape(type="line", x0=row.reported, x1=median(measured), y0=place, y1=place, line=line, layer="below")


def _marks(kind: Kind, rows: Sequence[ReportedRow]) -> go.Scatter:
    """All accuracies of a kind."""
    title, colour, symbol = _KINDS[kind]
    points = [(value, i) for i, row in enumerate(rows) for value in _of(row, kind)]
    said = [title + (", on other pictures" if kind == "scaled" and rows[i].is_on_others else "") for _, i in points]
    edge = {"width": 2 if kind == "reported" else 0, "color": colour}
    return go.Scatter(
        x=[value for value, _ in points],
        y=[i for _, i in points],
        mode="markers",
        name=title,
        marker={"color": colour, "size": 13 if kind == "reported" else 12, "symbol": symbol, "line": edge},
        customdata=[rows[i].key for _, i in points],
        text=[f"{theme.plain(rows[i].name)}<br>{words}" for (_, i), words in zip(points, said, strict=True)],
        hovertemplate="%{text}: %{x:.1%}<extra></extra>",
        showlegend=bool(points),
    )


def _of(row: ReportedRow, kind: Kind) -> Sequence[float]:
    if kind == "reported":
        return [] if row.reported is None else [row.reported]
    return row.found.get(kind, [])


def _guessing(fig: go.Figure, rows: Sequence[ReportedRow]) -> None:
    """A short grey stroke where guessing lies."""
    fig.add_trace(
        go.Scatter(
            x=[row.chance for row in rows],
            y=list(range(len(rows))),
            mode="markers",
            name="guessing",
            marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": theme.GREY}},
            hovertemplate="guessing: %{x:.0%}<extra></extra>",
        )
    )


def _printed(fig: go.Figure, rows: Sequence[ReportedRow]) -> None:
    """The printed numbers in a column on the right, and a line between two groups of rows."""
    for i, row in enumerate(rows):
        text = "–" if row.reported is None else f"{round(100 * row.reported, 2):g} %"
        fig.add_annotation(
            x=1, xref="paper", y=i, text=text, showarrow=False, xanchor="left", xshift=6, font={"color": theme.RESNET}
        )
        if i and row.group != rows[i - 1].group:
            fig.add_hline(y=i - 0.5, line={"color": theme.RULE, "width": 2})


def _overview_words(rows: Sequence[ReportedRow]) -> str:
    """How many there are, and the chosen one; the page's table has them all."""
    parts = [f"Accuracies of {len(rows)} models, as reported and as measured here"]
    for row in (row for row in rows if row.is_chosen):
        found = [f"{_KINDS[kind][0]} {', '.join(f'{v:.1%}' for v in values)}" for kind, values in row.found.items()]
        reported = "nothing reported" if row.reported is None else f"reported {row.reported:.1%}"
        parts.append(f"{theme.plain(row.name)}: {'; '.join([reported, *found])}")
    return ". ".join(parts) + "."


@dataclass(frozen=True)
class ReportLine:
    """A curve along the training: shares of the budget in [0, 1], accuracies in [0, 1] or losses; epochs for hovering.

    name: in the legend, once for all lines of that name; said: which of them it is; is_partial: the run was cut short.
    """

    kind: Kind
    name: str
    share: Sequence[float]
    value: Sequence[float]
    epochs: Sequence[float] = ()
    said: str = ""
    is_partial: bool = False


def report_curves(
    lines: Sequence[ReportLine],
    measure: Literal["accuracy", "loss"],
    chance: float | None = None,
    tests: Sequence[tuple[Kind, str, float]] = (),
    height: int = 400,
) -> go.Figure:
    """The printed curve under the measured ones, along the share of the training that is done.

    chance: what guessing gives, an accuracy or a loss; tests: (kind, name, test accuracy), drawn at the end.
    """
    fig = go.Figure()
    named: set[str] = set()
    for line in lines:
        trace = _curve(line, measure)
        fig.add_trace(trace.update(showlegend=trace.name not in named))
        named.add(trace.name)
    for test in tests:
        fig.add_trace(_test(*test))
    theme.style(fig, height, legend=True)
    if chance is not None:
        _add_chance(fig, chance)
    fig.update_xaxes(title_text="share of the training", tickformat=".0%", range=[0, 1.02])
    percent = {"tickformat": ".0%"} if measure == "accuracy" else {}
    title = "accuracy (top-1)" if measure == "accuracy" else "training loss"
    fig.update_yaxes(title_text=title, rangemode="tozero", **percent)
    if measure == "accuracy" and not any(len(line.value) for line in lines) and not tests:
        fig.update_yaxes(range=[0, 1])  # an empty chart would reach 400 %
    return theme.describe(fig, _curve_words(lines, tests, measure))


def _curve(line: ReportLine, measure: str) -> go.Scatter:
    _, colour, symbol = _KINDS[line.kind]
    marked = line.kind == "reported" or len(line.share) == 1
    name = theme.plain(line.name) + (" (cut short)" if line.is_partial else "")
    return go.Scatter(
        x=list(line.share),
        y=list(line.value),
        name=name,
        mode="lines+markers" if marked else "lines",
        line={"color": colour, "width": 3, "dash": "dash" if line.kind == "reported" else "solid"},
        marker={"size": 10, "symbol": symbol, "line": {"width": 2, "color": colour}},
        customdata=list(line.epochs),
        hovertemplate=_hover(line, measure),
        legendgroup=name,
    )


def _test(kind: Kind, name: str, value: float) -> go.Scatter:
    """An accuracy on the test images, at the end."""
    _, colour, symbol = _KINDS[kind]
    return go.Scatter(
        x=[1.0],
        y=[value],
        mode="markers",
        name=theme.plain(name),
        cliponaxis=False,
        marker={"size": 13, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}},
        hovertemplate=f"{theme.plain(name)}<br>%{{y:.2%}} of the test images<extra></extra>",
    )


def _hover(line: ReportLine, measure: str) -> str:
    number = "%{y:.1%}" if measure == "accuracy" else "%{y:.3f}"
    after = "after %{customdata:.3g} epochs" if line.epochs else "at %{x:.0%} of the training"
    which = f", {theme.plain(line.said)}" if line.said else ""
    return f"%{{fullData.name}}{which}<br>{number} {after}<extra></extra>"


def _add_chance(fig: go.Figure, chance: float) -> None:
    fig.add_hline(y=chance, line={"color": theme.GREY, "width": 2, "dash": "dot"})
    fig.add_annotation(x=1, xref="paper", xanchor="right", y=chance, yanchor="bottom", text="guessing", showarrow=False)


def _curve_words(lines: Sequence[ReportLine], tests: Sequence[tuple[Kind, str, float]], measure: str) -> str:
    say = (lambda value: f"{value:.1%}") if measure == "accuracy" else (lambda value: f"{value:.3f}")
    first = {line.name: line for line in reversed(lines) if len(line.value)}  # of several seeds one
    parts = [f"{name}: {say(line.value[0])} to {say(line.value[-1])}" for name, line in reversed(first.items())]
    parts += [f"{name} {value:.1%}" for _, name, value in tests]
    return f"The {measure} along the training. {'; '.join(parts) or 'Nothing was printed or measured yet'}."
