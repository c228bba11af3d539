"""Heads: point at a patch and see where each head looks."""

from __future__ import annotations

import streamlit as st

from vit_explore.explain.results import AttentionMaps
from vit_explore.ui.components.attention_explorer import (
    View,
    attention_explorer,
    explorer_view,
    needs_layer,
    pack_attention,
)
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab

_EXPLORED, _EXPLORERS = "attention_explored", ("explorer_start", "explorer_now")


def _controls(_: str) -> View:
    """What both explorers show: the one in which the person chose last leads, the other follows."""
    shared = st.session_state.get(_EXPLORED, View(layer=10**6))  # at first the last layer
    for key in _EXPLORERS:
        seen = st.session_state.get(f"{key}_seen", shared)
        own = explorer_view(key, seen)
        if own != seen:
            shared = own
        st.session_state[f"{key}_seen"] = own
    st.session_state[_EXPLORED] = shared
    return shared


def _draw(side: Side, picture: Picture, shared: View) -> None:
    maps = looking.attention(side.ref, picture)
    view = _fitting(shared, maps)
    packed = pack_attention(maps, layer=view.layer if needs_layer(maps) else None)
    key = _EXPLORERS[0 if side.ref.endswith("@0") else 1]
    attention_explorer(packed, looking.under_maps(side.ref, picture), key=key, view=view)


def _fitting(view: View, maps: AttentionMaps) -> View:
    """The view within another model's layers, heads and patches; what it does not have becomes the default."""
    _, layers, heads, _, _ = maps.weights.shape
    head = view.head if view.head is not None and view.head < heads else None
    patch = view.patch if view.patch is not None and view.patch < maps.grid[0] * maps.grid[1] else None
    return View(min(view.layer, layers - 1), head, patch)


TAB = Tab(
    title="Heads",
    order=1,
    about="Point at a patch to see where it looks; click to hold it. Choose any layer and head.",
    explanations=("attention_maps",),
    controls=_controls,
    draw=_draw,
)
