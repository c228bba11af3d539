"""Two buttons that save a chart of the page as a PNG or an SVG: Plotly draws it in the browser, as it is seen."""

from __future__ import annotations

import re

from vit_explore.ui.components.declaring import declared

_mount = declared(__file__, '<div class="saver"></div>')


def figure_saver(chart: str, name: str, *, key: str) -> None:
    """Mount the buttons. chart: the key of an `st.plotly_chart` on the page; name: of the file, without its ending."""
    _mount(key=key, data={"chart": css_class(chart), "name": name}, width="content")


def css_class(key: str) -> str:
    """The class that Streamlit gives to an element with this key."""
    return "st-key-" + re.sub(r"[^a-zA-Z0-9_-]", "-", key.strip())
