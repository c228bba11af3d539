"""How a run ends: bounded validation and test, left when somebody asks, and said on how many images."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from run_tools import evaluated, finished, me, started, tiny_config, tiny_dataset

from vit_explore import run_commands
from vit_explore.runs import sidecars
from vit_explore.runs.asked import Asked
from vit_explore.runs.rebuild import Rebuilding
from vit_explore.runs.store import RunStore
from vit_explore.training import looks
from vit_explore.training.events import Evaluated, Event, Finished, Started, Step
from vit_explore.training.loop import Trainer
from vit_explore.training.metrics import order_of_test, side_by_side
from vit_explore.ui.kit import wording


class Asking:
    """A wish that comes when `when` holds."""

    def __init__(self, when: Callable[[], bool]) -> None:
        self.when, self.asked = when, 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.when()


def trainer(**options: Any) -> Trainer:
    return Trainer(tiny_config(**options.pop("config", {})), tiny_dataset(), **options)


def slowed(found: Trainer, each: float) -> list[int]:
    """Its model takes so long an image where it does not learn; gives the sizes of such batches."""
    batches: list[int] = []
    forward = found.model.forward

    def slow(x: torch.Tensor) -> torch.Tensor:
        if torch.is_inference_mode_enabled():
            batches.append(len(x))
            time.sleep(each * len(x))
        return forward(x)

    found.model.forward = slow  # type: ignore[method-assign]
    return batches


def splits(events: list[Event]) -> list[str]:
    return [event.split for event in events if isinstance(event, Evaluated) if event.split != "train"]


def end(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


# ------------------------------------------------------------------ Stop is heard everywhere


def test_a_stop_before_the_first_step_trains_looks_and_tests_nothing() -> None:
    events = list(trainer(should_stop=lambda: True).events())
    assert [type(event) for event in events if type(event) in (Started, Step, Evaluated, Finished)] == [
        Started, Finished,
    ]  # fmt: skip
    assert (end(events).stopped, end(events).step, end(events).test_images) == (True, 0, 0)


def test_a_stop_within_the_first_look_gives_no_look() -> None:
    found = trainer()
    batches = slowed(found, 0.0)
    found.should_stop = Asking(lambda: len(batches) >= 1)
    events = list(found.events())
    assert splits(events) == []
    assert sum(batches) <= 4
    assert end(events).step == 0


def test_a_stop_within_a_look_on_the_way_gives_no_look_and_tests_what_is_trained() -> None:
    found = trainer(config={"evaluations": 4})
    batches = slowed(found, 0.0)
    found.should_stop = Asking(lambda: found.step >= 8 and len(batches) > 3)
    events = list(found.events())
    assert end(events).stopped
    assert end(events).step < 32
    assert splits(events)[-2:] == ["val", "test"]
    assert end(events).test_images == 24


def test_without_the_test_it_ends_at_once() -> None:
    found = trainer(skips_test=lambda: True)
    found.should_stop = Asking(lambda: found.step >= 5)
    events = list(found.events())
    assert splits(events) == ["val"]  # the first look
    assert end(events).test_top1 is end(events).test_loss is end(events).macro_f1 is None
    assert end(events).predictions.shape == (0,)
    assert end(events).confusion.sum() == 0
    assert np.isnan(end(events).per_class).all()


def test_without_the_test_it_leaves_one_that_has_begun() -> None:
    found = trainer()
    found.should_stop = Asking(lambda: found.step >= 5)
    batches: list[int] = []
    skipping = Asking(lambda: len(batches) >= 9)
    found.skips_test = skipping
    batches = slowed(found, 0.0)
    found.looks.pace.size, found.looks.pace.most = 4, 4
    events = list(found.events())
    assert end(events).test_images == 0
    assert "test" not in splits(events)
    assert end(events).val_top1 == [e.top1 for e in events if isinstance(e, Evaluated) and e.split == "val"][-1]


def test_a_stop_after_the_budget_is_heard_and_the_finished_run_is_tested() -> None:
    stop = Asked()
    found = trainer(progress=lambda *_: stop.ask())
    found.should_stop = stop
    events = list(found.events())
    assert (end(events).step, end(events).stopped) == (32, False)
    assert end(events).test_images == 24
    assert stop.is_heard


def test_a_stop_after_the_budget_without_the_test_leaves_it() -> None:
    found = trainer()
    found.should_stop = found.skips_test = Asking(lambda: found.is_over)
    events = list(found.events())
    assert (end(events).step, end(events).stopped) == (32, False)
    assert end(events).test_images == 0


def test_a_slow_run_that_went_on_is_tested_by_its_pace_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "STOPPED_SECONDS", 0.1)
    found = trainer()
    assert found.looks.is_worth_testing(2, 0.0)  # nothing is known
    assert not found.looks.is_worth_testing(2, 70.0)  # 21 of 24 images
    assert found.looks.is_worth_testing(2, 90.0)
    found.looks.pace.rate = 150.0  # a look says more
    assert found.looks.is_worth_testing(2, 10.0)


def test_no_loss_is_left_untold_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trainer()
    monkeypatch.setattr(found, "_reports", lambda: False)  # as on a GPU between two reports
    found.should_stop = Asking(lambda: found.step >= 5)
    steps = [event.step for event in found.events() if isinstance(event, Step)]
    assert steps == [5]


def test_the_look_at_the_start_leaves_a_slow_model_time_to_train() -> None:
    data = tiny_dataset()
    many = replace(data.val, images=np.tile(data.val.images, (8, 1, 1, 1)), labels=np.tile(data.val.labels, 8))
    found = Trainer(tiny_config(seconds=1.5, evaluations=1), replace(data, val=many))
    slowed(found, 2.0 / len(many.labels))
    assert end(list(found.events())).step > 0


def test_an_unknown_accuracy_keeps_the_known_one() -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(), claimant)
    store.record_all(run, [started(), evaluated(4, top1=0.5), replace(finished(4, stopped=True), val_top1=math.nan)])
    assert store.get(run).top1 == 0.5


# ------------------------------------------------------------------ bounded in time


def test_a_usual_run_is_tested_on_all_images_in_their_order() -> None:
    found = trainer()
    events = list(found.events())
    assert end(events).test_images == len(end(events).predictions) == 24
    labels = found.dataset.test.labels
    assert (end(events).predictions == labels).mean() == pytest.approx(end(events).test_top1)
    assert np.bincount(labels, minlength=3).tolist() == end(events).confusion.sum(1).tolist()


@pytest.mark.slow
def test_a_slow_test_ends_in_time_and_is_one_of_a_fixed_random_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "END_SECONDS", 0.2)
    monkeypatch.setattr(looks, "LEAST", 2)
    found = trainer()
    slowed(found, 0.02)
    events = list(found.events())
    tested = end(events).test_images
    assert 2 <= tested < 24
    assert len(end(events).predictions) == tested == end(events).confusion.sum()
    part = order_of_test(24)[:tested]
    assert (end(events).predictions == found.dataset.test.labels[part]).mean() == pytest.approx(end(events).test_top1)


def test_the_part_is_random_and_always_the_same() -> None:
    assert sorted(order_of_test(100)) == list(range(100))
    assert order_of_test(100).tolist() == order_of_test(100).tolist() != list(range(100))


def test_two_tests_are_laid_side_by_side_where_both_have_looked() -> None:
    truth, order = np.arange(50) % 7, order_of_test(50)
    part, smaller = truth[order][:20], truth[order][:12]
    for one, other, images in [(truth, truth, 50), (truth, part, 20), (part, truth, 20), (part, smaller, 12)]:
        seen, first, second = side_by_side(one, other, 50)
        assert len(seen) == images
        assert first.tolist() == second.tolist() == truth[seen].tolist()
    assert len(side_by_side(truth, truth[:0], 50)[0]) == 0


def test_a_stopped_run_is_not_tested_on_next_to_no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "STOPPED_SECONDS", 0.2)
    found = trainer(config={"evaluations": 1})
    slowed(found, 0.02)
    found.should_stop = Asking(lambda: found.step >= 5)
    begun = time.monotonic()
    events = list(found.events())
    assert end(events).test_images == 0
    assert time.monotonic() - begun < 3.0


def test_what_it_does_at_the_end_is_said() -> None:
    notes: list[str] = []
    found = trainer(progress=lambda what, _: notes.append(what))
    list(found.events())
    assert notes[-2:] == ["Validating on 24 images", "Testing on 24 images"]


# ------------------------------------------------------------------ kept and told

TESTED = ("test_top1", "test_loss", "macro_f1")
UNTESTED = {
    "test_top1": None, "test_loss": None, "macro_f1": None, "predictions": np.zeros(0, np.int64), "test_images": 0,
    "confusion": np.zeros((3, 3), np.int64), "per_class": np.full(3, np.nan, np.float32),
}  # fmt: skip


def recorded(event: Finished) -> tuple[RunStore, str]:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(), claimant)
    store.record_all(run, [started(), evaluated(4), replace(event)])
    return store, run


@pytest.mark.parametrize("changes", [UNTESTED, {"test_images": 3}])
def test_a_result_is_read_as_it_was_written(changes: dict[str, Any]) -> None:
    event = replace(finished(4, stopped=True), **changes)
    store, run = recorded(event)
    for read in (store.finished(run), sidecars.read_result(store.folder(run))):
        assert read is not None
        assert [getattr(read, name) for name in TESTED] == [getattr(event, name) for name in TESTED]
        assert read.test_images == event.test_images
        assert read.predictions.tolist() == event.predictions.tolist()
    record = store.get(run)
    assert (record.state, record.test_images, record.test_top1) == ("stopped", event.test_images, event.test_top1)


def test_a_rebuilt_run_knows_that_it_was_not_tested() -> None:
    store, run = recorded(replace(finished(4), **UNTESTED))
    store.path.unlink()
    again = RunStore()
    assert isinstance(again, Rebuilding)
    assert again.rebuild().entered == (run,)
    assert (again.get(run).state, again.get(run).test_images, again.get(run).test_top1) == ("finished", 0, None)


def test_an_older_result_was_tested_on_all_its_predictions() -> None:
    store, run = recorded(finished(4))
    path = store.folder(run).path / sidecars.RESULT
    result = json.loads(path.read_text())
    del result["scalars"]["test_images"]
    path.write_text(json.dumps(result))
    read = sidecars.read_result(store.folder(run))
    assert read is not None
    assert read.test_images == 3


@pytest.mark.parametrize(
    ("images", "on_the_page", "in_the_terminal"),
    [
        (24, "24 test images", "test top-1 60.0 %, macro F1"),
        (3, "3 of 24 test images", "test top-1 60.0 % on 3 of 24 test images"),
        (0, "not tested", "not tested, validation"),
    ],
)
def test_on_how_many_images_it_was_tested_is_said(images: int, on_the_page: str, in_the_terminal: str) -> None:
    changes = UNTESTED if images == 0 else {"test_images": images}
    store, run = recorded(replace(finished(4), **changes))
    record = store.get(run)
    assert wording.tested_on(record) == on_the_page
    assert wording.part_tested(record) == (f"on {on_the_page}" if images == 3 else "")
    assert in_the_terminal in "\n".join(run_commands.summary(record))
    assert ("not tested" in wording.state_line(record)) == (images == 0)


def test_a_run_that_was_stopped_by_force_says_so() -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(), claimant)
    store.let_go(run, claimant.worker, "stopped", "It did not end in 5 s; resume it to go on from step 2.")
    assert wording.state_line(store.get(run)) == "Stopped by force before its first step."
