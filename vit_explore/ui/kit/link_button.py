"""A link to another page that looks like a button.

`st.switch_page` writes two entries into the browser's history, the first of which is the page that is left: Back would
lead from there to itself. A link writes one.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from vit_explore.ui import site
from vit_explore.ui.session import address


def link_button(page: str, label: str, icon: str, key: str, primary: bool = False, **view: Any) -> None:
    """Lead to the page of that name in site.PAGES. icon: of Material Symbols; view: the fields of its address."""
    look = "link_primary" if primary else "link_button"  # kit/style.py draws them
    with st.container(key=f"{look}_{key}", width="content"):
        st.page_link(
            site.path(page), label=label, icon=f":material/{icon}:",
            query_params=address.link(page, **view) if view else None,
        )  # fmt: skip
