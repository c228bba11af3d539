"""Train: choose, start, watch. A reload or another page leaves a run as it is."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui import caches, live, panel, train_setup, train_state, training_notes
from vit_explore.ui.train_style import style

st.title("Train")
style()
store = caches.store()
train_setup.take_pending()
run = train_state.shown_run(store)
if run is not None:
    live.watch(run)
else:
    st.markdown("Pick a ready-made run and press **Start training**; every setting can be changed below.")
    live.other_active(store, train_state.active_runs(store))
    train_setup.setup()
panel.panel(training_notes.training(), training_notes.speed())
