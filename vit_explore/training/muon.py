"""Muon (Jordan et al. 2024) for many small matrices: those of one shape are made orthogonal together.

The same numbers as torch.optim.Muon(adjust_lr_fn="match_rms_adamw"), which takes the matrices one by one and, for the
default ViT, twice the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vit_explore.precision import has_bf16

Over = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # as map

QUINTIC = (3.4445, -4.7750, 2.0315)  # a X + b (X Xᵀ) X + c (X Xᵀ)² X takes singular values towards 1
RMS_OF_ADAMW = 0.2  # size of a typical AdamW update, in learning rates (Liu et al. 2025)


class Muon(torch.optim.Optimizer):
    """Momentum with Nesterov's look ahead, its update made orthogonal; decoupled weight decay. Matrices only."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95, ns_steps: int = 5
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "ns_steps": ns_steps})

    def step(self, closure: None = None, over: Over = map) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient, shape by shape, by `over`: a thread pool's map, say."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    self._momentum(p)  # made here, not in several threads at once
                    by_shape[min(p.shape), max(p.shape)].append(p)
            largest_first = sorted(by_shape.values(), key=lambda alike: -sum(p.numel() for p in alike))
            list(over(partial(self._update, group), largest_first))

    def _momentum(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(p)
        return state["momentum_buffer"]

    @torch.no_grad()  # here, since a thread has its own mode
    def _update(self, group: dict[str, Any], alike: list[Tensor]) -> None:
        """The step of the matrices of one shape, or of its transpose."""
        grads = [p.grad for p in alike if p.grad is not None]
        buffers = [self._momentum(p) for p in alike]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, buffers, group["momentum"])
        is_tall = [p.shape[0] > p.shape[1] for p in alike]
        wide = torch.stack([u.mT if tall else u for u, tall in zip(ahead, is_tall, strict=True)])
        updates = orthogonal(wide, group["ns_steps"]).unbind()
        torch._foreach_mul_(alike, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(
            alike,
            [u.mT if tall else u for u, tall in zip(updates, is_tall, strict=True)],
            alpha=-group["lr"] * RMS_OF_ADAMW * max(alike[0].shape) ** 0.5,
        )


def orthogonal(x: Tensor, steps: int) -> Tensor:
    """U Vᵀ, about, of each matrix x = U Σ Vᵀ (k, m, n), m ≤ n, by Newton-Schulz: singular values near 1.

    In bf16, as Jordan et al. do, where the device has it: a CPU that imitates it takes 18 times as long as in fp32.
    """
    a, b, c = QUINTIC
    x = x.bfloat16() if has_bf16(x.device) else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.float()
