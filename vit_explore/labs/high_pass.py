"""Take the coarse structure away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "high_pass",
    "Edges: only the high frequencies",
    "Take the coarse structure away and keep the mean colour. Who can live on edges?",
    axis="lowest frequency kept, a share of the finest",
    levels=(0, 0.06, 0.12, 0.18, 0.25, 0.35, 0.5),
    expected="Convolutions lean on high frequencies, ViTs on low ones (Park & Kim 2022).",
    order=10,
)
def high_passed(subject: Subject, level: float) -> Tensor:
    """Frequencies from `level` of the finest one on, and the mean."""
    from vit_explore.labs.warping import filtered

    return filtered(subject.images, lambda radius: (radius >= level) | (radius == 0))
