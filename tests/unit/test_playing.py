"""What a person does to a run that goes on: in the store, in its training, and in what is repeated of it."""

from __future__ import annotations

import copy
import errno
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_tools import (
    checkpoint,
    evaluated,
    finished,
    me,
    snapshot,
    started,
    step,
    tiny_config,
    tiny_dataset,
    tiny_trainer,
)

from vit_explore.errors import BadConfig, BadReference, BadRunState, DiskFull, RunNotFound
from vit_explore.runs import base, files, forking, recording
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.records import Claimant
from vit_explore.runs.store import RunStore
from vit_explore.training import Changed, Checkpoint, Controls, Evaluated, Finished, Paused, Snapshot, Step, loop


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def running(store: RunStore) -> tuple[str, Claimant]:
    run, claimant = store.create(tiny_config()), me()
    store.claim(claimant)
    return run, claimant


def test_controls_are_kept_and_told_to_whoever_trains(store: RunStore) -> None:
    run = store.create(tiny_config())
    assert store.controls(run) == Controls()
    assert store.control(run, lr_factor=0.5) == Controls(lr_factor=0.5)
    assert store.control(run, paused=True, augment="none") == Controls(True, 0.5, None, "none")
    assert store.get(run).paused
    assert store.controls(run) == store.orders(run).controls == Controls(True, 0.5, None, "none")
    store.claim(me())
    assert store.control(run, paused=False, augment=None, weight_decay=1).weight_decay == 1.0
    assert not store.get(run).paused


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"lr_factor": 11}, "a number from 0.1 to 10"),
        ({"lr_factor": "two"}, "a number from 0.1 to 10"),
        ({"paused": 1}, "true or false"),
        ({"augment": "blur"}, "augment = 'blur' is not possible"),
        ({"weight_decay": -1}, "weight_decay = -1 is not possible"),
        ({"lr": 1.0}, "what can be set is: paused, lr_factor, weight_decay, augment"),
    ],
)
def test_a_control_out_of_bounds_is_one_sentence_and_changes_nothing(
    store: RunStore, changes: dict[str, object], sentence: str
) -> None:
    run = store.create(tiny_config())
    with pytest.raises(BadConfig, match=sentence):
        store.control(run, **changes)
    assert store.controls(run) == Controls()


def test_only_a_run_that_runs_or_waits_can_be_changed(store: RunStore) -> None:
    run, claimant = running(store)
    store.let_go(run, claimant.worker, "interrupted")
    with pytest.raises(BadRunState, match="is interrupted"):
        store.control(run, paused=True)
    with pytest.raises(RunNotFound):
        store.control("none", paused=True)


def test_marks_come_in_order_and_those_after_the_checkpoint_are_forgotten(store: RunStore) -> None:
    run, _ = running(store)
    assert store.marks(run) == []
    marks = [Changed(0, 0.0, 2.0, 0.05, "none"), Changed(2, 0.2, 0.1, 0.0, "flip"), Paused(3, 0.3, 12.5)]
    store.record_all(run, [started(), marks[0], step(1), step(2), marks[1], step(3), marks[2], checkpoint(3)])
    store.record_all(run, [Changed(3, 0.3, 0.7, 0.0, "flip"), step(4), Changed(4, 0.4, 1.0, 0.05, "flip"), step(5)])
    assert store.marks(run)[:3] == marks
    assert len(store.marks(run)) == 5
    store.record(run, started(resumed_at=3))
    assert store.marks(run) == marks
    assert store.steps(run)["progress"].tolist() == [0.001, 0.002, 0.003]
    store.record(run, Changed(3, 0.3, 0.1, 0.0, "flip"))  # told anew, and no news
    assert store.marks(run) == marks
    store.record(run, started())
    assert store.marks(run) == []


def test_a_resumed_run_keeps_what_was_set_but_does_not_stand_still(store: RunStore) -> None:
    run, claimant = running(store)
    store.record_all(run, [started(), step(1), checkpoint(1)])
    store.control(run, paused=True, lr_factor=0.3)
    store.let_go(run, claimant.worker, "interrupted")
    assert not store.get(run).paused
    store.resume(run)
    assert store.controls(run) == Controls(lr_factor=0.3)


def test_watched_is_written_now_and_then(store: RunStore) -> None:
    run = store.create(tiny_config())
    store.watched(run)
    assert not store.orders(run).is_watched  # it does not run yet
    store.claim(me())
    store.watched(run)
    first = store.orders(run)
    assert first.is_watched
    store.watched(run)
    assert store.orders(run).watched == first.watched
    store.watched("none")
    with store._writing() as connection:
        base.update(connection, run, watched=time.time() - 60)
    assert not store.orders(run).is_watched


def test_a_stop_may_be_asked_for_without_the_test(store: RunStore) -> None:
    run, claimant = running(store)
    store.request_stop(run, test=False)
    assert store.orders(run).skip_test
    assert store.get(run).skip_test
    store.record_all(run, [started(), step(1), checkpoint(1)])
    store.let_go(run, claimant.worker, "stopped")
    store.resume(run)
    assert not store.orders(run).skip_test


def test_a_look_at_training_images_is_no_validation(store: RunStore) -> None:
    run, _ = running(store)
    store.record_all(run, [started(), step(1), evaluated(1, top1=0.5), evaluated(1, "train", top1=0.9)])
    assert store.get(run).top1 == 0.5
    assert [look.split for look in store.evaluations(run)] == ["val", "train"]
    assert store.evaluations(run)[0].images == 36


# ------------------------------------------------------------------ forks


def parent_of(store: RunStore) -> str:
    run, _ = running(store)
    change = Changed(4, 0.4, 0.3, 0.2, "flip+crop")
    store.record_all(run, [started(), snapshot(0), step(1), snapshot(4), change, snapshot(16), checkpoint(16)])
    return run


def test_a_fork_waits_with_its_weights_where_its_parent_was(store: RunStore) -> None:
    parent = parent_of(store)
    run = store.fork(parent, 16, batch_size=12)
    record = store.get(run)
    assert (record.state, record.parent, record.fork_step, record.step) == ("queued", parent, 16, 16)
    assert record.settings().train.batch_size == 12
    (row,) = store.snapshots(run)
    assert (row.step, row.epoch, row.elapsed) == (16, 1.0, 1.6)
    assert store.snapshot_path(run, 16).read_bytes() == store.snapshot_path(parent, 16).read_bytes()
    assert store.controls(run) == Controls(lr_factor=0.3, weight_decay=0.2)  # what held goes on
    assert store.controls(store.fork(parent, 16, lr=0.01)) == Controls(weight_decay=0.2)
    assert store.controls(store.fork(parent, 0)) == Controls()
    store.delete(store.create(tiny_config()))
    assert record.model is not None  # it can be looked into at once


def test_what_a_fork_cannot_be_is_one_sentence_and_leaves_nothing(store: RunStore) -> None:
    parent = parent_of(store)
    with pytest.raises(BadReference, match="it has: 0, 4, 16"):
        store.fork(parent, 5)
    with pytest.raises(BadRunState, match=r"1.0 of the 1 epochs are done.*give it more epochs"):
        store.fork(parent, 16, epochs=1)
    with pytest.raises(BadRunState, match=r"1.6 of the 1.5 seconds are spent"):
        store.fork(parent, 16, seconds=1.5)
    with pytest.raises(BadConfig, match=r"parent's images, and data seed is another"):
        store.fork(parent, 16, data_seed=1)
    assert len(store.list()) == 1
    store.record(parent, finished(32))


def test_a_fork_knows_its_start_after_the_database_is_lost(store: RunStore, tmp_path: Path) -> None:
    run = store.fork(parent_of(store), 4)
    store._engine.dispose()
    for path in tmp_path.glob("runs.db*"):
        path.unlink()
    again = RunStore(tmp_path)
    again.rebuild()
    assert again.get(run).fork_step == 4


# ------------------------------------------------------------------ the trainer


def test_a_pause_stops_the_clock_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PAUSE_POLL", 0.01)
    until: list[float] = []

    def controls() -> Controls:
        if trainer.step == 5 and not until:
            until.append(time.monotonic() + 0.3)
        return Controls(paused=trainer.step == 5 and time.monotonic() < until[0])

    trainer = tiny_trainer(tiny_config(), controls=controls)
    found = list(trainer.events())
    (pause,) = [event for event in found if isinstance(event, Paused)]
    assert pause.step == 5
    assert pause.seconds >= 0.2
    before, after = (next(e for e in found if isinstance(e, Step) and e.step == n) for n in (5, 6))
    assert after.elapsed - before.elapsed < 0.25
    assert isinstance(found[-1], Finished)
    assert found[-1].step == 32


def test_a_paused_run_can_be_stopped_left_and_looked_into() -> None:
    asked: list[str] = []

    def wants_checkpoint() -> bool:
        asked.append("checkpoint")
        return len(asked) == 4  # at first after steps 1 to 3, then in the pause

    trainer = tiny_trainer(
        tiny_config(),
        controls=lambda: Controls(paused=trainer.step == 3),
        wants_checkpoint=wants_checkpoint,
        wants_snapshot=lambda: len(asked) >= 3,
        should_stop=lambda: len(asked) == 6,
    )
    kinds = [type(event).__name__ for event in trainer.events()]
    at = [place for place, kind in enumerate(kinds) if kind == "Step"][2]
    assert kinds[at : at + 5] == ["Step", "Snapshot", "Checkpoint", "Paused", "Snapshot"]  # one of each, then the end
    assert kinds[-1] == "Finished"


@pytest.mark.parametrize("at", [0, 2])
def test_a_pause_at_a_step_that_has_its_snapshot_makes_no_other(at: int) -> None:
    looks = iter(range(5))

    def controls() -> Controls:
        return Controls(paused=trainer.step == at and next(looks, None) is not None)

    trainer = tiny_trainer(tiny_config(), controls=controls, wants_snapshot=lambda: trainer.step == at)
    found = [event for event in trainer.events() if isinstance(event, Snapshot) and event.step == at]
    assert [event.on_clock for event in found] == [False]


def test_a_pause_right_after_another_is_heeded() -> None:
    answers = iter([True, True, False, True, True, True, False])  # it is to go on, and at once to stand still again

    def controls() -> Controls:
        return Controls(paused=trainer.step >= 3 and next(answers, False))

    trainer = tiny_trainer(tiny_config(), controls=controls)
    assert [event.step for event in trainer.events() if isinstance(event, Paused)] == [3, 4]


def test_what_is_set_reaches_the_optimiser_and_the_batches() -> None:
    def controls() -> Controls:
        return Controls(False, 10.0, 0.7, "none") if trainer.step >= 4 else Controls()

    trainer = tiny_trainer(tiny_config(augment="flip", weight_decay=0.0), controls=controls)
    found = list(trainer.events())
    plain = [event.lr for event in tiny_trainer(tiny_config()).events() if isinstance(event, Step)]
    lr = [event.lr for event in found if isinstance(event, Step)]
    assert lr[:4] == plain[:4]
    assert lr[4:] == pytest.approx([10 * value for value in plain[4:]])
    groups = [group for part in trainer.optimizer.parts.values() for group in part.param_groups]
    decays = {group["weight_decay"] for group in groups if group.get("decays", True)}
    assert decays == {0.7}
    assert {group["weight_decay"] for group in groups if not group.get("decays", True)} == {0.0}
    assert trainer.batches.augment == "none"
    change = next(event for event in found if isinstance(event, Changed))
    assert change == Changed(4, change.elapsed, 10.0, 0.7, "none")


def test_a_checkpoint_knows_what_held_and_the_present_controls_apply_after_it() -> None:
    trainer = tiny_trainer(tiny_config(), controls=lambda: Controls(lr_factor=0.5), wants_checkpoint=lambda: True)
    state = next(copy.deepcopy(e.state) for e in trainer.events() if isinstance(e, Checkpoint))
    same = tiny_trainer(tiny_config(), state=state, controls=lambda: Controls(lr_factor=0.5))
    assert [(e.step, e.lr_factor) for e in same.events() if isinstance(e, Changed)] == [(1, 0.5)]  # told anew
    other = tiny_trainer(tiny_config(), state=state)
    changes = [event for event in other.events() if isinstance(event, Changed)]
    assert [(change.step, change.lr_factor) for change in changes] == [(1, 1.0)]


def test_every_look_is_at_the_same_images_and_the_result_is_on_all() -> None:
    found = list(tiny_trainer(tiny_config(val_images=16)).events())
    looks = [event for event in found if isinstance(event, Evaluated)]
    assert [(look.split, look.images) for look in looks] == [
        ("val", 16), ("val", 16), ("train", 8), ("val", 16), ("train", 8), ("test", 24)
    ]  # fmt: skip
    labels = tiny_dataset().val.labels[:16]
    assert all(
        (look.confusion.sum(1) == np.bincount(labels, minlength=3)).all() for look in looks if look.split == "val"
    )
    assert found[-1].val_top1 * 24 == pytest.approx(round(found[-1].val_top1 * 24))


# ------------------------------------------------------------------ from the store to the trainer and back


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def train_on(store: RunStore, run: str) -> None:
    claimant = me()
    store.claim(claimant)
    with Pulse(store, claimant, registered=False) as pulse:
        train_run(store, store.get(run), pulse, threading.Event(), make_trainer=tiny_trainer)


def stands_still(store: RunStore, run: str) -> bool:
    before = store.get(run).step
    time.sleep(0.5)
    return store.get(run).step == before


def test_what_a_person_does_reaches_the_trainer_and_leaves_its_marks(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "SNAPSHOT_SECONDS", 0.02)
    run = store.create(tiny_config(epochs=4000, batch_size=1))  # the schedule's snapshots, once an epoch, are seldom
    store.control(run, lr_factor=0.5)
    thread = threading.Thread(target=train_on, args=(store, run), daemon=True)
    thread.start()
    wait_for(lambda: store.marks(run))
    assert [(mark.step, mark.lr_factor) for mark in store.marks(run)] == [(0, 0.5)]
    wait_for(lambda: store.watched(run) or store._on_clock(run))
    store.control(run, paused=True)
    wait_for(lambda: stands_still(store, run))
    time.sleep(0.5)
    assert store.get(run).state == "running"
    store.control(run, paused=False, augment="none")
    wait_for(lambda: len(store.marks(run)) == 3)
    assert [type(mark) for mark in store.marks(run)] == [Changed, Paused, Changed]
    assert store.marks(run)[1].seconds >= 0.8
    store.request_stop(run)
    thread.join(60)
    assert store.get(run).state == "stopped"
    assert not store._on_clock(run)  # at the end, those of the schedule and the last are left


def test_of_the_snapshots_on_the_clock_a_few_are_kept(store: RunStore) -> None:
    run, _ = running(store)
    store.record_all(run, [started(), snapshot(0), snapshot(16)])
    for at in range(17, 25):
        store.record(run, replace(snapshot(at), on_clock=True))
    assert [row.step for row in store.snapshots(run)] == [0, 16, 21, 22, 23, 24]
    assert not store.folder(run).snapshot(20).exists()
    store.record_all(run, [snapshot(25), finished(25)])
    assert [row.step for row in store.snapshots(run)] == [0, 16, 25]


def test_snapshots_on_the_clock_take_no_room_from_those_of_the_schedule(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_SNAPSHOTS", 4)
    run, _ = running(store)
    store.record_all(run, [started(), *(snapshot(at) for at in (0, 16, 32, 48))])
    store.record_all(run, [replace(snapshot(at), on_clock=True) for at in (50, 52)])
    assert [row.step for row in store.snapshots(run)] == [0, 16, 32, 48, 50, 52]


def test_the_settings_of_a_fork_are_refused_by_a_release_that_would_start_it_anew(store: RunStore) -> None:
    parent = parent_of(store)
    for run, version in ((parent, 1), (store.fork(parent, 4), 2), (store.duplicate(parent), 1)):
        assert store.stored_json(run)["config"]["version"] == version
        assert store.get(run).config is not None


def test_a_fork_on_a_full_disk_leaves_nothing_behind(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = parent_of(store)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(forking.shutil, "copyfile", full)
    with pytest.raises(DiskFull):
        store.fork(parent, 4)
    assert store.orphans() == ()
    assert [record.id for record in store.list()] == [parent]


def test_a_run_that_is_queued_again_by_itself_stays_paused(store: RunStore) -> None:
    run, claimant = store.create(tiny_config()), me()
    for keeps_pause in (True, False):
        assert store.claim_id(claimant) == run
        store.control(run, paused=True)
        store.let_go(run, claimant.worker, "interrupted")
        store.resume(run, keeps_pause=keeps_pause)
        assert store.get(run).paused is keeps_pause
        store.control(run, paused=False)


def test_a_fork_whose_sample_images_are_gone_says_so(store: RunStore) -> None:
    parent = parent_of(store)
    (store.folder(parent).path / "samples.npz").unlink()
    with pytest.raises(BadReference, match="or its sample images, are gone"):
        store.fork(parent, 4)
