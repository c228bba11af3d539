"""Rotate the picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "rotate",
    "Rotate",
    "Turn the picture. At which angle does each model lose it?",
    axis="degrees",
    levels=(0, 10, 20, 30, 45, 60, 90, 135, 180),
    expected=(
        "Neither is built for it: neither a convolution nor an attention turns with the picture. What helps is what "
        "was seen in training, and pictures that look alike upside down."
    ),
    order=4,
)
def rotated(subject: Subject, level: float) -> Tensor:
    """About the middle, the border repeated."""
    from vit_explore.labs.warping import warped

    angle = math.radians(level)
    return warped(subject.images, [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
