"""A full disk: reading goes on and writes nothing, and what frees space finds room to be written down."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from run_tools import evaluated, me, snapshot, started, step, tiny_config

from vit_explore import cli
from vit_explore.errors import DiskFull
from vit_explore.runs import database, migrations, reserve
from vit_explore.runs.base import StoreBase
from vit_explore.runs.store import RunStore

OLD = Path(__file__).with_name("stored") / "runs-v1.db"
MEBIBYTE = 2**20


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home on a file system of 8 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    monkeypatch.setenv("VIT_EXPLORE_HOME", str(folder))
    monkeypatch.setattr(reserve, "PLENTY", 2 * MEBIBYTE)
    yield folder
    forget()
    subprocess.run(["umount", "-l", str(folder)], check=True)


def forget() -> None:
    """Close what is open, as the end of the process does."""
    for opened in database._open.values():
        opened.engine.dispose()
    database._open.clear()


def fill(folder: Path) -> None:
    with open(folder / "filling", "ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    with open(folder / "filling", "ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0"):
            pass
    assert shutil.disk_usage(folder).free == 0


def trained(store: RunStore, with_files: bool = True) -> str:
    claimant = me()
    run = store.create(tiny_config(), claimant)
    store.record_all(run, [started(), *(step(i) for i in range(1, 200)), evaluated(199)])
    if with_files:
        store.record(run, snapshot(0))
        store.folder(run).write_checkpoint({"step": 1, "bulk": "x" * 100_000})
    store.let_go(run, claimant.worker, "stopped")
    return run


def dead_run(store: RunStore) -> str:
    """One that says running, of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run = store.create(tiny_config(), dataclasses.replace(me(), pid=process.pid))
    store.record(run, step(7))
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.endswith(("-shm", "-wal"))}


@pytest.mark.parametrize("is_fresh", [True, False], ids=["by a new process", "by one that had it open"])
def test_reading_goes_on(small_disk: Path, is_fresh: bool, capsys: pytest.CaptureFixture[str]) -> None:
    store = RunStore()
    run, gone = trained(store), dead_run(store)
    if is_fresh:
        forget()
    fill(small_disk)
    before = contents(small_disk)
    store = RunStore()
    assert {record.id: record.state for record in store.list()} == {run: "stopped", gone: "interrupted"}
    assert "ended at step 7" in str(store.get(gone).error)
    assert len(store.steps(run)["step"]) == 199
    assert [row.step for row in store.snapshots(run)] == [0]
    assert store.workers() == []
    assert cli.main(["runs", "list"]) == 0
    assert run in capsys.readouterr().out
    assert cli.main(["runs", "show", run]) == 0
    assert contents(small_disk) == before


@pytest.mark.parametrize("has_reserve", [True, False], ids=["reserve", "no reserve"])
@pytest.mark.parametrize("is_fresh", [True, False], ids=["by a new process", "by one that had it open"])
def test_deleting_frees_space(
    small_disk: Path, is_fresh: bool, has_reserve: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    store = RunStore()
    run, other = trained(store), trained(store)
    assert (small_disk / ".reserve").stat().st_size == reserve.BYTES
    if not has_reserve:
        (small_disk / ".reserve").unlink()
    if is_fresh:
        forget()
    fill(small_disk)
    assert cli.main(["runs", "delete", run]) == 0, capsys.readouterr().err
    assert [record.id for record in RunStore().list()] == [other]
    assert not (small_disk / "runs" / run).exists()
    assert shutil.disk_usage(small_disk).free > 0


def test_a_run_is_renamed_with_the_reserve(small_disk: Path) -> None:
    run = trained(RunStore())
    forget()
    fill(small_disk)
    RunStore().rename(run, "renamed")
    assert RunStore().get(run).name == "renamed"
    assert not (small_disk / ".reserve").exists()


def test_a_run_without_files_is_deleted_with_the_reserve(small_disk: Path) -> None:
    run = trained(RunStore(), with_files=False)
    shutil.rmtree(small_disk / "runs" / run)
    forget()
    fill(small_disk)
    RunStore().delete(run)
    assert RunStore().list() == []


def test_a_queued_run_is_stopped_with_the_reserve(small_disk: Path) -> None:
    run = RunStore().create(tiny_config())
    forget()
    fill(small_disk)
    RunStore().request_stop(run)
    assert RunStore().get(run).state == "stopped"


def test_starting_a_run_says_so_and_the_store_comes_back(small_disk: Path) -> None:
    run = trained(RunStore())
    forget()
    fill(small_disk)
    with pytest.raises(DiskFull, match="free some space"):
        RunStore().create(tiny_config())
    assert [record.id for record in RunStore().list()] == [run]
    (small_disk / "filling").unlink()
    store = RunStore()
    assert store.refusal is None
    store.create(tiny_config())
    assert len(store.list()) == 2


def test_an_old_database_is_read_and_tidied_before_it_migrates(small_disk: Path) -> None:
    shutil.copy(OLD, small_disk / "runs.db")
    done = small_disk / "runs" / "7c56" / "snapshots"
    done.mkdir(parents=True)
    (done / "0.safetensors").write_bytes(os.urandom(3 * MEBIBYTE))
    fill(small_disk)
    store = RunStore()
    assert "free some space" in str(store.refusal)
    assert len(store.list()) == 7
    store.delete("7c56")
    assert len(store.list()) == 6
    assert store.refusal is None
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (migrations.VERSION,)


# ------------------------------------------------------------------ the same without a disk of its own


def failing(times: int) -> Callable[[StoreBase], object]:
    """`_writing` that finds the disk full so many times."""
    true, left = StoreBase._writing, [times]

    @contextlib.contextmanager
    def writing(store: StoreBase) -> Iterator[object]:
        if left[0]:
            left[0] -= 1
            raise DiskFull("The disk has no room left.")
        with true(store) as connection:
            yield connection

    return writing


def test_dead_runs_are_shown_where_they_cannot_be_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore()
    run = dead_run(store)
    monkeypatch.setattr(StoreBase, "_writing", failing(1000))
    assert [(record.id, record.state) for record in store.list()] == [(run, "interrupted")]
    assert store.list(states=["running"]) == []
    assert [record.id for record in store.list(states=["interrupted"])] == [run]
    assert store.states() == {"interrupted": 1}
    assert store.get(run).resume_refusal is None


@pytest.mark.parametrize("times", [1, 2])
def test_a_deletion_gives_up_first_the_reserve_then_the_files(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    store = RunStore()
    run = trained(store)
    kept = store.home / ".reserve"
    kept.write_bytes(b"room")
    monkeypatch.setattr(StoreBase, "_writing", failing(times))
    store.delete(run)
    assert store.list() == []
    assert not kept.exists()


def test_the_reserve_is_taken_again_where_there_is_plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore()
    assert not reserve.give_up(store.home)
    monkeypatch.setattr(reserve, "PLENTY", 2**62)
    store.create(tiny_config())
    assert not (store.home / ".reserve").exists()
    monkeypatch.setattr(reserve, "PLENTY", 1)
    store.create(tiny_config())
    assert (store.home / ".reserve").stat().st_size == reserve.BYTES
    assert reserve.give_up(store.home)


def test_the_end_of_a_run_is_written_down_with_the_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(), claimant)
    (store.home / ".reserve").write_bytes(b"room")
    monkeypatch.setattr(StoreBase, "_writing", failing(1))
    store.let_go(run, claimant.worker, "failed", "The disk has no room left.")
    assert (store.get(run).state, store.get(run).error) == ("failed", "The disk has no room left.")
