"""Train: choose, start, watch. A reload or another page leaves a run as it is."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui.kit import panel, run_actions
from vit_explore.ui.kit.follow import follow_others
from vit_explore.ui.kit.style import style
from vit_explore.ui.pages.train import live, notes, setup, stage
from vit_explore.ui.session import caches


def show() -> None:
    """Draw the page."""
    style()
    store = caches.store()
    follow_others()
    setup.take_pending()
    run = run_actions.shown_run(store)
    if run is not None:
        live.watch(run)
    else:
        st.title("Train")
        st.markdown("Pick a ready-made run and press **Start training**; every setting can be changed below.")
        live.other_active(store, run_actions.active_runs(store))
        setup.setup()
    if not (run and stage.is_presenting()):
        panel.panel(notes.training(), notes.speed())
