"""Databases of other releases: an older one is migrated once, whole or not at all; a newer one is only read."""

from __future__ import annotations

import json
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from run_tools import FakeTrainer, me, tiny_config

from vit_explore import cli
from vit_explore.errors import DiskFull, StoreUnusable
from vit_explore.runs import database, migrations
from vit_explore.runs.records import process_start
from vit_explore.runs.store import RunStore
from vit_explore.runs.worker import run_worker

# written by release 0.1.0 before there were migrations: a run in each state, metrics, snapshots without their files
OLD = Path(__file__).with_name("stored") / "runs-v1.db"
STATES = {
    "running when it was copied": "interrupted",  # its process is gone
    "waiting too": "queued",
    "waiting": "queued",
    "ViT p4 d8×1 · cifar10 · 60 s": "interrupted",
    "resnet-slim · shapes · 2 epochs": "failed",
    "ViT p4 d8×1 · 2 classes · 2 epochs": "stopped",
    "finished one": "finished",
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A home with a database of version 1."""
    folder = tmp_path / "old"
    folder.mkdir()
    shutil.copy(OLD, folder / "runs.db")
    return folder


def sql(home: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home / "runs.db")) as connection, connection:
        return connection.execute(query).fetchall()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def version(home: Path) -> int:
    return sql(home, "PRAGMA user_version")[0][0]


def test_an_old_database_opens_with_all_its_runs(old: Path) -> None:
    store = RunStore(old)
    assert store.refusal is None
    records = {record.name: record for record in store.list()}
    assert {name: record.state for name, record in records.items()} == STATES
    assert all(record.unreadable is None for record in records.values())
    done = records["finished one"]
    assert (done.owner, done.group, done.parent, done.test_top1) == (None, None, None, 0.6)
    assert store.steps(done.id)["step"].tolist() == list(range(1, 17))
    assert [(look.step, look.split) for look in store.evaluations(done.id)] == [(8, "val"), (16, "val"), (16, "test")]
    end = store.finished(done.id)
    assert end is not None
    assert end.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert [row.step for row in store.snapshots(done.id)] == [0, 16]
    assert records["waiting"].place == 1


def test_an_old_database_is_used_as_a_new_one(old: Path) -> None:
    store = RunStore(old)
    run = store.create(tiny_config(), owner="ada")
    assert store.get(run).owner == "ada"
    run_worker("cpu", once=True, home=old, make_trainer=FakeTrainer())
    (stopped,) = store.list(states=["stopped"])
    store.resume(stopped.id, me())
    for record in store.list(states=["finished", "failed", "interrupted"]):
        store.delete(record.id)
    assert {record.state for record in store.list()} == {"queued", "running"}


def test_it_migrates_once_and_keeps_a_copy(old: Path) -> None:
    before = dump(OLD)
    RunStore(old)
    assert version(old) == migrations.VERSION
    copies = list(old.glob("*backup*"))
    assert [path.name for path in copies] == ["runs.db.v1.backup"]
    assert dump(copies[0]) == before
    assert sql(old, "SELECT count(*) FROM runs") == [(7,)]
    database._open.clear()
    RunStore(old)
    assert list(old.glob("*backup*")) == copies


def test_a_copy_is_never_overwritten(old: Path) -> None:
    (old / "runs.db.v1.backup").write_text("an older one")
    RunStore(old)
    assert (old / "runs.db.v1.backup").read_text() == "an older one"
    assert dump(old / "runs.db.v1.2.backup") == dump(OLD)


def test_the_folders_say_what_their_runs_are(old: Path) -> None:
    store = RunStore(old)
    for record in store.list():
        card = json.loads((old / "runs" / record.id / "config.json").read_text())
        assert (card["id"], card["name"], card["owner"]) == (record.id, record.name, None)
        assert card["config"] == json.loads(record.stored)
        assert (old / "runs" / record.id / "result.json").exists() == (record.state == "finished")


def test_a_damaged_run_does_not_hold_up_the_others(old: Path) -> None:
    sql(old, "UPDATE finishes SET confusion = x'00', scalars = '{'")
    sql(old, "UPDATE runs SET config = '{' WHERE name = 'waiting'")
    (old / "runs").mkdir()
    (old / "runs" / "3ac1").write_text("a file where a folder should be")
    records = {record.name: record for record in RunStore(old).list()}
    assert set(records) == set(STATES)
    assert [name for name, record in records.items() if record.unreadable] == ["waiting"]
    assert (old / "runs" / records["waiting"].id / "config.json").exists()


def test_idle_workers_of_the_version_before_are_sent_away_and_busy_ones_train_on(old: Path) -> None:
    children = {state: subprocess.Popen(["sleep", "60"]) for state in ("starting", "warm", "busy")}
    try:
        for state, child in children.items():
            values = (state, child.pid, process_start(child.pid), platform.node(), "auto", state, time.time())
            marks = ", ".join("?" * len(values))
            names = "id, pid, pid_started, host, device, state, heartbeat"
            with closing(sqlite3.connect(old / "runs.db")) as connection, connection:
                connection.execute(f"INSERT INTO workers ({names}) VALUES ({marks})", values)
        store = RunStore(old)
        assert [children[state].wait(10) for state in ("starting", "warm")] == [-signal.SIGTERM] * 2
        assert children["busy"].poll() is None
        assert [worker.state for worker in store.workers()] == ["busy"]
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def test_a_version_that_never_was_is_refused(old: Path) -> None:
    sql(old, "PRAGMA user_version = 0")
    with pytest.raises(StoreUnusable, match="is of version 0, which no release has written; move it away"):
        RunStore(old)


@pytest.mark.slow
def test_many_processes_migrate_it_once(old: Path) -> None:
    script = (
        "from pathlib import Path; import sys\nfrom vit_explore.runs.store import RunStore\n"
        "print(len(RunStore(Path(sys.argv[1])).list()))"
    )
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(old)], cwd=root, stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == [b"7"] * 4
    assert len(list(old.glob("*backup*"))) == 1


KILLED = """
import os, sys
from pathlib import Path
from vit_explore.runs import migrations, sidecars
from vit_explore.runs.store import RunStore
kill = lambda *_: os.kill(os.getpid(), 9)
if sys.argv[2] == "copying":
    migrations.os.rename = kill
elif sys.argv[2] == "first":
    migrations.STEPS[1] = kill
else:
    sidecars.write_all = kill
RunStore(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("when", ["copying", "first", "altered"])
def test_a_killed_migration_leaves_the_old_version(old: Path, when: str) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.run([sys.executable, "-c", KILLED, str(old), when], cwd=root, check=False, timeout=60)
    assert process.returncode == -9
    (old / ".runs.db.v1.backup.1.tmp-journal").touch()  # where SQLite itself was killed while it copied
    assert version(old) == 1
    assert dump(old / "runs.db") == dump(OLD)
    store = RunStore(old)  # and the next start does it
    assert version(old) == migrations.VERSION
    assert len(store.list()) == 7
    assert not list(old.glob(".*.tmp*"))
    assert dump(old / "runs.db.v1.backup") == dump(OLD)


def test_an_error_in_a_step_leaves_the_old_version(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: Any, _home: Path) -> None:
        connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN half TEXT")
        raise ValueError("half way")

    with monkeypatch.context() as patch:
        patch.setitem(migrations.STEPS, 1, fail)
        with pytest.raises(ValueError, match="half way"):
            RunStore(old)
    assert dump(old / "runs.db") == dump(OLD)
    assert len(RunStore(old).list()) == 7


def test_without_room_for_the_copy_it_is_read_as_it_is(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "SPARE_BYTES", 2**60)
        store = RunStore(old)
        assert "no room to copy runs.db" in str(store.refusal)
        assert {record.name: record.state for record in store.list()} == STATES
        assert store.states()["queued"] == 2
        assert store.workers() == []
        with pytest.raises(DiskFull, match="free some space"):
            store.create(tiny_config())
        assert version(old) == 1
    assert store.refusal is None  # there is room by now
    assert version(old) == migrations.VERSION
    store.create(tiny_config())


# ------------------------------------------------------------------ a newer version


@pytest.fixture
def newer(home: Path) -> Path:
    """The home of the tests, with a database that a later release has changed."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    shutil.copy(OLD, home / "runs.db")
    RunStore(home)._engine.dispose()
    sql(home, "DELETE FROM workers")
    sql(home, "PRAGMA journal_mode = DELETE")
    for change in (
        "ALTER TABLE runs ADD COLUMN colour TEXT",
        "ALTER TABLE runs DROP COLUMN macro_f1",
        "DROP TABLE finishes",
        "CREATE TABLE sweeps (id TEXT)",
        f"PRAGMA user_version = {migrations.VERSION + 1}",
    ):
        sql(home, change)
    database._open.clear()
    return home


def test_a_newer_database_is_read_as_far_as_it_is_known(newer: Path) -> None:
    before = (newer / "runs.db").read_bytes()
    store = RunStore(newer)
    assert f"is of version {migrations.VERSION + 1}, and this program writes version" in str(store.refusal)
    records = {record.name: record for record in store.list()}
    assert {name: record.state for name, record in records.items()} == STATES
    done = records["finished one"]
    assert (done.macro_f1, done.test_top1) == (None, 0.6)
    assert store.get(done.id) == done
    assert len(store.steps(done.id)["step"]) == 16
    assert [row.step for row in store.snapshots(done.id)] == [0, 16]
    assert store.workers() == []
    with pytest.raises(StoreUnusable, match="update this program"):
        store.finished(done.id)
    assert (newer / "runs.db").read_bytes() == before


def test_every_writing_into_a_newer_database_says_what_to_do(newer: Path) -> None:
    store = RunStore(newer)
    run = store.list(states=["stopped"])[0].id
    writings = [
        lambda: store.create(tiny_config()),
        lambda: store.rename(run, "other"),
        lambda: store.delete(run),
        lambda: store.resume(run),
        lambda: store.request_stop(run),
        lambda: store.claim(me()),
        lambda: store.duplicate(run),
        lambda: store.reserve_worker("w", "auto"),
    ]
    for write in writings:
        with pytest.raises(StoreUnusable, match="update this program, or set VIT_EXPLORE_HOME"):
            write()
    assert (newer / "runs" / run).is_dir()


def test_a_newer_database_in_the_command_line(newer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", "list"]) == 0
    out, err = capsys.readouterr()
    assert "finished one" in out
    assert err.startswith("note: The store of runs")
    run = RunStore(newer).list(states=["stopped"])[0].id
    assert cli.main(["runs", "show", run]) == 0
    capsys.readouterr()
    for command in (["runs", "delete", run], ["runs", "resume", run], ["worker", "--once"]):
        assert cli.main(command) == 2
        assert "update this program" in capsys.readouterr().err
