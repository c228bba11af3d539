"""What the page settled by itself, put into the URL without an entry of its own in the browser's history.

Streamlit's `query_params` makes an entry of each change, so that Back would first lead from a page to itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_COUNT = "address_bar_count"

_mount = st.components.v2.component(
    "vit_explore_address_bar", js=(_HERE / "address_bar.js").read_text(encoding="utf-8")
)


def complete(path: str, query: str, fields: Iterable[str]) -> None:
    """Let the URL say `query`, while the browser is still at `path`. fields: the names that a query may hold."""
    st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1  # each script run is carried out once
    _mount(
        key="address_bar",
        data={"path": path, "query": query, "fields": list(fields), "count": st.session_state[_COUNT]},
    )
