"""Runs: all that was ever trained here, to open, compare, take away and delete."""

from __future__ import annotations

from vit_explore.ui.pages.runs import page

page.show()
