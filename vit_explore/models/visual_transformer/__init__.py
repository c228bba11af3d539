"""The Visual Transformer (Wu et al. 2020, arXiv 2006.03677): the card; `net.py` has the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import Card, Knob, cards, knobs
from vit_explore.models.vit.card import is_random

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig


def build(config: ModelConfig) -> nn.Module:
    """The net, freshly initialised."""
    from vit_explore.models.visual_transformer.net import VisualTransformer

    return VisualTransformer(config)


def takes_half_size(config: ModelConfig) -> bool:
    """The tokens are gathered from a map of any size."""
    return True


def in_modules(name: str, ndim: int) -> bool:
    """The matrices of the modules of tokens."""
    return name.startswith("vt.") and ndim == 2


def describe(config: ModelConfig) -> str:
    """Such as "VT 16 tokens d96×2"."""
    kind = " recurrent" if config.recurrent and config.depth > 1 else ""
    return f"VT{kind} {config.semantic_tokens} tokens d{config.width}×{config.depth}"


CARD = Card(
    name="visual-transformer",
    title="Visual Transformer",
    family="hybrid",
    about="Convolutions, then a few semantic tokens that gather what belongs together, wherever in the picture it is.",
    paper="Wu et al. 2020, Visual Transformers: Token-based Image Representation and Processing for Computer Vision",
    build=build,
    imports="timm",
    knobs=(Knob("depth", le=12), *knobs("width", "semantic_tokens", "recurrent", "dropout", "drop_path")),
    answers=frozenset({"filters", "grad_cam", "semantic_tokens"}),
    takes_half_size=takes_half_size,
    is_random=is_random,
    matrices=in_modules,
    describe=describe,
)
cards.register(CARD.name)(CARD)
