"""The net of TensorFlow's tutorial "Convolutional Neural Network (CNN)": 122,570 parameters at 32 px, ten classes."""

from __future__ import annotations

from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.errors import BadConfig

CHANNELS = (32, 64, 64)
HIDDEN = 64


def side_of_map(image_size: int) -> int:
    """Places along a side after three convolutions without padding and the two pools between them."""
    return ((image_size - 2) // 2 - 2) // 2 - 2


class SmallCNN(nn.Module):
    """(B, 3, h, h), h the image size, to logits (B, classes): the dense layers read each place on its own.

    Freshly initialised as Keras does: Glorot-uniform, biases of 0.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        one, two, three = CHANNELS
        self.features = nn.Sequential(
            nn.Conv2d(3, one, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(one, two, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(two, three, 3), nn.ReLU(),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(three * side_of_map(config.image_size) ** 2, HIDDEN), nn.ReLU(),
            nn.Linear(HIDDEN, config.num_classes),
        )  # fmt: skip
        self.feature_info = [
            {"module": f"features.{i}"} for i, part in enumerate(self.features) if isinstance(part, nn.ReLU)
        ]
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != (3, self.image_size, self.image_size):
            side = self.image_size
            raise BadConfig(
                f"The model takes images (B, 3, {side}, {side}), {tuple(x.shape)} given; resize them first."
            )
        return self.classifier(self.features(x).flatten(1))
