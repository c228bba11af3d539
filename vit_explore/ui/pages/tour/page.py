"""Tour: ten stops from pixels to an answer, each with one control, one figure and one question."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui import site
from vit_explore.ui.kit import panel
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.link_button import link_button
from vit_explore.ui.pages.tour import answers, tokens
from vit_explore.ui.pages.tour.stop import Stop
from vit_explore.ui.session import address

STOPS: tuple[Stop, ...] = (*tokens.STOPS, *answers.STOPS)


def show() -> None:
    """Draw the page."""
    st.title("From pixels to an answer")
    at = address.below("stop", len(STOPS)) or 0
    stop = STOPS[at]
    st.progress((at + 1) / len(STOPS), text=f"Stop {at + 1} of {len(STOPS)}")
    words, figure = st.columns([2, 3], gap="large")
    with words:
        st.subheader(stop.title, anchor=False)
        st.markdown(stop.text)
        with st.container(border=True):
            st.markdown(f":material/help: **{stop.question}**")
            with st.expander("The answer", key=f"tour_answer_{at}"):
                st.markdown(stop.answer)
        _ways(at, stop)
    with figure, friendly():
        stop.draw()
    panel.panel(panel.of_explanation(stop.behind) if isinstance(stop.behind, str) else stop.behind)


def _ways(at: int, stop: Stop) -> None:
    """Back, on, and where there is more of it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Back", icon=":material/arrow_back:", disabled=at == 0, on_click=_go, args=(at - 1,), key="tour_back")
        if at + 1 < len(STOPS):
            st.button(
                "Next", type="primary", icon=":material/arrow_forward:", icon_position="right", on_click=_go,
                args=(at + 1,), key="tour_next",
            )  # fmt: skip
        else:
            link_button("train", "Train one", "arrow_forward", "tour_train", primary=True)
    more = site.page(stop.more)
    st.page_link(more.path, label=f"More of it: {more.title}", icon=more.label)


def _go(to: int) -> None:
    address.choose(stop=to)
