"""Scaling labs: a grid of runs for one question, live, with the spread over seeds."""

from __future__ import annotations

from vit_explore.ui.pages.scaling import page

page.show()
