"""The paper's own tables as figures: Table 2, Table 5 (Figure 3), Table 6 (Figure 5) and Table 9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from vit_explore.plots import theme

__all__ = ["paper_benchmarks", "paper_compute", "paper_data", "paper_vtab"]

_COLOURS = {"vit": theme.VIT, "resnet": theme.RESNET, "hybrid": theme.GREEN, "other": theme.AMBER}
_MARKERS = {"vit": "circle", "resnet": "square", "hybrid": "diamond", "other": "cross"}
_SHADES = (theme.SKY, theme.VIT, theme.PINK, theme.GREEN, theme.RESNET)


def paper_benchmarks(names: Sequence[str], models: Sequence[Any], benchmark: int, height: int = 300) -> go.Figure:
    """Table 2: the accuracy on one benchmark against the cost of pre-training.

    models: with model, family, data, top1 (%), spread (%) and days (TPUv3-core-days).
    """
    fig = go.Figure()
    shown = [one for one in models if one.top1[benchmark] is not None]
    for one in shown:
        error = one.spread[benchmark]
        fig.add_trace(
            go.Scatter(
                x=[one.days],
                y=[one.top1[benchmark]],
                name=one.model,
                mode="markers+text",
                text=[one.model if one.family == "vit" else one.model.partition(" (")[0]],
                textposition=_beside(one.days),
                marker={"size": 15, "color": _COLOURS[one.family], "symbol": _MARKERS[one.family]},
                error_y={"type": "data", "array": [error or 0], "color": theme.GREY},
                hovertemplate=(
                    f"{one.model}<br>%{{y}} %{'' if error is None else f' ± {error:.2f}'}<br>"
                    f"{one.days:,.0f} TPUv3-core-days on {one.data}<extra></extra>"
                ),
            )
        )
    theme.style(fig, height)
    fig.update_xaxes(
        title_text="TPUv3-core-days of pre-training",
        type="log",
        range=[2.15, 4.35],
        tickvals=[200, 500, 1000, 2000, 5000, 10000],
        ticktext=["200", "500", "1k", "2k", "5k", "10k"],
    )
    values = [one.top1[benchmark] for one in shown]
    room = max(0.3 * (max(values) - min(values)), 0.05)
    fig.update_yaxes(title_text=f"{names[benchmark]} (%)", range=[min(values) - room, max(values) + 1.6 * room])
    words = "; ".join(f"{one.model} {one.top1[benchmark]} % for {one.days:,.0f} core-days" for one in shown)
    return theme.describe(fig, f"Table 2 of the paper, {names[benchmark]}: {words}.")


def _beside(days: float) -> str:
    """Where a label stands so that none meets another, or the edge of a phone's narrow figure."""
    sides = {300: "top right", 1000: "top center", 5000: "top left"}
    return next((side for most, side in sides.items() if days < most), "bottom left")


def paper_data(
    pre_trained_on: Sequence[str],
    images: Sequence[float],
    models: Mapping[str, Sequence[float | None]],
    on: str,
    height: int = 400,
) -> go.Figure:
    """Figure 3 from Table 5: top-1 (%) of each model against the images that it was pre-trained on."""
    fig = go.Figure()
    for i, (name, values) in enumerate(models.items()):
        fig.add_trace(
            go.Scatter(
                x=list(images),
                y=list(values),
                name=name,
                mode="lines+markers",
                line={"color": _SHADES[i % len(_SHADES)], "width": 3, "dash": "dash" if "/32" in name else "solid"},
                marker={"size": 10 + 2 * (name[4] == "L") + 5 * (name[4] == "H")},
                text=list(pre_trained_on),
                hovertemplate=f"{name}<br>%{{y:.2f}} % after %{{text}}<extra></extra>",
            )
        )
    theme.style(fig, height, legend=True)
    fig.update_xaxes(
        title_text="images of pre-training",
        type="log",
        tickvals=list(images),
        range=[5.9, 8.7],
        ticktext=[f"{name}<br>{count / 1e6:g} M" for name, count in zip(pre_trained_on, images, strict=True)],
    )
    fig.update_yaxes(title_text=f"{on} (%)")
    words = "; ".join(f"{name} {values[-1]} %" for name, values in models.items())
    return theme.describe(fig, f"Table 5 of the paper, {on}: after pre-training on {pre_trained_on[-1]} {words}.")


def paper_compute(names: Sequence[str], models: Sequence[Any], benchmark: int | None, height: int = 420) -> go.Figure:
    """Figure 5 from Table 6: top-1 (%) against the exaFLOPs of pre-training; None: the mean of the benchmarks.

    models: with model, family, epochs, top1 (%) and exaflops.
    """
    fig = go.Figure()
    families = {"vit": "Vision Transformer", "resnet": "ResNet (BiT)", "hybrid": "hybrid"}
    for family, title in families.items():
        mine = sorted((one for one in models if one.family == family), key=lambda one: one.exaflops)
        fig.add_trace(
            go.Scatter(
                x=[one.exaflops for one in mine],
                y=[_value(one, benchmark) for one in mine],
                name=title,
                mode="lines+markers",
                line={"color": theme.faded(_COLOURS[family], 0.45), "width": 2},
                marker={"size": 12, "color": _COLOURS[family], "symbol": _MARKERS[family]},
                text=[f"{one.model}, {one.epochs} epochs" for one in mine],
                hovertemplate="%{text}<br>%{y:.2f} % for %{x:,} exaFLOPs<extra></extra>",
            )
        )
    theme.style(fig, height, legend=True)
    fig.update_xaxes(
        title_text="exaFLOPs of pre-training on JFT-300M",
        type="log",
        range=[1.6, 3.75],
        tickvals=[50, 100, 200, 500, 1000, 2000, 5000],
    )
    on = "mean of the six benchmarks" if benchmark is None else names[benchmark]
    fig.update_yaxes(title_text=f"{on} (%)")
    best = max(models, key=lambda one: _value(one, benchmark))
    return theme.describe(
        fig, f"Table 6 of the paper, {on}, for {len(models)} models of three families; the best is {best.model}."
    )


def _value(one: Any, benchmark: int | None) -> float:
    return sum(one.top1) / len(one.top1) if benchmark is None else one.top1[benchmark]


def paper_vtab(
    groups: Mapping[str, Sequence[str]], models: Mapping[str, Sequence[float]], height: int = 620
) -> go.Figure:
    """Table 9: top-1 (%) on each of the 19 tasks of VTAB-1k, a panel for each group of tasks."""
    sizes = [len(tasks) for tasks in groups.values()]
    fig = make_subplots(
        rows=len(groups),
        cols=1,
        shared_xaxes=True,
        row_heights=sizes,
        vertical_spacing=0.07,
        subplot_titles=list(groups),
    )
    first = 0
    for place, tasks in enumerate(groups.values(), 1):
        for i, (name, values) in enumerate(models.items()):
            trace = _tasks(i, name, values[first : first + len(tasks)], tasks)
            fig.add_trace(trace.update(showlegend=place == 1), row=place, col=1)
        first += len(tasks)
    theme.style(fig, height, legend=True)
    fig.update_layout(margin={"t": 64}, legend={"y": 1.06})
    fig.update_xaxes(range=[20, 102], showgrid=True)
    fig.update_xaxes(title_text="top-1 (%)", row=len(groups), col=1)
    fig.update_yaxes(autorange="reversed", showgrid=True)
    fig.update_annotations(x=0, xanchor="left", font={"size": theme.FONT_SIZE})
    hardest = min(
        (value, task)
        for values in models.values()
        for value, task in zip(values, (task for tasks in groups.values() for task in tasks), strict=True)
    )
    return theme.describe(
        fig,
        f"Table 9 of the paper: {len(models)} models on {sum(sizes)} tasks; lowest {hardest[1]}, {hardest[0]} %.",
    )


def _tasks(place: int, name: str, values: Sequence[float], tasks: Sequence[str]) -> go.Scatter:
    """A model's accuracies (%) on the tasks of one group."""
    return go.Scatter(
        x=list(values),
        y=list(tasks),
        name=name,
        mode="markers",
        legendgroup=name,
        marker={
            "size": 12,
            "color": (theme.VIT, theme.SKY, theme.AMBER)[place],
            "symbol": ("circle", "square", "diamond")[place],
        },
        hovertemplate=f"%{{y}}<br>{name}: %{{x}} %<extra></extra>",
    )
