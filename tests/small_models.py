"""Small models of every kind that the explanations must handle alike, with the image size that each takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.models.naflexvit import NaFlexVit
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionViT

import vit_explore as vx

CLASSES = 7
WITHOUT_POSITIONS = ("any", "patches", "attention")
CNN = ("any", "convolutions")


@dataclass(frozen=True)
class Kind:
    """A model to build; `fits` lists what an explanation may ask of it (see Explanation.needs)."""

    build: Callable[[], nn.Module]
    size: tuple[int, int] = (64, 64)
    fits: tuple[str, ...] = (*WITHOUT_POSITIONS, "positions")


def ours(**settings: Any) -> Callable[[], nn.Module]:
    config = vx.ModelConfig(**{"num_classes": CLASSES, "depth": 2, "width": 48, "num_heads": 4, **settings})
    return lambda: vx.create_model(config)


def in_timm(name: str, **settings: Any) -> Callable[[], nn.Module]:
    small = {"num_classes": CLASSES, "depth": 2, "embed_dim": 48, "num_heads": 3, "img_size": 64}
    return lambda: timm.create_model(name, pretrained=False, **{**small, **settings})


def in_torchvision() -> nn.Module:
    return TorchvisionViT(64, 16, num_layers=2, num_heads=3, hidden_dim=48, mlp_dim=96, num_classes=CLASSES)


def in_naflex(**settings: Any) -> Callable[[], nn.Module]:
    small = {"embed_dim": 48, "depth": 2, "num_heads": 3, "pos_embed_grid_size": (4, 4), "num_classes": CLASSES}
    return lambda: NaFlexVit(**{"class_token": False, "global_pool": "avg", **small, **settings})


KINDS = {
    "ours": Kind(ours(), (32, 32)),
    "ours, local": Kind(ours(mlp="local"), (32, 32)),
    "ours, pooled, registers, sincos": Kind(ours(pool="avg", num_registers=2, pos_embed="sincos2d"), (32, 32)),
    "ours, conv stem, no positions": Kind(ours(stem="conv", pos_embed="none"), (32, 32), WITHOUT_POSITIONS),
    "class token": Kind(in_timm("vit_tiny_patch16_224")),
    "not square": Kind(in_timm("vit_tiny_patch16_224", img_size=(32, 48)), (32, 48)),
    "patches not square": Kind(in_timm("vit_tiny_patch16_224", img_size=(32, 48), patch_size=(8, 16)), (32, 48)),
    "any size": Kind(in_timm("vit_tiny_patch16_224", dynamic_img_size=True), (48, 80)),
    "distilled": Kind(in_timm("deit_tiny_distilled_patch16_224")),
    "deit3": Kind(in_timm("deit3_small_patch16_224")),
    "registers and class token": Kind(in_timm("vit_small_patch14_reg4_dinov2", img_size=56), (56, 56)),
    "registers, pooled": Kind(in_timm("vit_medium_patch16_reg4_gap_256")),
    "pooled": Kind(in_timm("vit_base_patch16_224", global_pool="avg", class_token=False)),
    "pooled beside a class token": Kind(in_timm("vit_base_patch16_224", global_pool="avg")),
    "conv hybrid": Kind(
        lambda: timm.create_model("vit_tiny_r_s16_p8_224", num_classes=CLASSES, depth=2, img_size=64, pretrained=False)
    ),
    "torchvision": Kind(in_torchvision),
    "naflex": Kind(in_naflex(class_token=True, global_pool="token", reg_tokens=2), (48, 64)),
    "naflex, pooled, factorised": Kind(in_naflex(pos_embed="factorized", embed_proj_type="conv")),
    "resnet": Kind(lambda: timm.create_model("resnet18", channels=(8, 16, 32, 64), num_classes=CLASSES), fits=CNN),
    "our resnet": Kind(ours(architecture="resnet-slim"), (32, 32), fits=CNN),
    "keras' vit": Kind(ours(architecture="keras-vit", width=24), (32, 32), ("any", "attention", "positions")),
    "visual transformer": Kind(ours(architecture="visual-transformer"), (32, 32), ("any", "semantic tokens")),
    "our hybrid": Kind(ours(architecture="hybrid"), (32, 32)),
}


def make(kind: str, seed: int = 0) -> nn.Module:
    """The model in evaluation mode, its weights drawn large enough that attention and logits are not flat."""
    torch.manual_seed(seed)
    net = KINDS[kind].build().eval()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(("qkv.weight", "in_proj_weight", "head.weight", "head_dist.weight", "fc.weight")):
                parameter.normal_(std=0.3)
            if name.endswith("bn2.weight"):  # timm starts these at 0, which hides the branch
                parameter.fill_(1)
    return net


def pictures(kind: str, batch: int = 2, seed: int = 1) -> Tensor:
    """Normalised images (batch, 3, h, w) that fit the model."""
    return torch.randn(batch, 3, *KINDS[kind].size, generator=torch.Generator().manual_seed(seed))
