"""Which device, in which precision: found out, not guessed."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vit_explore.errors import DeviceUnavailable
from vit_explore.precision import autocast, has_bf16

PROBE_IMAGES = 16  # enough to tell the choices apart, few enough not to be waited for; of a slow model fewer
PROBE_ROUNDS = 4  # each choice in turn, the first round to warm up
FEWEST = 2  # BatchNorm needs two images to train on
FORWARD_AND_BACK = 3  # FLOPs of a training step for each of a forward pass (Kaplan et al. 2020, section 2.1)
CLEARLY_SLOW = 1.0  # seconds of a first pass that no warming up can explain


@dataclass(frozen=True)
class Numerics:
    """How a step is computed: bf16 autocast or fp32, fused or explicit attention."""

    precision: str  # "fp32" or "bf16"
    fused: bool

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which the forward pass runs."""
        return autocast(self.precision, device)

    def apply(self, model: nn.Module) -> None:
        """Set the model's attention, where it offers the choice."""
        setter = getattr(model, "set_fused_attention", None)
        if callable(setter):
            setter(self.fused)


def wait_for(device: torch.device) -> None:
    """Until the device has computed what it was given; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def even_threads(model: nn.Module, x: Tensor) -> Iterator[None]:
    """On a CPU, for a backward pass of `model` on x (B, 3, h, w): only as many threads as divide the images evenly.

    The gradient of a convolution's weights over images that its threads cannot share evenly is written beyond its
    memory, and the process crashes (oneDNN of torch 2.14; fp32 and bf16). One that does not overlap, a patch
    projection, is no such convolution.
    """
    before = torch.get_num_threads()
    threads = math.gcd(before, len(x))
    if threads == before or x.device.type != "cpu" or not _overlaps(model):
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _overlaps(model: nn.Module) -> bool:
    """Whether it has a convolution whose windows overlap."""
    return any(isinstance(part, nn.Conv2d) and part.kernel_size > part.stride for part in model.modules())


def pick_device(wish: str) -> torch.device:
    """The device called `wish`; auto is the CUDA device with the most free memory, then mps, then the CPU."""
    if wish == "auto":
        if torch.cuda.is_available():
            free = [torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())]
            return torch.device("cuda", free.index(max(free)))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    known = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    known += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    known += ["mps"] if torch.backends.mps.is_available() else []
    if wish not in known:
        raise DeviceUnavailable(f"There is no device {wish!r} here; choose auto or one of: {', '.join(known)}.")
    return torch.device(wish)


def pick_numerics(
    model: nn.Module,
    batch: Tensor,
    precision: str,
    images: int = PROBE_IMAGES,
    leave: Callable[[], bool] = lambda: False,
) -> Numerics:
    """How to compute a step of `model` on `batch` (B, 3, h, w); auto times a few steps on a copy and keeps the fastest.

    A precision that is asked for is not probed, so that the same seed gives the same numbers. images: on how many it is
    probed; one round must do where they are few. leave: asked before each step; then the first choice is taken.
    """
    if precision != "auto":
        return Numerics(precision, fused=batch.is_cuda or precision == "fp32")
    if batch.is_cuda:
        return Numerics("bf16" if has_bf16(batch.device) else "fp32", fused=True)
    attentions = [True, False] if hasattr(model, "set_fused_attention") else [True]
    precisions = ["fp32", "bf16"] if has_bf16(batch.device) else ["fp32"]
    choices = [Numerics(p, fused) for p in precisions for fused in attentions]
    if images == 0:
        return choices[0]
    trial, part, threads = copy.deepcopy(model), batch[: min(images, PROBE_IMAGES)], torch.get_num_threads()
    times: list[list[float]] = [[] for _ in choices]
    torch.set_num_threads(1)  # threads that wait for a busy core would blur the picture
    try:
        for _ in range(PROBE_ROUNDS if images > FEWEST else 1):
            for numerics, taken in zip(choices, times, strict=True):
                if leave():
                    return choices[0]
                taken.append(_time_step(trial, part, numerics))
    finally:
        torch.set_num_threads(threads)
    best = [min(rounds[1:] or rounds) for rounds in times]
    return choices[best.index(min(best))]


def seconds_of_an_image(model: nn.Module, batch: Tensor) -> float:
    """About how long a forward and a backward pass takes an image: by FEWEST of them, on a copy, in fp32."""
    trial, part, numerics = copy.deepcopy(model), batch[:FEWEST], Numerics("fp32", fused=True)
    seconds = _time_step(trial, part, numerics)
    seconds = seconds if seconds > CLEARLY_SLOW else min(_time_step(trial, part, numerics) for _ in range(2))
    return seconds / len(part)


def _time_step(model: nn.Module, batch: Tensor, numerics: Numerics) -> float:
    """Seconds of one forward and backward pass."""
    numerics.apply(model)
    wait_for(batch.device)  # with what it was given before
    start = time.perf_counter()
    with numerics.autocast(batch.device):
        loss = model(batch).float().square().mean()
    with even_threads(model, batch):
        loss.backward()
    model.zero_grad(set_to_none=True)
    wait_for(batch.device)
    return time.perf_counter() - start


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is PyTorch saying that the memory of a device, or of the machine, is spent."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def largest_batch(step: Callable[[int], object], batch_size: int) -> int:
    """The largest batch below `batch_size`, by halving, for which `step(size)` fits in memory; 0 when none does."""
    size = batch_size // 2
    while size >= 1:
        try:
            step(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
        else:
            return size
    return 0


def device_name(device: torch.device) -> str:
    """The device in words, with the name of the card."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
