"""Filters: which patterns does the patch projection look for?"""

from __future__ import annotations

from vit_explore.ui.pages.filters import page

page.show()
