"""Which explanation? Ten ways to colour a picture, and chance beside them."""

from __future__ import annotations

from vit_explore.ui.pages.trust import page

page.show()
