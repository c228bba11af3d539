"""The store: what goes in comes out, states change as they may, and what goes wrong elsewhere harms nothing here."""

from __future__ import annotations

import dataclasses
import errno
import os
import platform
import secrets
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import run_tools as tools
import sqlalchemy as sa
from run_tools import checkpoint, evaluated, finished, me, on_a_file, snapshot, started, step, tiny_config

from vit_explore.errors import BadConfig, BadReference, BadRunState, DiskFull, RunNotFound, StoreUnusable
from vit_explore.runs import base, files, schema
from vit_explore.runs.queue import suits
from vit_explore.runs.records import Claimant
from vit_explore.runs.store import RunLost, RunStore
from vit_explore.runs.tidy import tidy
from vit_explore.training import schedule


@pytest.fixture
def store() -> RunStore:
    return RunStore()


def same(a: object, b: object) -> bool:
    """Whether two events are equal, arrays, dtypes and NaNs included."""
    for field in dataclasses.fields(a):  # type: ignore[arg-type]
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            if x.dtype != y.dtype or not np.array_equal(x, y, equal_nan=x.dtype.kind == "f"):
                return False
        elif x != y and not (x != x and y != y):
            return False
    return type(a) is type(b)


def running(store: RunStore, **changes: object) -> tuple[str, Claimant]:
    claimant = me()
    return store.create(tiny_config(**changes), claimant), claimant


def dead(**changes: object) -> Claimant:
    """A worker whose process has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return dataclasses.replace(me(), pid=process.pid, pid_started=time.time(), **changes)


def set_columns(store: RunStore, run: str, **values: object) -> None:
    with store._writing() as connection:
        base.update(connection, run, **values)


# ------------------------------------------------------------------ events


def test_events_come_back_as_they_went_in(store: RunStore) -> None:
    run, _ = running(store)
    steps = [step(i, loss=1 / (i + 1)) for i in range(1, 6)]
    looks = [evaluated(3), evaluated(5), evaluated(5, "test")]
    store.record_all(run, [started(), snapshot(0), *steps[:3], looks[0], *steps[3:], *looks[1:], finished(5)])

    columns = store.steps(run)
    assert list(columns) == [field.name for field in dataclasses.fields(tools.Step)]
    for name, column in columns.items():
        assert column.tolist() == [getattr(event, name) for event in steps]
    assert all(same(a, b) for a, b in zip(store.evaluations(run), looks, strict=True))
    kept, end = store.started(run), store.finished(run)
    assert kept is not None
    assert end is not None
    assert same(kept, started())
    assert same(end, finished(5))


def test_steps_are_read_from_where_one_was(store: RunStore) -> None:
    run, _ = running(store)
    store.record_all(run, [step(i) for i in range(10)])
    assert store.steps(run, after=6)["step"].tolist() == [7, 8, 9]
    assert store.steps(run, after=9)["step"].shape == (0,)
    store.record_all(run, [evaluated(2), evaluated(8)])
    assert [event.step for event in store.evaluations(run, after=2)] == [8]


def test_losses_that_are_not_finite_are_kept(store: RunStore) -> None:
    run, _ = running(store)
    store.record_all(run, [step(0, float("inf")), step(1, float("nan"))])
    assert np.isposinf(store.steps(run)["loss"][0])
    assert np.isnan(store.steps(run)["loss"][1])


def test_numpy_scalars_are_numbers(store: RunStore) -> None:
    run, _ = running(store)
    store.record(run, dataclasses.replace(step(3), step=np.int64(3), loss=np.float32(0.5)))
    assert store.steps(run)["step"].tolist() == [3]
    assert store.get(run).loss == 0.5


def test_the_record_follows_the_events(store: RunStore) -> None:
    run, _ = running(store)
    assert store.started(run) is None
    assert store.finished(run) is None
    store.record_all(run, [started(), step(4, 0.7), evaluated(4, top1=0.25)])
    record = store.get(run)
    assert (record.step, record.loss, record.top1, record.test_top1) == (4, 0.7, 0.25, None)
    assert (record.classes, record.mean, record.params, record.model) == (
        tools.CLASSES,
        (0.1, 0.2, 0.3),
        10,
        tools.TINY,
    )
    store.record(run, finished(9))
    record = store.get(run)
    assert (record.test_top1, record.macro_f1, record.top1, record.images_seen) == (0.6, 0.55, 0.58, 54)


def test_a_long_run_keeps_all_early_and_some_late_steps(store: RunStore) -> None:
    dense = schedule.DENSE_STEPS
    assert all(schedule.is_kept(i) for i in range(dense))
    for doubling in range(6):
        kept = sum(schedule.is_kept(i) for i in range(dense << doubling, dense << (doubling + 1)))
        assert dense // 4 <= kept <= dense
    run, _ = running(store)
    store.record(run, step(dense + 1))
    assert store.steps(run)["step"].size == 0
    assert store.get(run).step == dense + 1  # the record still knows where the run stands


# ------------------------------------------------------------------ snapshots and the disk


def test_snapshots_are_files_that_the_store_knows(store: RunStore) -> None:
    from safetensors.torch import load_file

    run, _ = running(store)
    store.record_all(run, [started(), snapshot(0), snapshot(16)])
    rows = store.snapshots(run)
    assert [row.step for row in rows] == [0, 16]
    path = store.snapshot_path(run, 16)
    assert path.stat().st_size == rows[1].bytes
    assert load_file(path)["w"].tolist() == [16.0] * 4
    with pytest.raises(BadReference, match=r"no snapshot at step 3; it has: 0, 16\."):
        store.snapshot_path(run, 3)


def test_the_disk_that_a_run_takes_is_counted(store: RunStore) -> None:
    run, _ = running(store)
    store.record_all(run, [started(), snapshot(0), snapshot(1)])
    folder = store.home / "runs" / run
    assert store.get(run).disk_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_a_kill_left_half_written_is_cleared(store: RunStore) -> None:
    run, _ = running(store)
    store.record_all(run, [started(), snapshot(0)])
    folder = store.home / "runs" / run
    leftovers = [
        folder / ".checkpoint.pt.1.tmp",
        folder / "snapshots" / ".7.safetensors.1.tmp",
        folder / "snapshots/7.safetensors",
    ]
    for path in leftovers:
        path.write_bytes(b"half")
    store.record_all(run, [snapshot(1)])
    assert not any(path.exists() for path in leftovers)
    assert store.snapshot_path(run, 0).exists()
    assert store.snapshot_path(run, 1).exists()


def test_snapshots_stay_within_bounds(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_SNAPSHOTS", 10)
    run, _ = running(store)
    store.record(run, started())
    for number in [0, 1, 2, 4, 8, 16, *range(48, 1200, 48)]:
        store.record(run, snapshot(number))
    steps = [row.step for row in store.snapshots(run)]
    assert len(steps) <= 10
    assert {0, 1, 2, 4, 8, 16} < set(steps)
    assert steps[-1] == 1152
    on_disk = {path.name for path in (store.home / "runs" / run / "snapshots").iterdir()}
    assert on_disk == {f"{number}.safetensors" for number in steps}


def test_large_models_keep_fewer_snapshots() -> None:
    steps = [0, 1, 2, 4, 8, 16, 32, 100, 200]
    dropped = files.snapshots_to_drop(steps, bytes_each=files.MAX_SNAPSHOT_BYTES // 3)
    left = [number for number in steps if number not in dropped]
    assert len(left) == 3
    assert left[0] == 0
    assert left[-1] == 200
    assert len(files.snapshots_to_drop(steps, bytes_each=2**40)) == len(steps) - 2  # never none at all


def test_evenly_spaced_snapshots_stay_spread_out() -> None:
    kept: list[int] = []
    for epoch in range(1, 500):
        kept.append(3 * epoch)  # never a power of two
        kept = [number for number in kept if number not in files.snapshots_to_drop(kept, 1)]
    gaps = np.diff(kept)
    assert len(kept) == files.MAX_SNAPSHOTS
    assert gaps.max() <= 4 * np.median(gaps)


def test_a_full_disk_is_one_sentence_and_hurts_nothing(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = running(store)
    store.record_all(run, [started(), step(1), snapshot(1)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(DiskFull, match="free some space"):
            store.record(run, snapshot(2))
        with pytest.raises(DiskFull):
            store.folder(run).write_checkpoint({"step": 2})
    assert [row.step for row in store.snapshots(run)] == [1]
    assert not list((store.home / "runs" / run).rglob("*.tmp"))
    store.record(run, snapshot(2))
    assert [row.step for row in store.snapshots(run)] == [1, 2]


@on_a_file
def test_a_database_without_room_is_one_sentence(store: RunStore) -> None:
    run, _ = running(store)
    store.record_all(run, [step(i) for i in range(50)])
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")  # of this pooled connection
    with pytest.raises(DiskFull, match="no room left"):
        store.record_all(run, [step(i) for i in range(100, 5000)])
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert store.steps(run)["step"].tolist() == list(range(50))


def test_checkpoints_hold_only_plain_data(store: RunStore) -> None:
    run, _ = running(store)
    folder = store.folder(run)
    folder.write_checkpoint({"step": 7})
    assert folder.read_checkpoint() == {"step": 7}
    folder.checkpoint.write_bytes(b"cut off")
    with pytest.raises(BadRunState, match="cannot be read"):
        folder.read_checkpoint()


def test_a_checkpoint_is_kept_after_all_that_came_before_it(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run, claimant = running(store)
    known: list[list[int]] = []
    write = files.RunFolder.write_checkpoint

    def look_first(folder: files.RunFolder, state: dict[str, object]) -> None:
        known.append(RunStore().steps(run)["step"].tolist())
        write(folder, state)

    monkeypatch.setattr(files.RunFolder, "write_checkpoint", look_first)
    store.record_all(run, [started(), step(1), step(2), checkpoint(2), step(3), checkpoint(3)], claimant.worker)
    assert known == [[1, 2], [1, 2, 3]]
    assert store.get(run).has_checkpoint
    assert store.folder(run).read_checkpoint()["step"] == 3
    assert store.get(run).disk_bytes >= store.checkpoint_path(run).stat().st_size
    with pytest.raises(RunLost):
        store.record(run, checkpoint(4), worker="another")
    assert store.folder(run).read_checkpoint()["step"] == 3


def test_the_result_is_the_end_and_needs_no_checkpoint(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run, claimant = running(store)
    store.record_all(run, [started(), step(1), checkpoint(1)])
    with monkeypatch.context() as patch:  # killed between the rows and the file
        patch.setattr(files.RunFolder, "remove_checkpoint", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.record(run, finished(1), claimant.worker)
    record = store.get(run)
    assert (record.state, record.has_checkpoint, record.ended is not None) == ("finished", False, True)
    assert store.checkpoint_path(run).exists()
    tidy(store)
    assert not store.checkpoint_path(run).exists()
    assert store.finished(run) is not None
    with pytest.raises(RunLost):  # the claim has ended with the run
        store.record(run, step(2), claimant.worker)


def test_a_stopped_run_keeps_its_checkpoint(store: RunStore) -> None:
    run, _ = running(store)
    store.record_all(run, [started(), step(1), checkpoint(1), finished(1, stopped=True)])
    tidy(store)
    assert (store.get(run).state, store.get(run).has_checkpoint) == ("stopped", True)
    assert store.folder(run).read_checkpoint()["step"] == 1


def test_a_run_that_an_earlier_version_left_with_a_result_and_no_checkpoint_is_finished(store: RunStore) -> None:
    run, claimant = running(store)
    store.record_all(run, [started(), step(1), checkpoint(1), finished(1)])
    set_columns(store, run, state="interrupted", has_checkpoint=1, error="The process ended.", worker=claimant.worker)
    waiting, stopped = store.create(tiny_config()), running(store)[0]
    store.record(stopped, finished(1, stopped=True))
    set_columns(store, stopped, state="interrupted")
    with pytest.raises(BadRunState, match="is finished"):  # and its result is kept
        store.resume(run)
    assert store.finished(run) is not None
    set_columns(store, run, state="interrupted", has_checkpoint=1, error="The process ended.", worker=claimant.worker)
    tidy(store)
    record = store.get(run)
    assert (record.state, record.error, record.has_checkpoint) == ("finished", None, False)
    assert (store.get(waiting).state, store.get(stopped).state) == ("queued", "interrupted")


@pytest.mark.parametrize("state", ["stopped", "failed", "interrupted"])
def test_tidying_removes_what_is_half_written_of_a_run_that_has_ended(store: RunStore, state: str) -> None:
    run, claimant = running(store)
    store.record(run, checkpoint(1))
    store.let_go(run, claimant.worker, state)
    half = store.folder(run).path / ".checkpoint.pt.1.tmp"
    half.write_bytes(b"of a process that was ended")
    tidy(store)
    assert not half.exists()
    assert store.checkpoint_path(run).exists()


def test_tidying_removes_folders_of_deleted_runs_and_no_others(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, kept, (busy, _) = store.create(tiny_config()), store.create(tiny_config()), running(store)
    store.record(busy, checkpoint(1))
    with monkeypatch.context() as patch:
        patch.setattr(files.RunFolder, "delete", lambda _: None)  # killed between the row and the folder
        store.delete(gone)
    foreign = store.home / "runs" / "not-ours"
    foreign.mkdir()
    half = store.folder(busy).path / ".checkpoint.pt.1.tmp"
    half.write_bytes(b"in the making")
    tidy(store)
    assert not store.folder(gone).path.exists()
    assert foreign.is_dir()
    assert all(path.exists() for path in (store.folder(kept).path, store.checkpoint_path(busy), half))


# ------------------------------------------------------------------ runs and their states


def test_runs_are_listed_newest_first_and_named(store: RunStore) -> None:
    first, second = store.create(tiny_config()), store.create(tiny_config())
    third = store.create(tiny_config(name="mine", classes=("a", "b"), model="resnet18"))
    assert [record.id for record in store.list()] == [third, second, first]
    names = [record.name for record in store.list()]
    assert names == ["mine", "ViT p4 d8×1 · shapes · 2 epochs (2)", "ViT p4 d8×1 · shapes · 2 epochs"]
    assert store.get(third).config == tiny_config(name="mine", classes=("a", "b"), model="resnet18")


def test_runs_know_their_owner_group_and_parent(store: RunStore) -> None:
    one = store.create(tiny_config(), owner="ada", group="a race")
    other = store.create(tiny_config(), me(), owner="bob", group="a race")
    copy = store.duplicate(one, width=16)
    record = store.get(one)
    assert (record.owner, record.group, record.parent) == ("ada", "a race", None)
    assert (store.get(copy).owner, store.get(copy).group, store.get(copy).parent) == (None, None, one)
    assert [r.id for r in store.list(group="a race")] == [other, one]
    assert [r.id for r in store.list(owner="ada")] == [one]
    assert store.list(owner="ada", group="another") == []
    assert [r.id for r in store.list(states=["running"], group="a race")] == [other]


def test_a_list_takes_what_is_asked_for(store: RunStore) -> None:
    waiting = [store.create(tiny_config()) for _ in range(3)]
    gone, here = store.create(tiny_config(), dead()), running(store)[0]
    assert [record.id for record in store.list(limit=2)] == [here, gone]
    assert [record.id for record in store.list(states=("queued", "running"))] == [here, *reversed(waiting)]
    assert [record.id for record in store.list(states=["queued"], limit=1)] == [waiting[2]]
    assert [record.place for record in store.list(states=["queued"])] == [3, 2, 1]
    assert [record.id for record in store.list(states=["interrupted"])] == [gone]  # though its row says running
    assert [record.id for record in store.list(states=["running"], limit=1)] == [here]
    assert store.list(states=[]) == []
    assert store.states() == {"queued": 3, "running": 1, "interrupted": 1}
    assert (store.has(gone), store.has("zzzz")) == (True, False)


@on_a_file
def test_looking_writes_nothing(store: RunStore) -> None:
    run = store.create(tiny_config(), dead())
    store.register(dead(worker="w1"), "warm")
    with sqlite3.connect(store.path) as other:
        before = other.execute("PRAGMA data_version").fetchone()  # changes with what others write
        assert store.get(run).state == store.list()[0].state == "interrupted"
        assert store.workers() == []
        assert other.execute("PRAGMA data_version").fetchone() == before
        assert other.execute("SELECT state FROM runs").fetchone() == ("running",)
    assert store.reap() == [run]
    with sqlite3.connect(store.path) as other:
        assert other.execute("SELECT state FROM runs").fetchone() == ("interrupted",)


def test_ids_are_short_and_never_used_twice(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store.create(tiny_config())
    assert len(first) == 4
    store.delete(first)
    monkeypatch.setattr(secrets, "token_hex", lambda _: first + "beef" * 7)
    assert store.create(tiny_config()) == first + "b"


def test_a_run_that_is_gone_is_told_from_one_that_never_was(store: RunStore) -> None:
    run = store.create(tiny_config())
    store.delete(run)
    for look in (store.get, store.steps, store.evaluations, store.snapshots, store.finished, store.started):
        with pytest.raises(RunNotFound, match="was deleted"):
            look(run)
    with pytest.raises(RunNotFound, match="There is no run 'zzzz'"):
        store.get("zzzz")


def test_the_queue_keeps_its_order(store: RunStore) -> None:
    runs = [store.create(tiny_config()) for _ in range(3)]
    assert [store.get(run).place for run in runs] == [1, 2, 3]
    store.request_stop(runs[0])
    assert store.get(runs[0]).state == "stopped"
    assert [store.get(run).place for run in runs] == [None, 1, 2]
    store.resume(runs[0])
    assert [store.get(run).place for run in runs] == [3, 1, 2]
    claimed = store.claim(me())
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.place) == (runs[1], "running", None)
    assert store.get(runs[0]).place == 2


def test_one_run_per_device(store: RunStore) -> None:
    for _ in range(3):
        store.create(tiny_config(device="auto"))
    assert store.claim(me(slot="cpu")) is not None
    assert store.claim(me(slot="cpu")) is None
    assert store.claim(me("cuda:1", "cuda:1")) is not None
    assert store.claim(me("cuda:1", "cuda:1")) is None


@pytest.mark.parametrize(
    ("wish", "device", "devices", "fits"),
    [
        ("auto", "cuda:1", {"cuda:0", "cuda:1"}, True),
        ("cuda", "cuda:1", {"cuda:0", "cuda:1"}, True),
        ("cuda:0", "cuda:1", {"cuda:0", "cuda:1"}, False),
        ("cuda:7", "cuda:1", {"cuda:0", "cuda:1"}, True),  # fails there, with a sentence
        ("cpu", "cuda:1", {"cuda:0", "cuda:1"}, True),
        ("cpu", "cuda:0", {"cpu", "cuda:0"}, False),
        ("cuda", "cpu", {"cpu", "cuda:0"}, False),
        ("cuda", "auto", {"auto"}, True),
    ],
)
def test_a_run_goes_to_a_worker_of_its_device(wish: str, device: str, devices: set[str], fits: bool) -> None:
    assert suits(wish, device, devices) is fits


def test_many_claim_and_each_run_is_taken_once(store: RunStore) -> None:
    runs = {store.create(tiny_config(device="auto")) for _ in range(8)}

    def claim(number: int) -> str | None:
        record = RunStore().claim(me(f"cuda:{number}", f"cuda:{number}"))
        return record.id if record else None

    with ThreadPoolExecutor(12) as pool:
        claimed = [run for run in pool.map(claim, range(12)) if run]
    assert len(claimed) == 8
    assert set(claimed) == runs


def test_a_class_starts_its_first_runs_at_once(store: RunStore) -> None:
    """Threads of one server, in a home without anything in it: each run is entered, and none of them fails."""
    with ThreadPoolExecutor(12) as pool:
        runs = list(pool.map(lambda _: RunStore().create(tiny_config()), range(24)))
    assert len(set(runs)) == 24
    assert not list(store.home.rglob("*.tmp"))


def test_many_threads_write_the_same_file_and_it_is_whole(tmp_path: Path) -> None:
    path, parts = tmp_path / "file", [bytes([number]) * 50_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda part: files.write_atomically(path, lambda file: file.write(part)), parts * 5))
    assert path.read_bytes() in parts
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("state", ["queued", "running", "finished"])
def test_what_cannot_be_resumed_says_why(store: RunStore, state: str) -> None:
    run, claimant = running(store)
    if state != "running":
        store.let_go(run, claimant.worker, state)
    with pytest.raises(BadRunState, match=r"waits in the queue|is running|is finished; duplicate it") as caught:
        store.resume(run)
    assert str(caught.value) == store.get(run).resume_refusal
    assert store.get(run).state == state


def test_a_failed_run_goes_on_only_from_a_checkpoint(store: RunStore) -> None:
    run, claimant = running(store)
    store.let_go(run, claimant.worker, "failed", "The loss became nan.")
    assert store.get(run).error == "The loss became nan."
    with pytest.raises(BadRunState, match="before its first checkpoint"):
        store.resume(run)
    assert store.get(run).resume_refusal is not None
    store.record(run, checkpoint(3))
    assert store.get(run).resume_refusal is None
    store.resume(run)
    assert (store.get(run).state, store.get(run).error) == ("queued", None)


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(store: RunStore) -> None:
    run, claimant = running(store)
    events = [step(i) for i in range(1, 11)]
    store.record_all(run, [started(), snapshot(0), *events[:4], evaluated(4), snapshot(4), *events[4:]])
    store.record_all(run, [evaluated(10), snapshot(10), evaluated(10, "test"), finished(10, stopped=True)])
    store.let_go(run, claimant.worker, "stopped")
    store.resume(run, claimant)
    assert store.finished(run) is None
    assert store.get(run).test_top1 is None
    assert store.get(run).remaining is None
    store.record(run, started(resumed_at=6), claimant.worker)
    assert store.steps(run)["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in store.evaluations(run)] == [4]
    assert [row.step for row in store.snapshots(run)] == [0, 4]
    assert not store.folder(run).snapshot(10).exists()
    store.record_all(run, [started(), step(1, 0.3)])  # and from the very start
    assert store.steps(run)["loss"].tolist() == [0.3]
    assert store.snapshots(run) == []


def test_rename_and_delete(store: RunStore) -> None:
    run, claimant = running(store)
    store.rename(run, "  a  <b>name</b> ")
    assert store.get(run).name == "a <b>name</b>"
    for name in ("", " ", "x" * 121):
        with pytest.raises(BadConfig, match="1 to 120"):
            store.rename(run, name)
    store.record_all(run, [started(), step(1), snapshot(1)])
    with pytest.raises(BadRunState, match="stop it first"):
        store.delete(run)
    store.let_go(run, claimant.worker, "stopped")
    store.delete(run)
    assert not (store.home / "runs" / run).exists()
    with store._reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.steps)).scalar_one() == 0


def test_duplicates_change_what_they_are_told(store: RunStore) -> None:
    plain, named = store.create(tiny_config()), store.create(tiny_config(name="mine"))
    copy = store.get(store.duplicate(plain, seconds=9, width=16))
    assert copy.config.train.seconds == 9
    assert copy.config.train.epochs is None
    assert copy.config.model.width == 16
    assert copy.config.data == store.get(plain).config.data
    assert copy.name == "ViT p4 d16×1 · shapes · 9 s"
    assert store.get(store.duplicate(named)).name == "mine (2)"
    with pytest.raises(BadConfig, match="no setting 'widht'"):
        store.duplicate(plain, widht=3)


def test_a_stop_is_asked_for_once_and_seen(store: RunStore) -> None:
    run, claimant = running(store)
    assert store.heartbeat(run, claimant.worker) == "go"
    store.request_stop(run)
    assert store.orders(run).stop
    assert store.get(run).stop_requested
    store.let_go(run, claimant.worker, "stopped")
    store.request_stop(run)
    assert store.get(run).state == "stopped"


# ------------------------------------------------------------------ death and other processes


def test_a_run_whose_process_is_gone_is_interrupted(store: RunStore) -> None:
    run, other = store.create(tiny_config(), dead()), running(store)[0]
    store.record(run, step(5))
    assert store.get(run).state == "interrupted"
    assert "ended at step 5" in (store.get(run).error or "")
    assert {record.id: record.state for record in store.list()} == {run: "interrupted", other: "running"}


def test_a_zombie_counts_as_gone(store: RunStore) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    claimant = dataclasses.replace(me(), pid=process.pid, pid_started=time.time())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{process.pid}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.02)
    os.kill(process.pid, 0)  # it still answers
    assert store.get(store.create(tiny_config(), claimant)).state == "interrupted"
    process.wait()


@pytest.mark.parametrize(
    ("host", "silent", "state"),
    [
        (platform.node(), 20, "running"),  # seen alive: it may be busy
        (platform.node(), 60, "interrupted"),
        ("elsewhere", 2, "running"),
        ("elsewhere", 8, "interrupted"),
    ],
)
def test_silence_means_death_sooner_where_the_process_cannot_be_seen(
    store: RunStore, host: str, silent: float, state: str
) -> None:
    run, _ = running(store)
    set_columns(store, run, host=host, heartbeat=time.time() - silent)
    assert store.get(run).state == state


def test_a_worker_that_slept_takes_its_run_up_again(store: RunStore) -> None:
    run, claimant = running(store)
    set_columns(store, run, heartbeat=time.time() - 3600)
    assert store.get(run).state == "interrupted"
    assert store.heartbeat(run, claimant.worker) == "go"
    assert (store.get(run).state, store.get(run).error) == ("running", None)


def test_a_run_that_was_taken_over_takes_nothing_from_its_old_worker(store: RunStore) -> None:
    run, old = running(store)
    store.record(run, step(1), old.worker)
    set_columns(store, run, heartbeat=time.time() - 3600)
    store.resume(run, me())
    assert store.heartbeat(run, old.worker) == "lost"
    for event in (step(2), snapshot(2)):
        with pytest.raises(RunLost):
            store.record(run, event, old.worker)
    store.let_go(run, old.worker, "failed")
    assert store.get(run).state == "running"
    assert store.steps(run)["step"].tolist() == [1]
    assert not store.folder(run).snapshot(2).exists()


def test_workers_come_and_go(store: RunStore) -> None:
    assert store.reserve_worker("w1", "auto") is None
    again = store.reserve_worker("w2", "auto")
    assert again is not None
    assert (again.id, again.state) == ("w1", "starting")
    store.register(dataclasses.replace(me(), worker="w1"), "warm")
    assert [(worker.id, worker.state) for worker in store.workers()] == [("w1", "warm")]
    store.register(dead(worker="w1"), "warm")
    assert store.workers() == []


def test_a_worker_that_died_while_starting_is_not_retried_at_once(store: RunStore) -> None:
    assert store.reserve_worker("w1", "auto") is None
    gone = dead()
    store.announce_worker("w1", gone.pid)
    there = store.reserve_worker("w2", "auto")
    assert there is not None
    assert there.state == "failed"


def test_processes_share_a_fresh_store(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; import sys\n"
        "from vit_explore.runs.store import RunStore; from vit_explore.config import RunConfig\n"
        "for _ in range(5): RunStore(Path(sys.argv[1])).create(RunConfig())\n"
    )
    shared = tmp_path / "shared"
    shared.mkdir()
    processes = [subprocess.Popen([sys.executable, "-c", script, str(shared)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    records = RunStore(shared).list()
    assert len({record.id for record in records}) == 15
    assert len({record.name for record in records}) == 15
    assert [record.place for record in records] == list(range(15, 0, -1))


def test_two_windows_see_the_same(store: RunStore) -> None:
    other = RunStore(store.home)
    run = store.create(tiny_config())
    assert other.get(run).state == "queued"
    other.rename(run, "renamed")
    assert store.get(run).name == "renamed"


# ------------------------------------------------------------------ files that are not ours


@on_a_file
def test_a_damaged_store_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_bytes(b"this is no database, however long it is" * 100)
    with pytest.raises(StoreUnusable, match=r"is damaged .*move it away"):
        RunStore(tmp_path)
    assert (tmp_path / "runs.db").read_bytes().startswith(b"this is no database")


@on_a_file
def test_a_store_damaged_inside_is_one_sentence(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run = store.create(tiny_config())
    store.record_all(run, [step(i) for i in range(2000)])
    store._engine.dispose()
    with open(store.path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (store.path.stat().st_size - 4096))
    with pytest.raises(StoreUnusable, match="damaged"):
        RunStore(tmp_path).list()


@on_a_file
def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StoreUnusable, match="belongs to another program"):
        RunStore(tmp_path)
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["recipes"]


@on_a_file
def test_the_store_writes_ahead(store: RunStore) -> None:
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with store._engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA foreign_keys")).scalar_one() == 1


@on_a_file
def test_a_home_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.create(tiny_config())
    for name in ("runs.db", "runs.db-wal", "runs.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    assert not store.is_there()
    assert RunStore(tmp_path).list() == []
