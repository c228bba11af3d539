"""What an estimate of a run means to a person, in words: without torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from vit_explore.config import RunConfig

SLOW_STEP = 2.0  # seconds of a step from which on nobody can watch it learn
FEW_STEPS = 50  # in a budget: fewer teach a model next to nothing
LONG_TEST = 60.0  # seconds
LONG_FEATURES = 120.0
LONG_RUN = 1800.0  # seconds from which on nobody waits beside it


@dataclass(frozen=True)
class Memory:
    """Bytes of a run at its peak, by what they are for."""

    weights: int
    gradients: int
    optimiser: int
    activations: int
    images: int

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Preflight:
    """What a run asks of this machine. test_seconds: of a test on all images, however long it may take here."""

    step_seconds: float
    test_seconds: float
    images_per_second: float
    steps: float  # in the budget
    memory: Memory
    free: int  # bytes of the device's memory that are free now
    machine: int  # bytes of the device's memory in all
    source: str  # "run": as a run like it went here; "probe": this model was tried; "matmul": by a matrix product
    smaller: dict[str, Any] | None = None  # settings to change, by their flat names, so that it becomes sane
    features_seconds: float = 0.0  # of a linear probe, before its first step, where they are not there yet

    @property
    def is_slow(self) -> bool:
        is_probe = self.features_seconds > 0  # its steps are over in a moment, however many they are
        return not is_probe and (self.step_seconds > SLOW_STEP or self.steps < FEW_STEPS)

    @property
    def is_too_large(self) -> bool:
        """More memory than is free now."""
        return self.memory.total > self.free

    @property
    def is_impossible(self) -> bool:
        """More memory than there is."""
        return self.memory.total > self.machine


_SOURCES = {
    "run": "as a run like it went here",
    "probe": "by a try of this model",
    "matmul": "by this machine's rate of matrix products",
}


def short(found: Preflight) -> str:
    """Such as "about 30 ms a step · 1,900 images/s · 0.4 GB"."""
    if found.features_seconds:
        return f"features once in about {took(found.features_seconds)} · {memory_words(found.memory.total)}"
    return f"about {took(found.step_seconds)} a step · {rate(found)} · {memory_words(found.memory.total)}"


def whole_seconds(found: Preflight, config: RunConfig) -> float:
    """Of the whole training."""
    return found.features_seconds + (config.train.seconds or found.steps * found.step_seconds)


def is_long(found: Preflight, config: RunConfig) -> bool:
    """Whether nobody will wait beside it."""
    return whole_seconds(found, config) >= LONG_RUN


def whole(found: Preflight, config: RunConfig) -> str:
    """Such as "about 2.5 h: 12,250 steps of 0.73 s, 0.4 GB"."""
    steps = f"{found.steps:,.0f} steps of {took(found.step_seconds)}"
    about = "" if config.train.seconds else "about "
    return f"{about}{took(whole_seconds(found, config))}: {steps}, {memory_words(found.memory.total)}"


def details(found: Preflight) -> list[str]:
    """Lines for the command line."""
    parts = ", ".join(f"{field.name} {memory_words(getattr(found.memory, field.name))}" for field in fields(Memory))
    features = [f"features, once: about {took(found.features_seconds)}"] if found.features_seconds else []
    return [
        *features,
        f"a step: about {took(found.step_seconds)} ({rate(found)}), {source(found)}",
        f"steps in the budget: about {found.steps:,.0f}",
        f"a test on all images: about {took(found.test_seconds)}",
        f"memory: about {memory_words(found.memory.total)} of {memory_words(found.free)} that are free ({parts})",
    ]


def suggestion(found: Preflight) -> str | None:
    """The flags of a smaller run."""
    if not found.smaller:
        return None
    return "try: " + " ".join(f"--{name.replace('_', '-')} {value}" for name, value in found.smaller.items())


def rate(found: Preflight) -> str:
    """Images a second of training."""
    return f"{found.images_per_second:,.{0 if found.images_per_second >= 10 else 1}f} images/s"


def source(found: Preflight) -> str:
    """Where the time comes from, in words."""
    return _SOURCES[found.source]


def warning(found: Preflight, config: RunConfig) -> str | None:
    """What will go wrong, in a sentence or two; None for a run that is sane."""
    parts, needed = [], memory_words(found.memory.total)
    if found.is_slow:
        parts.append(f"About {took(found.step_seconds)} a step here, {_steps(found, config)}{_test(found)}.")
    if found.features_seconds > LONG_FEATURES:
        parts.append(f"The features of its images take about {took(found.features_seconds)} here, once.")
    if found.is_too_large:
        parts.append(f"It needs about {needed} of memory and {memory_words(found.free)} are free.")
    elif parts:
        parts.append(f"Memory {needed}.")
    return " ".join(parts) or None


def refusal(found: Preflight) -> str | None:
    """Why it cannot be trained here at all, one sentence; None where it can."""
    return memory_refusal(found.memory, found.machine)


def memory_refusal(memory: Memory, machine: int) -> str | None:
    """The same from a run's memory and the bytes that the device has in all."""
    if memory.total <= machine:
        return None
    return (
        f"This run needs about {memory_words(memory.total)} of memory and the device has "
        f"{memory_words(machine)} in all; choose a smaller batch or model, or a larger patch."
    )


def _steps(found: Preflight, config: RunConfig) -> str:
    steps = f"{found.steps:,.0f}" if found.steps >= 1 else "not one"
    if config.train.seconds is not None:
        return f"so {steps} step{'' if steps in ('1', 'not one') else 's'} in its {took(config.train.seconds)}"
    return f"so {took(found.steps * found.step_seconds)} for its {found.steps:,.0f} steps"


def _test(found: Preflight) -> str:
    if found.test_seconds < LONG_TEST:
        return ""
    return f"; a test on all images would take {took(found.test_seconds)}, so it will be on a part of them"


def took(seconds: float) -> str:
    """A time in two figures: 3 ms, 0.42 s, 25 s, 4 min, 2.5 h, 12 days."""
    if seconds < 0.0995:
        return f"{max(1000 * seconds, 0.1):.2g} ms"
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds >= 172_800:
        return f"{seconds / 86_400:,.0f} days"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def memory_words(count: int) -> str:
    """Bytes as 0.4 GB, or 12 MB where they are few."""
    return f"{count / 1e9:.1f} GB" if count >= 95e6 else f"{count / 1e6:.0f} MB"
