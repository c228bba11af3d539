"""Train: choose, start, watch. A reload or another page leaves a run as it is."""

from __future__ import annotations

from vit_explore.ui.pages.train import page

page.show()
