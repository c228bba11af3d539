"""Runs: all that was ever trained here, to open, compare, take away and delete."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui.kit import panel
from vit_explore.ui.kit.follow import follow_others
from vit_explore.ui.pages.runs import notes, view


def show() -> None:
    """Draw the page."""
    st.title("Runs")
    follow_others()
    view.view()
    panel.panel(notes.runs())
