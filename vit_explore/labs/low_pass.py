"""Take the fine structure away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "low_pass",
    "Blur: only the low frequencies",
    "Keep only the coarse structure of the picture. Who needs the fine one?",
    axis="highest frequency kept, a share of the finest",
    levels=(1, 0.75, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08),
    expected="ViTs were found to lean on low frequencies, convolutions on high ones (Park & Kim 2022).",
    order=9,
)
def low_passed(subject: Subject, level: float) -> Tensor:
    """Frequencies up to `level` of the finest one along an axis."""
    from vit_explore.labs.warping import filtered

    return filtered(subject.images, lambda radius: radius <= level)
