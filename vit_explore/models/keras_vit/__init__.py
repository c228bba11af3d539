"""The small ViT of Keras' tutorial: the card; `net.py` has the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import QUESTIONS, Card, cards, knobs
from vit_explore.models.vit.card import check_patches, in_blocks, spared

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig


def build(config: ModelConfig) -> nn.Module:
    """The net, freshly initialised."""
    from vit_explore.models.keras_vit.net import KerasViT

    return KerasViT(config)


def is_random(config: ModelConfig) -> bool:
    """Its head drops half of its units in training, whatever `dropout` is."""
    return True


def describe(config: ModelConfig) -> str:
    """Such as "Keras ViT p6 d64×8"."""
    return f"Keras ViT p{config.patch_size} d{config.width}×{config.depth}"


CARD = Card(
    name="keras-vit",
    title="Keras' ViT",
    family="vit",
    about="The ViT of Keras' tutorial: all tokens, laid end to end, go into a head that is larger than the encoder.",
    paper="Salama 2021, Keras example Image classification with Vision Transformer",
    build=build,
    knobs=knobs("patch_size", "width", "depth", "num_heads", "dropout"),
    answers=frozenset(QUESTIONS),
    check=check_patches,
    is_random=is_random,
    matrices=in_blocks,
    spared=spared,
    describe=describe,
)
cards.register(CARD.name)(CARD)
