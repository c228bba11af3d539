"""A database that was lost: it is said, ids are not given again, and the rows come back from the folders."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from run_tools import FakeTrainer, checkpoint, evaluated, finished, me, snapshot, started, step, tiny_config

from vit_explore import cli
from vit_explore.runs import database, sidecars
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.runs.worker import run_worker


def end(store: RunStore, state: str, **origin: str) -> str:
    claimant = me()
    run = store.create(tiny_config(name=f"a {state} one"), claimant, **origin)
    store.record_all(run, [started(), snapshot(0), *(step(i) for i in range(1, 9)), evaluated(8), snapshot(8)])
    if state in ("stopped", "interrupted"):
        store.record(run, checkpoint(8))
    if state == "finished":
        store.record_all(run, [evaluated(8, "test"), finished(8)])
    elif state == "stopped":
        store.record(run, finished(8, stopped=True))
    store.let_go(run, claimant.worker, state)
    return run


def lose_database(home: Path, how: str = "cut to 0 bytes") -> RunStore:
    database._open.clear()
    for path in home.glob("runs.db*"):
        path.unlink()
    if how == "cut to 0 bytes":
        (home / "runs.db").touch()
    return RunStore()


KEPT = (
    "id",
    "name",
    "created",
    "config",
    "owner",
    "group",
    "parent",
    "model",
    "classes",
    "mean",
    "std",
    "params",
    "flops",
)


@pytest.mark.parametrize("how", ["cut to 0 bytes", "gone"])
def test_a_lost_database_is_no_empty_store(home: Path, how: str) -> None:
    assert RunStore().loss is None
    run = end(RunStore(), "finished")
    assert RunStore().loss is None
    store = lose_database(home, how)
    assert store.orphans() == (run,)
    assert "lies 1 folder of a run of which it knows nothing" in str(store.loss)
    assert "runs rebuild" in str(store.loss)
    database._open.clear()
    assert RunStore().orphans() == (run,)  # also where it was opened, and so made, since


def test_the_rows_come_back(home: Path) -> None:
    store = RunStore()
    parent = end(store, "finished", owner="ada", group="a race")
    runs = {state: end(store, state, parent=parent) for state in ("finished", "stopped", "interrupted", "failed")}
    runs["queued"] = store.create(tiny_config())
    before = {record.id: record for record in store.list()}
    result = store.finished(parent)
    store = lose_database(home)
    done = store.rebuild()
    assert set(done.entered) == set(before)
    assert done.left == ()
    assert [record.id for record in store.list()] == list(before)  # in the old order
    after = {record.id: record for record in store.list()}
    for run, record in after.items():
        assert [getattr(record, name) for name in KEPT] == [getattr(before[run], name) for name in KEPT]
    assert {state: after[run].state for state, run in runs.items()} == {
        "finished": "finished", "stopped": "stopped", "interrupted": "interrupted", "failed": "interrupted",
        "queued": "interrupted",
    }  # fmt: skip
    check_result(store, after[parent], before[parent], result)
    assert store.loss is None
    assert store.rebuild().entered == ()


def check_result(store: RunStore, after: RunRecord, before: RunRecord, result: object) -> None:
    numbers = ("test_top1", "macro_f1", "top1", "images_seen", "images_per_second", "train_seconds", "device", "step")
    assert [getattr(after, name) for name in numbers] == [getattr(before, name) for name in numbers]
    kept = store.finished(after.id)
    for name, value in vars(result).items():
        theirs = getattr(kept, name)
        if isinstance(value, np.ndarray):
            assert theirs.dtype == value.dtype
            assert np.array_equal(theirs, value, equal_nan=value.dtype.kind == "f")
        else:
            assert theirs == value
    assert [row.step for row in store.snapshots(after.id)] == [0, 8]
    assert store.snapshot_path(after.id, 8).is_file()
    assert after.disk_bytes == store.folder(after.id).size()


def test_what_had_a_checkpoint_goes_on(home: Path) -> None:
    run = end(RunStore(), "interrupted")
    store = lose_database(home)
    store.rebuild()
    assert store.get(run).resume_refusal is None
    assert "resume it to go on from its last checkpoint" in str(store.get(run).error)
    store.resume(run)
    run_worker("cpu", once=True, make_trainer=FakeTrainer(steps=12))
    assert store.get(run).state == "finished"
    assert store.steps(run)["step"].tolist() == [9, 10, 11, 12]


def test_a_result_with_missing_numbers_comes_back(home: Path) -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(), claimant)
    odd = finished(3)
    odd.per_class[1] = np.nan
    store.record_all(run, [started(), odd])
    assert "NaN" not in (store.folder(run).path / "result.json").read_text()
    store = lose_database(home)
    store.rebuild()
    kept = store.finished(run)
    assert kept is not None
    assert np.array_equal(kept.per_class, odd.per_class, equal_nan=True)


def test_ids_of_lost_runs_are_not_given_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = end(RunStore(), "finished")
    store = lose_database(home)
    monkeypatch.setattr("secrets.token_hex", lambda _: run + "beef" * 7)
    assert store.create(tiny_config()) == run + "b"
    assert store.rebuild().entered == (run,)


def test_a_resumed_run_has_no_result_until_its_next_end(home: Path) -> None:
    store = RunStore()
    run = end(store, "stopped")
    store.resume(run)
    assert sidecars.read_result(store.folder(run)) is None


def test_deleted_runs_and_empty_folders_do_not_come_back(home: Path) -> None:
    store = RunStore()
    run = end(store, "finished")
    store.delete(run)
    store.folder(run).create()
    (store.folder(run).path / "late.txt").write_text("written by a process that was slow to hear of it")
    store.folder("abcd").create()
    assert store.loss is None
    assert store.rebuild().entered == ()


def test_folders_that_say_too_little_are_named_and_left(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [end(RunStore(), "finished") for _ in range(4)]
    folder = home / "runs"
    (folder / runs[0] / "config.json").unlink()
    (folder / runs[1] / "config.json").write_text("{")
    (folder / runs[2]).rename(folder / "copy")  # its card names another run
    lose_database(home)
    assert cli.main(["runs", "list"]) == 0
    assert "note: Beside the database" in capsys.readouterr().err
    assert cli.main(["runs", "rebuild"]) == 0
    out, err = capsys.readouterr()
    assert out == f"Entered again: {runs[3]}.\n"
    assert all(name in err for name in (runs[0], runs[1], "copy"))
    assert f"move them out of {folder}" in err
    assert {path.name for path in folder.iterdir()} == {runs[0], runs[1], "copy", runs[3]}


@pytest.mark.parametrize("text", ["{", "[]", '{"scalars": {"step": 1}}', ""])
def test_a_damaged_result_makes_the_run_interrupted(home: Path, text: str) -> None:
    run = end(RunStore(), "finished")
    (home / "runs" / run / "result.json").write_text(text)
    store = lose_database(home)
    store.rebuild()
    assert store.get(run).state == "interrupted"


def test_odd_values_on_a_card_are_left_out(home: Path) -> None:
    run = end(RunStore(), "finished")
    for name, changes in (("config.json", {"owner": {}, "group": 3}), ("result.json", {"scalars": {"step": "many"}})):
        path = home / "runs" / run / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    card = json.loads((home / "runs" / run / "config.json").read_text())
    card["facts"] |= {"params": [], "steps_per_epoch": "few", "device": None}
    (home / "runs" / run / "config.json").write_text(json.dumps(card))
    store = lose_database(home)
    assert store.rebuild().entered == (run,)
    record = store.get(run)
    assert (record.state, record.owner, record.params, record.device) == ("interrupted", None, None, None)


def test_settings_of_another_version_come_back_as_they_are(home: Path) -> None:
    run = end(RunStore(), "finished")
    path = home / "runs" / run / "config.json"
    card = json.loads(path.read_text())
    card["config"]["model"]["rope"] = True
    path.write_text(json.dumps(card))
    store = lose_database(home)
    store.rebuild()
    assert "cannot be read here" in str(store.get(run).unreadable)
    assert json.loads(store.get(run).stored) == card["config"]


def test_the_card_follows_the_name(home: Path) -> None:
    store = RunStore()
    run = end(store, "finished")
    store.rename(run, "renamed")
    store = lose_database(home)
    store.rebuild()
    assert store.get(run).name == "renamed"


def test_for_scripts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", "rebuild"]) == 0
    assert capsys.readouterr().out.startswith("Nothing to rebuild")
    run = end(RunStore(), "finished")
    lose_database(home)
    assert cli.main(["runs", "rebuild", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"entered": [run], "left": []}


# ------------------------------------------------------------------ a kill while a run is being made

KILLED = """
import os, sys
from vit_explore.config import RunConfig
from vit_explore.runs import files, sidecars
from vit_explore.runs.store import RunStore
store = RunStore()
kill = lambda *_, **__: os.kill(os.getpid(), 9)
{}
store.create(RunConfig())
"""
MOMENTS = {
    "before the row": "from vit_explore.runs import store as module; module.last_place = kill",
    "before the folder": "files.RunFolder.create = kill",
    "before the card": "sidecars._write = kill",
    "in the card": "files.os.replace = kill",
}


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_a_kill_leaves_no_folder_without_a_row(home: Path, moment: str) -> None:
    script, root = KILLED.format(MOMENTS[moment]), Path(__file__).parents[2]
    process = subprocess.run([sys.executable, "-c", script], cwd=root, env=os.environ, check=False, timeout=60)
    assert process.returncode == -9
    store = RunStore()
    folders = {path.name for path in (home / "runs").glob("*")}
    assert folders <= {record.id for record in store.list()}
    assert store.loss is None
    assert len(store.list()) == (0 if moment == "before the row" else 1)
    for _ in store.list():  # and what has a row can be trained
        run_worker("cpu", once=True, make_trainer=FakeTrainer())
    assert {record.state for record in store.list()} <= {"finished"}


DELETED = """
import os, sys
from vit_explore.runs import files, store as module
kill = lambda *_, **__: os.kill(os.getpid(), 9)
if sys.argv[2] == "before the files":
    files.shutil.rmtree = kill
else:
    module.sa.delete = kill
module.RunStore().delete(sys.argv[1])
"""


@pytest.mark.parametrize("moment", ["before the files", "before the row"])
def test_a_kill_while_deleting_leaves_a_row_to_delete_again(home: Path, moment: str) -> None:
    run = end(RunStore(), "finished")
    command, root = [sys.executable, "-c", DELETED, run, moment], Path(__file__).parents[2]
    assert subprocess.run(command, cwd=root, env=os.environ, check=False, timeout=60).returncode == -9
    store = RunStore()
    assert [record.id for record in store.list()] == [run]
    assert store.folder(run).path.exists() == (moment == "before the files")
    store.delete(run)
    assert store.list() == []
    assert not store.folder(run).path.exists()


def test_a_run_whose_folder_is_missing_is_trained(home: Path) -> None:
    store = RunStore()
    run = store.create(tiny_config())
    shutil.rmtree(home / "runs")
    run_worker("cpu", once=True, make_trainer=FakeTrainer())
    assert store.get(run).state == "finished"
    assert (home / "runs" / run / "config.json").is_file()
