"""Scaling labs: a grid of runs that asks one question, live, with the spread over seeds."""

from __future__ import annotations

import streamlit as st

from vit_explore.sweeps import Sweep, sweeps
from vit_explore.sweeps.definition import on_page
from vit_explore.ui.kit import panel, sweeping
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.follow import follow_others
from vit_explore.ui.kit.style import style
from vit_explore.ui.pages.scaling import grid, notes
from vit_explore.ui.session import address


def show() -> None:
    """Draw the page: the question, what there is of its answer, and the way to measure it here."""
    st.title("Scaling labs")
    style()
    follow_others()
    sweep = _choose()
    st.subheader(sweep.question, anchor=False)
    st.caption(" ".join(filter(None, (f"{sweep.source}, in small." if sweep.source else "", sweep.scaled))))
    with friendly():
        sweeping.live(sweep, lambda found: grid.show(sweep, found))
    st.subheader("Measure it here", anchor=False)
    sweeping.start_box(sweep, "Start the sweep")
    panel.panel(notes.scaling(sweep))


def _choose() -> Sweep:
    known = {one.name: one for one in on_page(sweeps)}
    name = address.one_of("sweep", {key: one.title for key, one in known.items()}, next(iter(known)))
    st.segmented_control(
        "The question", list(known), format_func=lambda key: known[key].title, required=True, wrap=True,
        label_visibility="collapsed", **address.widget("sweep", "scaling_sweep", name),
    )  # fmt: skip
    return known[name]
