"""Add noise to every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "noise",
    "Noise",
    "Add Gaussian noise to every pixel. Who sees through it longer?",
    axis="spread of the noise, of 255",
    levels=(0, 4, 8, 16, 32, 48, 64, 96),
    expected=(
        "Noise is high frequency. A patch projection takes means over many pixels, and filters it; a ResNet's first "
        "3 x 3 filters see it in full. Large ViTs were found to be the more robust ones."
    ),
    order=11,
)
def noisy(subject: Subject, level: float) -> Tensor:
    """The same noise, stronger and stronger; pixels stay between black and white."""
    import torch

    noise = torch.randn(subject.images.shape, generator=subject.draw()).to(subject.images)
    return (subject.images + noise * (level / 255) / subject.std).clamp(subject.low, subject.high)
