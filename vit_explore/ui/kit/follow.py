"""What another tab, or the command line, does to the runs reaches the page by itself."""

from __future__ import annotations

import streamlit as st

from vit_explore.home import home
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.session import address, caches

EVERY = 4.0  # seconds between two looks: one small query for all windows, and nothing is sent to the browser


def follow_others() -> None:
    """Run the page again when a run comes, goes, is renamed or changes its state. Call it before the runs are drawn."""
    _signature.clear(str(home()))  # what is drawn from now on must not be held against an older one
    fragment(_look, every=EVERY)(_signature(str(home())))


def _look(drawn: str) -> None:
    if _signature(str(home())) != drawn:
        address.redraw()


@st.cache_data(show_spinner=False, ttl=EVERY / 2, max_entries=4)
def _signature(folder: str) -> str:
    """That of the store of this home, which all sessions ask for together."""
    return caches.store().signature()
