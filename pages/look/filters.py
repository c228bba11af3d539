"""Filters: which patterns does the patch projection look for?"""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.ui import looking, panel, state
from vit_explore.ui.views import Side, chart, column, sides


def components(side: Side, titled: bool) -> None:
    with column(side, titled):
        result = looking.filters(choice, side.step)
        height = 340 if titled else None
        chart(plots.filter_components(result, height=height), f"components_{side.step}")
        shares = result.explained_variance_ratio
        st.caption(
            f"The number under each: its share of the variance. All {len(shares)} together: {shares.sum():.0%}. "
            "Order and signs follow the last snapshot, so each stays in its place as you slide."
        )
        if not result.is_projection:
            st.info(
                "This model has no patch projection (a conv stem, or a CNN): these are the filters of its first layer.",
                icon=":material/info:",
            )


def raw(side: Side, titled: bool) -> None:
    with column(side, titled):
        result = looking.filters(choice, side.step)
        chart(plots.raw_filters(result, height=440 if titled else None), f"raw_{side.step}")
        st.caption(f"{min(64, len(result.filters))} of {len(result.filters)} filters, each at full contrast.")


def variance(side: Side, titled: bool) -> None:
    with column(side, titled):
        chart(plots.explained_variance(looking.filters(choice, side.step)), f"variance_{side.step}")


st.title("Filters")
st.markdown("The first layer turns each patch into a token. **Which patterns does it look for?**")
choice = state.require_model("how its filters turn from noise into colours, edges and waves", "filter_components")
looking.open_or_stop(choice.ref)
left, right = st.columns([3, 1], vertical_alignment="bottom", gap="large")
with left:
    state.snapshot_slider()
with right:
    compare = state.compare_toggle("filters_compare")

both = sides(choice, compare)
views = {"Principal components": components, "Explained variance": variance, "Raw filters": raw}
for tab, draw in zip(st.tabs(list(views), key="filters_view", on_change="rerun"), views.values(), strict=True):
    if tab.open:
        with tab:
            for place, side in zip(st.columns(len(both), gap="large"), both, strict=True):
                with place:
                    draw(side, titled=len(both) > 1)

panel.panel(panel.of_explanation("filter_components"))
