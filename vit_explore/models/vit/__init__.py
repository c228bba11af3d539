"""The Vision Transformer: `card.py` without torch, `net.py` the whole of it. The net's names are imported lazily."""

from __future__ import annotations

import importlib
from typing import Any

from vit_explore.models.vit.card import CARD

__all__ = ["CARD"]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.net"), name)
