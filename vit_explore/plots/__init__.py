"""Plotly figures of what `vit_explore.explain` returns: arrays and small dataclasses in, `go.Figure` out.

One file per question; the names are those of `vit_explore.explain`, found in the files' `__all__`. Each file is
imported at first use, so that a page pays for what it draws. No torch and no Streamlit here. No file is named like a
function: importing it would hide that.
"""

from __future__ import annotations

from typing import Any

from vit_explore.discovery import attribute


def __getattr__(name: str) -> Any:
    return attribute(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *attribute(__name__, "__all__")})
