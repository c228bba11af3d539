"""A link straight to a page works on a fresh server, too.

Streamlit takes a folder `pages/` for its old kind of multipage app until `st.navigation` has run once in the server.
The very first visitor, when coming by a link to a page, would get that page behind a dialog "Page not found". So the
browser asks once more: the second answer is the plain page.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

_RELOAD = """
export default function () {
  if (!window.vitExploreAsked) { window.vitExploreAsked = true; window.location.reload(); }
}
"""
_ask_again = st.components.v2.component("vit_explore_first_visit", js=_RELOAD)


def server_is_fresh() -> bool:
    """Whether `st.navigation` has not run in this server yet. Ask before it does."""
    return bool(getattr(PagesManager, "uses_pages_directory", False))


def ask_again() -> None:
    """Let the browser load the page again."""
    _ask_again(key="first_visit")
