"""Rollout: all layers together."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab


def _controls(ref: str) -> tuple[str, float, int]:
    fusion, discard, start = st.columns([1.4, 1, 1], gap="medium")
    how = fusion.segmented_control(
        "Heads are fused by their", ["mean", "max", "min"], default="mean", required=True, key="rollout_fusion",
    )  # fmt: skip
    share = discard.slider(
        "Discard the weakest", 0.0, 0.95, 0.0, 0.05, format="percent", key="rollout_discard",
        help="Share of each layer's smallest entries set to 0; those of the tokens before the patches are kept.",
    )  # fmt: skip
    last = max(1, len(getattr(looking.model(ref).model, "blocks", ())))
    first = start.slider("Start at layer", 1, last, 1, key="rollout_start") if last > 1 else 1
    return how, share, first - 1


def _draw(side: Side, picture: Picture, controls: tuple[str, float, int]) -> None:
    values = looking.rollout(side.ref, picture, *controls)
    limits = plots.common_limits(*(looking.rollout(ref, picture, *controls) for ref in side.on_scale))
    figure = plots.attention_rollout(values, looking.under_maps(side.ref, picture), side.picture_height, limits)
    chart(figure, f"rollout_{side.ref}")
    if not looking.attention(side.ref, picture).has_class_token:
        st.caption("This model's head reads no class token: the map is the mean over its patches.")


TAB = Tab(
    title="Rollout",
    order=2,
    about="All layers together: how much of each patch can have reached the output.",
    explanations=("attention_rollout",),
    controls=_controls,
    draw=_draw,
    is_heat=True,
)
