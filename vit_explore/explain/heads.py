"""Single heads, by hooks of their own: switched off, or their queries and keys read."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.capture import explicit
from vit_explore.explain.geometry import block_names, is_torchvisions, name_of
from vit_explore.explain.states import lock_of, undisturbed

Head = tuple[int, int]  # (layer, head), from 0


@contextmanager
def silenced(net: nn.Module, heads: Sequence[Head]) -> Iterator[None]:
    """Passes of this thread in which the heads, (layer, head) from 0, add nothing: their output is 0 before it is
    projected. Raises BadConfig for one that does not exist, NotApplicable where heads cannot be told apart.
    """
    thread = threading.get_ident()
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        by_layer.setdefault(layer, []).append(head)

    def silencer(width: int, off: list[int]) -> Any:
        def silence(module: nn.Module, args: tuple[Tensor, ...]) -> Any:
            if threading.get_ident() != thread:
                return args
            x = args[0].clone()
            x.unflatten(-1, (-1, width))[..., off, :] = 0
            return (x, *args[1:])

        return silence

    with lock_of(net), ExitStack() as stack:
        for layer, off in by_layer.items():
            attention, projection, count = _heads_of(net, layer)
            if not all(0 <= head < count for head in off):
                raise BadConfig(f"Heads {off} of layer {layer} are asked for; this layer's are 0 to {count - 1}.")
            if isinstance(attention, nn.MultiheadAttention):
                stack.enter_context(explicit(attention, lambda _: None))
            width = projection.in_features // count
            stack.callback(projection.register_forward_pre_hook(silencer(width, off)).remove)
        yield


def head_counts(net: nn.Module) -> list[int]:
    """How many heads each layer has. Raises NotApplicable where they cannot be told apart."""
    return [_heads_of(net, layer)[2] for layer in range(len(block_names(net)))]


def _heads_of(net: nn.Module, layer: int) -> tuple[nn.Module, Any, int]:
    """The attention of a layer, what projects the heads' outputs, side by side, back to the width, and their number."""
    names = block_names(net)
    if not 0 <= layer < len(names):
        raise BadConfig(f"There is no layer {layer}: this model's attention layers are 0 to {len(names) - 1}.")
    for module in net.get_submodule(names[layer]).modules():
        if isinstance(module, nn.MultiheadAttention) and not is_torchvisions(net):
            continue  # who knows what else it is given, a mask or the batch first
        projection = getattr(module, "proj", None) or getattr(module, "out_proj", None)
        count = getattr(module, "num_heads", None)
        plain = type(getattr(module, "norm", nn.Identity())) is nn.Identity  # a norm between would mix the heads
        if isinstance(projection, nn.Linear) and count and plain and projection.in_features % count == 0:
            return module, projection, int(count)
    raise NotApplicable(f"The heads of {name_of(net)} cannot be told apart behind its attention; choose a plain ViT.")


def queries_keys(net: nn.Module, images: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """Queries and keys (B, H, N, d) of a layer, after their norms where it has some. Raises NotApplicable."""
    attention, _, count = _heads_of(net, layer)
    thread, seen = threading.get_ident(), dict[str, Tensor]()

    def keeper(name: str) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            if threading.get_ident() == thread:
                seen[name] = output if name != "x" else args[0]

        return keep

    parts = {name: getattr(attention, name, None) for name in ("qkv", "q_norm", "k_norm")}
    with undisturbed(net), ExitStack() as stack:
        if isinstance(attention, nn.MultiheadAttention):
            stack.callback(attention.register_forward_hook(keeper("x")).remove)
        for name, part in parts.items():
            if isinstance(part, nn.Module) and not isinstance(part, nn.Identity):
                stack.callback(part.register_forward_hook(keeper(name)).remove)
        net(images)
    if isinstance(attention, nn.MultiheadAttention):
        seen["qkv"] = F.linear(seen["x"], attention.in_proj_weight, attention.in_proj_bias)
    if "qkv" not in seen:
        raise NotApplicable(f"The queries and keys of {name_of(net)} cannot be had; choose a plain ViT.")
    q, k, _ = rearrange(seen["qkv"], "b n (three h d) -> three b h n d", three=3, h=count)
    return seen.get("q_norm", q), seen.get("k_norm", k)
