"""The fastest way to do a step here, found before the clock starts: precision, replicas, a compiled model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.config import TrainConfig
from vit_explore.training.devices import Numerics, pick_numerics
from vit_explore.training.parallel import LossOf, Replicas, pick_replicas
from vit_explore.training.replay import Pin

logger = logging.getLogger(__name__)

COMPILE_SECONDS = 60  # `auto` compiles on a GPU when the budget is this long, or COMPILE_EPOCHS
COMPILE_EPOCHS = 5


def wants_compiling(train: TrainConfig, device: torch.device) -> bool:
    """Whether the step is to be compiled: as asked for, and by itself on a GPU when the budget repays it."""
    if train.compiled != "auto":
        return train.compiled == "on"
    is_long = (train.seconds or 0) >= COMPILE_SECONDS or (train.epochs or 0) >= COMPILE_EPOCHS
    return device.type == "cuda" and is_long


def settle(
    model: nn.Module,
    train: TrainConfig,
    loss_with: Callable[[Numerics], LossOf],
    x: Tensor,
    y: Tensor,
    half: bool,
    pin: Pin | None = None,
) -> tuple[Numerics, Replicas]:
    """How to compute a step of `model` on batches like x (B, 3, h, w), y (B,), and with `half` on half-size ones too.

    What is asked for, or pinned, is not probed, so that the same seed gives the same numbers.
    """
    numerics = Numerics(pin.precision, pin.fused) if pin else pick_numerics(model, x, train.precision)
    numerics.apply(model)
    loss_of = loss_with(numerics)
    if wants_compiling(train, x.device):
        return numerics, Replicas(_compiled(model, loss_of, [x, F.avg_pool2d(x, 2)] if half else [x], y), 1)
    if pin is not None:
        return numerics, Replicas(model, pin.replicas)
    has_dropout = any(getattr(module, "p", 0) or getattr(module, "rate", 0) for module in model.modules())
    probed = train.precision == "auto" and not has_dropout  # replicas would draw from one generator
    return numerics, Replicas(model, pick_replicas(model, loss_of, x, y) if probed else 1)


def _compiled(model: nn.Module, loss_of: LossOf, batches: list[Tensor], y: Tensor) -> nn.Module:
    """The model with its passes compiled for these batches; the model itself, and a warning, where that fails."""
    import torch._dynamo

    before = {name: value.clone() for name, value in model.state_dict().items()}
    compiled: Any = torch.compile(model, mode="reduce-overhead" if y.is_cuda else "default", dynamic=False)
    try:
        for x in batches:
            for _ in range(3):  # the first compiles, the second records the graph, the third replays it
                loss_of(compiled, x, y).backward()
    except (torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        logger.warning("The step cannot be compiled here, and runs as it is: %s", str(error).partition("\n")[0])
        compiled = model
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)  # BatchNorm has seen the batches
    return compiled
