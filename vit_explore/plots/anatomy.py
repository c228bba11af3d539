"""What a Vision Transformer does to a picture, in six steps: the figure that people see first.

It is Figure 1 of the ViT paper, built up on a real picture, with nine patches so that it reads from the back row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from vit_explore.errors import BadConfig
from vit_explore.plots import theme
from vit_explore.plots.anatomy_parts import (
    BLOCK,
    LEFT,
    ROWS,
    SIZE,
    TALL,
    TOKENS,
    central_square,
    centred,
    class_attention,
    draw_all_lines,
    draw_class_lines,
    draw_class_name,
    draw_cut,
    draw_patch_row,
    draw_row_name,
    draw_texts,
    draw_vectors,
    embed,
    position_codes,
    with_class,
)
from vit_explore.plots.canvas import picture

__all__ = ["ANATOMY_STEPS", "vit_anatomy"]

ANATOMY_STEPS: tuple[tuple[str, str], ...] = (
    ("A picture", "A grid of pixels, each a little red, green and blue."),
    ("Patches", "It is cut into square patches. Nothing else of the picture's shape goes in."),
    ("Tokens", "One matrix, the same for all, turns the pixels of each patch into a vector: a token."),
    (
        "Position",
        "A class token joins, and each token gets a vector for its place added; without it the patches are a heap.",
    ),
    ("Transformer", "Block after block, every token looks at every other and takes from it what it needs: attention."),
    ("Answer", "At the end the class token has gathered what matters, and one last layer reads the answer from it."),
)

_SCHEMATIC = (("class A", 0.82), ("class B", 0.12), ("class C", 0.06))


def vit_anatomy(
    image: np.ndarray,
    step: int = 0,
    *,
    attention: Sequence[float] | None = None,
    answers: Sequence[tuple[str, float]] | None = None,
    depth: int | None = None,
    height: int = 460,
) -> go.Figure:
    """Step 0 to 5 on `image`, uint8 (h, w, 3); `ANATOMY_STEPS[step]` is its title and sentence.

    attention: ten weights of the class token (itself first) for the lines' widths; answers: (class, probability), best
    first. Without them the figure is schematic.
    """
    if not 0 <= step < len(ANATOMY_STEPS):
        raise BadConfig(f"There is no step {step}; choose one from 0 to {len(ANATOMY_STEPS) - 1}.")
    square = central_square(image)
    fig = go.Figure()
    scenes = (_scene_picture, _scene_patches, _scene_tokens, _scene_position)
    if step < len(scenes):
        scenes[step](fig, square)
    else:
        _scene_transformer(fig, square, class_attention(square, attention), depth)
        if step == 4:
            _outputs(fig, square)
        else:
            _answer(fig, square, answers or _SCHEMATIC)
    theme.style_picture(fig, height)
    fig.update_xaxes(range=[-LEFT, SIZE[0] - LEFT])
    fig.update_yaxes(range=[SIZE[1], 0])
    return theme.describe(fig, ": ".join(ANATOMY_STEPS[step]))


def _scene_picture(fig: go.Figure, image: np.ndarray) -> None:
    side = 7.2
    fig.add_trace(picture(image, x=centred(side), y=0.25, width=side, height=side, smooth=True))


def _scene_patches(fig: go.Figure, image: np.ndarray) -> None:
    draw_cut(fig, image, side=7.2, top=0.25, gap=0.2)


def _scene_tokens(fig: go.Figure, image: np.ndarray) -> None:
    draw_cut(fig, image, side=3.7, top=0.1, gap=0.12)
    draw_patch_row(fig, image)
    draw_vectors(fig, embed(image), "tokens", first=1)
    draw_row_name(fig, "tokens", "tokens")


def _scene_position(fig: go.Figure, image: np.ndarray) -> None:
    draw_patch_row(fig, image)
    tokens, places = with_class(embed(image)), position_codes()
    draw_vectors(fig, tokens, "tokens")
    draw_vectors(fig, places, "position", scale="share")
    draw_vectors(fig, tokens + places, "sum")
    for row, text in (("position", "+"), ("sum", "=")):
        y = ROWS[row] + TALL + (ROWS["tokens"] - ROWS["position"] - TALL) / 2
        draw_texts(fig, np.arange(TOKENS) + 0.5, np.full(TOKENS, y), [text] * TOKENS, size=22)
    for row, text in (("tokens", "tokens"), ("position", "position"), ("sum", "sums")):
        draw_row_name(fig, row, text)
    draw_class_name(fig)


def _scene_transformer(fig: go.Figure, image: np.ndarray, weights: np.ndarray, depth: int | None) -> None:
    draw_patch_row(fig, image)
    draw_vectors(fig, with_class(embed(image)) + position_codes(), "tokens")
    draw_row_name(fig, "tokens", "tokens")
    draw_class_name(fig)
    top, bottom = BLOCK
    for lift in (0.24, 0.12, 0.0):  # a stack of blocks, seen from the front
        fig.add_shape(
            type="rect",
            x0=0.02 + lift / 2,
            x1=TOKENS - 0.02 - lift / 2,
            y0=top - lift,
            y1=bottom - lift,
            line={"color": theme.faded(theme.VIT, 0.9 if lift == 0 else 0.45), "width": 2},
            fillcolor=theme.faded(theme.VIT, 0.07),
            layer="below",
        )
    draw_all_lines(fig)
    draw_class_lines(fig, weights)
    blocks = "blocks" if depth is None else f"{depth} blocks"
    fig.add_annotation(x=-0.32, y=(top + bottom) / 2, text=blocks, textangle=-90, showarrow=False, font={"size": 14})


def _outputs(fig: go.Figure, image: np.ndarray) -> None:
    mixed = with_class(embed(image)) + position_codes()
    mixed = (
        0.45 * mixed + 0.75 * mixed[[0, 5, 5, 5, 2, 5, 2, 5, 5, 8]]
    )  # drawn, not computed: tokens that took from others
    draw_vectors(fig, mixed, "out")
    draw_row_name(fig, "out", "out")


def _answer(fig: go.Figure, image: np.ndarray, answers: Sequence[tuple[str, float]]) -> None:
    mixed = with_class(embed(image)) + position_codes()
    draw_vectors(fig, mixed[:1], "out")
    fig.add_annotation(
        x=1.75,
        y=0.92,
        ax=0.9,
        ay=0.92,
        axref="x",
        ayref="y",
        arrowhead=2,
        arrowwidth=2.5,
        arrowcolor=theme.GREY,
        text="",
    )
    for i, (name, share) in enumerate(answers[:3]):
        y = 0.4 + 0.52 * i
        colour = theme.GREEN if i == 0 else theme.GREY
        fig.add_shape(
            type="rect",
            x0=2.0,
            x1=2.0 + 4.6 * share + 0.03,
            y0=y - 0.2,
            y1=y + 0.2,
            fillcolor=colour,
            line={"width": 0},
        )
        label = theme.plain(name)
        text = f"<b>{label}</b> {share:.0%}" if i == 0 else f"{label} {share:.0%}"
        fig.add_annotation(
            x=2.0 + 4.6 * share, y=y, xanchor="left", xshift=6, text=text, showarrow=False, font={"size": 16}
        )
