"""Fine-tune: a model that has learned to see, taught other classes."""

from __future__ import annotations

from vit_explore.ui.pages.finetune import page

page.show()
