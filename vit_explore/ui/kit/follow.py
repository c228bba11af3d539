"""What another tab, or the command line, does to the runs reaches the page by itself."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.session import caches

EVERY = 4.0  # seconds between two looks: one small query, and nothing is sent to the browser


def follow_others() -> None:
    """Run the page again when a run comes, goes, is renamed or changes its state. Call it before the runs are drawn."""
    fragment(_look, every=EVERY)(caches.store().signature())


def _look(drawn: str) -> None:
    if caches.store().signature() != drawn:
        st.rerun()
