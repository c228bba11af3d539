"""Through time: a training as a film."""

from __future__ import annotations

from vit_explore.ui.pages.film import page

page.show()
