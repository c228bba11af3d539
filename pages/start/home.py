"""Home: what a Vision Transformer is, where to go from here, and what this machine has."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.ui import machine, panel, state
from vit_explore.ui.errors import friendly
from vit_explore.ui.home_texts import NOTE, WAYS
from vit_explore.ui.pictures import samples
from vit_explore.ui.views import chart

STEP = "home_step"
LAST = len(plots.ANATOMY_STEPS) - 1


def move(by: int) -> None:
    st.session_state[STEP] = min(max(st.session_state.get(STEP, 0) + by, 0), LAST)


@st.fragment
def anatomy() -> None:
    """Figure 1 of the paper, one step at a time: a click redraws nothing but this."""
    st.session_state.setdefault(STEP, 0)
    titles = [f"{i + 1}  {title}" for i, (title, _) in enumerate(plots.ANATOMY_STEPS)]
    row = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    row.segmented_control(
        "Step", range(LAST + 1), format_func=lambda i: titles[i], key=STEP, required=True, wrap=True,
        label_visibility="collapsed",
    )  # fmt: skip
    step = st.session_state[STEP]
    buttons = row.container(horizontal=True, width="content")
    buttons.button("Back", icon=":material/arrow_back:", disabled=step == 0, on_click=move, args=(-1,))
    icon = {"type": "primary", "icon": ":material/arrow_forward:", "icon_position": "right"}
    if step < LAST:
        buttons.button("Next", on_click=move, args=(1,), **icon)
    elif buttons.button("Train one", **icon):
        st.switch_page(state.TRAIN_PAGE)
    st.markdown(f"#### {plots.ANATOMY_STEPS[step][1]}")
    chart(plots.vit_anatomy(next(iter(samples().values())), step), "home_anatomy")


st.title("Watch a Vision Transformer learn to see")
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.markdown("Train one here, in a minute, and look inside while it learns. First: **what is it?**", width="content")
    if st.button("Train one now", icon=":material/play_circle:"):
        st.switch_page(state.TRAIN_PAGE)
with st.container(border=True):
    anatomy()

st.subheader("Where to go next", anchor=False)
for place, way in zip(st.columns(len(WAYS), gap="medium"), WAYS, strict=True):
    with place, st.container(border=True, height="stretch"):
        st.markdown(f"##### {way.title}")
        st.markdown(way.text)
        for page, label, icon in way.links:
            st.page_link(page, label=label, icon=f":material/{icon}:")

st.subheader("This machine", anchor=False)
with friendly():
    for place, fact in zip(st.columns(4, gap="medium"), machine.facts(), strict=True):
        with place:
            st.markdown(f":material/{fact.icon}: **{fact.title}**  \n{fact.value}")
            st.caption(fact.detail)

panel.panel(NOTE)
