"""Semantic tokens: from which places of the picture each token of a Visual Transformer gathers."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab


def _controls(ref: str) -> tuple[int, bool]:
    """The module, counted from 0, and whether each token has its own colours."""
    net: Any = looking.model(ref).model
    modules = len(net.vt)
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    module = modules
    if modules > 1:
        module = left.segmented_control(
            "Tokens of module", range(1, modules + 1), default=modules, required=True, key="semantic_module",
            help="Each module gathers anew; the head reads the tokens of the last.",
        )  # fmt: skip
    own = right.toggle(
        "Each token its own colour scale", key="semantic_own_scale",
        help="Off: a colour is the same share in all maps. On: each map runs from 0 to its own highest share.",
    )  # fmt: skip
    return module - 1, own


def _draw(side: Side, picture: Picture, controls: tuple[int, bool]) -> None:
    module, own = controls
    maps = looking.semantic_tokens(side.ref, picture)[module]
    figure = plots.semantic_tokens(maps, looking.under_maps(side.ref, picture), own_scale=own)
    chart(figure, f"semantic_{side.ref}")
    st.caption(
        f"Below each: its number, and from how many of the {maps[0].size} places it gathers in effect. {_alike(maps)}"
    )


def _alike(maps: np.ndarray) -> str:
    """How much the tokens' maps have in common, in a sentence: their mean correlation over the places."""
    if len(maps) < 2 or (maps.std(axis=(1, 2)) == 0).any():
        return ""
    r = np.corrcoef(maps.reshape(len(maps), -1))[np.triu_indices(len(maps), 1)].mean()
    return f"Any two maps correlate by {r:+.2f} on the average: near 0 the tokens divide the picture, at 1 all are one."


TAB = Tab(
    title="Semantic tokens",
    order=0,
    about="From which places each token gathers: one map for each, over the picture.",
    explanations=("semantic_tokens",),
    controls=_controls,
    draw=_draw,
)
