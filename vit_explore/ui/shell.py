"""What surrounds every page: the navigation, the sidebar's picker, the notice above the page, the warm-up after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd  # noqa: F401 - whole before any thread draws: plotly looks into a half-imported pandas and fails
import streamlit as st

from vit_explore.ui import site
from vit_explore.ui.components import address_bar
from vit_explore.ui.kit import following, joining, model_picker, saving, store_notice, waiting
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.style import style_everywhere
from vit_explore.ui.session import address, room, whole_runs
from vit_explore.ui.session.warmup import warm_up

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

ICON = Path(__file__).with_name("icon.png")  # a named icon would be fetched from the network


def sections() -> dict[str, list[StreamlitPage]]:
    """The pages by section, for `st.navigation`."""
    return {
        section: [
            st.Page(page.path, title=page.title, icon=page.label, url_path=page.name, default=page is site.HOME)
            for page in pages
        ]
        for section, pages in site.sections(in_lesson=room.is_served()).items()
    }


def let_in() -> bool:
    """Whether who is there may see the pages; see `door`. Once per script run, before the navigation."""
    return joining.let_in()


def door() -> None:
    """What stands in place of a page for who has not joined the lesson."""
    try:
        style_everywhere()
        joining.door()
    finally:
        warm_up()


def frame(page: StreamlitPage) -> None:
    """Take the view from the address, settle the model, run the page, and then wake torch and the worker up."""
    try:
        style_everywhere()
        whole_runs.keep()
        joining.keep_cookie()
        if room.came_to_teach():
            st.switch_page(site.path("room"))
        name = page.url_path or site.HOME.name
        saving.begin(name)
        waiting.begin()
        address.arrive(name)
        following.go_where_led()
        following.bar()
        model_picker.choose_model()
        notices = st.container()
        model_picker.show_notices(notices)
        store_notice.show_store_notice()
        with friendly():
            page.run()
            saving.offer()
        model_picker.show_notices(notices)  # what the page itself could not show
        following.lead()
        address_bar.complete(page.url_path, address.query(), address.known(), address.FIELDS)
    finally:
        warm_up()  # also where the page ends with st.stop(); after it, so that the first paint comes first
