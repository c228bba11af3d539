"""Make the picture smaller within its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "scale",
    "Scale",
    "Shrink the picture within its frame, the border repeated. How small can it get?",
    axis="side, a share of the frame",
    levels=(1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),
    expected=(
        "Neither is built for it. A ResNet's filters find edges at any size but know parts at one; a ViT's patches "
        "hold more of the object the smaller it is."
    ),
    order=5,
)
def scaled(subject: Subject, level: float) -> Tensor:
    """About the middle."""
    from vit_explore.labs.warping import warped

    return warped(subject.images, [[1 / level, 0.0], [0.0, 1 / level]])
