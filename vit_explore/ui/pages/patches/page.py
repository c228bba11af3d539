"""Patches: what a transformer gets of a picture, and what it costs to look closer."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.data.images import resize_crop
from vit_explore.explain.patches import patch_grid
from vit_explore.ui.kit import model_head, panel
from vit_explore.ui.kit.chart import chart, image
from vit_explore.ui.kit.pictures import pick_picture
from vit_explore.ui.pages.patches import cutting


def show() -> None:
    """Draw the page."""
    model_head.head("Patches", "A transformer reads sequences. **How does a picture become one?**")
    picture = pick_picture()
    size, patch = cutting.pick_sizes()
    seen = resize_crop(picture.pixels, size)
    grid = patch_grid(seen, patch)

    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"##### What the model sees: {size} × {size} pixels")
        image(seen, f"The picture “{picture.title}” in {size} × {size} pixels", side=480)
    with right:
        cutting.clickable_grid(grid)

    tokens = grid.shape[0] * grid.shape[1] + 1
    st.markdown(f"##### The sequence: {tokens - 1:,} patches, read row by row, behind the class token")
    rows = -(-min(tokens, 64) // 13)
    chart(plots.token_strip(grid, columns=13, height=16 + 64 * rows), "patches_strip")

    st.subheader("What the projection sees", anchor=False)
    cutting.one_patch(grid)

    st.subheader("What it costs to look closer", anchor=False)
    cutting.cost(size, patch)

    panel.panel(panel.of_explanation("patch_grid"))
