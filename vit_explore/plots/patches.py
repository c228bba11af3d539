"""An image as a Vision Transformer gets it: the grid of patches, the sequence of tokens, the cost of attention."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vit_explore.plots import theme
from vit_explore.plots.canvas import centres, extent, frame, labelled_tiles, mosaic, patch_name, picture, touch_layer

__all__ = ["attention_cost", "patch_grid", "token_strip"]

_STRIP = 72  # tokens that a strip shows: six rows of twelve
_NUMBERED = 100  # patches that still have room for a number


def patch_grid(grid: np.ndarray, selected: int | None = None, numbers: bool = False, height: int = 480) -> go.Figure:
    """(gh, gw, P, P, 3) uint8 with gaps between the patches. A click's `customdata` is the patch's index."""
    gh, gw, side = grid.shape[:3]
    factor = max(1, 16 // side)  # small patches are enlarged, so that a gap can be thinner than a pixel of the image
    tiles = grid.reshape(gh * gw, side, side, 3).repeat(factor, axis=1).repeat(factor, axis=2)
    side *= factor
    gap = max(2, side // 8)
    pixels = mosaic(tiles, gw, gap)
    x, y = centres(gh, gw, side, side, gap)
    texts = [patch_name(i, gw) for i in range(gh * gw)]
    fig = go.Figure([picture(pixels), touch_layer(x, y, texts, size=0.7 * height / max(gh, gw))])
    if numbers and gh * gw <= _NUMBERED:
        fig.add_trace(_badges(x, y, [str(i + 1) for i in range(gh * gw)]))
    theme.style_picture(fig, height)
    if selected is not None:
        step, half = side + gap, gap / 2
        fig.add_shape(frame(selected % gw * step - half, selected // gw * step - half, step, step))
    framed = "" if selected is None else f"; {patch_name(selected, gw)} is framed"
    theme.describe(fig, f"The picture, cut into {gh} × {gw} patches{framed}.")
    return extent(fig, pixels.shape[1], pixels.shape[0], gap)


def token_strip(grid: np.ndarray, class_token: bool = True, columns: int = 12, height: int | None = None) -> go.Figure:
    """The patches in reading order as a sequence, the class token first; at most 72, of which the last is the last."""
    gh, gw, side = grid.shape[:3]
    patches = grid.reshape(gh * gw, side, side, 3)
    order = list(range(len(patches)))
    room = _STRIP - class_token
    if len(order) > room:
        order = [*order[: room - 1], len(patches) - 1]
    labels = [str(i + 1) for i in order]
    if len(patches) > room:
        labels[-1] = f"…{labels[-1]}"
    tiles, texts = patches[order], [f"token {i + class_token + 1}: {patch_name(i, gw)}" for i in order]
    if class_token:
        token = np.broadcast_to(theme.rgb(theme.VIT), (1, side, side, 3)).astype(np.uint8)
        tiles = np.concatenate([token, tiles])
        labels, texts = ["class", *labels], ["token 1: the class token, learned, from no patch", *texts]
    factor = max(1, 16 // side)
    fig = labelled_tiles(tiles.repeat(factor, axis=1).repeat(factor, axis=2), columns, texts, labels, height)
    behind = " behind the class token" if class_token else ""
    return theme.describe(fig, f"The {len(patches)} patches in a row, as a sequence of tokens{behind}.")


def attention_cost(
    image_size: int,
    current: int | None = None,
    patch_sizes: tuple[int, ...] | None = None,
    prefix: int = 1,
    height: int = 360,
) -> go.Figure:
    """Attention weights of one head in one layer, N x N, for each patch size that divides the image; logarithmic."""
    sizes = patch_sizes or tuple(
        p for p in range(1, image_size + 1) if image_size % p == 0 and 2 <= image_size // p <= 64
    )
    tokens = [(image_size // p) ** 2 + prefix for p in sizes]
    fig = go.Figure(
        go.Bar(
            x=[str(p) for p in sizes],
            y=[n * n for n in tokens],
            text=[f"{n:,}<br>tokens" for n in tokens],
            textposition="outside",
            cliponaxis=False,
            marker={"color": [theme.VIT if p == current else theme.faded(theme.VIT, 0.5) for p in sizes]},
            customdata=[[p, n] for p, n in zip(sizes, tokens, strict=True)],
            hovertemplate=(
                "patches of %{customdata[0]} × %{customdata[0]} pixels<br>%{customdata[1]:,} tokens<br>"
                "%{y:,} attention weights per head and layer<extra></extra>"
            ),
        )
    )
    theme.style(fig, height)
    fig.update_layout(margin={"t": 46})
    fig.update_xaxes(title_text="patch size (pixels)", type="category")
    fig.update_yaxes(title_text="attention weights per head", type="log", dtick=1, tickformat="~s")
    costs = ", ".join(f"{n * n:,} with patches of {p} px" for p, n in zip(sizes, tokens, strict=True))
    return theme.describe(fig, f"Attention weights of one head in one layer: {costs}.")


def _badges(x: np.ndarray, y: np.ndarray, texts: list[str]) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="markers+text",
        marker={"size": 24, "color": "rgba(14,17,23,0.72)", "line": {"width": 0}},
        text=texts,
        textfont={"size": 13, "color": "#ffffff"},
        hoverinfo="skip",
        name="numbers",
    )
