"""Grad-CAM: where a layer holds evidence for one class."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab, name_target, pick_target, target_of


def _controls(ref: str) -> tuple[int | None, str | None]:
    """The class and the layer; None for the default of each."""
    left, right = st.columns(2, gap="medium")
    with left:
        target = pick_target(ref)
    layers = looking.grad_cam_layers(ref)
    if len(layers) < 2:
        return target, None
    help = "The first is the last that the answer depends on. Earlier ones are finer, and say less about the class."
    return target, right.selectbox("At the layer", layers, key="grad_cam_layer", help=help)


def _draw(side: Side, picture: Picture, controls: tuple[int | None, str | None]) -> None:
    target, layer = controls
    layer = layer if layer in looking.grad_cam_layers(side.ref) else None
    about = target_of(side, picture, target)
    values = looking.heat("grad_cam", side.ref, picture, about, layer)
    limits = plots.common_limits(*(looking.heat("grad_cam", ref, picture, about, layer) for ref in side.on_scale))
    figure = plots.grad_cam(values, looking.under_maps(side.ref, picture), side.picture_height, limits)
    chart(figure, f"grad_cam_{side.ref}")
    if not values.any():
        st.caption("The map is 0 everywhere: no place here speaks for the class. Choose another class or layer.")
    name_target(side, picture, target)


TAB = Tab(
    title="Grad-CAM",
    order=4,
    about="Where a late layer holds evidence for one class. It works for convolutional nets too.",
    explanations=("grad_cam",),
    controls=_controls,
    draw=_draw,
    is_heat=True,
)
