"""What `python -m vit_explore serve` runs in place of app.py: the same app, behind the guard of a room."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from vit_explore.classroom.guard import Guard

app = st.App(Path(__file__).resolve().parents[2] / "app.py", middleware=[Middleware(Guard)])
