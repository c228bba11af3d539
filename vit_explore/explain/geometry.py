"""Where a model's patch tokens lie: the one place that knows how vision transformers name their geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vit_explore.errors import NotApplicable
from vit_explore.explain.results import read_tokens


@dataclass(frozen=True)
class Geometry:
    """The tokens of a plain vision transformer: the prefix tokens first, then the patches row by row."""

    grid: tuple[int, int]  # (gh, gw)
    prefix_names: tuple[str, ...]  # "class token", "distillation token", "register 1" and so on, in order
    patch_size: tuple[int, int]  # pixels (height, width) that one grid cell covers
    reads_class_token: bool  # the head reads the class token; else it pools the patches

    @property
    def read(self) -> slice:
        """The tokens that the answer is read from."""
        return read_tokens(self.reads_class_token, self.prefix_names)

    @property
    def n_prefix(self) -> int:
        return len(self.prefix_names)

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
    found = find_geometry(net, image_size)
    if found is None:
        from vit_explore.explain.layers import what_fits  # which asks for the geometry itself

        raise NotApplicable(
            f"{name_of(net, at_start=True)} keeps no single sequence of patch tokens, which this needs; "
            f"{what_fits(net)}."
        )
    return found


def geometry_of(net: nn.Module, images: Tensor) -> Geometry:
    """The token geometry for a batch (B, 3, h, w)."""
    return geometry(net, (int(images.shape[2]), int(images.shape[3])))


def name_of(net: Any, at_start: bool = False) -> str:
    """How a sentence calls a model: timm's by its own name, "timm's resnet50", any other by its class: "this ResNet".

    at_start: of the sentence.
    """
    config = getattr(net, "pretrained_cfg", None) or {}
    name = config.get("architecture") if isinstance(config, dict) else getattr(config, "architecture", None)
    if name:
        return f"timm's {name}"
    return f"{'This' if at_start else 'this'} {type(net).__name__}"


def has_tokens(net: nn.Module) -> bool:
    """Whether `geometry` applies."""
    return find_geometry(net) is not None


def has_semantic_tokens(net: nn.Module) -> bool:
    """Whether the model gathers places of a map in a few tokens, as the project's Visual Transformer does."""
    return bool(getattr(net, "semantic_tokens", 0))


def find_geometry(net: Any, image_size: tuple[int, int] | None = None) -> Geometry | None:
    """As `geometry`, or None."""
    if not block_names(net):
        return None
    if is_torchvisions(net):
        side = net.image_size // net.patch_size
        return Geometry((side, side), ("class token",), (net.patch_size, net.patch_size), True)
    embed = embedding(net)
    grid = None if embed is None or not hasattr(net, "num_prefix_tokens") else _grid(net, embed, image_size)
    if grid is None:
        return None
    pools = getattr(net, "global_pool", "token") not in ("token", "")
    return Geometry(grid, _prefix_names(net), patch_pixels(embed), _has_class_token(net) and not pools)


def block_names(net: Any) -> list[str]:
    """Dotted names of the transformer blocks, first to last; none where the model has no single row of them."""
    path = "encoder.layers" if is_torchvisions(net) else "blocks"  # the latter is timm's and the project's own
    if path == "blocks" and not isinstance(getattr(net, "blocks", None), nn.Module):
        return []
    return [f"{path}.{name}" for name, _ in net.get_submodule(path).named_children()]


def embedding(net: Any) -> Any:
    """The module that makes tokens of an image: patch_embed, in timm's NaFlexVit embeds; None where there is none."""
    return getattr(net, "patch_embed", None) or getattr(net, "embeds", None)


def is_torchvisions(net: nn.Module) -> bool:
    """Whether this is torchvision's VisionTransformer, which names everything otherwise than timm."""
    return all(hasattr(net, name) for name in ("conv_proj", "class_token", "image_size", "patch_size"))


def takes_any_size(net: Any) -> bool:
    """Whether the model lays out its patches anew for each size of image."""
    return bool(getattr(net, "dynamic_img_size", False)) or hasattr(net, "embeds")


def patch_pixels(embed: Any) -> tuple[int, int]:
    """Pixels (height, width) of the image that one patch token stands for, also behind a convolutional stem."""
    if hasattr(embed, "feat_ratio"):  # timm's; an image may have a rest that no patch covers
        height, width = embed.feat_ratio(as_scalar=False)
    else:
        height, width = (side // cells for side, cells in zip(embed.img_size, embed.grid_size, strict=True))
    return int(height), int(width)


def _grid(net: Any, embed: Any, size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Rows and columns of patches: of images of `size` where the model takes any, else its own; None if unknown."""
    if size is not None and takes_any_size(net):
        rows, columns = embed.dynamic_feat_size(size)
        return int(rows), int(columns)
    own = getattr(embed, "grid_size", None) if getattr(embed, "img_size", None) else None
    own = own or getattr(embed, "pos_embed_grid_size", None)
    return None if own is None else (int(own[0]), int(own[1]))


def _prefix_names(net: Any) -> tuple[str, ...]:
    """What the tokens before the patches are, in the order that timm and the project's own ViT put them."""
    has_distillation = getattr(net, "dist_token", None) is not None
    named = ["class token"] * _has_class_token(net) + ["distillation token"] * has_distillation
    registers = [f"register {i + 1}" for i in range(net.num_prefix_tokens - len(named))]
    return (*named, *registers)[: net.num_prefix_tokens]


def _has_class_token(net: nn.Module) -> bool:
    known = getattr(net, "has_class_token", None)
    return getattr(net, "cls_token", None) is not None if known is None else bool(known)
