"""Where a model's patch tokens lie: the one place that knows how vision transformers name their geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vit_explore.errors import NotApplicable

FITS = "choose a plain ViT (the project's own, or timm's vit_* and deit_*), or ask for Grad-CAM or an attribution"


@dataclass(frozen=True)
class Geometry:
    """The tokens of a plain vision transformer: `n_prefix` tokens first, then the patches row by row."""

    grid: tuple[int, int]  # (gh, gw)
    n_prefix: int  # class, distilled and register tokens
    patch_size: tuple[int, int]  # pixels (height, width) that one grid cell covers
    reads_class_token: bool  # the head reads the class token; else it pools the patches

    @property
    def n_patches(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def n_tokens(self) -> int:
        return self.n_prefix + self.n_patches


def geometry(net: Any, image_size: tuple[int, int] | None = None) -> Geometry:
    """The token geometry for images of `image_size` (h, w); it matters only where the model takes any size.

    Raises NotApplicable for a model that keeps no sequence of patch tokens, such as a ResNet or a Swin.
    """
    embed = getattr(net, "patch_embed", None)
    grid, pixels = getattr(embed, "grid_size", None), getattr(embed, "img_size", None)
    if grid is None or pixels is None or not hasattr(net, "num_prefix_tokens") or not len(getattr(net, "blocks", ())):
        raise NotApplicable(
            f"This {type(net).__name__} keeps no single sequence of patch tokens, which the question is about; {FITS}."
        )
    cell = patch_pixels(embed)
    if image_size is not None and getattr(net, "dynamic_img_size", False):
        grid = (-(-image_size[0] // cell[0]), -(-image_size[1] // cell[1]))  # rounded up: the model pads
    return Geometry(
        grid=(int(grid[0]), int(grid[1])),
        n_prefix=int(net.num_prefix_tokens),
        patch_size=cell,
        reads_class_token=_has_class_token(net) and getattr(net, "global_pool", "token") in ("token", ""),
    )


def patch_pixels(embed: Any) -> tuple[int, int]:
    """Pixels (height, width) of the image that one patch token stands for, also behind a convolutional stem."""
    if hasattr(embed, "feat_ratio"):  # timm's; an image may have a rest that no patch covers
        height, width = embed.feat_ratio(as_scalar=False)
    else:
        height, width = (side // cells for side, cells in zip(embed.img_size, embed.grid_size, strict=True))
    return int(height), int(width)


def geometry_of(net: nn.Module, images: Tensor) -> Geometry:
    """The token geometry for a batch (B, 3, h, w)."""
    return geometry(net, (int(images.shape[2]), int(images.shape[3])))


def has_tokens(net: nn.Module) -> bool:
    """Whether `geometry` applies."""
    try:
        geometry(net)
    except NotApplicable:
        return False
    return True


def _has_class_token(net: nn.Module) -> bool:
    known = getattr(net, "has_class_token", None)
    return getattr(net, "cls_token", None) is not None if known is None else bool(known)
