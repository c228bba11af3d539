"""Attention: where does each head look, on a picture of your own?"""

from __future__ import annotations

from vit_explore.ui.pages.attention import page

page.show()
