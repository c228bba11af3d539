"""What is known of the report's ViT without torch. Its two knobs of its own are what can go wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.cards import Card, cards, knobs
from vit_explore.errors import BadConfig

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig

TOKENS = ("pos_embed", "cls_token")  # learned, but no matrices


def build(config: ModelConfig) -> nn.Module:
    """The net, freshly initialised."""
    from vit_explore.models.report_vit.net import ReportViT

    return ReportViT(config)


def check(config: ModelConfig) -> None:
    """The sizes that have to go together. Raises BadConfig."""
    if config.image_size % config.patch_size:
        raise BadConfig(
            f"A patch size of {config.patch_size} does not divide the image size {config.image_size}; "
            "choose one that does.",
            "patch_size",
            "image_size",
        )
    if config.width % config.num_heads:
        raise BadConfig(
            f"The width {config.width} does not divide into {config.num_heads} heads; "
            f"choose a width that is a multiple of {config.num_heads}.",
            "width",
            "num_heads",
        )


def is_random(config: ModelConfig) -> bool:
    """Whether something is dropped in training."""
    return bool(config.dropout)


def in_layers(name: str, ndim: int) -> bool:
    """The matrices of the layers, by torch's names."""
    return name.startswith("blocks.") and ndim == 2


def spared(name: str, ndim: int) -> bool:
    """Biases, norms, the class token and the position embedding."""
    return ndim < 2 or name.endswith(TOKENS)


def describe(config: ModelConfig) -> str:
    """Such as "report's ViT p16 d256×4, over the batch, post-norm"."""
    odd = [", over the batch"] if config.attend_over == "batch" else []
    odd += [", post-norm"] if config.norm == "post" else []
    return f"report's ViT p{config.patch_size} d{config.width}×{config.depth}{''.join(odd)}"


CARD = Card(
    name="report-vit",
    title="A report's ViT",
    family="report-vit",
    about="A ViT of torch's TransformerEncoderLayer, in which two well-known mistakes can be switched on.",
    paper="torch.nn.TransformerEncoderLayer; Vaswani et al. 2017 (post-norm), Xiong et al. 2020 (pre-norm)",
    build=build,
    knobs=knobs(
        "patch_size", "width", "depth", "num_heads", "mlp_ratio", "pool", "dropout", "attend_over", "norm",
    ),
    answers=frozenset({"patches", "positions", "filters", "grad_cam"}),
    check=check,
    is_random=is_random,
    matrices=in_layers,
    spared=spared,
    describe=describe,
)  # fmt: skip
cards.register(CARD.name)(CARD)
