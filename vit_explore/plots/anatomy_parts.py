"""The pieces of the anatomy figure: the cut picture, the row of patches, vectors, the lines of attention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from vit_explore.errors import BadConfig
from vit_explore.plots import theme
from vit_explore.plots.canvas import picture

CELLS = 3  # patches a side
TOKENS = CELLS * CELLS + 1
DIM = 7  # cells of a drawn vector
SIZE = (10.6, 7.7)  # the scene in units: a token's column is one unit wide; left of 0 lie the names of the rows
LEFT = 0.6
ROWS = {"out": 0.3, "sum": 0.35, "position": 2.25, "tokens": 4.15, "patches": 6.05, "numbers": 7.3}  # top edges
TALL, WIDE, PATCH = 1.25, 0.5, 0.88  # a vector's height and width, a patch's side
BLOCK = (2.05, 3.75)  # top and bottom of the transformer


def central_square(image: np.ndarray) -> np.ndarray:
    """The central square, in nine equal patches: (192, 192, 3); a small image keeps its pixels visible."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    crop = Image.fromarray(np.ascontiguousarray(image[top : top + side, left : left + side, :3]))
    how = Image.Resampling.NEAREST if side <= 64 else Image.Resampling.LANCZOS
    return np.asarray(crop.resize((192, 192), how))


def patches_of(image: np.ndarray) -> np.ndarray:
    """(9, 64, 64, 3) in reading order."""
    side = image.shape[0] // CELLS
    cut = image.reshape(CELLS, side, CELLS, side, 3).transpose(0, 2, 1, 3, 4)
    return cut.reshape(-1, side, side, 3)


def embed(image: np.ndarray) -> np.ndarray:
    """(9, 7): a fixed random projection of each patch, standardised: like patches look alike."""
    coarse = patches_of(image).reshape(CELLS**2, 8, 8, 8, 8, 3).mean(axis=(2, 4)).reshape(CELLS**2, -1)
    vectors = (coarse - coarse.mean()) @ np.random.default_rng(7).normal(size=(coarse.shape[1], DIM))
    return vectors / (vectors.std() or 1.0) * 0.6


def with_class(tokens: np.ndarray) -> np.ndarray:
    return np.vstack([np.array([0.9, -0.5, 0.7, -0.9, 0.4, -0.7, 0.9]), tokens])


def position_codes() -> np.ndarray:
    """(10, 7): smooth waves over the row and the column of each patch; the class token has a place of its own."""
    rows, columns = np.divmod(np.arange(CELLS**2), CELLS)
    k = np.arange(DIM)
    waves = np.where(k % 2 == 0, np.sin(rows[:, None] * (0.5 + k / 4)), np.cos(columns[:, None] * (0.5 + k / 4)))
    return np.vstack([np.linspace(-0.8, 0.8, DIM), waves]) * 0.55


def class_attention(image: np.ndarray, given: Sequence[float] | None) -> np.ndarray:
    """(10,) the class token's attention, largest 1; drawn from the patches' contrast when not given."""
    if given is None:
        contrast = patches_of(image).reshape(CELLS**2, -1).std(axis=1)
        given = [0.2, *(contrast / (contrast.max() or 1.0)) ** 2]
    if len(given) != TOKENS:
        raise BadConfig(
            f"The figure draws {TOKENS} attention weights, {len(given)} given; average them over its patches."
        )
    weights = np.asarray(given, dtype=float)
    return weights / (weights.max() or 1.0)


def centred(side: float) -> float:
    return SIZE[0] / 2 - LEFT - side / 2


def draw_cut(fig: go.Figure, image: np.ndarray, side: float, top: float, gap: float) -> None:
    """The nine patches in their places, with numbers."""
    cell = (side - gap * (CELLS - 1)) / CELLS
    left = centred(side)
    for i, patch in enumerate(patches_of(image)):
        r, c = divmod(i, CELLS)
        fig.add_trace(
            picture(patch, x=left + c * (cell + gap), y=top + r * (cell + gap), width=cell, height=cell, smooth=True)
        )
    rows, columns = np.divmod(np.arange(CELLS**2), CELLS)
    inset = 0.32
    x, y = left + columns * (cell + gap) + inset, top + rows * (cell + gap) + inset
    draw_badges(fig, x, y, [str(i + 1) for i in range(CELLS**2)])


def draw_patch_row(fig: go.Figure, image: np.ndarray) -> None:
    """The patches in reading order, numbered, with arrows up to their tokens."""
    edge = (1 - PATCH) / 2
    for i, patch in enumerate(patches_of(image)):
        fig.add_trace(picture(patch, x=i + 1 + edge, y=ROWS["patches"], width=PATCH, height=PATCH, smooth=True))
    x = np.arange(1, TOKENS) + 0.5
    draw_texts(fig, x, np.full(len(x), ROWS["numbers"]), [str(i) for i in range(1, TOKENS)], size=14)
    y = np.full(len(x), (ROWS["patches"] + ROWS["tokens"] + TALL) / 2)
    fig.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            marker={"symbol": "triangle-up", "size": 11, "color": theme.GREY},
            hoverinfo="skip",
        )
    )


def draw_vectors(
    fig: go.Figure, vectors: np.ndarray, row: str, first: int = 0, scale: theme.Map = "similarity"
) -> None:
    """Vectors (n, 7) as upright strips of coloured cells, one a column."""
    edge = (1 - WIDE) / 2
    for i, vector in enumerate(vectors):
        cells = theme.colour(vector[:, None], scale, -1.3, 1.3)
        x = first + i + edge
        fig.add_trace(picture(cells, x=x, y=ROWS[row], width=WIDE, height=TALL, png=True))


def draw_class_name(fig: go.Figure) -> None:
    """Marks the class token, which comes from no patch."""
    edge = (1 - WIDE) / 2 - 0.08
    fig.add_shape(
        type="rect",
        x0=edge,
        x1=1 - edge,
        y0=ROWS["tokens"] - 0.08,
        y1=ROWS["tokens"] + TALL + 0.08,
        line={"color": theme.AMBER, "width": 3},
        fillcolor="rgba(0,0,0,0)",
    )
    fig.add_annotation(
        x=0.5, y=ROWS["tokens"] + TALL + 0.12, yanchor="top", text="class<br>token", showarrow=False,
        font={"size": 14},
    )  # fmt: skip


def draw_all_lines(fig: go.Figure) -> None:
    """All the faint lines as one trace."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for source in range(1, TOKENS):
        for target in range(TOKENS):
            x, y = curve(source + 0.5, target + 0.5)
            xs += [*x, None]
            ys += [*y, None]
    fig.add_trace(
        go.Scatter(
            x=xs, y=ys, mode="lines", line={"color": theme.faded(theme.GREY, 0.16), "width": 1}, hoverinfo="skip"
        )
    )


def draw_class_lines(fig: go.Figure, weights: np.ndarray) -> None:
    """The class token's own lines, as wide as its attention."""
    for target, weight in enumerate(weights):
        x, y = curve(0.5, target + 0.5)
        line = {"color": theme.faded(theme.AMBER, 0.35 + 0.6 * weight), "width": 1 + 6 * weight}
        fig.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip"))


def curve(x_out: float, x_in: float) -> tuple[list[float], list[float]]:
    """An S from a token above the block to one below it."""
    t = np.linspace(0, 1, 14)
    top, bottom = BLOCK[0] - 0.1, BLOCK[1] + 0.3
    ease = t * t * (3 - 2 * t)
    x, y = x_out + (x_in - x_out) * ease, top + (bottom - top) * t
    return [round(float(v), 3) for v in x], [round(float(v), 3) for v in y]


def draw_badges(fig: go.Figure, x: np.ndarray, y: np.ndarray, texts: list[str]) -> None:
    fig.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers+text",
            marker={"size": 22, "color": "rgba(14,17,23,0.75)"},
            text=texts,
            textfont={"size": 14, "color": "#ffffff"},
            hoverinfo="skip",
        )
    )


def draw_texts(fig: go.Figure, x: np.ndarray, y: np.ndarray, texts: list[str], size: int) -> None:
    fig.add_trace(go.Scatter(x=x, y=y, mode="text", text=texts, textfont={"size": size}, hoverinfo="skip"))


def draw_row_name(fig: go.Figure, row: str, text: str) -> None:
    """A row's name, upright at its left."""
    fig.add_annotation(x=-0.32, y=ROWS[row] + TALL / 2, text=text, textangle=-90, showarrow=False, font={"size": 14})
