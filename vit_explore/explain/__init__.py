"""Questions to ask of a model: `vx.explain.<name>`, found in the files here and imported at first use.

EXPLANATIONS has the cards, with texts. No file is named like a function: importing it would hide that.
"""

from __future__ import annotations

from typing import Any

from vit_explore.discovery import attribute
from vit_explore.explain.catalogue import EXPLANATIONS as EXPLANATIONS
from vit_explore.explain.catalogue import Explanation as Explanation


def __getattr__(name: str) -> Any:
    return attribute(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *attribute(__name__, "__all__")})
