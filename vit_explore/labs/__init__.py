"""Labs: a question, runs that can answer it, and a verdict computed from them. A lab is one file here, found by itself.

*progress, result = vx.labs.run("why", seeds=(0,)); print(result.verdict)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vit_explore.labs.base import Lab as Lab
from vit_explore.labs.base import LabResult as LabResult
from vit_explore.labs.base import labs as labs
from vit_explore.told import Progress as Progress


def names() -> list[str]:
    """Every lab."""
    return labs.names()


def run(name: str, refs: Sequence[Any] = (), images: Any = None, **options: Any) -> Iterator[Progress | LabResult]:
    """Do a lab: yields its progress, and as the last item its LabResult.

    refs, images: the models (references, or LoadedModels) and the pictures, uint8 (n, 3, h, w), for a lab that looks at
    some, with `labels`; one that trains its own needs neither. options: those of the lab, such as `seeds`. Raises
    UnknownName, and what the lab's work raises.
    """
    return labs.get(name).run(refs, images, **options)
