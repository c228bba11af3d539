"""Plotly figures of what `vit_explore.explain` returns: arrays and small dataclasses in, `go.Figure` out.

One file per question; the names are those of `vit_explore.explain`. Each file is imported at first use, so that a page
pays for what it draws. No torch and no Streamlit here. No file is named like a
function: importing it would hide that.
"""

from __future__ import annotations

import importlib
from typing import Any

_FILES: dict[str, tuple[str, ...]] = {
    "anatomy": ("ANATOMY_STEPS", "vit_anatomy"),
    "attention": (
        "attention_distance",
        "attention_entropy",
        "attention_head",
        "attention_maps",
        "attention_rollout",
    ),
    "attributions": ("attribution", "faithfulness", "grad_cam", "relevance"),
    "compare": ("Curve", "accuracy_race", "cka", "compare_bars", "confusion"),
    "filters": ("explained_variance", "filter_components", "raw_filters"),
    "heat": ("heat_over_image",),
    "lens": ("logit_lens", "logit_lens_maps"),
    "patches": ("attention_cost", "patch_grid", "token_strip"),
    "positions": ("position_prefix", "position_similarity", "position_tile"),
}
_HOMES = {name: file for file, names in _FILES.items() for name in names}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
