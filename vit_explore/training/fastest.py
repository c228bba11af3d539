"""The fastest way to do a step here, found before the clock starts: precision, replicas, a compiled model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.config import TrainConfig
from vit_explore.training.devices import (
    FEWEST,
    PROBE_IMAGES,
    PROBE_ROUNDS,
    Numerics,
    pick_numerics,
    seconds_of_an_image,
)
from vit_explore.training.parallel import ROUNDS, LossOf, Replicas, may_be_shared_out, pick_replicas
from vit_explore.training.replay import Pin

logger = logging.getLogger(__name__)

COMPILE_SECONDS = 60  # `auto` compiles on a GPU when the budget is this long, or COMPILE_EPOCHS
COMPILE_EPOCHS = 5
PROBE_SECONDS = 8.0  # of each probe, at most, about
PROBED_PASSES = 4 * PROBE_ROUNDS  # two precisions, two kinds of attention
SLOW_IMAGE = 1.0  # seconds of one image; a slower one is not probed at all


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
    leave: Callable[[], bool] = lambda: False,
) -> tuple[Numerics, Replicas]:
    """How to compute a step of `model` on batches like x (B, 3, h, w), y (B,), and with `half` on half-size ones too.

    What is asked for, or pinned, is not probed, so that the same seed gives the same numbers. A slow model is probed on
    few images, or not at all. leave: asked between the probes; when it says so, what is settled by then must do.
    """
    probed = train.precision == "auto" and not x.is_cuda and pin is None
    each = seconds_of_an_image(model, x) if probed and not leave() else 0.0
    numerics = _pinned(pin) or pick_numerics(model, x, train.precision, _probe_images(each), leave)
    numerics.apply(model)
    loss_of = loss_with(numerics)
    if wants_compiling(train, x.device):
        return numerics, Replicas(_compiled(model, loss_of, [x, F.avg_pool2d(x, 2)] if half else [x], y), 1)
    if pin is not None:
        return numerics, Replicas(model, pin.replicas)
    images = _affordable(each, 4 * ROUNDS, len(y)) if probed and may_be_shared_out(model) else 0
    images -= images % (2 * torch.get_num_threads()) if images < len(y) else 0  # evenly shared, in both ways
    if images < min(len(y), 2 * torch.get_num_threads()):
        return numerics, Replicas(model, 1)
    return numerics, Replicas(model, pick_replicas(model, loss_of, x[:images], y[:images], leave))


def _pinned(pin: Pin | None) -> Numerics | None:
    return Numerics(pin.precision, pin.fused) if pin else None


def _affordable(each: float, passes: int, most: int) -> int:
    """How many images, `most` at the most, may have so many passes that take `each` seconds an image."""
    return min(most, int(PROBE_SECONDS / (passes * max(each, 1e-9))))


def _probe_images(each: float) -> int:
    """On how many images precision and attention are tried out; none of a model that is slower still."""
    if each > SLOW_IMAGE:
        logger.warning("An image takes %.1f s here, so it is not tried out what is fastest: fp32 is taken.", each)
        return 0
    return max(FEWEST, _affordable(each, PROBED_PASSES, PROBE_IMAGES))


def _compiled(model: nn.Module, loss_of: LossOf, batches: list[Tensor], y: Tensor) -> nn.Module:
    """The model with its passes compiled for these batches; the model itself, and a warning, where that fails."""
    import torch._dynamo

    before = {name: value.clone() for name, value in model.state_dict().items()}
    compiled: Any = torch.compile(model, mode="reduce-overhead" if y.is_cuda else "default", dynamic=False)
    try:
        for x in batches:
            for _ in range(3):  # the first compiles, the second records the graph, the third replays it
                model.zero_grad(set_to_none=True)  # gradients lie in the graph's memory: none can be added to
                loss_of(compiled, x, y).backward()
    except (torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        logger.warning("The step cannot be compiled here, and runs as it is: %s", str(error).partition("\n")[0])
        compiled = model
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)  # BatchNorm has seen the batches
    return compiled
