"""softmax(q·kᵀ/√d) in numbers: one weight, worked out."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from vit_explore import plots
from vit_explore.explain.results import AttentionMaps, WeightInNumbers
from vit_explore.ui.kit import closer, looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab
from vit_explore.ui.session import address

_KEY = "numbers_key"  # the patch that is taken from


def _controls(_: str) -> None:
    """They follow from the model's layers and heads, and so come with each."""


def _draw(side: Side, picture: Picture, _: None) -> None:
    maps = looking.attention(side.ref, picture)
    _, layers, heads, _, _ = maps.weights.shape
    layer, head = _place("layer", layers, layers - 1, side), _place("head", heads, 0, side)
    query = address.below("patch", maps.grid[0] * maps.grid[1])
    token = 0 if query is None and maps.has_class_token else maps.n_prefix + (query or 0)
    count = maps.grid[0] * maps.grid[1]
    key = min(st.session_state.get(_KEY, count // 2), count - 1)
    st.markdown(f"**From {_name(maps, token)}**: click the patch that it takes from")
    shown = token - maps.n_prefix if token >= maps.n_prefix else None
    under = looking.under_maps(side.ref, picture)
    figure = plots.attention_head(maps, layer, head, shown, under, height=side.picture_height - 60)
    chart(figure, f"numbers_{side.ref}", _take)
    result = closer.weight(side.ref, picture, (layer, head, token, maps.n_prefix + key))
    st.markdown(f"**Its query, and the key of patch {key + 1}**")
    chart(plots.attention_weight(result), f"numbers_strips_{side.ref}")
    _sum(result)


def _place(name: str, count: int, default: int, side: Side) -> int:
    said = address.below(name, count)
    value = default if said is None else said
    if count == 1 or side.ref != side.all[-1]:
        return value
    labels = {i: str(i + 1) for i in range(count)}
    words = {label: i for i, label in labels.items()}
    widget = address.widget(name, f"numbers_{name}", labels[value], words)
    st.segmented_control(name.capitalize(), list(words), required=True, **widget)
    return value


def _take(patch: Any) -> None:
    st.session_state[_KEY] = int(patch)


def _name(maps: AttentionMaps, token: int) -> str:
    return maps.prefix_names[token] if token < maps.n_prefix else f"patch {token - maps.n_prefix + 1}"


def _sum(result: WeightInNumbers) -> None:
    """The sum as it is worked out on a board."""
    total, d = float((result.query * result.key).sum()), len(result.query)
    first = " + ".join(f"{q:.2f} \\cdot {k:.2f}" for q, k in zip(result.query[:2], result.key[:2], strict=True))
    st.markdown(rf"$$q \cdot k = {first} + \dots = {total:.3f}$$")
    over = rf"\frac{{{total:.3f}}}{{\sqrt{{{d}}}}} = \frac{{{total:.3f}}}{{{math.sqrt(d):.3f}}}"
    st.markdown(rf"$$s = {over} = {result.score:.3f}$$")
    every = sum(math.exp(score) for score in result.scores.tolist())
    row = rf"\frac{{e^{{{result.score:.3f}}}}}{{\sum_k e^{{s_k}}}}"
    share = rf"\frac{{{math.exp(result.score):.3f}}}{{{every:.3f}}}"
    st.markdown(rf"$$A = {row} = {share} = {100 * result.weight:.2f}\,\%$$")


TAB = Tab(
    title="In numbers",
    order=1,
    about="One weight worked out: query times key, over √d, its share of the row.",
    explanations=("attention_weight",),
    controls=_controls,
    draw=_draw,
)
