"""What a model's features are worth for other classes before anything is trained: `vx.tuning.probe`, with baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vit_explore.tuning.measuring import probe
    from vit_explore.tuning.results import Baseline, Probed

__all__ = ["Baseline", "Probed", "probe"]

_HOMES = {"Baseline": "results", "Probed": "results", "probe": "measuring"}


def __getattr__(name: str) -> Any:  # the page lists results without torch
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"vit_explore.tuning.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'vit_explore.tuning' has no attribute {name!r}")
