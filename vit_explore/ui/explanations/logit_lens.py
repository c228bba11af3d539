"""Logit lens: what each token would answer after each layer."""

from __future__ import annotations

from typing import Any

import streamlit as st

from vit_explore import plots
from vit_explore.ui.kit import closer, looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab, name_target, pick_target, target_of
from vit_explore.ui.session import address


def _choose(patch: Any) -> None:
    address.choose(patch=patch)


def _back() -> None:
    address.choose(patch=None)


def _draw(side: Side, picture: Picture, target: int | None) -> None:
    values, shape = closer.lens(side.ref, picture), closer.tokens_of(side.ref)
    about = target_of(side, picture, target)
    patch = address.below("patch", shape.n_patches)
    st.markdown("**Where the patches would answer with the class**, layer by layer")
    columns = 3 if side.is_half else 6
    chart(plots.logit_lens_maps(values, about, shape.grid, shape.n_prefix, columns=columns), f"lens_maps_{side.ref}")
    name_target(side, picture, target)
    st.markdown("**After the last layer**: click a patch to follow it through the layers")
    last = values[0, -1, shape.n_prefix :, about].reshape(shape.grid)
    figure = plots.logit_lens_last(last, looking.under_maps(side.ref, picture), patch, side.picture_height - 120)
    chart(figure, f"lens_last_{side.ref}", _choose)
    token = shape.n_prefix + patch if patch is not None else 0 if shape.reads_class_token else None
    if token is None:
        st.caption("This model reads the mean of its patches, so no single token gives its answer: click one.")
        return
    classes = looking.model(side.ref).classes
    chart(plots.logit_lens(values, classes, token, prefix_names=shape.prefix_names), f"lens_token_{side.ref}")
    if shape.read == slice(0, 2):
        st.caption("Its answer is the mean of two heads: of the class token's logits and the distillation token's.")
    if patch is not None and shape.reads_class_token and side.ref == side.all[-1]:
        st.button("Follow the class token", icon=":material/undo:", on_click=_back, key=f"lens_back_{side.ref}")


TAB = Tab(
    title="Logit lens",
    order=7,
    about="What the head would answer if it read a token after each layer, long before the last.",
    explanations=("logit_lens",),
    controls=pick_target,
    draw=_draw,
)
