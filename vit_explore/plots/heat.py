"""A heat map over the image that it explains: the one way in which attention, relevance and attributions are drawn."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from vit_explore.explain.results import has_signal
from vit_explore.plots import theme
from vit_explore.plots.canvas import (
    centres,
    colour_bar_only,
    extent,
    frame,
    patch_name,
    picture,
    touch_layer,
)

__all__ = ["common_limits", "heat_over_image", "map_difference", "resized"]

Limits = tuple[float, float]
_ALPHA = (0.45, 0.88)  # the overlay's opacity at the lowest and the highest heat: what is ignored goes dark
_HOVER_SIDE = 28  # pixel maps are hovered in blocks, so that the page stays light
_SIGNED_TOP = 99.5  # percentile of |value| that takes the full colour: single pixels would wash out the rest


def heat_over_image(
    values: np.ndarray,
    image: np.ndarray | None = None,
    *,
    title: str = "relative strength",
    signed: bool = False,
    scale: bool = True,
    query: int | None = None,
    height: int = 520,
    noun: str = "strength",
    limits: Limits | None = None,
) -> go.Figure:
    """`values` (h, w), per patch or per pixel, over `image` uint8 (H, W, 3) of the same aspect.

    scale: bring the values to [0, 1] (minimum to maximum; all 0 where they differ by rounding only), signed ones to
    [-1, 1] by their 99.5th percentile in size; without it the colours run from 0 to the maximum and the bar shows the
    values themselves. query: a patch to frame. limits: the values at the ends of the colours, where several maps stand
    beside each other; see `common_limits`.
    """
    values = np.asarray(values, dtype=np.float64)
    h, w = values.shape
    shown, low, high = _scaled(values, signed, scale, limits)
    name: theme.Map = "signed" if signed else "heat"
    traces: list[go.Image | go.Scatter] = []
    if image is not None:
        base = _grey(image, light=signed)
        traces.append(picture(base, width=w, height=h, smooth=min(base.shape[:2]) > 64))
    traces.append(picture(overlay(shown, name, low, high, opaque=image is None)))
    traces += [_hover(shown, noun), colour_bar_only(name, low, high, title, nticks=5)]
    fig = theme.style_picture(go.Figure(traces), height)
    if query is not None:
        fig.add_shape(frame(query % w, query // w, 1, 1, colour="#ffffff", line=4))
        fig.add_shape(frame(query % w, query // w, 1, 1, colour=theme.SKY, line=2.5))
    theme.describe(fig, f"A heat map of {h} × {w}: {title}{_strongest(shown)}")
    theme.keep(fig, values, "row", "column", name=noun)
    return extent(fig, w, h)


def _strongest(values: np.ndarray) -> str:
    """Where a map is strongest, in words: the end of a sentence."""
    if not has_signal(values):
        return "; it is the same everywhere."
    row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
    across = ("left", "middle", "right")[min(2, int(3 * column / values.shape[1]))]
    down = ("top", "middle", "bottom")[min(2, int(3 * row / values.shape[0]))]
    return f"; strongest at the {'centre' if across == down == 'middle' else f'{down} {across}'}."


def map_difference(values: np.ndarray, image: np.ndarray | None = None, height: int = 520) -> go.Figure:
    """The difference (h, w) of two maps over the picture: orange where the first has more, blue where the second."""
    return heat_over_image(values, image, title="second ← 0 → first", signed=True, height=height, noun="difference")


def resized(values: np.ndarray, side: int) -> np.ndarray:
    """A map (h, w) as (side, side), by means of areas."""
    small = Image.fromarray(np.asarray(values, dtype=np.float32)).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small)


def common_limits(*maps: np.ndarray) -> Limits:
    """The lowest and the highest value of maps that stand beside each other: one colour is one value in all of them."""
    return min(float(np.min(values)) for values in maps), max(float(np.max(values)) for values in maps)


def overlay(values: np.ndarray, name: theme.Map, low: float, high: float, opaque: bool = False) -> np.ndarray:
    """RGBA uint8 (h, w, 4) of a map: heat darkens what is weak, a signed map is clear where it is zero."""
    unit = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    if opaque:
        alpha = np.ones_like(unit)
    elif name == "signed":
        alpha = np.abs(unit - 0.5) ** 0.5 * 1.2
    else:
        alpha = _ALPHA[0] + (_ALPHA[1] - _ALPHA[0]) * unit
    return np.dstack([theme.colour(values, name, low, high), np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)])


def blended(values: np.ndarray, image: np.ndarray | None, side: int, top: float | None = None) -> np.ndarray:
    """A small tile uint8 (h, w, 3), `side` pixels at least: the map, 0 to `top` (its maximum), over the image."""
    h, w = values.shape
    factor = max(1, -(-side // max(h, w)))
    heat = overlay(values, "heat", 0.0, top or float(values.max()) or 1.0, opaque=image is None)
    heat = heat.repeat(factor, axis=0).repeat(factor, axis=1)
    if image is None:
        return heat[..., :3]
    small = np.asarray(
        Image.fromarray(_grey(image)).resize((w * factor, h * factor), Image.Resampling.BOX), dtype=np.float64
    )
    alpha = heat[..., 3:] / 255
    return np.rint(heat[..., :3] * alpha + small * (1 - alpha)).astype(np.uint8)


def _scaled(values: np.ndarray, signed: bool, scale: bool, limits: Limits | None) -> tuple[np.ndarray, float, float]:
    """The values to draw, with the ends of their colour range."""
    if signed:
        top = max(map(abs, limits)) if limits else float(np.percentile(np.abs(values), _SIGNED_TOP))
        top = top or float(np.abs(values).max()) or 1.0
        return (np.clip(values / top, -1, 1), -1.0, 1.0) if scale else (values, -top, top)
    if not scale:
        return values, 0.0, (limits[1] if limits else float(values.max())) or 1.0
    ends = np.array(limits or common_limits(values))
    if not has_signal(ends):
        return np.zeros_like(values), 0.0, 1.0
    return (values - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0


def _grey(image: np.ndarray, light: bool = False) -> np.ndarray:
    """Most of the colour taken out, so that the map's colours are the only strong ones; `light` for signed maps."""
    luma = (image.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))[..., None]
    mixed = np.broadcast_to(255 - 0.75 * (255 - luma), image.shape) if light else 0.75 * luma + 0.25 * image
    return np.rint(mixed).astype(np.uint8)


def _hover(values: np.ndarray, noun: str) -> go.Scatter:
    """Hover texts, and clicks with the patch's index: one per patch, or per block of a pixel map (in words: at)."""
    h, w = values.shape
    step = max(1, -(-max(h, w) // _HOVER_SIDE))
    if step == 1:
        x, y = centres(h, w, 1, 1)
        texts = [f"{patch_name(i, w)}<br>{noun}: {v:.3g}" for i, v in enumerate(values.ravel())]
        return touch_layer(x, y, texts, size=max(4, 380 / max(h, w)))
    rows, columns = h // step, w // step
    blocks = values[: rows * step, : columns * step].reshape(rows, step, columns, step).mean(axis=(1, 3))
    x, y = centres(rows, columns, step, step)
    texts = [f"x {int(px)}, y {int(py)} px<br>{noun}: {v:.3g}" for px, py, v in zip(x, y, blocks.ravel(), strict=True)]
    return touch_layer(x, y, texts, size=max(4, 380 / max(rows, columns)))
