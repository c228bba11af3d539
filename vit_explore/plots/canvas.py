"""Pictures inside figures: PNG data URIs, mosaics of tiles, and the layer that takes clicks.

A heatmap's z array of 200 x 200 weighs 200 KB in the page; the same as a PNG weighs 5 KB. And Plotly reports clicks on
markers only, so whatever can be clicked has an invisible square marker on top.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from vit_explore.plots import theme

_PHOTO_SIDE = 48  # pictures with a larger side are smooth photographs: JPEG is five times lighter there


def image_uri(pixels: np.ndarray) -> str:
    """uint8 (h, w, 3 or 4) as a data URI: JPEG for photographs, PNG for what is small or has transparency."""
    buffer = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if picture.mode == "RGB" and max(picture.size) > _PHOTO_SIDE:
        picture.save(buffer, "JPEG", quality=92)
        kind = "jpeg"
    else:
        picture.save(buffer, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def picture(
    pixels: np.ndarray,
    *,
    x: float = 0.0,
    y: float = 0.0,
    width: float | None = None,
    height: float | None = None,
    smooth: bool = False,
    png: bool = False,
    opacity: float = 1.0,
) -> go.Image:
    """A picture whose top left corner lies at (x, y); `width` and `height` in axis units, its pixels by default.

    `smooth` interpolates when it is enlarged; without it pixels stay square. `png` keeps exact colours.
    """
    h, w = pixels.shape[:2]
    dx, dy = (width or w) / w, (height or h) / h
    if png and pixels.shape[2] == 3:
        pixels = np.dstack([pixels, np.full((h, w), 255, np.uint8)])
    return go.Image(
        source=image_uri(pixels),
        x0=x + dx / 2,
        y0=y + dy / 2,
        dx=dx,
        dy=dy,
        zsmooth="fast" if smooth else False,
        opacity=opacity,
        hoverinfo="skip",
    )


def mosaic(tiles: np.ndarray, columns: int, gap: int) -> np.ndarray:
    """uint8 (n, h, w, 3) laid out row by row as RGBA (H, W, 4), transparent between the tiles."""
    n, h, w, _ = tiles.shape
    rows = -(-n // columns)
    out = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap, 4), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (h + gap), (i % columns) * (w + gap)
        out[top : top + h, left : left + w, :3] = tile
        out[top : top + h, left : left + w, 3] = 255
    return out


def centres(rows: int, columns: int, cell_h: float, cell_w: float, gap: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """x and y (rows*columns,) of the centres of the cells of a grid, row by row."""
    ys, xs = np.mgrid[:rows, :columns]
    return xs.ravel() * (cell_w + gap) + cell_w / 2, ys.ravel() * (cell_h + gap) + cell_h / 2


def touch_layer(
    x: np.ndarray, y: np.ndarray, texts: Sequence[str], custom: Sequence[object] | None = None, size: float = 24
) -> go.Scatter:
    """Invisible square markers that carry the hover texts and report clicks; `customdata` is the index by default."""
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"symbol": "square", "size": size, "color": theme.GREY, "line": {"width": 0}},
        opacity=0.01,  # 0 would not take events
        customdata=list(range(len(x))) if custom is None else list(custom),
        hovertext=list(texts),
        hovertemplate="%{hovertext}<extra></extra>",
        selected={"marker": {"opacity": 0.01}},
        unselected={"marker": {"opacity": 0.01}},
        showlegend=False,
        name="touch",
    )


def frame(
    x: float, y: float, width: float, height: float, colour: str = theme.GREEN, line: float = 4
) -> dict[str, object]:
    """A rectangle's outline as a layout shape: what is selected."""
    return {
        "type": "rect",
        "x0": x,
        "y0": y,
        "x1": x + width,
        "y1": y + height,
        "line": {"color": colour, "width": line},
        "fillcolor": "rgba(0,0,0,0)",
        "layer": "above",
    }


def extent(fig: go.Figure, width: float, height: float, pad: float = 0.0) -> go.Figure:
    """Fix the axes to a picture of width x height, first row on top."""
    fig.update_xaxes(range=[-pad, width + pad])
    fig.update_yaxes(range=[height + pad, -pad])
    return fig


def labelled_tiles(
    tiles: np.ndarray, columns: int, texts: Sequence[str], labels: Sequence[str] | None, height: int | None = None
) -> go.Figure:
    """uint8 (n, h, w, 3) row by row, each with a hover text and, when given, a label below."""
    n, h, w, _ = tiles.shape
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    gap = max(1, round(w / 8))
    room = h * min(0.42, 0.06 * columns) if labels else 0.0  # enough for 13 px of type on a phone
    fig = go.Figure()
    for row in range(rows):  # one picture a row: the room for labels need not be a whole number of tile pixels
        strip = mosaic(tiles[row * columns : (row + 1) * columns], columns, gap)
        fig.add_trace(picture(strip, y=row * (h + gap + room)))
    x, y = centres(rows, columns, h, w, gap)
    y = y + np.repeat(np.arange(rows), columns) * room
    height = height or min(620, 16 + round(rows * (h + gap + room) * 660 / (columns * (w + gap))))
    fig.add_trace(touch_layer(x[:n], y[:n], texts, size=0.6 * height / rows))
    if labels:
        below = y[:n] + (h + room) / 2
        fig.add_trace(
            go.Scatter(
                x=x[:n], y=below, mode="text", text=list(labels), textfont={"size": 13}, hoverinfo="skip", name="labels"
            )
        )
    theme.style_picture(fig, height)
    return extent(fig, columns * (w + gap) - gap, rows * (h + gap + room) - gap, gap / 2)


def colour_bar_only(name: theme.Map, low: float, high: float, title: str, **bar: object) -> go.Scatter:
    """A trace without points that brings the colour bar of a picture painted elsewhere."""
    return go.Scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={
            "color": [low],
            "colorscale": theme.colour_scale(name),
            "cmin": low,
            "cmax": high,
            "showscale": True,
            "colorbar": theme.colour_bar(title, **bar),
        },
        hoverinfo="skip",
        showlegend=False,
        name="scale",
    )


def patch_name(index: int, columns: int) -> str:
    """A patch in words, counted from 1 as people do."""
    return f"patch {index + 1} (row {index // columns + 1}, column {index % columns + 1})"
