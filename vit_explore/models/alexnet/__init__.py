"""AlexNet (Krizhevsky et al. 2012): the card; `net.py` has the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import Card, cards
from vit_explore.errors import BadConfig

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig

LEAST = 63  # px; of a smaller picture the stride and the three max pools leave nothing


def build(config: ModelConfig) -> nn.Module:
    """The net, freshly initialised."""
    from vit_explore.models.alexnet.net import AlexNet

    return AlexNet(config)


def check(config: ModelConfig) -> None:
    """Raises BadConfig for pictures that are too small."""
    if config.image_size < LEAST:
        raise BadConfig(
            f"AlexNet's strides and pools leave nothing of pictures of {config.image_size} px; it takes {LEAST} px or "
            "more, such as 64; in its paper it had 224.",
            "input_size",  # which enlarges a batch at a time, and not the data in memory
        )


def takes_half_size(config: ModelConfig) -> bool:
    """Its classifier reads 6 × 6 places of any picture that is large enough."""
    return config.image_size // 2 >= LEAST


def is_random(config: ModelConfig) -> bool:
    """Its classifier drops half of the units in training."""
    return True


CARD = Card(
    name="alexnet",
    title="AlexNet",
    family="cnn",
    about="The net that won ImageNet in 2012: five convolutions, the first of 11 × 11 px, and three dense layers.",
    paper="Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks",
    build=build,
    answers=frozenset({"filters", "grad_cam"}),
    check=check,
    takes_half_size=takes_half_size,
    is_random=is_random,
)
cards.register(CARD.name)(CARD)
