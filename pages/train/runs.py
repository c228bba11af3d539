"""Runs: all that was ever trained here, to open, compare, take away and delete."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui import panel, runs_view, training_notes

st.title("Runs")
runs_view.view()
panel.panel(training_notes.runs())
