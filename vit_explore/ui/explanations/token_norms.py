"""Token norms: how long each token is, layer by layer."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.ui.kit import closer, looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab


def _controls(ref: str) -> int:
    """The layer of the map, from 0."""
    layers = closer.layer_count(ref)
    if layers < 2:
        return 0
    chosen: int = st.slider("After layer", 1, layers, layers, key="norms_layer", persist_state="page")
    return chosen - 1


def _draw(side: Side, picture: Picture, layer: int) -> None:
    norms = closer.norms(side.ref, picture)
    layer = min(layer, norms.values.shape[1] - 1)
    figure = plots.token_norms_map(norms, layer, looking.under_maps(side.ref, picture), height=side.picture_height)
    chart(figure, f"norms_map_{side.ref}")
    chart(plots.token_norms(norms), f"norms_{side.ref}")


TAB = Tab(
    title="Norms",
    order=9,
    about="The length of each token. A few patches that outgrow all others are storage, not content.",
    explanations=("token_norms",),
    controls=_controls,
    draw=_draw,
)
