"""Relevance: the attention that speaks for one class."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.explain.results import has_signal
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab, name_target, pick_target, target_of


def _draw(side: Side, picture: Picture, target: int | None) -> None:
    about = target_of(side, picture, target)
    values = looking.heat("relevance", side.ref, picture, about)
    limits = plots.common_limits(*(looking.heat("relevance", ref, picture, about) for ref in side.on_scale))
    figure = plots.relevance(values, looking.under_maps(side.ref, picture), side.picture_height, limits)
    chart(figure, f"relevance_{side.ref}")
    if not has_signal(values):
        st.caption(
            "There is no signal: attention between the patches does not move this class by more than rounding. "
            "Choose another class."
        )
    name_target(side, picture, target)


TAB = Tab(
    title="Relevance",
    order=3,
    about="Rollout in which only attention that speaks for one class counts.",
    explanations=("relevance",),
    controls=pick_target,
    draw=_draw,
    is_heat=True,
)
