"""Seeds: a number over those of one thing, and draws that follow one in a thread of its own."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Its values, at least one, in the order of the runs."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


def spread(values: Iterable[float | None]) -> Spread | None:
    """Of the numbers that are there; None where there are none."""
    known = tuple(float(value) for value in values if value is not None)
    return Spread(known) if known else None


def drawing(seed: int) -> AbstractContextManager[Any]:
    """What this thread draws with PyTorch on the CPU is what `torch.manual_seed(seed)` would make of it.

    The global generator is neither asked nor set: it is everyone's, so that two threads that seed it and put it back
    would draw each other's numbers. For freshly initialised weights; not for dropout, which takes no generator.
    """
    import torch
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    own = torch.Generator().manual_seed(seed)
    draws = {
        torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal, torch.bernoulli, torch.multinomial,
        Tensor.normal_, Tensor.uniform_, Tensor.bernoulli_, Tensor.random_, Tensor.exponential_, Tensor.log_normal_,
        Tensor.cauchy_, Tensor.geometric_, Tensor.bernoulli, Tensor.multinomial,
    }  # fmt: skip

    class Drawing(TorchFunctionMode):
        """Hands the generator to whatever draws: each thread has modes of its own."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if (func in draws or "generator" in kwargs) and kwargs.get("generator") is None:
                kwargs = kwargs | {"generator": own}
            return func(*args, **kwargs)

    return Drawing()
