"""A run is repeated from its record, step for step: budget in seconds, changes by hand, interruptions and forks."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_tools import FakeTrainer, me, started, step, tiny_config, tiny_dataset, tiny_trainer

from vit_explore import cli
from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig, BadRunState
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.reproduce import reproduce
from vit_explore.runs.store import RunStore
from vit_explore.training import Changed, Controls, Event, Step, Trainer, schedule

BY_HAND = [(0, Controls()), (5, Controls(lr_factor=0.3)), (9, Controls(False, 0.3, 0.4, "none"))]
BY_HAND += [(14, Controls(False, 3.0, 0.4, "none"))]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


class Clock:
    """A clock that goes on by itself, irregularly, at each look at it."""

    def __init__(self) -> None:
        self.now, self.random = 1.0, random.Random(0)

    def perf_counter(self) -> float:
        self.now += self.random.uniform(0.0, 0.004)
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some fifty steps in the budget, however busy the machine."""
    monkeypatch.setattr(schedule, "time", Clock())


def by_hand(config: RunConfig, **options: Any) -> Trainer:
    """A trainer whose learning rate is changed twice, its weight decay and augmentation once."""
    options["controls"] = lambda: [controls for step, controls in BY_HAND if step <= trainer.step][-1]
    trainer = Trainer(config, tiny_dataset(), **options)
    return trainer


def train(store: RunStore, run: str, leave_at: int | None = None, make: Callable[..., Trainer] = by_hand) -> None:
    leaving = threading.Event()

    def told(event: Event) -> None:
        if isinstance(event, Step) and leave_at is not None and event.step >= leave_at:
            leaving.set()

    claimant = me()
    assert store.claim_id(claimant) == run
    with Pulse(store, claimant, registered=False) as pulse:
        outcome = train_run(store, store.get(run), pulse, leaving, on_event=told, make_trainer=make)
    assert outcome.state == ("finished" if leave_at is None else "interrupted"), outcome.error


def timed(**changes: Any) -> RunConfig:
    return tiny_config(seconds=0.6, threads=1, augment="flip+crop", **changes)


def test_a_run_changed_by_hand_repeats_its_losses_exactly(store: RunStore) -> None:
    run = store.create(timed())
    train(store, run)
    changes = [mark for mark in store.marks(run) if isinstance(mark, Changed)]
    assert [(c.step, c.lr_factor, c.weight_decay, c.augment) for c in changes] == [
        (5, 0.3, 0.05, "flip+crop"), (9, 0.3, 0.4, "none"), (14, 3.0, 0.4, "none")
    ]  # fmt: skip
    done = reproduce(store, run, make_trainer=tiny_trainer)
    assert done.difference == 0.0
    assert (done.steps, done.compared) == (store.get(run).step, len(store.steps(run)["step"]))
    assert done.steps > 20
    assert reproduce(store, run, steps=7, make_trainer=tiny_trainer).compared == 7
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE marks SET lr_factor = 1.0 WHERE step = 5")
    assert reproduce(store, run, make_trainer=tiny_trainer).difference > 1e-6


EVERYTHING = {
    "optimizer": "adam", "schedule": "exponential", "mixup": 0.3, "cutmix": 1.0, "erasing": 0.5, "rand_augment": 9,
    "ema": 0.9, "patience": 50, "input_size": 12, "crop": 0.75, "low_res_fraction": 0,
    "patch_loss": 0.3,
}  # fmt: skip


def test_with_every_setting_a_run_and_its_fork_are_repeated_exactly(store: RunStore) -> None:
    run = store.create(timed(**EVERYTHING))
    train(store, run, leave_at=11)
    store.resume(run)
    train(store, run)
    assert reproduce(store, run, make_trainer=tiny_trainer).difference == 0.0
    fork = store.fork(run, 16, seconds=1.2)
    train(store, fork)
    assert reproduce(store, fork, make_trainer=tiny_trainer).difference == 0.0
    other = store.fork(run, 16, seconds=1.2, mix_until=0.0)
    train(store, other)
    assert reproduce(store, other, make_trainer=tiny_trainer).difference == 0.0


def test_an_interruption_changes_nothing_in_what_is_repeated(store: RunStore) -> None:
    run = store.create(timed())
    train(store, run, leave_at=11)
    assert store.get(run).has_checkpoint
    store.resume(run)
    train(store, run)
    assert [mark.step for mark in store.marks(run)] == [5, 9, 14]
    assert reproduce(store, run, make_trainer=tiny_trainer).difference == 0.0


def test_a_run_that_was_interrupted_is_repeated_from_its_start(store: RunStore) -> None:
    run = store.create(timed())
    train(store, run, leave_at=11)
    done = reproduce(store, run, make_trainer=tiny_trainer)
    assert (done.steps, done.compared, done.difference) == (store.get(run).step, store.get(run).step, 0.0)


def test_where_nothing_was_compared_is_one_sentence(store: RunStore) -> None:
    run = store.create(timed())
    train(store, run)
    with pytest.raises(BadRunState, match="Nothing could be compared"):
        reproduce(store, run, make_trainer=lambda config, **_: FakeTrainer(0)(config, lambda: False))


def test_a_last_step_at_the_whole_budget_is_repeated(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on between the question whether the budget is over and the step."""
    run = store.create(timed())
    train(store, run)
    last = store.get(run).step
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE steps SET progress = 1.0 WHERE step = ?", (last,))
    done = reproduce(store, run, make_trainer=tiny_trainer)
    assert done.compared == last


def test_a_fork_in_epochs_with_other_batches_is_as_far_as_its_parent_was(store: RunStore) -> None:
    parent = store.create(tiny_config(epochs=2, threads=1))
    train(store, parent)
    for size, steps in ((12, 8), (3, 32), (6, 16)):
        run = store.fork(parent, 16, batch_size=size)
        train(store, run)
        told = store.steps(run)["progress"]
        assert told == pytest.approx(0.5 + 0.5 * np.arange(steps) / steps)
        assert reproduce(store, run, make_trainer=tiny_trainer).difference == 0.0


def as_a_worker(config: RunConfig, **options: Any) -> Trainer:
    """As a worker makes it, but for the data: the controls are the store's."""
    return tiny_trainer(config, **options)


def stopped_before_its_first_step(store: RunStore, run: str) -> None:
    """What was set before it began is told; then it is stopped, with its checkpoint."""
    stop: list[bool] = []

    def make(config: RunConfig, **options: Any) -> Trainer:
        options["should_stop"] = lambda: bool(stop)
        return as_a_worker(config, **options)

    claimant = me()
    assert store.claim_id(claimant) == run
    with Pulse(store, claimant, registered=False) as pulse:
        train_run(
            store, store.get(run), pulse, threading.Event(), make_trainer=make,
            on_event=lambda event: stop.append(True) if isinstance(event, Changed) else None,
        )  # fmt: skip


def test_what_was_set_before_a_stop_at_the_start_is_repeated(store: RunStore) -> None:
    run = store.create(timed())
    store.control(run, lr_factor=0.5)
    stopped_before_its_first_step(store, run)
    assert (store.get(run).state, store.get(run).step, store.get(run).has_checkpoint) == ("stopped", 0, True)
    store.resume(run)
    train(store, run, make=as_a_worker)
    assert [(mark.step, mark.lr_factor) for mark in store.marks(run)] == [(0, 0.5)]
    assert reproduce(store, run, make_trainer=tiny_trainer).difference == 0.0


def test_what_was_set_at_a_checkpoint_and_set_back_is_repeated(store: RunStore) -> None:
    run = store.create(timed())
    train(store, run, leave_at=7, make=as_a_worker)
    at = store.get(run).step
    assert at
    store.resume(run)
    lost = me()
    store.claim(lost)
    store.record_all(run, [started(resumed_at=at), Changed(at, 0.2, 0.5, 0.05, "flip+crop"), step(at + 1)])
    store.let_go(run, lost.worker, "stopped")
    store.resume(run)
    train(store, run, make=as_a_worker)
    assert store.marks(run) == []
    assert reproduce(store, run, make_trainer=tiny_trainer).difference == 0.0


def test_a_fork_goes_on_from_its_parent_and_is_repeated_too(store: RunStore) -> None:
    parent = store.create(timed())
    train(store, parent)
    run = store.fork(parent, 16, seconds=1.0, batch_size=12)
    train(store, run)
    steps = store.steps(run)
    assert steps["step"][0] == 17
    assert steps["epoch"][0] == pytest.approx(1 + 1 / 8)  # an epoch of the parent, and a step of the larger batches
    assert steps["images_seen"][0] == 16 * 6 + 12
    parents = store.steps(parent)
    at = parents["step"].tolist().index(16)
    assert parents["elapsed"][at] <= steps["elapsed"][0] <= 1.0
    assert next(look.step for look in store.evaluations(run)) == 16
    with pytest.raises(BadConfig, match="do not fit with another width D: their cls_token is 1 × 1 × 8 and not"):
        store.fork(parent, 16, width=16)
    assert reproduce(store, run, make_trainer=tiny_trainer).difference == 0.0


def test_a_fork_that_was_interrupted_early_starts_from_its_snapshot_again(store: RunStore) -> None:
    parent = store.create(timed())
    train(store, parent)
    run = store.fork(parent, 16)
    claimant = me()
    store.claim(claimant)
    store.record_all(run, [started(resumed_at=16), step(17)])
    store.let_go(run, claimant.worker, "interrupted")
    store.resume(run)
    train(store, run)
    assert store.steps(run)["step"][0] == 17
    assert store.snapshots(run)[0].step == 16


def test_epochs_are_repeated_by_their_steps(store: RunStore) -> None:
    run = store.create(tiny_config(epochs=2, threads=1))
    train(store, run)
    assert store.steps(run)["progress"].tolist() == [i / 32 for i in range(32)]
    assert reproduce(store, run, make_trainer=tiny_trainer).difference == 0.0


def test_a_record_that_does_not_say_enough_is_one_sentence(store: RunStore) -> None:
    run = store.create(timed())
    with pytest.raises(BadRunState, match="no recorded steps"):
        reproduce(store, run)
    train(store, run)
    with pytest.raises(BadConfig, match="begins at step 1"):
        reproduce(store, run, steps=0)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE steps SET progress = NULL WHERE step = 3")
    with pytest.raises(BadRunState, match="an earlier release"):
        reproduce(store, run)


# ------------------------------------------------------------------ the command line


def test_the_command_line_reproduces_and_forks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vit_explore.runs.reproduce.the_trainer", tiny_trainer)
    monkeypatch.setattr("vit_explore.runs.recorder.the_trainer", tiny_trainer)
    store = RunStore()
    run = store.create(timed())
    train(store, run)
    assert cli.main(["runs", "reproduce", run, "--steps", "8", "--json"]) == 0
    count = len(store.list())
    assert cli.main(["train", "--fork", f"{run}@8", "--dry-run", "--batch-size", "12", "--json"]) == 0
    assert "step_seconds" in json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(store.list()) == count
    assert cli.main(["runs", "reproduce", run, "--steps", "8", "--json"]) == 0
    told = {"run": run, "steps": 8, "compared": 8, "difference": 0.0, "equal": True}
    assert json.loads(capsys.readouterr().out) == told
    assert cli.main(["train", "--fork", f"{run}@8", "--lr", "0.002", "--json", "--quiet"]) == 0
    fork = store.get(json.loads(capsys.readouterr().out)["run"])
    assert (fork.parent, fork.fork_step, fork.settings().train.lr) == (run, 8, 0.002)
    assert cli.main(["runs", "reproduce", fork.id]) == 0
    assert "the largest difference is 0.000000" in capsys.readouterr().out
    assert cli.main(["runs", "show", run]) == 0
    shown = capsys.readouterr().out
    assert "after step 9: lr × 0.3, weight decay 0.4, augmentation none" in shown
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE steps SET loss = loss + 0.001 WHERE step = 4 AND run = ?", (run,))
    assert cli.main(["runs", "reproduce", run]) == 1
    assert "the largest difference is 0.001000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fork", "3f2a"], "is no snapshot to fork; write RUN@STEP"),
        (["--fork", "3f2a@8", "--preset", "minute"], "leave --preset out"),
        (["--fork", "3f2a@8"], "There is no run '3f2a'"),
    ],
)
def test_a_fork_that_cannot_be_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", *arguments]) == 2
    assert sentence in capsys.readouterr().err
