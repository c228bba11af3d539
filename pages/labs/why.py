"""Why 14.81 %? A report's figure: guess what explains it, and see."""

from __future__ import annotations

from vit_explore.ui.pages.why import page

page.show()
