"""Checkpoints: from each of them a run goes on as if nothing had happened; one that does not fit is one sentence."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from run_tools import me, started, step, tiny_config, tiny_dataset, tiny_trainer

from vit_explore.errors import TrainingFailed
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.store import RunStore
from vit_explore.training import Checkpoint, Evaluated, Event, Finished, Snapshot, Step, fit

TIMES = {"elapsed", "images_per_second", "remaining", "train_seconds", "eval_seconds", "peak_memory"}
RUN = {"epochs": 2, "drop_path": 0.1, "depth": 2}  # drop_path draws random numbers in each step

EVERYTHING = {  # that a step can depend on, or that is carried from step to step
    "epochs": 2, "optimizer": "sgd", "nesterov": True, "schedule": "exponential", "warmup_start": 0.1, "mixup": 0.3,
    "cutmix": 1.0, "erasing": 0.5, "rand_augment": 9, "ema": 0.9, "patience": 30, "input_size": 12, "crop": 0.75,
    "evaluations": 8, "dropout": 0.1,
}  # fmt: skip


def told(event: Event) -> dict[str, Any]:
    """What an event says, but for what the machine measures: times and memory."""
    return {name: value for name, value in vars(event).items() if name not in TIMES}


def alike(a: Any, b: Any, close: float = 0.0) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key], close) for key in a)
    if isinstance(a, torch.Tensor | np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype.kind == "f" and close:
            return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=close, equal_nan=True)
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return a == b or (a != a and b != b) or (isinstance(a, float) and abs(a - b) <= close)


def same(a: list[Event], b: list[Event]) -> bool:
    """To the last bit; what a look at the validation images found, to rounding: how many of them go through the model
    at a time depends on its pace, and with that a processor's choice of kernels."""
    return [type(e) for e in a] == [type(e) for e in b] and all(
        alike(told(x), told(y), close=1e-6 if isinstance(x, Evaluated | Finished) else 0.0)
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("settings", [RUN, EVERYTHING])
def test_from_every_checkpoint_a_run_goes_on_exactly(settings: dict[str, Any]) -> None:
    whole = list(tiny_trainer(tiny_config(**settings)).events())
    before: list[Event] = []
    checkpoints: list[tuple[int, dict[str, Any]]] = []
    for event in tiny_trainer(tiny_config(**settings), wants_checkpoint=lambda: True).events():
        if isinstance(event, Checkpoint):
            checkpoints.append((len(before), copy.deepcopy(event.state)))
        else:
            before.append(event)
    assert same(whole, before)  # making them changes nothing
    assert [state["step"] for _, state in checkpoints] == [*range(1, 33), 32, 32]  # the last two while it evaluates
    for place, state in checkpoints[::3] + checkpoints[-3:]:
        rest = list(tiny_trainer(tiny_config(**settings), state=state).events())[1:]  # without Started
        if state["step"] < 32:
            assert same(whole, before[:place] + rest)
        else:  # the end is looked at again, whole
            end = next(i for i, e in enumerate(whole) if isinstance(e, Evaluated) and e.step == 32)
            assert same(whole[end:], [e for e in rest if not isinstance(e, Snapshot)])


def test_all_that_belongs_to_a_step_is_said_before_its_checkpoint() -> None:
    events = list(tiny_trainer(tiny_config(), wants_checkpoint=lambda: True).events())
    for place, event in enumerate(events):
        if isinstance(event, Checkpoint) and event.step < 32:
            assert all(later.step > event.step for later in events[place + 1 :])  # type: ignore[union-attr]


def test_a_stopped_run_ends_with_a_checkpoint_before_it_evaluates() -> None:
    trainer = tiny_trainer(tiny_config(), should_stop=lambda: trainer.step >= 5)
    kinds = [type(event) for event in trainer.events()]
    assert kinds[-5:] == [Snapshot, Checkpoint, Evaluated, Evaluated, Finished]
    assert kinds.count(Checkpoint) == 1


def test_fit_gives_no_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vit_explore.training.state.load_dataset", lambda *_: tiny_dataset())
    kinds: list[str] = []
    for event in fit(tiny_config(), should_stop=lambda: kinds.count("Step") >= 3):
        kinds.append(type(event).__name__)
    assert set(kinds) == {"Started", "Step", "Evaluated", "Snapshot", "Finished"}
    assert (kinds[0], kinds[-1]) == ("Started", "Finished")


# ------------------------------------------------------------------ what does not fit


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """A sound one, at step 3."""
    events = tiny_trainer(tiny_config(depth=2), wants_checkpoint=lambda: True).events()
    return next(copy.deepcopy(e.state) for e in events if isinstance(e, Checkpoint) and e.step == 3)


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {name: value for name, value in state.items() if name != key}


def with_(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {**state, **values}


def buffers_of(part: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def damaged(state: dict[str, Any]) -> Any:
        state = copy.deepcopy(state)
        state["optimizer"][part]["state"][0] = change(state["optimizer"][part]["state"][0])
        return state

    return damaged


def smaller_head(state: dict[str, Any]) -> Any:
    return {**state, "model": {**state["model"], "head.weight": torch.zeros(2, 8)}}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda state: list(state.values()), "holds a list and not the state of a run"),
        (lambda state: {}, "has no model, optimizer, step, elapsed"),
        (without("optimizer"), "has no optimizer"),
        (with_(step="3"), "its step is '3', which is no number"),
        (with_(step=-1), "its step is '-1'"),
        (with_(step=2.5), "its step is 2.5"),
        (with_(elapsed=math.nan), "its elapsed is 'nan'"),
        (with_(origin=(1,)), r"its origin is '\(1,\)', which is no step and epoch"),
        (with_(origin=(5, 0.3)), "its origin's step is 5 and its own is 3"),
        (with_(origin=(0, math.inf)), "its origin's epoch is 'inf'"),
        (with_(share="half"), "its share is 'half', which is no number"),
        (with_(share=1.5), "its share of the budget is 1.5"),
        (with_(mixed="no"), "its mixed is 'no', which is neither true nor false"),
        (with_(held=[1]), "its held is .* not what a person can set"),
        (with_(held={"lr": 1.0}), "its held is .* not what a person can set"),
        (with_(held={"lr_factor": 50.0}), "what was set in it cannot be: lr_factor = 50.0"),
        (with_(settled={"device": "cpu"}), "its settled is .* how a step is computed"),
        (lambda s: {**s, "settled": {**s["settled"], "replicas": 0}}, "no way to compute a step"),
        (with_(model=[1]), "its model is a list"),
        (with_(model={}), r"another model's: they lack blocks\.0"),
        (lambda s: {**s, "model": {**s["model"], "a.b": torch.zeros(1)}}, r"another model's: they have a\.b"),
        (smaller_head, r"their head\.weight is 2 × 8 and not 3 × 8"),
        (lambda s: {**s, "model": {**s["model"], "head.weight": 5}}, r"their head\.weight is of type int"),
        (with_(optimizer=3), "its optimizer is a int"),
        (lambda s: {**s, "optimizer": {"adamw": s["optimizer"]["adamw"]}}, r"other optimisers \(adamw\)"),
        (lambda s: {**s, "optimizer": {**s["optimizer"], "adamw": []}}, "optimiser adamw has no state"),
        (buffers_of("adamw", without("exp_avg")), "optimiser adamw lacks the buffers"),
        (buffers_of("muon", without("momentum_buffer")), "optimiser muon lacks the buffers"),
        (buffers_of("adamw", with_(exp_avg=torch.zeros(7))), "a buffer of its optimiser adamw is 7 and its parameter"),
        (buffers_of("muon", lambda _: 1), "optimiser muon lacks the buffers"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_sentence(
    state: dict[str, Any], damage: Callable[[dict[str, Any]], Any], says: str
) -> None:
    with pytest.raises(TrainingFailed, match=says) as caught:
        tiny_trainer(tiny_config(depth=2), state=damage(state))
    assert str(caught.value).count("\n") == 0
    assert "a new run" in str(caught.value) or "duplicate the run" in str(caught.value)


def test_the_same_checkpoint_undamaged_fits(state: dict[str, Any]) -> None:
    events = tiny_trainer(tiny_config(depth=2), state=state).events()
    assert next(e.step for e in events if isinstance(e, Step)) == 4


def test_a_checkpoint_of_a_deeper_model_is_of_another_model(state: dict[str, Any]) -> None:
    with pytest.raises(TrainingFailed, match=r"another model's: they have blocks\.1"):
        tiny_trainer(tiny_config(depth=1), state=state)


@pytest.mark.parametrize("damage", [lambda _: [1], without("step"), with_(step="3")])
def test_a_run_whose_checkpoint_does_not_fit_fails_with_the_sentence(
    state: dict[str, Any], damage: Callable[[dict[str, Any]], Any]
) -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(depth=2), claimant)
    store.record_all(run, [started(), step(3), Checkpoint(3, damage(state))])
    with Pulse(store, claimant, registered=False) as pulse:
        outcome = train_run(store, store.get(run), pulse, threading.Event(), make_trainer=tiny_trainer)
    assert outcome.state == "failed"
    assert "The checkpoint" in str(outcome.error)
    assert not outcome.unexpected


def test_a_stop_within_the_probes_pins_nothing() -> None:
    config = tiny_config(precision="auto")
    first = next(e for e in tiny_trainer(config, should_stop=lambda: True).events() if isinstance(e, Checkpoint))
    assert first.step == 0
    trainer = tiny_trainer(config, state=copy.deepcopy(first.state))
    assert trainer._pin is None
    assert not trainer.mixed
