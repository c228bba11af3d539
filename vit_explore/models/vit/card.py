"""What is known of the Vision Transformer without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import QUESTIONS, Card, cards, knobs
from vit_explore.errors import BadConfig
from vit_explore.models.vit.recipe import timm_recipe

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig

LARGEST_PATCH = 64  # px, as the setting has it
TOKENS = ("pos_embed", "cls_token", "reg_token")  # learned, but no matrices


def build(config: ModelConfig) -> nn.Module:
    """The net, freshly initialised."""
    from vit_explore.models.vit.net import VisionTransformer

    return VisionTransformer(config)


def check(config: ModelConfig) -> None:
    """The sizes that have to go together. Raises BadConfig."""
    check_patches(config)
    if config.width % config.num_heads:
        raise BadConfig(
            f"The width {config.width} does not divide into {config.num_heads} heads; "
            f"choose a width that is a multiple of {config.num_heads}.",
            "width",
            "num_heads",
        )
    if config.pos_embed == "sincos2d" and config.width % 4:
        raise BadConfig(
            f"A sincos2d position embedding needs a width that is a multiple of 4, {config.width} given; "
            "change the width or use pos_embed = learned.",
            "width",
            "pos_embed",
        )
    if config.stem == "conv" and config.patch_size & (config.patch_size - 1):
        raise BadConfig(
            "The conv stem halves the image step by step: its patch size is a power of 2, not "
            f"{config.patch_size}; choose one of {fitting_patches(config)}.",
            "patch_size",
            "stem",
        )


def check_patches(config: ModelConfig) -> None:
    """The patches cover the image. Raises BadConfig."""
    if config.image_size % config.patch_size:
        raise BadConfig(
            f"A patch size of {config.patch_size} does not divide the image size {config.image_size}; "
            f"choose one of {fitting_patches(config)}.",
            "patch_size",
            "image_size",
        )


def fitting_patches(config: ModelConfig) -> str:
    """The sizes of patches that are possible with this image and this stem, in words."""
    fits = [p for p in range(1, min(LARGEST_PATCH, config.image_size) + 1) if config.image_size % p == 0]
    return ", ".join(str(p) for p in fits if config.stem != "conv" or p & (p - 1) == 0)


def takes_half_size(config: ModelConfig) -> bool:
    """With an even grid, four positions make one."""
    return (config.image_size // config.patch_size) % 2 == 0


def answers_twice(config: ModelConfig) -> bool:
    """With a class token there are also the patches to read."""
    return config.pool == "cls"


def is_random(config: ModelConfig) -> bool:
    """Whether something is dropped in training."""
    return bool(config.dropout or config.drop_path)


def in_blocks(name: str, ndim: int) -> bool:
    """The matrices of the transformer blocks, by timm's names."""
    return name.startswith("blocks.") and ndim == 2


def spared(name: str, ndim: int) -> bool:
    """Biases, norms, tokens and position embeddings, by timm's names."""
    return ndim < 2 or name.endswith(TOKENS)


def describe(config: ModelConfig) -> str:
    """Such as "ViT conv local p4 d128×6"."""
    odd = (" conv" if config.stem == "conv" else "") + (" local" if config.mlp == "local" else "")
    return f"ViT{odd} p{config.patch_size} d{config.width}×{config.depth}"


CARD = Card(
    name="vit",
    title="ViT",
    family="vit",
    about="An encoder of patches: the picture as a sequence of tokens that attend to each other.",
    paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words",
    build=build,
    knobs=knobs(
        "patch_size", "width", "depth", "num_heads", "mlp_ratio", "pos_embed", "pool", "stem", "mlp",
        "num_registers", "dropout", "drop_path",
    ),
    answers=frozenset(QUESTIONS),
    check=check,
    takes_half_size=takes_half_size,
    answers_twice=answers_twice,
    is_random=is_random,
    matrices=in_blocks,
    spared=spared,
    describe=describe,
    timm_recipe=timm_recipe,
)  # fmt: skip
cards.register(CARD.name)(CARD)
