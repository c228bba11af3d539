"""Which axes of a layer's output are places and which are channels: decided layer by layer, or not at all."""

from __future__ import annotations

from typing import Any, Literal, get_args

from torch import Tensor, nn

from vit_explore.errors import BadConfig
from vit_explore.explain.geometry import geometry, has_tokens

Layout = Literal["auto", "nchw", "nhwc", "tokens"]
_PLACES: tuple[Layout, ...] = ("nchw", "nhwc", "tokens")

_CHANNELS_FIRST = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.GroupNorm)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm)  # exactly these: a LayerNorm2d of someone's has its channels first
_WIDTHS = ("out_channels", "in_channels", "out_features", "in_features", "num_features", "num_channels", "embed_dim")
_CHANNEL_AXIS = {"nchw": 1, "nhwc": -1, "tokens": -1}


class NoMap(BadConfig):
    """A layer whose output is no map of places, or cannot be told to be one."""


def check_layout(layout: str) -> None:
    """Raises BadConfig for a layout that does not exist."""
    if layout not in get_args(Layout):
        raise BadConfig(f"layout = {layout!r} is not possible; choose one of {', '.join(get_args(Layout))}.")


def as_maps(net: nn.Module, layer: str, images: Tensor, layout: Layout, *outputs: Tensor) -> list[Tensor]:
    """Outputs of one layer, all of one shape, as (B, C, gh, gw). Raises BadConfig where the layout cannot be told."""
    shape = outputs[0].shape
    chosen = layout_of(net, layer, shape, images) if layout == "auto" else layout
    if shape[0] != len(images) or len(shape) != (3 if chosen == "tokens" else 4):
        raise _no_map(layer, shape)
    if chosen != "tokens":
        return [t.movedim(_CHANNEL_AXIS[chosen], 1) for t in outputs]
    grid = _token_grid(net, shape[1], images)
    if grid is None:
        raise _no_map(layer, shape)
    n_patches = grid[0] * grid[1]
    return [t[:, -n_patches:].transpose(1, 2).unflatten(2, grid) for t in outputs]


def layout_of(net: nn.Module, layer: str, shape: tuple[int, ...], images: Tensor) -> Layout:
    """The one layout that fits an output, by the kind of the layer, by the widths it declares, or by those around it.

    Raises NoMap where none does, or more than one.
    """
    fitting = [name for name in _PLACES if _keeps_places(net, name, shape, images)]
    if fitting == ["tokens"] and has_tokens(net):
        return "tokens"
    if not fitting:
        raise _no_map(layer, shape)
    module = net.get_submodule(layer)
    if isinstance(module, _CHANNELS_FIRST) and "nchw" in fitting:
        return "nchw"
    if type(module) in _CHANNELS_LAST:
        fitting = [name for name in fitting if name != "nchw"]
    for around in _outwards(net, layer):
        widths = _widths(around)
        known = [name for name in fitting if shape[_CHANNEL_AXIS[name]] in widths]
        if len(known) == 1:
            return known[0]
        if known and not any(hasattr(m, "normalized_shape") for m in net.modules()):
            return "nchw"  # no layer of this model works along a last axis of channels
        if known:
            break
    raise NoMap(
        f"It cannot be told which axis of the layer {layer!r}, of shape {tuple(shape)}, holds the channels; "
        'say it with layout="nchw", "nhwc" or "tokens", or name another layer.'
    )


def _keeps_places(net: nn.Module, layout: str, shape: tuple[int, ...], images: Tensor) -> bool:
    """Whether the axes that the layout takes for places have the proportions of the images, one map for each image."""
    if shape[0] != len(images) or len(shape) != (3 if layout == "tokens" else 4):
        return False
    if layout == "tokens":
        return not _is_turned(net, shape) and _token_grid(net, shape[1], images) is not None
    return _proportional(shape[2:] if layout == "nchw" else shape[1:3], images)


def _is_turned(net: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether the output is (B, C, N), as within a mixer; a model whose geometry is known keeps its tokens first."""
    n_patches: Any = next((m.num_patches for m in net.children() if hasattr(m, "num_patches")), None)
    return not has_tokens(net) and n_patches == shape[2] and n_patches != shape[1]


def _proportional(grid: tuple[int, ...], images: Tensor) -> bool:
    (gh, gw), (height, width) = grid, images.shape[2:]
    return 1 <= gh <= height and 1 <= gw <= width and abs(gh * width - gw * height) < max(height, width)


def _token_grid(net: Any, n_tokens: int, images: Tensor) -> tuple[int, int] | None:
    """The grid (gh, gw) of the last tokens; what comes before them is the prefix."""
    height, width = images.shape[2:]
    if has_tokens(net):
        shape = geometry(net, (height, width))
        return shape.grid if n_tokens in (shape.n_tokens, shape.n_patches) else None
    if hasattr(net, "reroll"):
        return None  # timm's Hiera keeps its tokens by unit, not row by row
    n_class = int(getattr(net, "cls_token", None) is not None)
    for n in sorted({n_tokens, n_tokens - n_class}, reverse=True):
        gh = max(1, round((max(n, 0) * height / width) ** 0.5))
        if n > 1 and n % gh == 0 and _proportional((gh, n // gh), images):
            return gh, n // gh
    return None


def _outwards(net: nn.Module, layer: str) -> list[nn.Module]:
    """The layer and the modules around it, up to the whole model."""
    path = layer.split(".")
    return [net.get_submodule(".".join(path[:end])) for end in range(len(path), -1, -1)]


def _widths(module: nn.Module) -> set[int]:
    """The channel counts that a module and those within it declare."""
    within: list[Any] = list(module.modules())
    declared = {getattr(m, name, None) for m in within for name in _WIDTHS}
    declared |= {m.normalized_shape[-1] for m in within if hasattr(m, "normalized_shape")}
    return {width for width in declared if isinstance(width, int)}


def _no_map(layer: str, shape: tuple[int, ...]) -> NoMap:
    return NoMap(
        f"The layer {layer!r} gives the shape {tuple(shape)}, which is no map of places; "
        "name a layer whose output is one, such as a convolution stage, or ask for an attribution."
    )
