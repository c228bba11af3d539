"""Rearrange it: one's own picture in pieces, and what the models make of it."""

from __future__ import annotations

from vit_explore.ui.pages.rearrange import page

page.show()
