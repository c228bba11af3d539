"""What surrounds every page: the navigation, the sidebar's picker, the notice above the page, the warm-up after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd  # noqa: F401 - whole before any thread draws: plotly looks into a half-imported pandas and fails
import streamlit as st

from vit_explore.ui import state
from vit_explore.ui.errors import friendly
from vit_explore.ui.warmup import warm_up

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

ICON = Path(__file__).with_name("icon.png")  # a named icon would be fetched from the network

_PAGES = {  # section -> (file, title, icon); the file's name is the address
    "Start": (
        ("start/home", "Home", "home"),
        ("start/patches", "Patches", "grid_on"),
    ),
    "Train": (
        ("train/train", "Train", "play_circle"),
        ("train/versus", "ViT vs ResNet", "compare_arrows"),
        ("train/runs", "Runs", "table_rows"),
    ),
    "Look inside": (
        ("look/positions", "Position embeddings", "my_location"),
        ("look/filters", "Filters", "blur_on"),
        ("look/attention", "Attention", "visibility"),
    ),
}


def sections() -> dict[str, list[StreamlitPage]]:
    """The pages by section, for `st.navigation`."""
    return {
        section: [
            st.Page(
                f"pages/{file}.py",
                title=title,
                icon=f":material/{icon}:",
                url_path=Path(file).name,
                default=file == "start/home",
            )
            for file, title, icon in pages
        ]
        for section, pages in _PAGES.items()
    }


def frame(page: StreamlitPage) -> None:
    """Settle the model, run the page, and then wake torch and the worker up."""
    try:
        state.choose_model()
        state.show_notice()
        with friendly():
            page.run()
    finally:
        warm_up()  # also where the page ends with st.stop(); after it, so that the first paint comes first
