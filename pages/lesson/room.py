"""Class: who is here, what they train and guess, and the teacher's hand on it."""

from __future__ import annotations

from vit_explore.ui.pages.room import page

page.show()
