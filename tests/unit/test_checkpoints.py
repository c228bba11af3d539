"""Checkpoints: from each of them a run goes on as if nothing had happened; one that does not fit is one sentence."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from run_tools import tiny_config, tiny_dataset, tiny_trainer

from vit_explore.errors import TrainingFailed
from vit_explore.training import Checkpoint, Evaluated, Event, Finished, Snapshot, Step, fit

TIMES = {"elapsed", "images_per_second", "remaining", "train_seconds", "eval_seconds"}
RUN = {"epochs": 2, "drop_path": 0.1, "depth": 2}  # drop_path draws random numbers in each step


def told(event: Event) -> dict[str, Any]:
    """What an event says, but for times of day."""
    return {name: value for name, value in vars(event).items() if name not in TIMES}


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor | np.ndarray):
        return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind == "f")
    return a == b or (a != a and b != b)


def same(a: list[Event], b: list[Event]) -> bool:
    return [type(e) for e in a] == [type(e) for e in b] and all(
        alike(told(x), told(y)) for x, y in zip(a, b, strict=True)
    )


def test_from_every_checkpoint_a_run_goes_on_exactly() -> None:
    whole = list(tiny_trainer(tiny_config(**RUN)).events())
    before: list[Event] = []
    checkpoints: list[tuple[int, dict[str, Any]]] = []
    for event in tiny_trainer(tiny_config(**RUN), wants_checkpoint=lambda: True).events():
        if isinstance(event, Checkpoint):
            checkpoints.append((len(before), copy.deepcopy(event.state)))
        else:
            before.append(event)
    assert same(whole, before)  # making them changes nothing
    assert [state["step"] for _, state in checkpoints] == [*range(1, 33), 32, 32]  # the last two while it evaluates
    for place, state in checkpoints[::3] + checkpoints[-3:]:
        rest = list(tiny_trainer(tiny_config(**RUN), state=state).events())[1:]  # without Started
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
    asked = iter([False] * 4 + [True] * 30)
    kinds = [type(event).__name__ for event in fit(tiny_config(), should_stop=lambda: next(asked))]
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
