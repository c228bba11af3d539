"""Patches: what a transformer gets of a picture, and what it costs to look closer."""

from __future__ import annotations

from vit_explore.ui.pages.patches import page

page.show()
