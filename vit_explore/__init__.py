"""Train a small Vision Transformer live and look inside it. Names are imported at first use: cheap."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "DataConfig": "config",
    "ModelConfig": "config",
    "TrainConfig": "config",
    "RunConfig": "config",
    "VitExploreError": "errors",
    "BadImage": "errors",
    "load_dataset": "data",
    "load_image": "data.images",
    "create_model": "models",
    "fit": "runs.fitting",
    "load_model": "runs.references",
    "LoadedModel": "runs.loaded",
    "RunStore": "runs.store",
}
_MODULES = (
    "explain", "plots", "data", "models", "training", "runs", "errors", "config", "tuning", "sweeps", "labs",
    "trust", "film",
)  # fmt: skip

__all__ = [*_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"vit_explore.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"vit_explore.{name}")
    raise AttributeError(f"module 'vit_explore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
