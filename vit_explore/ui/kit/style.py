"""What Streamlit's options cannot say: larger letters for what must be read, and pressed, from the back row."""

from __future__ import annotations

import streamlit as st

_CSS = """<style>
.st-key-train_start button, .st-key-race_start button { min-height: 4rem; }
.st-key-train_start button p, .st-key-race_start button p { font-size: 1.35rem; font-weight: 650; }
.st-key-train_start_box [data-testid="stMetricValue"] { font-size: 1.5rem; font-weight: 600; }
.st-key-live_status [data-testid="stProgress"] p { font-size: 1.25rem; }
.st-key-live_status [data-testid="stProgress"] [role="progressbar"] > div > div { height: 0.7rem; }
.st-key-live_status [data-testid="stMetricValue"] { font-size: 2.5rem; font-weight: 650; }
.st-key-live_head h3 { padding: 0; }
.st-key-live_attention [data-testid="stImageContainer"] { box-sizing: border-box; padding-right: 0.4rem; }
.st-key-race_stands { min-height: 6.5rem; }
</style>"""


def style() -> None:
    """Put the style into the page; the text is fixed, nothing that a person typed is in it."""
    st.html(_CSS)
