"""Questions to ask of a model: `vx.explain.<name>`, imported at first use. The catalogue lists them, with texts."""

from __future__ import annotations

import importlib
from typing import Any

from vit_explore.explain.catalogue import EXPLANATIONS, Explanation

_HELPERS = {
    "MinibatchCKA": "similarity",
    "attribution_methods": "attributions",
    "grad_cam_layers": "layers",
    "uniform_attention_distance": "distance",
}

__all__ = ["EXPLANATIONS", "Explanation", *EXPLANATIONS.names(), *_HELPERS]


def __getattr__(name: str) -> Any:
    # The files are never called like their functions: importing a file would hide the function of that name.
    if name in EXPLANATIONS:
        return EXPLANATIONS.get(name).function
    if name in _HELPERS:
        return getattr(importlib.import_module(f"{__name__}.{_HELPERS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
