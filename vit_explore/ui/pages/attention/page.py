"""Attention: where does each head look, on a picture of your own?"""

from __future__ import annotations

import streamlit as st

from vit_explore.ui.kit import looking, model_picker, panel
from vit_explore.ui.kit.chart import Side, column, sides
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.pictures import Picture, pick_picture
from vit_explore.ui.pages.attention import views
from vit_explore.ui.session.choice import Choice


def show() -> None:
    """Draw the page."""
    st.title("Attention")
    st.markdown("In each layer every patch decides where to take information from. **Where does each head look?**")
    names = [name for view in views.VIEWS for name in view.explanations]
    choice = model_picker.require_model("where each of its heads looks on a photo of yours", *names)
    looking.open_or_stop(choice.ref)
    picture = pick_picture()
    narrow, wide = st.columns([1, 3], gap="large")
    with narrow:
        views.seen_and_predicted(choice.ref, picture)
    with wide:
        left, right = st.columns([5, 2], vertical_alignment="bottom", gap="large")
        with left:
            model_picker.snapshot_slider()
        with right:
            compare = model_picker.compare_toggle("attention_compare")
        shown = tabs(choice, picture, sides(choice, compare))
    panel.panel(*(panel.of_explanation(name) for name in shown.explanations))


def tabs(choice: Choice, picture: Picture, both: list[Side]) -> views.AttentionView:
    """The tabs, of which only the open one computes; gives that one."""
    shown = views.VIEWS[0]
    drawn = st.tabs([view.title for view in views.VIEWS], key="attention_view", on_change="rerun")
    for tab, view in zip(drawn, views.VIEWS, strict=True):
        if tab.open:
            shown = view
            with tab, friendly(model_picker.offer_bundled):
                one_view(view, choice.ref, picture, both)
    return shown


def one_view(view: views.AttentionView, ref: str, picture: Picture, both: list[Side]) -> None:
    """A tab: its controls, then each model's result."""
    st.caption(view.about)
    if view.needs_attention:
        looking.attention(ref, picture)  # a model without any is told so once
    controls = view.controls(ref)
    for place, side in zip(st.columns(len(both), gap="medium"), both, strict=True):
        with place, column(side, titled=len(both) > 1):
            view.draw(side, picture, controls)
