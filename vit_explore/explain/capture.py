"""The place with hooks, beside `heads`: passes that record what happens inside a model, and leave it as they found it.

Fused attention never builds A, and a hook on the softmax or dropout then silently records nothing. So each pass
switches the model's attention modules to the explicit path, counts what it recorded, and raises where a layer is
missing.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.geometry import Geometry, block_names, geometry_of, is_torchvisions, name_of
from vit_explore.explain.inputs import check_logits
from vit_explore.explain.layout import NoMap
from vit_explore.explain.room import check_room
from vit_explore.explain.states import switched, undisturbed

_WHY_NOT = {  # class of an attention module in timm -> why its maps are not patch by patch
    "WindowAttention": "attends within small windows, so there is no map from each patch to all others",
    "WindowMultiHeadAttention": "attends within small windows, so there is no map from each patch to all others",
    "WindowAttentionGlobal": "attends within small windows, so there is no map from each patch to all others",
    "MaskUnitAttention": "pools its tokens from stage to stage and attends within units of them",
    "MultiScaleAttention": "pools its tokens from stage to stage, so the layers' maps have different sizes",
    "XCA": "attends channel by channel, not patch by patch",
    "TalkingHeadAttn": "mixes its heads after the softmax, so a row is no longer a distribution over patches",
    "DiffAttention": "subtracts one attention from another (A1 - λ A2), so a row is no distribution over patches",
    "DiffParallelScalingBlock": "subtracts one attention from another (A1 - λ A2), "
    "so a row is no distribution over patches",
}


def attention_pass(net: Any, images: Tensor) -> tuple[Tensor, list[Tensor], Geometry]:
    """Logits (B, classes), each layer's attention (B, H, N, N), first to last, and its geometry, from one pass.

    The attention tensors lie on the path to the logits, so they can be differentiated through. Raises NotApplicable
    where a layer's attention cannot be had, is not patch by patch, or is too large for the free memory.
    """
    for module in net.modules():
        if type(module).__name__ in _WHY_NOT:
            raise _refusal(net, images, f"{name_of(net, at_start=True)} {_WHY_NOT[type(module).__name__]}")
    shape = geometry_of(net, images)
    check_room(net, images)
    with undisturbed(net):
        if takes_taps(net):
            logits, maps = _tapped(net, images, "attn")
        else:
            logits, maps = _hooked_attention(net, images)
    _check_maps(net, images, maps, shape.n_tokens)
    return check_logits(logits), maps, shape


def residual_pass(net: Any, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits (B, classes) and the tokens (B, N, D) after each block, first to last, from one pass."""
    if not takes_taps(net):
        return output_pass(net, images, block_names(net))
    with undisturbed(net):
        logits, residuals = _tapped(net, images, "out")
    return check_logits(logits), residuals


def spatial_pass(net: nn.Module, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits (B, classes), and where the semantic tokens of each module gather (B, L, h, w), from one pass."""
    taps: dict[str, Tensor] = {}
    with undisturbed(net):
        logits = check_logits(net(images, taps))
    return logits, [value for name, value in taps.items() if name.startswith("tokens.") and name.endswith(".attn")]


def features_pass(net: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, classes), and the features (B, D) that the last linear layer makes them of, from one pass.

    Raises NotApplicable where no linear layer gives the logits.
    """
    linear = [m for m in net.modules() if isinstance(m, nn.Linear)]
    seen: dict[int, Tensor] = {}
    thread = threading.get_ident()

    def keep(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if threading.get_ident() == thread:
            seen[id(module)] = args[0]

    with undisturbed(net), ExitStack() as stack:
        for module in linear:
            stack.callback(module.register_forward_pre_hook(keep).remove)
        logits = check_logits(net(images))
    last = [m for m in linear if id(m) in seen and m.out_features == logits.shape[1]]
    if not last or seen[id(last[-1])].ndim != 2:
        name = name_of(net, at_start=True)
        raise NotApplicable(f"{name} has no last linear layer that reads one row of features; choose a plain ViT.")
    return logits, seen[id(last[-1])]


def call_counts(
    net: nn.Module, images: Tensor, kinds: tuple[type[nn.Module], ...], functions: tuple[str, ...]
) -> tuple[list[int], int]:
    """How often one pass calls each module of these kinds, and PyTorch's functions of these names in all."""
    modules = [m for m in net.modules() if isinstance(m, kinds)]
    called: list[int] = []
    thread = threading.get_ident()

    def count(module: nn.Module, args: Any) -> None:
        if threading.get_ident() == thread:
            called.append(id(module))

    with undisturbed(net), ExitStack() as stack, _Counting(functions) as counting:
        for module in modules:
            stack.callback(module.register_forward_pre_hook(count).remove)
        net(images)
    return [called.count(id(module)) for module in modules], counting.count


class _Counting(TorchFunctionMode):
    """Counts this thread's calls of PyTorch's functions of these names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names, self.count = names, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += getattr(func, "__name__", "") in self.names
        return func(*args, **(kwargs or {}))


def takes_taps(net: nn.Module) -> bool:
    """Whether the model fills a dict of named intermediates, as the project's own ViT does: no hook needed."""
    return "taps" in inspect.signature(net.forward).parameters


def _tapped(net: Any, images: Tensor, kind: str) -> tuple[Tensor, list[Tensor]]:
    taps: dict[str, Tensor] = {}
    logits = net(images, taps)
    return logits, [taps[f"block.{i}.{kind}"] for i in range(len(net.blocks))]


def _hooked_attention(net: Any, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    layers = _attention_modules(net)
    if not layers:
        raise _refusal(net, images, f"{name_of(net, at_start=True)} has no attention layer whose weights can be read")
    maps: list[Tensor] = []
    thread = threading.get_ident()  # a plain pass of another thread meanwhile is none of ours

    def keep(attention: Tensor) -> None:
        if threading.get_ident() == thread:
            maps.append(attention)

    with ExitStack() as stack:
        stack.enter_context(switched(layers, fused_attn=False))
        for layer in layers:
            if isinstance(layer, nn.MultiheadAttention):
                stack.enter_context(explicit(layer, keep))
            else:
                stack.callback(layer.attn_drop.register_forward_pre_hook(lambda _, args: keep(args[0])).remove)
        logits = net(images)
    _check_heads(net, images, layers, maps)
    return logits, maps


def _attention_modules(net: Any) -> list[Any]:
    """The modules of the blocks that pass their attention through a dropout named attn_drop, as timm's do, or PyTorch's
    own, which torchvision uses."""
    within = [m for name in block_names(net) for m in net.get_submodule(name).modules()]
    kind = nn.MultiheadAttention if is_torchvisions(net) else ()
    return [m for m in within if isinstance(getattr(m, "attn_drop", None), nn.Module) or isinstance(m, kind)]


@contextmanager
def explicit(layer: Any, keep: Callable[[Tensor], None]) -> Iterator[None]:
    """PyTorch's self-attention written out: its own `need_weights` gives a copy that leads to no logit."""

    def forward(x: Tensor, *_: Tensor, need_weights: bool = False) -> tuple[Tensor, None]:
        qkv = F.linear(x, layer.in_proj_weight, layer.in_proj_bias)
        q, k, v = rearrange(qkv, "b n (three h d) -> three b h n d", three=3, h=layer.num_heads)
        attention = (q * layer.head_dim**-0.5 @ k.transpose(-2, -1)).softmax(dim=-1)  # (B, H, N, N)
        keep(attention)
        return layer.out_proj(rearrange(attention @ v, "b h n d -> b n (h d)")), None

    before = vars(layer).get("forward")
    layer.forward = forward
    try:
        yield
    finally:
        if before is None:
            del layer.forward
        else:
            layer.forward = before


def _check_heads(net: nn.Module, images: Tensor, layers: list[Any], maps: list[Tensor]) -> None:
    """What passes the dropout is what the values are weighted with only where it is one map for each head."""
    heads = {layer.num_heads for layer in layers if hasattr(layer, "num_heads")}
    passed = {attention.shape[1] for attention in maps}
    if heads and not passed <= heads:
        raise _refusal(
            net,
            images,
            f"The attention of {name_of(net)} computes {max(passed)} maps for {max(heads)} heads and "
            "combines them, so none of them says what a head looks at",
        )


def _check_maps(net: Any, images: Tensor, maps: list[Tensor], tokens: int) -> None:
    layers = len(block_names(net))
    if len(maps) != layers:
        raise _refusal(
            net,
            images,
            f"Only one attention map for each of the {layers} layers of {name_of(net)} can be shown, "
            f"and {len(maps)} were recorded",
        )
    for attention in maps:
        if attention.shape != maps[0].shape or attention.shape != (len(images), *attention.shape[1:2], tokens, tokens):
            raise _refusal(
                net,
                images,
                f"The attention of {name_of(net)} has shape {tuple(attention.shape)}, "
                f"which is not {tokens} x {tokens} tokens for each image",
            )
        if (attention.detach().float().sum(-1) - 1).abs().max() > 0.01:  # half precision misses 1 by up to 0.004
            raise _refusal(
                net, images, f"The attention rows of {name_of(net)} do not sum to 1, so they are no distribution"
            )


def _refusal(net: nn.Module, images: Tensor, why: str) -> NotApplicable:
    from vit_explore.explain.layers import what_fits  # which makes a pass of this file to find out

    return NotApplicable(f"{why}; {what_fits(net, images)}.")


def output_pass(net: nn.Module, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, list[Tensor]]:
    """Logits (B, classes) and the outputs of the layers (dotted names), from one pass. Raises BadConfig."""
    logits, outputs = outputs_of(net, images, layers)
    for layer in layers:
        if not isinstance(outputs.get(layer), Tensor):
            raise NoMap(f"The layer {layer!r} gives no tensor in a forward pass; name one that does, such as a block.")
    return logits, [outputs[layer] for layer in layers]


def outputs_of(net: nn.Module, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Any]]:
    """Logits (B, classes) and what each layer that was called gave, tensor or not. Raises BadConfig."""
    modules = [_submodule(net, layer) for layer in layers]
    outputs: dict[str, Any] = {}
    thread = threading.get_ident()

    def keeper(layer: str) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> Any:
            if threading.get_ident() != thread:
                return output
            outputs[layer] = output
            return output.clone() if isinstance(output, Tensor) else output  # what follows may work in place

        return keep

    with undisturbed(net), ExitStack() as stack:
        for layer, module in zip(layers, modules, strict=True):
            stack.callback(module.register_forward_hook(keeper(layer)).remove)
        return check_logits(net(images)), outputs


def _submodule(net: nn.Module, layer: str) -> nn.Module:
    names = [name for name, _ in net.named_modules() if name]
    if layer not in names:
        near = get_close_matches(str(layer), names, n=3) or names[:3]
        raise BadConfig(
            f"{name_of(net, at_start=True)} has no layer {layer!r}; name one of its modules, such as {', '.join(near)}."
        )
    return net.get_submodule(layer)
