"""The first five stops: from pixels to tokens that look at each other."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from vit_explore import explain, plots
from vit_explore.explain.by_hand import attention_by_hand
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.panel import Note
from vit_explore.ui.pages.tour.stop import REF, Stop, model, shown_picture, snapshot

_SIDE = 64  # pixels of the picture that is cut
_KEYS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
_VALUES = np.array([[10.0], [20.0], [30.0]])


def _cut() -> None:
    patch: int = st.select_slider("Side of a patch, in pixels", (4, 8, 16, 32), value=16, key="tour_patch")
    pixels = np.asarray(Image.fromarray(shown_picture().pixels).resize((_SIDE, _SIDE)))
    grid = explain.patch_grid(pixels, patch)
    chart(plots.patch_grid(grid, numbers=True, height=380), "tour_cut")
    count = grid.shape[0] * grid.shape[1]
    st.caption(f"{count} patches of {patch} × {patch} pixels in three colours: {3 * patch * patch:,} numbers each.")


def _project() -> None:
    step = snapshot("Training step", "tour_filters")
    result = looking.filters(model(), step)
    chart(plots.filter_components(result, columns=7, height=380), "tour_project")
    st.caption("What the projection looks for: its main patterns, and the share of the variance that each explains.")


def _class_token() -> None:
    picture = shown_picture()
    maps = looking.attention(REF, picture)
    layer: int = st.slider("Layer", 1, maps.weights.shape[1], maps.weights.shape[1], key="tour_layer")
    under = looking.under_maps(REF, picture)
    chart(plots.attention_head(maps, layer - 1, None, None, under, height=400), "tour_class_token")


def _position() -> None:
    result = looking.positions(REF)
    left, right = st.columns(2)
    row: int = left.slider("Row", 1, result.grid[0], 3, key="tour_row")
    column: int = right.slider("Column", 1, result.grid[1], 3, key="tour_column")
    chart(plots.position_tile(result, row - 1, column - 1, height=400), "tour_position")


def _by_hand() -> None:
    first: float = st.slider("First number of the query of token 1", -3.0, 3.0, 2.0, 0.5, key="tour_query")
    queries = np.array([[first, 1.0], [0.0, 1.0], [1.0, 0.0]])
    found = attention_by_hand(queries, _KEYS, _VALUES)
    st.markdown(f"Token 1 asks with the query **({first:g}, 1)**. Two numbers a token, so √d = √2.")
    lines = [
        f"| {i + 1} | ({k[0]:g},{k[1]:g}) | {found.products[0, i]:g} | {found.scores[0, i]:.2f} "
        f"| {100 * found.weights[0, i]:.1f} % | {_VALUES[i, 0]:g} | {found.weights[0, i] * _VALUES[i, 0]:.2f} |"
        for i, k in enumerate(_KEYS)
    ]
    head = "| token | key | q·k | ÷√2 | weight | value | weight×value |\n|---|---|---|---|---|---|---|\n"
    st.markdown(head + "\n".join(lines))
    st.markdown(f"The weights add up to 100 %, and token 1 becomes **{found.out[0, 0]:.2f}**, their sum on the right.")
    names = [f"token {i + 1}" for i in range(len(_KEYS))]
    chart(plots.compare_bars(names, {"weight": found.weights[0].tolist()}, title="weight", height=220), "tour_by_hand")


BY_HAND = Note(
    title="Attention by hand",
    what_you_see="One head over three tokens, with numbers that were chosen so that they can be followed.",
    formula=r"\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}}\right) V",
    what_to_look_for="Which key fits the query best? How little more of it is enough to take most of the weight?",
    what_to_beware="In the model nobody chose these numbers: matrices that it learned make them. "
    "The page Attention, tab In numbers, has the real ones.",
    source="Vaswani et al. 2017, equation 1",
    code=("vit_explore.explain.by_hand", "attention_by_hand"),
)
STOPS = (
    Stop(
        "Cut the picture",
        "A transformer reads a sequence, and a picture is none. So it is cut into squares, the **patches**, which are "
        "read like the words of a sentence, row by row. This is all that the Vision Transformer knows about pictures "
        "before it has seen any. Make the patches smaller: there are more of them, and each says less.",
        _cut,
        "Half the side of a patch: how many times as many patches, and how many times as many pairs of them?",
        "Four times as many patches, and sixteen times as many pairs. Every patch looks at every other one, so "
        "attention costs the square of their number: small patches are accurate and expensive.",
        "patches",
        "patch_grid",
    ),
    Stop(
        "Turn each patch into a vector",
        "One matrix, the same for all patches, turns the pixels of a patch into a vector of 96 numbers: the "
        "**embedding**. Each row of that matrix is a small pattern that it looks for. At step 0 they are noise. Slide "
        "through the training, and colours and edges appear: nobody put them there.",
        _project,
        "A CNN's first layer learns edges and colours, too. What is different here?",
        "A CNN slides its filters over every pixel; here each patch is looked at once, as a whole, and patches do not "
        "overlap. What lies across a border is put together later, by attention.",
        "filters",
        "filter_components",
    ),
    Stop(
        "Add a token that asks",
        "To the patches comes one more vector that stands for no patch: the **class token**. It is learned, the same "
        "for every picture, and collects what the answer needs. At the end only this token is read. The map shows "
        "where it takes its information from, in each layer.",
        _class_token,
        "Why not read the patches themselves?",
        "One can: the mean of the patches works as well, or better in short trainings. The class token is what the "
        "paper took over from language models, and it makes a picture of where the answer comes from.",
        "attention",
        "attention_maps",
    ),
    Stop(
        "Say where each patch was",
        "Attention does not know the order of its tokens: shuffled patches would give the same answer. So each place "
        "has a learned vector of its own, the **position embedding**, which is added to its patch. Nobody says which "
        "places are neighbours. The map shows how alike the vector of the framed place is to all others.",
        _position,
        "What would happen to the answer if all patches were shuffled and there were no position embeddings?",
        "Nothing at all: not one digit of it would change. The page Guess, then run, proves it, and Rearrange it lets "
        "you try by hand.",
        "positions",
        "position_similarity",
    ),
    Stop(
        "Attention, by hand",
        "Each token makes three vectors: a **query** (what do I look for?), a **key** (what do I have?) and a "
        "**value** (what do I give?). A query is multiplied with every key; the products, divided by √d, become "
        "shares by the softmax; and the values are added up by these shares. Three tokens of two numbers are enough "
        "to see all of it.",
        _by_hand,
        "Pull the slider to the left. Which token does token 1 now listen to, and why?",
        "To token 2, whose key (0, 1) is the only one that does not contain the first number: all others are "
        "multiplied by something negative.",
        "attention",
        BY_HAND,
    ),
)
