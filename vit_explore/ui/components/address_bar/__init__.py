"""What the page settled by itself, put into the URL without an entry of its own in the browser's history.

Streamlit's `query_params` makes an entry of each change, so that Back would first lead from a page to itself.
"""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from vit_explore.ui.components.declaring import declared

_COUNT = "address_bar_count"

_mount = declared(__file__)


def complete(path: str, query: str, known: str, fields: Iterable[str]) -> None:
    """Let the URL say `query`, while the browser is still at `path` and what it says is what the server knew: `known`.

    fields: the names that a query may hold.
    """
    st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1  # each script run is carried out once
    _mount(
        key="address_bar",
        data={
            "path": path, "query": query, "known": known, "fields": list(fields), "count": st.session_state[_COUNT],
        },
    )  # fmt: skip
