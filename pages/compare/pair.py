"""Two models, one picture: what each answers, looks at and computes, layer by layer."""

from __future__ import annotations

from vit_explore.ui.pages.pair import page

page.show()
