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

HEIGHTS = {True: 460, False: 640}  # px, beside another model and alone


def _controls(ref: str) -> tuple[int, bool]:
    """The module, counted from 0, and whether a colour is the same share in all maps."""
    net: Any = looking.model(ref).model
    modules = len(net.vt)
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    module = modules
    if modules > 1:
        module = left.segmented_control(
            "Tokens of module", range(1, modules + 1), default=modules, required=True, key="semantic_module",
            help="Each module gathers anew; the head reads the tokens of the last.",
        )  # fmt: skip
    together = right.toggle(
        "One colour scale for all tokens", key="semantic_one_scale",
        help="Off: each map runs from 0 to its own highest share. On: a colour is the same share in all maps.",
    )  # fmt: skip
    return module - 1, together


def _draw(side: Side, picture: Picture, controls: tuple[int, bool]) -> None:
    module, together = controls
    maps = looking.semantic_tokens(side.ref, picture)[module]
    figure = plots.semantic_tokens(
        maps, looking.under_maps(side.ref, picture), one_scale=together, height=HEIGHTS[side.is_half]
    )
    chart(figure, f"semantic_{side.ref}")
    count = maps[0].size
    st.caption(f"Below each: its number, and from how many of the {count} places it gathers in effect. {_alike(maps)}")


def _alike(maps: np.ndarray) -> str:
    """How much the tokens' maps have in common, in a sentence: their mean correlation over the places."""
    if len(maps) < 2 or (maps.std(axis=(1, 2)) == 0).any():
        return ""
    r = np.corrcoef(maps.reshape(len(maps), -1))[np.triu_indices(len(maps), 1)].mean()
    return f"Any two maps correlate by {r:+.2f} on the average: near 0 they differ, at 1 all gather the same."


TAB = Tab(
    title="Semantic tokens",
    order=-1,
    about="From which places each token gathers: one map for each, over the picture.",
    explanations=("semantic_tokens",),
    controls=_controls,
    draw=_draw,
)
