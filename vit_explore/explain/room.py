"""Is there room for what a pass keeps?"""

from __future__ import annotations

import psutil
import torch
from torch import Tensor, nn

from vit_explore.errors import NotApplicable
from vit_explore.explain.geometry import block_names, geometry_of, name_of


class NoRoom(NotApplicable):
    """The maps of a model that has them do not fit the free memory."""


_SHARE = 0.7  # of the free memory that attention maps may take


def check_room(net: nn.Module, images: Tensor) -> None:
    """Raises NoRoom where the attention maps of all layers, with what is made of them, do not fit the memory.

    Each map is there twice, in the pass and in what is made of it; four times where gradients are to be had.
    """
    shape, copies = geometry_of(net, images), 4 if torch.is_grad_enabled() else 2
    needed = len(images) * _heads(net) * shape.n_tokens**2 * 4 * copies  # bytes
    free = free_memory(images.device)
    if needed > _SHARE * free:
        raise NoRoom(
            f"The attention maps of {name_of(net)}, of {shape.n_tokens:,} tokens and {len(images)} "
            f"image{'' if len(images) == 1 else 's'}, take {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB "
            "are free; give fewer images, or choose a model with fewer tokens, or Grad-CAM."
        )


def free_memory(device: torch.device) -> int:
    """Bytes that are free now; on a card also those that PyTorch holds ready."""
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    return psutil.virtual_memory().available


def _heads(net: nn.Module) -> int:
    """Of all layers together; a layer that does not tell has one at least."""
    layers = [net.get_submodule(name) for name in block_names(net)]
    return sum(max((getattr(m, "num_heads", 1) for m in layer.modules()), default=1) for layer in layers)
