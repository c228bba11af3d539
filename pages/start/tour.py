"""Tour: ten stops from pixels to an answer."""

from __future__ import annotations

from vit_explore.ui.pages.tour import page

page.show()
