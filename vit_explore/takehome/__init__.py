"""A run to take home: one page that needs no server and no network, and all runs of a class as one file.

html = takehome.sheet(RunStore(), "3f2a", picture)
"""

from __future__ import annotations

from vit_explore.takehome.bundle import bundle_steps
from vit_explore.takehome.sheet import first_sample, sheet

__all__ = ["bundle_steps", "first_sample", "sheet"]
