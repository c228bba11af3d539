"""What attends to what: the overview of all heads, one head over the image, rollout, and two numbers per head."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vit_explore.errors import BadConfig
from vit_explore.explain.results import AttentionMaps
from vit_explore.plots import theme
from vit_explore.plots.canvas import centres, extent, frame, mosaic, patch_name, picture, touch_layer
from vit_explore.plots.heat import Limits, blended, heat_over_image

__all__ = [
    "attention_distance", "attention_entropy", "attention_head", "attention_maps", "attention_on_object",
    "attention_rollout",
]  # fmt: skip

_TILE = {True: 48, False: 28}  # pixels of an overview tile at least: few tiles, many tiles


def attention_maps(
    maps: AttentionMaps,
    image: np.ndarray | None = None,
    index: int = 0,
    selected: tuple[int, int] | None = None,
    height: int | None = None,
) -> go.Figure:
    """Layer by head: where the class token looks (without one: the mean patch). Each map runs from 0 to its maximum.

    Columns are layers, rows are heads; a click's `customdata` is [layer, head], counted from 0.
    """
    grids = query_grids(maps, None, index)  # (L, H, gh, gw)
    layers, heads, gh, gw = grids.shape
    side = _TILE[layers * heads <= 36]
    tiles = np.stack([blended(grids[i % layers, i // layers], image, side) for i in range(layers * heads)])
    th, tw = tiles.shape[1:3]
    gap = max(2, th // 12)
    pixels = mosaic(tiles, layers, gap)
    x, y = centres(heads, layers, th, tw, gap)
    order = [(i % layers, i // layers) for i in range(layers * heads)]
    texts = [f"layer {la + 1}, head {he + 1}<br>largest weight {grids[la, he].max():.3f}" for la, he in order]
    height = height or int(min(720, 60 + heads * 640 / layers * gh / gw))
    fig = go.Figure([picture(pixels, png=True), touch_layer(x, y, texts, order, size=0.7 * height / heads)])
    theme.style_picture(fig, height)
    if selected is not None:
        half = gap / 2
        fig.add_shape(frame(selected[0] * (tw + gap) - half, selected[1] * (th + gap) - half, tw + gap, th + gap))
    _overview_labels(fig, layers, heads, (tw + gap, th + gap), (tw, th))
    theme.keep(fig, grids, "layer", "head", "row", "column", name="weight")
    origin = _query_name(maps, None)
    theme.describe(fig, f"{layers} × {heads} small maps: where each head of each layer looks, from {origin}.")
    return extent(fig, pixels.shape[1], pixels.shape[0], gap)


def attention_head(
    maps: AttentionMaps,
    layer: int,
    head: int | None,
    query: int | None = None,
    image: np.ndarray | None = None,
    index: int = 0,
    height: int = 520,
) -> go.Figure:
    """One head (None: the mean of the heads) seen from patch `query`, over the image.

    query None: the class token, without one the mean of the patches; the colour bar says which.
    """
    values = query_grids(maps, query, index)[layer]
    chosen = values.mean(axis=0) if head is None else values[head]
    title = f"attention weight, from {_query_name(maps, query)}"
    return heat_over_image(chosen, image, title=title, scale=False, query=query, height=height, noun="attention weight")


def attention_rollout(
    values: np.ndarray, image: np.ndarray | None = None, height: int = 520, limits: Limits | None = None
) -> go.Figure:
    """Rollout (gh, gw), or (B, gh, gw) of which the first is drawn, scaled to [0, 1]; limits: of a common scale."""
    title = "rollout, scaled to 0–1"
    return heat_over_image(first(values), image, title=title, height=height, noun="rollout", limits=limits)


def attention_distance(
    distances: np.ndarray, uniform: float | None = None, max_distance: float | None = None, height: int = 380
) -> go.Figure:
    """Mean attention distance (L, H) in pixels against depth (ViT paper, Fig. 7 right): one dot per head.

    uniform: the distance of a head that looks everywhere alike; max_distance: the end of the axis, in pixels.
    """
    fig = _dots_by_layer(distances, "%{y:.1f} px", height)
    if uniform is not None:
        _even_line(fig, uniform, len(distances))
    top = max_distance or 1.08 * max(float(distances.max()), uniform or 0.0)
    fig.update_yaxes(title_text="mean attention distance (pixels)", range=[0, top])
    return theme.describe(fig, f"How far each head looks, in pixels. {_by_layer(distances, '.1f')}")


def attention_entropy(entropies: np.ndarray, height: int = 340) -> go.Figure:
    """Entropy (L, H) of each head's attention, a share of the largest possible: 0 is one token, 1 all tokens alike."""
    fig = _dots_by_layer(entropies, "%{y:.2f}", height)
    _even_line(fig, 1.0, len(entropies))
    fig.update_yaxes(title_text="attention entropy (0 to 1)", range=[0, 1.08])
    return theme.describe(fig, f"The entropy of each head's attention, 0 to 1. {_by_layer(entropies, '.2f')}")


def attention_on_object(shares: np.ndarray, area: float | None = None, height: int = 340) -> go.Figure:
    """Share (L, H) of each head's attention that is on the object; area: the object's share of the picture, a line."""
    fig = _dots_by_layer(shares, "%{y:.0%}", height)
    if area is not None:
        _even_line(fig, area, len(shares))
    fig.update_yaxes(title_text="attention on the object", tickformat=".0%", range=[0, 1.02])
    return theme.describe(fig, f"Each head's share of attention on the object. {_by_layer(shares, '.0%')}")


def query_grids(maps: AttentionMaps, query: int | None, index: int = 0) -> np.ndarray:
    """(L, H, gh, gw): the attention that goes to the patches from patch `query`, or from the class token (None).

    Without a class token None is the mean over the patches. What goes to prefix tokens is left out, not renormalised.
    """
    weights = maps.weights[index]
    n = maps.n_prefix
    if query is not None and not 0 <= query < maps.grid[0] * maps.grid[1]:
        raise BadConfig(f"There is no patch {query}; choose one from 0 to {maps.grid[0] * maps.grid[1] - 1}.")
    if query is not None:
        rows = weights[:, :, n + query, n:]
    elif maps.has_class_token:
        rows = weights[:, :, 0, n:]
    else:
        rows = weights[:, :, n:, n:].mean(axis=2)
    return rows.reshape(*weights.shape[:2], *maps.grid)


def _query_name(maps: AttentionMaps, query: int | None) -> str:
    if query is not None:
        return patch_name(query, maps.grid[1])
    return f"the {maps.prefix_names[0]}" if maps.has_class_token else "all patches (mean)"


def first(values: np.ndarray) -> np.ndarray:
    """The first map of a batch (B, h, w), or the map (h, w) itself."""
    values = np.asarray(values)
    return values[0] if values.ndim == 3 else values


def _overview_labels(
    fig: go.Figure, layers: int, heads: int, step: tuple[float, float], tile: tuple[float, float]
) -> None:
    """Layer numbers on top, head numbers at the left; every third one where they would touch."""
    text = {"showarrow": False, "font": {"size": theme.FONT_SIZE - 1}}
    for layer in range(0, layers, 1 if layers <= 12 else 3):
        x = layer * step[0] + tile[0] / 2
        fig.add_annotation(x=x, y=0, yanchor="bottom", yshift=4, text=str(layer + 1), **text)
    fig.add_annotation(x=0, y=0, xanchor="right", xshift=-6, yanchor="bottom", yshift=4, text="layer", **text)
    for head in range(heads):
        y = head * step[1] + tile[1] / 2
        name = f"head {head + 1}" if head == 0 else str(head + 1)
        fig.add_annotation(x=0, y=y, xanchor="right", xshift=-6, text=name, **text)
    fig.update_layout(margin={"t": 28, "l": 58})


def _by_layer(values: np.ndarray, number: str) -> str:
    """The mean of the heads (L, H) in the first and in the last layer, in words."""
    means = values.mean(axis=1)
    return f"Mean of the heads: {means[0]:{number}} in layer 1, {means[-1]:{number}} in layer {len(means)}."


def _dots_by_layer(values: np.ndarray, number: str, height: int) -> go.Figure:
    layers, heads = values.shape
    layer = np.arange(1, layers + 1)
    spread = (np.arange(heads) - (heads - 1) / 2) * min(
        0.5 / max(heads, 1), 0.08
    )  # so that equal heads do not hide each other
    fig = go.Figure()
    theme.keep(fig, values, "layer", "head")
    fig.add_trace(
        go.Scatter(
            x=layer,
            y=values.mean(axis=1),
            mode="lines",
            line={"color": theme.SKY, "width": 2.5},
            name="mean of the heads",
            hovertemplate=f"layer %{{x}}, mean of the heads: {number}<extra></extra>",
        )
    )
    fig.add_trace(
        go.Scatter(
            x=np.repeat(layer, heads) + np.tile(spread, layers),
            y=values.ravel(),
            mode="markers",
            marker={"size": 10, "color": theme.VIT, "line": {"width": 1, "color": "rgba(255,255,255,0.7)"}},
            customdata=[[la + 1, he + 1] for la in range(layers) for he in range(heads)],
            name="one head",
            hovertemplate=f"layer %{{customdata[0]}}, head %{{customdata[1]}}: {number}<extra></extra>",
        )
    )
    theme.style(fig, height, legend=True)
    fig.update_xaxes(title_text="layer (depth)", dtick=1 if layers <= 12 else 4, range=[0.5, layers + 0.5])
    return fig


def _even_line(fig: go.Figure, y: float, layers: int) -> None:
    """What attention spread evenly would give; named in the legend, since dots may lie anywhere along it."""
    line = {"color": theme.GREY, "width": 2, "dash": "dash"}
    ends = [0.5, layers + 0.5]
    fig.add_trace(go.Scatter(x=ends, y=[y, y], mode="lines", line=line, name="spread evenly", hoverinfo="skip"))
