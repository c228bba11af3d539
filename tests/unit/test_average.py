"""The moving average of the weights, by hand, and early stopping: what is kept, looked at, stored and said."""

from __future__ import annotations

import copy
import json
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_tools import me, tiny_config, tiny_trainer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vit_explore.config import RunConfig
from vit_explore.data.augment import to_input
from vit_explore.errors import TrainingFailed
from vit_explore.run_commands import summary
from vit_explore.runs import sidecars
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.references import load_model
from vit_explore.runs.store import RunStore
from vit_explore.training import Checkpoint, Evaluated, Event, Finished, Snapshot, Step, Trainer
from vit_explore.training.average import Average
from vit_explore.ui.kit import wording

Weights = dict[str, torch.Tensor]


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def copied(model: torch.nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def by_hand(history: list[Weights], decay: float) -> Weights:
    """history: the weights before the first step, and after each."""
    average = {name: value.clone().double() for name, value in history[0].items()}
    for n, weights in enumerate(history[1:]):
        kept = min(decay, (1 + n) / (10 + n))
        for name, value in weights.items():
            whole = not value.is_floating_point()
            average[name] = value.double() if whole else kept * average[name] + (1 - kept) * value.double()
    return average


@pytest.mark.parametrize("model", ["vit", "resnet-slim"])  # the latter with BatchNorm
def test_a_run_looks_at_its_average_and_keeps_it(model: str) -> None:
    trainer = tiny_trainer(tiny_config(epochs=0.75, ema=0.6, model=model, lr=0.01))
    history, events = [copied(trainer.model)], []
    for event in trainer.events():
        events.append(event)
        if isinstance(event, Step):
            history.append(copied(trainer.model))
    expected = by_hand(history, 0.6)
    for name, value in of(Snapshot, events)[-1].weights.items():
        torch.testing.assert_close(value.double(), expected[name], atol=2e-3, rtol=2e-3)  # fp16
    for name, value in trainer.shown.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name], atol=1e-5, rtol=1e-4)
    assert any(not torch.equal(history[-1][name], value) for name, value in trainer.shown.state_dict().items())
    x = to_input(torch.from_numpy(trainer.dataset.test.images), trainer.batches.mean, trainer.batches.std)
    with torch.inference_mode():
        answers = trainer.shown.eval()(x).argmax(1).numpy()
    assert np.array_equal(answers, of(Finished, events)[-1].predictions)


def test_the_average_of_a_long_run_is_pytorchs() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    ours = Average(model, 0.99)
    ours.count = 10**6
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    theirs.n_averaged += 1  # else the first update is a copy
    for _ in range(5):
        model(torch.randn(8, 4))  # BatchNorm counts and measures
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p))
        ours.update(model)
        theirs.update_parameters(model)
    for own, other in zip(ours.model.state_dict().values(), theirs.module.state_dict().values(), strict=True):
        if own.is_floating_point():
            torch.testing.assert_close(own, other)
    assert not any(p.requires_grad for p in ours.model.parameters())


def test_training_itself_is_the_same_with_an_average() -> None:
    with_it, without = (of(Step, list(tiny_trainer(tiny_config(ema=ema)).events())) for ema in (0.9, 0.0))
    assert [step.loss for step in with_it] == [step.loss for step in without]


def test_a_fork_averages_from_its_own_start(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run = store.create(tiny_config(epochs=1, ema=0.9))
    finish(store, run)
    step = store.snapshots(run)[-1].step
    fork = store.fork(run, step, epochs=2, lr=1e-12)  # which moves nothing
    finish(store, fork)
    start, end = (
        load_model(f"run:{fork}@{at}", tmp_path).model.state_dict() for at in (step, store.snapshots(fork)[-1].step)
    )
    assert store.snapshots(fork)[-1].step > step
    for name, value in start.items():
        torch.testing.assert_close(end[name], value, atol=1e-3, rtol=0)


# ------------------------------------------------------------------ early stopping

NEVER_BETTER = {"epochs": 10, "evaluations": 20, "lr": 1e-9, "patience": 3}  # a look every 8 steps


def finish(store: RunStore, run: str) -> None:
    claimant = me()
    store.claim_id(claimant)
    with Pulse(store, claimant, registered=False) as pulse:
        outcome = train_run(store, store.get(run), pulse, threading.Event(), make_trainer=tiny_trainer)
    assert outcome.state == "finished", outcome.error


def scripted(config: RunConfig, found: list[float], **options: Any) -> tuple[Trainer, list[Weights]]:
    """A trainer whose looks on the way find these accuracies; and the weights that each of them saw."""
    trainer, seen = tiny_trainer(config, **options), []
    look = trainer.patience.look

    def told(top1: float, step: int, model: torch.nn.Module) -> None:
        seen.append(copied(model))
        look(found[len(seen) - 1], step, model)

    trainer.patience.look = told  # type: ignore[method-assign]
    return trainer, seen


@pytest.mark.parametrize("ema", [0.0, 0.8])
def test_it_ends_when_nothing_is_better_any_more_with_the_best_weights(ema: float) -> None:
    config = tiny_config(epochs=10, evaluations=20, lr=0.01, patience=3, ema=ema)
    trainer, seen = scripted(config, [0.2, 0.3, 0.6, 0.6, 0.5, 0.1, 0.9])
    events = list(trainer.events())
    end = of(Finished, events)[0]
    assert (end.stopped, end.step, end.best_step) == (False, 5 * 8, 2 * 8)
    assert len(seen) == 6
    last = of(Snapshot, events)[-1]
    assert last.step == 40
    for name, value in seen[2].items():
        assert torch.equal(last.weights[name], value.half() if value.is_floating_point() else value)
    assert any(not torch.equal(seen[2][name], seen[-1][name]) for name in seen[2])
    on_all = [event for event in of(Evaluated, events) if event.split == "val"][-1]
    assert on_all.step == 40  # what is kept is looked at once more


def test_a_run_that_gets_better_uses_up_its_budget() -> None:
    trainer, seen = scripted(tiny_config(epochs=2, evaluations=4, patience=2), [0.1, 0.3, 0.2, 0.4, 0.5])
    events = list(trainer.events())
    assert (of(Finished, events)[0].step, of(Finished, events)[0].best_step) == (32, None)
    assert len(seen) == 4
    own = trainer.model.state_dict()
    assert all(torch.equal(value, own[name].half()) for name, value in of(Snapshot, events)[-1].weights.items())


def test_from_a_checkpoint_the_waiting_goes_on() -> None:
    states = []
    whole = []
    for event in tiny_trainer(tiny_config(**NEVER_BETTER), wants_checkpoint=lambda: True).events():
        states += [copy.deepcopy(event.state)] if isinstance(event, Checkpoint) else []
        whole += [event] if isinstance(event, Finished) else []
    assert whole[0].step < 100
    for state in (states[0], states[whole[0].step // 2], states[-1]):
        rest = list(tiny_trainer(tiny_config(**NEVER_BETTER), state=state).events())
        end = of(Finished, rest)[0]
        assert (end.step, end.best_step, end.test_top1) == (whole[0].step, whole[0].best_step, whole[0].test_top1)


@pytest.mark.parametrize(
    ("setting", "part", "says"),
    [
        ({"ema": 0.9}, "average", "it has no moving average of the weights"),
        ({"patience": 3}, "patience", "it does not say which validation was the best"),
    ],
)
def test_a_checkpoint_that_lacks_them_is_one_sentence(setting: dict, part: str, says: str) -> None:
    events = tiny_trainer(tiny_config(**setting), wants_checkpoint=lambda: True).events()
    state = next(copy.deepcopy(event.state) for event in events if isinstance(event, Checkpoint))
    for damaged in ({}, {part: None}, {part: {**state[part], "odd": 1}}):
        broken = {name: value for name, value in state.items() if name != part} | damaged
        with pytest.raises(TrainingFailed, match=says):
            tiny_trainer(tiny_config(**setting), state=broken)
    weights = "model" if part == "average" else "weights"
    state[part][weights] = {"head.weight": torch.zeros(2)}
    with pytest.raises(TrainingFailed, match="its weights are another model's"):
        tiny_trainer(tiny_config(**setting), state=state)


def test_an_early_end_is_said_and_stored(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    early, plain = store.create(tiny_config(**NEVER_BETTER)), store.create(tiny_config(epochs=0.5))
    finish(store, early)
    finish(store, plain)
    result, record = store.finished(early), store.get(early)
    assert result is not None
    assert result.best_step is not None
    assert f"ended early and kept its weights of step {result.best_step:,}" in wording.state_line(record)
    assert any("ended early" in line for line in summary(record))
    assert record.state == "finished"
    assert "early" not in wording.state_line(store.get(plain))
    assert sidecars.read_result(store.folder(early)) is not None
    assert sidecars.read_result(store.folder(early)).best_step == result.best_step
    kept = json.loads((store.folder(plain).path / "result.json").read_text())
    assert "best_step" not in kept["scalars"]  # which earlier releases do not know
    steps = [look.step for look in store.evaluations(early) if look.split == "val"]
    assert all(a < b for a, b in pairwise(steps))
