"""Attention: where does each head look, on a picture of your own?"""

from __future__ import annotations

import streamlit as st

from vit_explore.ui import attention_views as views
from vit_explore.ui import looking, panel, state
from vit_explore.ui.errors import friendly
from vit_explore.ui.pictures import pick_picture
from vit_explore.ui.views import column, sides

st.title("Attention")
st.markdown("In each layer every patch decides where to take information from. **Where does each head look?**")
NAMES = [name for view in views.VIEWS for name in view.explanations]
choice = state.require_model("where each of its heads looks on a photo of yours", *NAMES)
looking.open_or_stop(choice.ref)

picture = pick_picture()
narrow, wide = st.columns([1, 3], gap="large")
with narrow:
    views.seen_and_predicted(choice.ref, picture)
with wide:
    left, right = st.columns([5, 2], vertical_alignment="bottom", gap="large")
    with left:
        state.snapshot_slider()
    with right:
        compare = state.compare_toggle("attention_compare")
    both = sides(choice, compare)
    shown = views.VIEWS[0]
    tabs = st.tabs([view.title for view in views.VIEWS], key="attention_view", on_change="rerun")
    for tab, view in zip(tabs, views.VIEWS, strict=True):
        if tab.open:  # only the open one computes
            shown = view
            with tab, friendly(state.offer_bundled):
                st.caption(view.about)
                if view.needs_attention:
                    looking.attention(choice.ref, picture)  # a model without any is told so once
                controls = view.controls(choice.ref)
                for place, side in zip(st.columns(len(both), gap="medium"), both, strict=True):
                    with place, column(side, titled=len(both) > 1):
                        view.draw(side, picture, controls)

panel.panel(*(panel.of_explanation(name) for name in shown.explanations))
