"""Where bf16 is worth having, and the context in which it computes."""

from __future__ import annotations

from typing import get_args

import torch

from vit_explore.config.train import Precision
from vit_explore.errors import BadConfig


def has_bf16(device: torch.device) -> bool:
    """Whether `device` itself multiplies matrices in bf16. Without AVX-512 (or its like on Arm) a CPU imitates it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True


def gains_by_bf16(device: torch.device) -> bool:
    """Whether a forward pass is surely faster in bf16: of x86 those with AVX-512 BF16 or AMX, not AVX-512 alone."""
    if device.type == "cpu":
        can = torch.cpu.get_capabilities()
        multiplies = can.get("architecture") != "x86_64" or can.get("avx512_bf16") or can.get("amx_bf16")
        return bool(multiplies) and has_bf16(device)
    return device.type == "cuda" and has_bf16(device)


def settled(precision: str, device: torch.device) -> str:
    """fp32 or bf16; auto takes bf16 where that is faster. Raises BadConfig."""
    if precision not in get_args(Precision):
        raise BadConfig(f"precision = {precision!r} is not possible; choose {', '.join(get_args(Precision))}.")
    if precision == "auto":
        return "bf16" if gains_by_bf16(device) else "fp32"
    return precision


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a forward pass runs in "bf16", or as it is in "fp32"."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
