"""The budget as one number from 0 to 1, and what follows from it: the learning rate and when to look."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


def lr_factor(
    progress: float,
    warmup_fraction: float,
    schedule: str = "cosine",
    warmup_start: float = 0.0,
    decay: float = 1.0,
    epoch: float = 0.0,
) -> float:
    """Share of the peak learning rate: linear warm-up from `warmup_start`, then what the schedule says.

    cosine: half a cosine to 0. constant: the peak. exponential: times `decay` in each epoch after warm-up.
    `progress` is in [0, 1]; epoch: the passes over the images by then.
    """
    if progress < warmup_fraction:
        risen = warmup_start + (1 - warmup_start) * (progress / warmup_fraction)
        return max(risen, 1e-3)  # the very first step moves a little too
    if schedule == "constant":
        return 1.0
    if schedule == "exponential":
        after = epoch * (1 - warmup_fraction / progress) if progress else 0.0  # the epochs since warm-up
        return decay**after
    rest = (min(progress, 1.0) - warmup_fraction) / (1 - warmup_fraction)
    return 0.5 * (1 + math.cos(math.pi * rest))


def is_snapshot_step(step: int, steps_per_epoch: int | None) -> bool:
    """Steps 0, 1, 2, 4, 8, … and then the end of each epoch: early training changes most.

    None: the powers of two throughout, for a linear probe, whose epoch may take less than a snapshot of all the rest.
    """
    if steps_per_epoch is None or step < steps_per_epoch:
        return step & (step - 1) == 0
    return step % steps_per_epoch == 0


DENSE_STEPS = 8192  # every step up to here is kept, then every 2nd, every 4th, …: as many rows again per doubling


def is_kept(step: int) -> bool:
    """Whether a step's row is kept: all of the first ones, then thinner and thinner, so that a long run stays small."""
    return step % (1 << (step // DENSE_STEPS).bit_length()) == 0


@dataclass
class Budget:
    """Counts steps or seconds, whichever was set; seconds are wall time since `start` and what was used before.

    begun: at which step the steps that count begin, and the share of the budget that was used by then.
    """

    total_steps: int | None
    seconds: float | None
    used: float = 0.0
    begun: tuple[int, float] = (0, 0.0)
    _start: float = field(default=0.0, repr=False)

    def start(self) -> None:
        self._start = time.perf_counter()

    def pause(self) -> None:
        """The clock stands still until the next `start`."""
        self.used, self._start = self.elapsed, 0.0

    @property
    def elapsed(self) -> float:
        """Seconds of training so far."""
        return self.used + (time.perf_counter() - self._start if self._start else 0.0)

    def progress(self, step: int) -> float:
        """Share of the budget that is used, in [0, 1]."""
        if self.total_steps is not None:
            first, share = self.begun
            return min(1.0, share + (1 - share) * ((step - first) / (self.total_steps - first)))
        return min(1.0, self.elapsed / (self.seconds or 1.0))

    def remaining(self, step: int) -> float:
        """Seconds left: exact for a budget in seconds, from the pace so far for one in epochs."""
        if self.seconds is not None:
            return max(0.0, self.seconds - self.elapsed)
        return self.elapsed / max(1, step) * ((self.total_steps or 0) - step)
