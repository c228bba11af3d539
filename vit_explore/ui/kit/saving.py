"""Every chart of a page can be taken along: as a PNG, as an SVG, and its numbers as CSV."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from vit_explore.plots import theme
from vit_explore.plots.table import as_csv, has_numbers
from vit_explore.ui.components.figure_saver import figure_saver
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.text import told_apart

_PAGE, _DRAWN, _OFFERED = "saving_page", "saving_drawn", "saving_offered"
_LONGEST = 70  # letters of a chart's name in the list

Drawn = dict[str, Any]  # the page's charts by their keys


def begin(page: str) -> None:
    """A new page, of that name: nothing is drawn yet."""
    st.session_state[_PAGE], st.session_state[_DRAWN], st.session_state[_OFFERED] = page, {}, False


def remember(key: str, fig: Any) -> None:
    """Take note of a chart that was drawn."""
    st.session_state.setdefault(_DRAWN, {})[key] = fig


def offer() -> None:
    """The choice of a chart and a format, where there is a chart; once on a page."""
    drawn: Drawn = st.session_state.get(_DRAWN, {})
    if not drawn or st.session_state.get(_OFFERED):
        return
    st.session_state[_OFFERED] = True
    # no popover: the download is a click outside, which would close it
    with st.expander("Save a figure", icon=":material/download:"):
        fragment(_choose)(drawn, st.session_state[_PAGE])


def _choose(drawn: Drawn, page: str) -> None:
    key = next(iter(drawn))
    if len(drawn) > 1:
        titles = told_apart({key: _title(fig) for key, fig in drawn.items()})
        key = st.selectbox("Which one?", list(titles), format_func=titles.__getitem__, key="saving_which")
    name = "-".join(re.findall(r"[A-Za-z0-9]+", f"{page} {key}")).lower()
    with st.container(horizontal=True, vertical_alignment="center"):
        figure_saver(key, name, key="saving_pictures")
        known = has_numbers(drawn[key])
        st.download_button(
            "CSV", lambda: as_csv(drawn[key]), f"{name}.csv", "text/csv", on_click="ignore", key="saving_csv",
            disabled=not known, help="Its numbers." if known else "This one is a picture, without numbers.",
        )  # fmt: skip


def _title(fig: Any) -> str:
    """What a chart shows, in its first words."""
    words = re.split(r"(?<=\w)[.;:] ", theme.description(fig) or "A chart")[0].rstrip(".")
    return words if len(words) <= _LONGEST else words[:_LONGEST].rsplit(" ", 1)[0] + " …"
