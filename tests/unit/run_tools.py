"""Runs for tests: tiny real ones, and made-up ones without any training."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.data import Dataset, Split
from vit_explore.runs.records import Claimant
from vit_explore.training import Trainer
from vit_explore.training.events import Checkpoint, Evaluated, Event, Finished, Snapshot, Started, Step

on_a_file = pytest.mark.skipif("VIT_EXPLORE_TEST_DB" in os.environ, reason="about SQLite's file, not about a server")

CLASSES = ("red", "green", "blue")
TINY = ModelConfig(image_size=8, num_classes=3, patch_size=4, width=8, depth=1, num_heads=2)


def tiny_config(epochs: float = 2, **changes: Any) -> RunConfig:
    """A run that takes well under a second: 16 steps an epoch."""
    base = RunConfig(
        data=DataConfig(dataset="shapes", image_size=8),
        model=ModelConfig(patch_size=4, width=8, depth=1, num_heads=2),
        train=TrainConfig(epochs=epochs, batch_size=6, precision="fp32", device="cpu", evaluations=2),
    )
    return base.update(**changes)


def tiny_dataset() -> Dataset:
    """96 training images of three colours, with noise."""
    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        labels = rng.integers(0, 3, n)
        images = rng.integers(0, 120, (n, 3, 8, 8))
        images[np.arange(n), labels] += 80
        return Split(images.astype(np.uint8), labels.astype(np.int64), None)

    return Dataset("tiny", CLASSES, split(96), split(24), split(24), (0.3, 0.3, 0.3), (0.2, 0.2, 0.2))


def tiny_trainer(config: RunConfig, **options: Any) -> Trainer:
    return Trainer(config, tiny_dataset(), **options)


def me(device: str = "auto", slot: str = "cpu") -> Claimant:
    """This process, as a worker."""
    return Claimant.this_process(device, slot)


def started(resumed_at: int = 0, **changes: Any) -> Started:
    values: dict[str, Any] = {
        "device": "cpu", "precision": "fp32", "threads": 1, "params": 10, "flops": 20, "classes": CLASSES,
        "model": TINY, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "train_size": 96, "val_size": 24,
        "test_size": 24, "steps_per_epoch": 16, "sample_labels": np.array([0, 2]), "resumed_at": resumed_at,
        "sample_images": np.arange(2 * 3 * 8 * 8, dtype=np.uint8).reshape(2, 3, 8, 8),
    }  # fmt: skip
    return Started(**values | changes)


def step(number: int, loss: float = 1.0) -> Step:
    return Step(number, number / 16, loss, 1e-3, 6 * number, 100.0, 0.1 * number, 9.0, number / 1000)


def evaluated(number: int, split: str = "val", top1: float = 0.5) -> Evaluated:
    return Evaluated(
        number, number / 16, 0.1 * number, 6 * number, split, 1.5, top1, np.array([0.5, np.nan, 1.0], np.float32),
        np.arange(9).reshape(3, 3), np.full((2, 3), 1 / 3, np.float32),
    )  # fmt: skip


def snapshot(number: int) -> Snapshot:
    return Snapshot(number, number / 16, 0.1 * number, {"w": torch.full((4,), float(number)).half()})


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint(number, {"step": number, "w": torch.zeros(3)})


def finished(number: int, stopped: bool = False) -> Finished:
    return Finished(
        number, stopped, 0.6, 1.2, 0.55, 0.58, np.array([0.5, 0.6, 0.7], np.float32), np.eye(3, dtype=np.int64),
        np.array([0, 1, 2]), 10, 20, 6 * number, 100.0, 0.1 * number, 0.2, "cpu", 3,
    )  # fmt: skip


class FakeTrainer:
    """Says what a trainer says, and trains nothing. Raises `error` after `steps` steps, where one is given."""

    def __init__(self, steps: int = 8, error: BaseException | None = None, pause: float = 0.0) -> None:
        self.steps, self.error, self.pause, self.step = steps, error, pause, 0

    def __call__(
        self,
        config: RunConfig,
        should_stop: Callable[[], bool],
        state: dict[str, Any] | None = None,
        progress: Callable[[str, float], None] | None = None,
        wants_checkpoint: Callable[[], bool] | None = None,
        skips_test: Callable[[], bool] = lambda: False,
        **_options: Any,
    ) -> FakeTrainer:
        self.skips_test = skips_test
        self.should_stop, self.step = should_stop, state["step"] if state else 0
        self.wants_checkpoint = wants_checkpoint or (lambda: False)
        return self

    def events(self) -> Iterator[Event]:
        yield started(resumed_at=self.step)
        yield snapshot(self.step)
        while self.step < self.steps and not self.should_stop():
            self.step += 1
            time.sleep(self.pause)
            yield step(self.step)
            if self.wants_checkpoint():
                yield checkpoint(self.step)
        if self.error is not None:
            raise self.error
        if self.should_stop():
            yield checkpoint(self.step)
        yield evaluated(self.step)
        yield evaluated(self.step, "test")
        yield finished(self.step, stopped=self.should_stop())
