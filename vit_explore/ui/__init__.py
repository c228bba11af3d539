"""Streamlit helpers of the pages: which model, which picture, caches, the panel at a page's end."""

from __future__ import annotations
