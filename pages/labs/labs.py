"""Guess, then run: what is left of a model's accuracy when its pictures are changed."""

from __future__ import annotations

from vit_explore.ui.pages.labs import page

page.show()
