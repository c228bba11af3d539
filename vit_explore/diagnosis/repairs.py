"""The repairs that several symptoms share."""

from __future__ import annotations

from typing import Any

from vit_explore.config import RunConfig
from vit_explore.diagnosis.findings import Repair

USUAL_LR = 1e-3  # at which both optimisers train the models here; a twentieth of it gets nowhere in minutes
LONG_WARMUP = 0.2


def gentler(config: RunConfig) -> Repair:
    """A tenth of the learning rate, a longer warm-up, and clipped gradients."""
    changes: dict[str, Any] = {"lr": float(f"{config.train.lr / 10:.3g}")}
    changes["warmup_fraction"] = max(LONG_WARMUP, config.train.warmup_fraction)
    if not config.train.grad_clip:
        changes["grad_clip"] = 1.0
    return Repair(f"Train anew with lr {changes['lr']:g} and a longer warm-up", changes)


def bolder(config: RunConfig) -> Repair:
    """A learning rate five times as large, or the usual one where that is further still."""
    lr = config.train.lr * 5 if config.train.lr >= USUAL_LR / 20 else USUAL_LR
    return Repair(f"Train anew with lr {lr:.3g}", {"lr": float(f"{lr:.3g}")})


def longer(config: RunConfig, times: int = 3) -> Repair:
    """A budget several times as large."""
    kind = "seconds" if config.train.seconds is not None else "epochs"
    budget = times * (config.train.seconds or config.train.epochs or 1)
    return Repair(f"Train anew for {budget:g} {kind}", {kind: budget})
