"""Home: what a Vision Transformer is, where to go from here, and what this machine has."""

from __future__ import annotations

from vit_explore.ui.pages.home import page

page.show()
