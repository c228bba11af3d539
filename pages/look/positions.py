"""Position embeddings: does the model know that its sequence of patches is a picture?"""

from __future__ import annotations

from vit_explore.ui.pages.positions import page

page.show()
