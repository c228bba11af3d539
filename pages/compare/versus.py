"""ViT vs ResNet: the same data, seeds, order and budget for both, and one figure that tells them apart."""

from __future__ import annotations

from vit_explore.ui.pages.versus import page

page.show()
