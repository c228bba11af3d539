"""The app: page settings, navigation, and the shared question in the sidebar: which model am I looking at?"""

from __future__ import annotations

import streamlit as st

from vit_explore.ui import shell
from vit_explore.ui.first_visit import ask_again, server_is_fresh

st.set_page_config(page_title="vit_explore", page_icon=shell.ICON, layout="wide")

fresh = server_is_fresh()
is_in = shell.let_in()
page = st.navigation(shell.sections(), expanded=True, position="sidebar" if is_in else "hidden")
if fresh and page.url_path:  # only a page other than Home has a path
    ask_again()
if is_in:
    shell.frame(page)
else:
    shell.door()
