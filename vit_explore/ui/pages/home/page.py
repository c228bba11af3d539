"""Home: what a Vision Transformer is, where to go from here, and what this machine has."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.ui import site
from vit_explore.ui.kit import panel
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.follow import follow_others
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.link_button import link_button
from vit_explore.ui.kit.pictures import samples
from vit_explore.ui.pages.home import machine
from vit_explore.ui.pages.home.texts import NOTE, WAYS
from vit_explore.ui.session import address

STEP = "home_step"
LOOK = 2.0  # seconds between two looks at a worker that is on its way
LAST = len(plots.ANATOMY_STEPS) - 1
_FIGURE = 400  # pixels: the whole picture is seen in a window 720 high; on a phone kit/style.py makes it lower


def move(by: int) -> None:
    st.session_state[STEP] = min(max(st.session_state.get(STEP, 0) + by, 0), LAST)


@fragment
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
    with buttons:
        st.button("Back", icon=":material/arrow_back:", disabled=step == 0, on_click=move, args=(-1,))
        if step < LAST:
            st.button(
                "Next", type="primary", icon=":material/arrow_forward:", icon_position="right", on_click=move, args=(1,)
            )
        else:
            link_button("train", "Train one", "arrow_forward", "home_last", primary=True)
    st.markdown(f"#### {plots.ANATOMY_STEPS[step][1]}")
    with st.container(key="home_figure", height=_FIGURE, border=False, gap=None):
        chart(plots.vit_anatomy(next(iter(samples().values())), step, height=_FIGURE), "home_anatomy", fills=True)


def show() -> None:
    """Draw the page."""
    follow_others()
    st.title("Watch a Vision Transformer learn to see")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            "Train one here, in a minute, and look inside while it learns. First: **what is it?**", width="content"
        )
        link_button("train", "Train one now", "play_circle", "home_first")
    with st.container(border=True):
        anatomy()
    st.subheader("Where to go next", anchor=False)
    ways()
    st.subheader("This machine", anchor=False)
    with friendly():
        is_waking = machine.is_waking()
        fragment(this_machine, every=LOOK if is_waking else None)(is_waking)
    panel.panel(NOTE)


def ways() -> None:
    """The cards that lead on."""
    for place, way in zip(st.columns(len(WAYS), gap="medium"), WAYS, strict=True):
        with place, st.container(border=True, height="stretch"):
            st.markdown(f"##### {way.title}")
            st.markdown(way.text)
            for name, title in way.links:
                page = site.page(name)
                st.page_link(page.path, label=title or page.title, icon=page.label)


def this_machine(was_waking: bool) -> None:
    """Device, data, models and runs, a column each. was_waking: when the page was drawn."""
    if was_waking and not machine.is_waking():
        address.redraw()
    with friendly():
        for place, fact in zip(st.columns(4, gap="medium"), machine.facts(), strict=True):
            with place:
                st.markdown(f":material/{fact.icon}: **{fact.title}**  \n{fact.value}")
                st.caption(fact.detail)
