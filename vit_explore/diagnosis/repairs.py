"""The repairs that several symptoms share."""

from __future__ import annotations

import math
from typing import Any

from vit_explore.config import RunConfig, settings
from vit_explore.diagnosis.findings import Repair

USUAL_LR = 1e-3  # at which both optimisers train the models here; a twentieth of it gets nowhere in minutes
LONG_WARMUP = 0.2


def _most(name: str) -> float:
    """The largest value that a setting may have."""
    bounds = [bound for rule in settings()[name].info.metadata if (bound := getattr(rule, "le", None)) is not None]
    return float(min(bounds, default=math.inf))


def gentler(config: RunConfig) -> Repair:
    """A tenth of the learning rate, a longer warm-up, and clipped gradients."""
    changes: dict[str, Any] = {"lr": float(f"{config.train.lr / 10:.3g}")}
    changes["warmup_fraction"] = max(LONG_WARMUP, config.train.warmup_fraction)
    if not config.train.grad_clip:
        changes["grad_clip"] = 1.0
    return Repair(f"Train anew with lr {changes['lr']:g} and a longer warm-up", changes)


def bolder(config: RunConfig) -> Repair | None:
    """A learning rate five times as large, or the usual one where that is further still; None: it is the largest."""
    lr = config.train.lr * 5 if config.train.lr >= USUAL_LR / 20 else USUAL_LR
    lr = min(lr, _most("lr"))
    if lr == config.train.lr:
        return None
    return Repair(f"Train anew with lr {lr:.3g}", {"lr": float(f"{lr:.3g}")})


def longer(config: RunConfig, times: int = 3) -> Repair | None:
    """A budget several times as large, as far as it may be; None: it is the largest."""
    kind = "seconds" if config.train.seconds is not None else "epochs"
    present = config.train.seconds or config.train.epochs or 1
    budget = min(float(f"{times * present:.2g}"), _most(kind))
    if budget == present:
        return None
    return Repair(f"Train anew for {budget:g} {kind}", {kind: budget})
