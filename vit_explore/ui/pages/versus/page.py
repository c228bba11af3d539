"""ViT vs ResNet: the same data, seeds, order and budget for both, and one figure that tells them apart."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui.kit import panel
from vit_explore.ui.kit.style import style
from vit_explore.ui.pages.versus import notes, race, start
from vit_explore.ui.session import caches


def show() -> None:
    """Draw the page."""
    st.title("ViT vs ResNet")
    style()
    st.markdown(
        "Attention has to learn what a convolution knows from the start. "
        "**How much does that cost, and when does it pay?**"
    )
    store = caches.store()
    start.start_box(store)
    race.pair_view(store)
    panel.panel(notes.race())
