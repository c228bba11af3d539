"""A cookie by which the browser is known again in a lesson, after a reload."""

from __future__ import annotations

from vit_explore.ui.components.declaring import declared

LASTS = 12 * 3600

_mount = declared(__file__)


def keep(name: str, value: str, lasts: int = LASTS) -> None:
    """Let the browser keep the cookie for this site alone; lasts: seconds."""
    _mount(key=f"room_cookie_{name}", data={"name": name, "value": value, "lasts": lasts})
