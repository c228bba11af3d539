"""The training loop: `fit` is a generator of typed events and knows nothing of stores, processes or pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vit_explore.training.controls import Controls
from vit_explore.training.events import (
    Changed,
    Checkpoint,
    Evaluated,
    Event,
    Finished,
    Paused,
    Snapshot,
    Started,
    Step,
)

if TYPE_CHECKING:
    from vit_explore.training.loop import Trainer, fit

__all__ = [
    "Changed", "Checkpoint", "Controls", "Evaluated", "Event", "Finished", "Paused", "Snapshot", "Started", "Step",
    "Trainer", "fit",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # the store and the pages need the events, and not torch, which the loop imports
    if name in ("Trainer", "fit"):
        from vit_explore.training import loop

        return getattr(loop, name)
    raise AttributeError(f"module 'vit_explore.training' has no attribute {name!r}")
