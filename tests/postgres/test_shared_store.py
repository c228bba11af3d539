"""A store that several servers share: what is not the same as on a file."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from vit_explore.config import RunConfig
from vit_explore.errors import BadRunState, StoreUnusable
from vit_explore.runs import database, migrations, postgres
from vit_explore.runs.records import Claimant
from vit_explore.runs.store import RunStore
from vit_explore.training import Evaluated, Step

CLAIM = """
import sys, uuid
from vit_explore.runs.records import Claimant
from vit_explore.runs.store import RunStore
store = RunStore()
while (run := store.claim_id(Claimant.this_process("auto", slot=uuid.uuid4().hex))) is not None:
    print(run)
"""


@pytest.fixture
def store(home: Path) -> RunStore:
    return RunStore()


def server() -> sa.Engine:
    url = postgres.server()
    assert url is not None
    return postgres.engine_of(url)


def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just begun."""
    monkeypatch.setattr(database, "_open", {})


def test_no_file_is_made_and_two_servers_see_the_same(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(RunConfig())
    forgotten(monkeypatch)
    assert RunStore().get(run).state == "queued"
    assert not (store.home / "runs.db").exists()
    assert store.is_there()


def test_processes_take_each_run_once(store: RunStore) -> None:
    runs = {store.create(RunConfig()) for _ in range(12)}
    others = [subprocess.Popen([sys.executable, "-c", CLAIM], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = [line for other in others for line in other.communicate(timeout=120)[0].split()]
    assert len(taken) == len(runs)
    assert set(taken) == runs


def test_one_writes_at_a_time_and_reads_what_the_one_before_wrote(store: RunStore) -> None:
    run = store.create(RunConfig())

    def ask() -> None:
        for _ in range(20):
            with store._writing() as connection:
                row = store._row(connection, run)
                time.sleep(0.001)
                connection.execute(sa.text("UPDATE runs SET step = :step"), {"step": (row.step or 0) + 1})

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(run).step == 80


def test_a_reader_sees_one_moment(store: RunStore) -> None:
    run = store.create(RunConfig())
    with store._reading() as connection:
        before = store._row(connection, run).name
        RunStore().rename(run, "another")
        assert store._row(connection, run).name == before
    assert store.get(run).name == "another"


def test_numbers_beyond_32_bits_and_no_numbers_come_back(store: RunStore) -> None:
    claimant = Claimant.this_process("cpu", slot="cpu")
    run = store.create(RunConfig(), claimant)
    step = Step(step=1, epoch=0.1, loss=math.nan, lr=1e-3, images_seen=2**40, images_per_second=1.0, elapsed=1.0,
                remaining=1.0, progress=0.5)  # fmt: skip
    store.record(run, step, claimant.worker)
    steps = store.steps(run)
    assert steps["images_seen"].tolist() == [2**40]
    assert math.isnan(steps["loss"][0])
    assert store.get(run).loss is None
    store.record(run, step, claimant.worker)  # once more changes nothing
    assert len(store.steps(run)["step"]) == 1
    assert store.evaluations(run) == list[Evaluated]()


def test_names_of_settings_are_read_from_damaged_ones_too(store: RunStore) -> None:
    run = store.create(RunConfig())
    with store._writing() as connection:
        connection.execute(sa.text("UPDATE runs SET config = '{damaged'"))
    assert store.get(run).unreadable
    assert store.runs_with_snapshots() == []
    with pytest.raises(BadRunState):
        store.resume(run)


def test_a_folder_of_another_database_is_refused(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(StoreUnusable, match=r"does not belong with the folder .*set VIT_EXPLORE_HOME"):
        RunStore(other)
    assert not list(other.iterdir())


def test_tables_of_another_program_are_left_alone(home: Path) -> None:
    engine = server()
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE runs (recipe TEXT)")
    with pytest.raises(StoreUnusable, match=r"another program \(runs\)"):
        RunStore()
    assert set(postgres.described(engine)[1]) == {"runs"}


def test_a_newer_database_is_only_looked_at(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(RunConfig())
    with store._writing() as connection:
        connection.execute(sa.update(postgres.about).values(version=migrations.VERSION + 1))
    forgotten(monkeypatch)
    later = RunStore()
    assert later.get(run).id == run
    with pytest.raises(StoreUnusable, match="update this program"):
        later.rename(run, "x")


@pytest.mark.parametrize("address", ["sqlite:///runs.db", "no address", "mysql://a@b/c"])
def test_what_is_no_address_of_a_server_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv(postgres.VARIABLE, address)
    with pytest.raises(StoreUnusable, match="write postgresql://"):
        RunStore()


def test_a_server_that_does_not_answer_is_one_sentence_without_the_password(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(postgres.VARIABLE, "postgresql://tester:geheim@127.0.0.1:9/runs")
    with pytest.raises(StoreUnusable, match="does not answer") as caught:
        RunStore()
    assert "geheim" not in str(caught.value)


def test_a_server_that_comes_back_is_used_again(store: RunStore) -> None:
    run = store.create(RunConfig())
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    with server().connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    assert store.get(run).id == run


def test_a_lock_that_is_held_too_long_is_one_sentence(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 1)
    engine = server()
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        forgotten(monkeypatch)
        with pytest.raises(StoreUnusable, match="held by another"):
            RunStore()
