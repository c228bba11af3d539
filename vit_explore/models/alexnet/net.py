"""AlexNet as torchvision has it, names and weights alike: in one tower (Krizhevsky 2014, arXiv 1404.5997).

Beside the first paper's: 64, 192, 384, 256, 256 filters, no local response normalisation, and an average pool to 6 × 6.
"""

from __future__ import annotations

from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.errors import BadConfig
from vit_explore.models.alexnet import LEAST

POOLED = 6  # places along a side that the classifier reads
DROPOUT = 0.5


def convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution and its ReLU; the sides stay, or are divided by the stride, about."""
    padding = 2 if stride > 1 else kernel // 2
    return [nn.Conv2d(inside, outside, kernel, stride, padding), nn.ReLU()]


class AlexNet(nn.Module):
    """(B, 3, h, w), sides of 63 px or more, to logits (B, classes). Freshly initialised as PyTorch does."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *convolution(3, 64, 11, stride=4), nn.MaxPool2d(3, stride=2),
            *convolution(64, 192, 5), nn.MaxPool2d(3, stride=2),
            *convolution(192, 384, 3), *convolution(384, 256, 3), *convolution(256, 256, 3), nn.MaxPool2d(3, stride=2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(POOLED)
        self.classifier = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(256 * POOLED**2, 4096), nn.ReLU(),
            nn.Dropout(DROPOUT), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, config.num_classes),
        )  # fmt: skip
        # where Grad-CAM may look: after each convolution, and not after the last pool, which is coarser
        self.feature_info = [
            {"module": f"features.{i}"} for i, part in enumerate(self.features) if isinstance(part, nn.ReLU)
        ]

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) < LEAST:
            raise BadConfig(f"AlexNet takes images (B, 3, h, w) of {LEAST} px or more, {tuple(x.shape)} given.")
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
