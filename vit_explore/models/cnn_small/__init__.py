"""The small CNN of TensorFlow's tutorial: the card; `net.py` has the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import Card, cards
from vit_explore.errors import BadConfig

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig

LEAST = 18  # px; of a smaller picture the last convolution finds no place


def build(config: ModelConfig) -> nn.Module:
    """The net, freshly initialised."""
    from vit_explore.models.cnn_small.net import SmallCNN

    return SmallCNN(config)


def check(config: ModelConfig) -> None:
    """Raises BadConfig for pictures that are too small."""
    if config.image_size < LEAST:
        raise BadConfig(
            f"The convolutions of cnn-small leave nothing of pictures of {config.image_size} px; it takes {LEAST} px "
            "or more; in its tutorial it has 32.",
            "image_size",
        )


CARD = Card(
    name="cnn-small",
    title="Small CNN",
    family="cnn",
    about="The first CNN of many courses: three convolutions of 3 × 3 px, two pools and two dense layers.",
    paper="TensorFlow 2019, tutorial Convolutional Neural Network (CNN)",
    build=build,
    answers=frozenset({"filters", "grad_cam"}),
    check=check,
)
cards.register(CARD.name)(CARD)
