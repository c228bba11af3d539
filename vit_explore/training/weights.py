"""Whether weights are a model's own; torch-free, for whoever reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def difference(weights: Mapping[str, Any], own: Mapping[str, Tensor]) -> str | None:
    """What tells `weights` from a model's `own` state_dict, the first thing, in words; None where they fit.

    Names, shapes, and whether the numbers are real; a half-precision copy fits.
    """
    odd = sorted(map(str, own.keys() ^ weights.keys()))
    if odd:
        return f"they {'lack' if odd[0] in own else 'have'} {odd[0]}"
    for name, tensor in own.items():
        value = weights[name]
        if not isinstance(value, type(tensor.data)):
            return f"their {name} is of type {type(value).__name__}"
        if value.shape != tensor.shape:
            return f"their {name} is {size(value)} and not {size(tensor)}"
        if value.is_floating_point() != tensor.is_floating_point():
            return f"their {name} holds {value.dtype} and not {tensor.dtype}"
    return None


def size(tensor: Tensor) -> str:
    """A tensor's shape in words."""
    return " × ".join(map(str, tensor.shape)) or "a single number"
