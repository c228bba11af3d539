"""The paper's hybrid (Dosovitskiy et al. 2021, section 3.1): the card; `net.py` has the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import QUESTIONS, Card, Knob, cards, knobs
from vit_explore.errors import BadConfig
from vit_explore.models import resnet
from vit_explore.models.vit import card as vit
from vit_explore.models.vit.recipe import timm_recipe as vit_recipe

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig

STAGES = range(1, 5)  # of a ResNet


def build(config: ModelConfig) -> nn.Module:
    """The net, freshly initialised."""
    from vit_explore.models.hybrid.net import HybridTransformer

    return HybridTransformer(config)


def stages_of(config: ModelConfig) -> int:
    """How many stages of the ResNet give a map with one place for each patch. Raises BadConfig where none does."""
    found = {resnet.reduction(config, count): count for count in STAGES}
    reductions = {size: count for size, count in found.items() if config.image_size % size == 0}
    if not reductions:
        raise BadConfig(
            f"A place of the hybrid's feature map covers {', '.join(map(str, found))} px, and none of these "
            f"divides the image size {config.image_size}; choose one that is a multiple of {min(found)}.",
            "patch_size",
            "image_size",
        )
    if config.patch_size not in reductions:
        raise BadConfig(
            f"A patch size of {config.patch_size} is not possible: with images of {config.image_size} px a place of "
            f"the hybrid's feature map covers {', '.join(map(str, reductions))} px; choose one of these.",
            "patch_size",
        )
    return reductions[config.patch_size]


def check(config: ModelConfig) -> None:
    """The sizes that have to go together. Raises BadConfig."""
    stages_of(config)
    vit.check(config)


def describe(config: ModelConfig) -> str:
    """Such as "hybrid p4 d96×4"."""
    return f"hybrid p{config.patch_size} d{config.width}×{config.depth}"


def timm_recipe(config: ModelConfig) -> str:
    """Python text that makes the same net of timm's parts."""
    stages = resnet.timm_recipe(config, bottleneck=False, layers=resnet.LAYERS_18, channels=resnet.SLIM_CHANNELS)
    return f"""from collections import OrderedDict
from functools import partial

from timm.layers import HybridEmbed
{stages}
backbone = nn.Sequential(OrderedDict(list(model.named_children())[: {resnet.STEM_MODULES + stages_of(config)}]))

{vit_recipe(config, patch_size=1, embed_layer="partial(HybridEmbed, backbone)")}"""


CARD = Card(
    name="hybrid",
    title="Hybrid",
    family="hybrid",
    about="A ViT whose tokens are the places of a small ResNet's feature map, in place of patches of pixels.",
    paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, section 3.1",
    build=build,
    imports="timm",
    knobs=(
        Knob("patch_size", le=32),
        *knobs("width", "depth", "num_heads", "mlp_ratio", "pos_embed", "pool"),
        *knobs("mlp", "num_registers", "dropout", "drop_path"),
    ),
    answers=frozenset(QUESTIONS),
    check=check,
    takes_half_size=vit.takes_half_size,
    answers_twice=vit.answers_twice,
    is_random=vit.is_random,
    matrices=vit.in_blocks,
    spared=vit.spared,
    describe=describe,
    timm_recipe=timm_recipe,
)
cards.register(CARD.name)(CARD)
