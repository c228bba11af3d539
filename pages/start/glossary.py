"""Glossary: the words of the field, and where each can be seen."""

from __future__ import annotations

from vit_explore.ui.pages.glossary import page

page.show()
