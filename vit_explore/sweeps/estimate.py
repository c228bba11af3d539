"""What a sweep will take here, before it starts: each kind of model is tried once, or known from earlier runs."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from vit_explore.config import RunConfig
from vit_explore.runs.files import MAX_SNAPSHOTS
from vit_explore.runs.foresee import foresee, images_of
from vit_explore.runs.store import RunStore
from vit_explore.training.advice import memory_words, took

START_SECONDS = 2.0  # of a run before its first step: reading the images, trying how a step goes fastest
FORWARD_AND_BACK = 3  # passes of a training step for each of a look


@dataclass(frozen=True)
class Estimate:
    """Of a number of runs, trained one after another: seconds in all, and of the longest one; bytes of snapshots."""

    runs: int
    seconds: float
    longest: float
    disk: float

    @property
    def words(self) -> str:
        """Such as "45 runs, about 32 min one after another, the longest about 60 s; about 0.8 GB on disk"."""
        many = f"{self.runs} run{'' if self.runs == 1 else 's'}"
        room = f"about {memory_words(round(self.disk))} on disk"
        if self.runs < 2:
            return f"{many}, about {took(self.seconds)}; {room}"
        return f"{many}, about {took(self.seconds)} one after another, the longest about {took(self.longest)}; {room}"


def estimating(runs: Sequence[RunConfig], store: RunStore) -> Generator[tuple[str, float], None, Estimate]:
    """The estimate, as the end of a generator of progress: (words, share in [0, 1]). Raises as foresee."""
    kinds: dict[str, list[RunConfig]] = {}
    for config in runs:
        kinds.setdefault(_pace_of(config), []).append(config)
    seconds: list[float] = []
    disk = 0.0
    for number, alike in enumerate(kinds.values()):
        yield f"model {number + 1} of {len(kinds)}", number / len(kinds)
        found = foresee(alike[0], store)
        seconds += [seconds_of(config, found.images_per_second) for config in alike]
        snapshot = found.memory.gradients / 2  # fp16 in place of fp32
        disk += sum(snapshot * snapshots_of(config, found.images_per_second) for config in alike)
    return Estimate(len(runs), sum(seconds), max(seconds, default=0.0), disk)


def estimate(runs: Sequence[RunConfig], store: RunStore) -> Estimate:
    """The same at once."""
    steps = estimating(runs, store)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Estimate = end.value
            return found


def seconds_of(config: RunConfig, rate: float) -> float:
    """Wall time of a run that trains on `rate` images/s: its steps, its looks on the way, the last look, the test."""
    train = config.train
    _, trained, tested = images_of(config)
    held_out = config.data.val_fraction / (1 - config.data.val_fraction) * trained
    looks = 1.5 * (train.evaluations + 1) * min(train.val_images, held_out)  # half as many training images beside them
    steps = train.seconds if train.seconds is not None else (train.epochs or 0.0) * trained / rate
    return START_SECONDS + steps + (looks + held_out + tested) / (FORWARD_AND_BACK * rate)


def snapshots_of(config: RunConfig, rate: float) -> float:
    """About how many a run keeps: at each power of two in the first epoch, then one an epoch."""
    _, trained, _ = images_of(config)
    epochs = config.train.epochs or (config.train.seconds or 0.0) * rate / trained
    steps = max(1, trained // config.train.batch_size)
    return min(MAX_SNAPSHOTS, math.log2(max(2.0, min(1.0, epochs) * steps)) + 2 + epochs)


def _pace_of(config: RunConfig) -> str:
    """What decides how fast it learns: the model and how a step is computed."""
    train = config.train
    pace = (train.batch_size, train.optimizer, train.precision, train.device, config.data.image_size)
    return f"{config.model.model_dump_json()} {pace}"
