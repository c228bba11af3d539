"""Paper & reports: what was printed, what the same settings give here, and each run with one click."""

from __future__ import annotations

from vit_explore.ui.pages.reports import page

page.show()
