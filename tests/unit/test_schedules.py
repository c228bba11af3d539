"""The learning rate of each step against PyTorch's schedulers, and that a run takes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from run_tools import tiny_config, tiny_trainer
from torch.optim import lr_scheduler

from vit_explore.training import Step
from vit_explore.training.schedule import lr_factor

STEPS, WARM, PER_EPOCH, DECAY = 40, 8, 5, 0.9

AFTER: dict[str, Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]] = {
    "cosine": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS - WARM),
    "constant": lambda optimizer: lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=1),
    "exponential": lambda optimizer: lr_scheduler.ExponentialLR(optimizer, DECAY ** (1 / PER_EPOCH)),
}


def pytorchs(schedule: str, start: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with warnings.catch_warnings():  # it is asked for rates alone, and SequentialLR warns of its own steps
        warnings.simplefilter("ignore")
        warm = lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=WARM)
        whole = lr_scheduler.SequentialLR(optimizer, [warm, AFTER[schedule](optimizer)], [WARM])
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            whole.step()
    return rates


@pytest.mark.parametrize("schedule", AFTER)
@pytest.mark.parametrize("start", [0.0625, 1.0])
def test_schedules_are_pytorchs(schedule: str, start: float) -> None:
    ours = [lr_factor(i / STEPS, WARM / STEPS, schedule, start, DECAY, i / PER_EPOCH) for i in range(STEPS)]
    assert ours == pytest.approx(pytorchs(schedule, start), abs=1e-9)


def test_the_visual_transformers_recipe() -> None:
    """400 epochs: lr .01 to .16 in five of them, then times .9875 in each (Wu et al. 2020, section 4.1)."""
    rates = [0.16 * lr_factor(e / 400, 5 / 400, "exponential", 0.01 / 0.16, 0.9875, e) for e in (0, 5, 6, 105)]
    assert rates[1:] == pytest.approx([0.16, 0.16 * 0.9875, 0.16 * 0.9875**100])
    assert rates[0] == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("schedule", AFTER)
def test_a_run_takes_the_rates_of_its_schedule(schedule: str) -> None:
    config = tiny_config(epochs=2.5, schedule=schedule, warmup_fraction=0.2, warmup_start=0.5, lr_decay=0.8)
    steps = [event for event in tiny_trainer(config).events() if isinstance(event, Step)]  # 16 of them in an epoch
    expected = [lr_factor(i / 40, 0.2, schedule, 0.5, 0.8, i / 16) for i in range(40)]
    assert [step.lr for step in steps] == pytest.approx([config.train.lr * factor for factor in expected])
    rise, fall = steps[7].lr / steps[0].lr, steps[-1].lr / steps[8].lr
    assert rise > 1.5
    assert (fall == 1) == (schedule == "constant")
