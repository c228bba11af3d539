"""Which explanation to believe? Methods against each other, and against chance.

table = vx.trust.rank(model, images, labels); print(table.sentence)
"""

from __future__ import annotations

from typing import Any

from vit_explore.discovery import attribute


def __getattr__(name: str) -> Any:
    return attribute(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *attribute(__name__, "__all__")})
