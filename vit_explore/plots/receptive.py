"""How far a layer sees: a CNN's receptive fields, and a ViT's attention distances beside them, in pixels."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vit_explore.explain.results import ReceptiveFields
from vit_explore.plots import theme

__all__ = ["receptive_field"]


def receptive_field(
    fields: ReceptiveFields | None,
    distances: np.ndarray | None = None,
    side: int | None = None,
    height: int = 420,
    names: tuple[str, str] = ("ResNet", "ViT"),
) -> go.Figure:
    """Theoretical and measured receptive fields by depth, from 0 (first layer) to 1 (last), in pixels.

    distances: a ViT's mean attention distances (L, H), a dot for each head. side: of the ViT's picture, by default that
    of the CNN's; what is connected beyond the CNN's is drawn at it. names: of the CNN and of the ViT.
    """
    fig = go.Figure()
    own = fields.maps.shape[-1] if fields is not None and fields.maps.size else None
    cnn, vit = (theme.plain(name) for name in names)
    if fields is not None:
        depth = _depths(len(fields.layers))
        cut = np.minimum(fields.theoretical, own or side or np.inf)
        texts = [f"{name}<br>can see {_far(t)} px" for name, t in zip(fields.layers, fields.theoretical, strict=True)]
        _line(fig, depth, cut, f"{cnn}: can see", texts, "dash", "square-open")
        if not np.isnan(fields.measured).all():
            texts = [f"{name}<br>does see {m:.1f} px" for name, m in zip(fields.layers, fields.measured, strict=True)]
            _line(fig, depth, fields.measured, f"{cnn}: does see", texts, "solid", "square")
    if distances is not None:
        _heads(fig, distances, vit)
    for size, words in _sides(own or side, side if distances is not None else None, cnn, vit).items():
        fig.add_hline(y=size, line={"color": theme.GREY, "dash": "dot"}, annotation_text=words)
    theme.style(fig, height, legend=True)
    fig.update_xaxes(title_text="depth: first layer to last", range=[-0.03, 1.03], tickvals=[0, 0.5, 1])
    fig.update_yaxes(title_text="pixels", rangemode="tozero")
    return theme.describe(fig, _words(fields, distances, names))


def _sides(of_cnn: int | None, of_vit: int | None, cnn: str, vit: str) -> dict[int, str]:
    """The sides of the pictures that are lines, in pixels, and what is written there: one where both agree."""
    if of_cnn and of_vit and of_cnn != of_vit:
        return {of_cnn: f"side of the picture of {cnn}", of_vit: f"side of the picture of {vit}"}
    side = of_cnn or of_vit
    return {side: "side of the picture"} if side else {}


def _far(side: float) -> str:
    if np.isnan(side):
        return "nobody knows how many"
    return "more than 1,024" if np.isinf(side) else f"{side:.0f}"


def _depths(count: int) -> np.ndarray:
    return np.linspace(0, 1, count) if count > 1 else np.zeros(count)


def _line(fig: go.Figure, x: np.ndarray, y: np.ndarray, name: str, texts: list[str], dash: str, symbol: str) -> None:
    fig.add_trace(
        go.Scatter(
            x=x, y=y, mode="lines+markers", name=name, text=texts, hovertemplate="%{text}<extra></extra>",
            line={"color": theme.RESNET, "width": 3, "dash": dash}, marker={"size": 10, "symbol": symbol},
        )
    )  # fmt: skip


def _heads(fig: go.Figure, distances: np.ndarray, name: str) -> None:
    layers, heads = distances.shape
    depth = np.repeat(_depths(layers), heads)
    texts = [f"layer {i // heads + 1}, head {i % heads + 1}<br>{d:.1f} px" for i, d in enumerate(distances.ravel())]
    fig.add_trace(
        go.Scatter(
            x=depth, y=distances.ravel(), mode="markers", name=f"{name}: how far each head looks", text=texts,
            hovertemplate="%{text}<extra></extra>", marker={"color": theme.VIT, "size": 11, "opacity": 0.75},
        )
    )  # fmt: skip


def _words(fields: ReceptiveFields | None, distances: np.ndarray | None, names: tuple[str, str]) -> str:
    parts = []
    if fields is not None:
        measured = "" if np.isnan(fields.measured).all() else f", does see {fields.measured[-1]:.0f}"
        parts.append(f"The last layer of {names[0]} can see {_far(fields.theoretical[-1])} pixels{measured}.")
    if distances is not None:
        parts.append(f"The heads of {names[1]} look {distances[0].mean():.1f} pixels far in layer 1, on average.")
    return " ".join(parts)
