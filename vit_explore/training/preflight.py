"""What a run will ask of this machine: seconds of a step, seconds of the test, memory. Estimated before it is spent.

Memory comes first (see memory.py), and nothing is built that would not fit.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.config import ModelConfig, RunConfig, settings
from vit_explore.errors import TrainingFailed, VitExploreError
from vit_explore.models import create_model, summarise
from vit_explore.precision import has_bf16
from vit_explore.training.advice import FEW_STEPS, SLOW_STEP, Memory, Preflight, memory_refusal
from vit_explore.training.devices import FORWARD_AND_BACK, Numerics, even_threads, pick_device, wait_for
from vit_explore.training.memory import PROBE_IMAGES, memory_of, memory_of_device
from vit_explore.training.optimizers import Optimizers, make_optimizers

PROBE_SECONDS = 1.5  # of the probe, about; a model of which two images take longer is not probed
EFFICIENCY = 0.5  # of the rate of a plain matrix product that a network reaches, about
TOGETHER = 0.85  # n threads are worth about n to this power of one
MATMUL = 1024  # side of the matrices by which that rate is found
LOOKS_AGAIN = 10.0  # seconds after which it is looked for anew
HEAD_STEP = 1e-3  # seconds of a step of a linear probe, about
LARGE = 5e10  # FLOPs of a batch's forward pass; with fewer the activations take two or three GB at the most
SHARE_OF_FREE = 0.8  # of the free memory that a run may fill
USUAL = {"patch_size": 4, "width": 128, "depth": 6, "batch_size": 64}
LEAST_BATCH, MOST_CHANGES = 8, 12


def estimate(
    config: RunConfig, train_images: int, test_images: int, may_probe: bool = True, known_rate: float | None = None
) -> Preflight:
    """The estimate for a run on so many images.

    may_probe: whether the machine has nothing better to do. known_rate: images/s of training of a run like it, here.
    Raises BadConfig, ModelUnavailable, DeviceUnavailable.
    """
    device = pick_device(config.train.device)
    free, machine = memory_of_device(device)
    memory = memory_of(config, train_images + test_images)
    if config.train.tune == "head":
        return _of_probe(config, train_images, test_images, memory)
    rate, source = known_rate, "run"
    if rate is None and may_probe and memory.total <= free and _probe_takes(config, device) <= PROBE_SECONDS:
        rate, source = _probed_rate(config, device), "probe"
    if rate is None:
        rate, source = matmul_rate(device) * EFFICIENCY / (FORWARD_AND_BACK * _flops(config.model)), "matmul"
    sized = _Sized(config, train_images, test_images, rate, free)
    found = Preflight(
        sized.step_seconds, test_images / (FORWARD_AND_BACK * rate), rate, sized.steps, memory, free, machine, source
    )
    return replace(found, smaller=_smaller(sized)) if found.is_slow or found.is_too_large else found


def _of_probe(config: RunConfig, train_images: int, test_images: int, memory: Memory) -> Preflight:
    """Of a linear probe: its images go through the model once, and a step is that of a single layer."""
    device = pick_device(config.train.device)
    free, machine = memory_of_device(device)
    forward = matmul_rate(device) * EFFICIENCY / _flops(config.model)
    images = train_images / (1 - config.data.val_fraction) + test_images
    rate = config.train.batch_size / HEAD_STEP
    sized = _Sized(config, train_images, test_images, rate, free)
    features = images / forward
    return Preflight(HEAD_STEP, 0.0, rate, sized.steps, memory, free, machine, "matmul", features_seconds=features)


def check_memory(config: RunConfig) -> None:
    """Before anything is built. Raises TrainingFailed where the run needs more memory than the device has in all."""
    if _flops(config.model) * config.train.batch_size < LARGE:
        return
    memory, (_, machine) = memory_of(config, images=0), memory_of_device(pick_device(config.train.device))
    if refused := memory_refusal(memory, machine):
        raise TrainingFailed(refused)


# ---------------------------------------------------------------------- something smaller


@dataclass(frozen=True)
class _Sized:
    """A run with its images, its pace and the memory that is free."""

    config: RunConfig
    train_images: int
    test_images: int
    rate: float
    free: int

    @property
    def batch(self) -> int:
        return min(self.config.train.batch_size, max(1, self.train_images))

    @property
    def step_seconds(self) -> float:
        return self.batch / self.rate

    @property
    def steps(self) -> float:
        """In the budget."""
        train = self.config.train
        if train.seconds is not None:
            return train.seconds / self.step_seconds
        return (train.epochs or 0) * max(1, self.train_images // self.batch)

    @property
    def is_sane(self) -> bool:
        memory = memory_of(self.config, self.train_images + self.test_images).total
        return self.step_seconds <= SLOW_STEP and self.steps >= FEW_STEPS and memory <= SHARE_OF_FREE * self.free

    def changed(self, name: str, value: int) -> _Sized | None:
        """The same run with one setting changed, faster as its FLOPs are fewer; None where that cannot be."""
        try:
            config = self.config.update(**{name: value})
        except VitExploreError:
            return None
        return replace(self, config=config, rate=self.rate * _flops(self.config.model) / _flops(config.model))


def _smaller(sized: _Sized) -> dict[str, Any] | None:
    """Settings to change until the run is sane, each time the one that is furthest from usual; None: nothing helps."""
    changes: dict[str, Any] = {}
    for _ in range(MOST_CHANGES):
        options = sorted(_steps_down(sized.config), reverse=True)
        smaller = next(filter(None, (sized.changed(name, value) for _, name, value in options)), None)
        if smaller is None:
            return None
        changes |= {name: value for _, name, value in options if _value(smaller.config, name) == value}
        sized = smaller
        if sized.is_sane:
            return changes
    return None


def _steps_down(config: RunConfig) -> list[tuple[float, str, int]]:
    """(how far from usual it is, setting, its value one step down): a larger patch, half the width, depth and batch."""
    model, batch = config.model, config.train.batch_size
    found = [
        ((USUAL["patch_size"] / model.patch_size) ** 2, "patch_size", 2 * model.patch_size),
        (model.width / USUAL["width"], "width", model.width // 2),
        (model.depth / USUAL["depth"], "depth", model.depth // 2),
    ]
    fields = model.card.fields if model.init_from is None else {}  # weights fix the sizes
    found = [option for option in found if option[1] in fields]
    return [*found, (batch / USUAL["batch_size"], "batch_size", batch // 2)] if batch >= 2 * LEAST_BATCH else found


def _value(config: RunConfig, name: str) -> Any:
    return settings()[name].value(config)


# ---------------------------------------------------------------------- time


def _flops(model: ModelConfig) -> int:
    return max(1, summarise(model).flops)


def _probe_takes(config: RunConfig, device: torch.device) -> float:
    """Seconds that two images would take, about."""
    return PROBE_IMAGES * FORWARD_AND_BACK * _flops(config.model) / (matmul_rate(device) * EFFICIENCY)


def _probed_rate(config: RunConfig, device: torch.device) -> float:
    """Images/s of a step of this very model."""
    with _one_thread(device, config.train.threads) as worth:
        return _rate_of_steps(config, device) * worth


@contextmanager
def _one_thread(device: torch.device, wished: int | None) -> Iterator[float]:
    """A CPU is measured by one thread, as one that waits for a busy core tells nothing; gives what all are worth."""
    if device.type != "cpu":
        yield 1.0
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield min(wished or cores, cores) ** TOGETHER
    finally:
        torch.set_num_threads(before)


def _rate_of_steps(config: RunConfig, device: torch.device) -> float:
    """On ever more images, while that takes a moment only; what a whole batch takes follows from the last two tries."""
    model = create_model(config.model.replace(pretrained=False)).to(device).train()
    update = make_optimizers(model, config.model.card, config.train)
    tries_bf16 = config.train.precision == "bf16" or (config.train.precision == "auto" and has_bf16(device))
    numerics = [Numerics("fp32", True), *([Numerics("bf16", True)] if tries_bf16 else [])]
    batch, end = config.train.batch_size, time.perf_counter() + PROBE_SECONDS
    images, tried = min(PROBE_IMAGES, batch), list[tuple[int, float]]()
    for how in numerics:  # to warm up
        _step(model, update, _noise(config, max(images, PROBE_IMAGES), device), how)
    while True:
        x = _noise(config, max(images, PROBE_IMAGES), device)
        seconds = [_seconds(partial(_step, model, update, x, how), device) for how in numerics]
        tried.append((images, min(seconds)))
        if sum(seconds) > PROBE_SECONDS / 8:  # from here on only in the faster way
            numerics, seconds = [numerics[seconds.index(min(seconds))]], [min(seconds)]
        more = min((4 if len(tried) > 1 else 2) * images, batch)
        is_long = time.perf_counter() + sum(seconds) * more / images > end
        if images >= batch or (is_long and len(tried) > 1):
            least = FORWARD_AND_BACK * _flops(config.model) / matmul_rate(device)
            return batch / _whole_batch(tried, batch, least)
        images = more


def _whole_batch(tried: list[tuple[int, float]], batch: int, least: float) -> float:
    """Seconds of a step on a batch, along the line through the last two (images, seconds).

    Where the weights are many, most of a small step is theirs and not the images'. least: seconds that an image takes
    at any rate.
    """
    images, seconds = tried[-1]
    if images >= batch or len(tried) == 1:
        return seconds * max(1.0, batch / images)
    before, then = tried[-2]
    return seconds + max(least, (seconds - then) / (images - before)) * (batch - images)


def _noise(config: RunConfig, images: int, device: torch.device) -> Tensor:
    side = config.model.image_size
    return torch.randn(images, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)


def _step(model: nn.Module, update: Optimizers, x: Tensor, numerics: Numerics) -> None:
    model.zero_grad(set_to_none=True)
    with numerics.autocast(x.device):
        logits = model(x)
    loss = F.cross_entropy(logits.float(), torch.zeros(len(x), dtype=torch.long, device=x.device))
    with even_threads(model, x):
        loss.backward()
    update.step()


_rates: dict[str, tuple[float, float]] = {}  # the best so far, and when it was last looked for


def matmul_rate(device: torch.device) -> float:
    """FLOPs a second of a product of two fp32 matrices, measured in half a blink.

    The best that this process has seen, looked for anew now and then: a busy moment makes a machine look slow.
    """
    best, looked = _rates.get(str(device), (0.0, -math.inf))
    if time.monotonic() - looked > LOOKS_AGAIN:
        a = torch.randn(MATMUL, MATMUL, device=device)
        with _one_thread(device, None) as worth:
            seconds = min(_seconds(lambda: a @ a, device) for _ in range(4))
        best = max(best, worth * 2 * MATMUL**3 / seconds)
        _rates[str(device)] = best, time.monotonic()
    return best


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - start
