"""A run as one file: all of it arrives, under a free id, and nothing harmful does."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_tools import me, on_a_file, tiny_config, tiny_trainer

from vit_explore import cli
from vit_explore.errors import BadData, BadReference, BadRunState, NotAllowed
from vit_explore.runs import archive as archive_module
from vit_explore.runs.archive import pack, unpack
from vit_explore.runs.policy import Actor
from vit_explore.runs.references import load_model
from vit_explore.runs.store import RunStore
from vit_explore.runs.tidy import tidy

pytestmark = on_a_file  # they need two homes, and a server is that of one


@pytest.fixture
def store() -> RunStore:
    return RunStore()


def elsewhere(tmp_path: Path) -> RunStore:
    """The store of another home."""
    (tmp_path / "elsewhere").mkdir()
    return RunStore(tmp_path / "elsewhere")


def trained(store: RunStore, stop: bool = False) -> str:
    claimant = me()
    run = store.create(tiny_config(name="mine"), claimant, owner="ada", group="race-1")
    store.guess(run, 0.5, ("red", "blue"))
    events = tiny_trainer(store.get(run).settings(), should_stop=lambda: stop).events()
    store.record_all(run, list(events))
    store.let_go(run, claimant.worker, "stopped" if stop else "finished")
    return run


def shown(store: RunStore, run: str) -> dict[str, Any]:
    """All that the store tells of a run, but for its id, its owner and its group."""
    record = store.get(run)
    not_carried = ("id", "owner", "group", "parent", "disk_bytes", "name", "heartbeat")
    told = {k: v for k, v in vars(record).items() if k not in not_carried}
    result = store.finished(run)
    return {
        **told,
        "steps": {name: values.tolist() for name, values in store.steps(run).items()},
        "looks": [(look.step, look.split, look.top1) for look in store.evaluations(run)],
        "snapshots": [(row.step, row.epoch, row.bytes) for row in store.snapshots(run)],
        "guesses": store.guesses(run),
        "confusion": None if result is None else result.confusion.tolist(),
    }


@pytest.mark.parametrize("stop", [False, True])
def test_all_of_a_run_arrives(store: RunStore, tmp_path: Path, stop: bool) -> None:
    run = trained(store, stop)
    path = pack(store, run, tmp_path / "mine")
    assert path.name == "mine.vitrun"
    other = elsewhere(tmp_path)
    came = unpack(other, path)
    assert came == run
    assert json.loads(json.dumps(shown(other, came), default=str)) == json.loads(
        json.dumps(shown(store, run), default=str)
    )
    assert (other.get(came).owner, other.get(came).group) == (None, None)
    a, b = (load_model(f"run:{run}", home).model.state_dict() for home in (store.home, other.home))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    if stop:
        other.resume(came)
        assert other.get(came).state == "queued"


def test_beside_the_same_run_it_gets_an_id_and_a_name_of_its_own(store: RunStore, tmp_path: Path) -> None:
    run = trained(store)
    came = unpack(store, pack(store, run, tmp_path / "mine.vitrun"))
    assert came != run
    assert (store.get(run).name, store.get(came).name) == ("mine", "mine (2)")
    store.delete(run)
    again = unpack(store, tmp_path / "mine.vitrun")
    assert again != run  # an id is never used twice


def test_a_run_that_trains_is_not_exported_and_no_file_is_replaced(store: RunStore, tmp_path: Path) -> None:
    waiting = store.create(tiny_config())
    with pytest.raises(BadRunState, match="stop it first"):
        pack(store, waiting, tmp_path / "x")
    store.request_stop(waiting)
    pack(store, waiting, tmp_path / "x")
    with pytest.raises(BadReference, match="is there already"):
        pack(store, waiting, tmp_path / "x.vitrun")
    pack(store, waiting, tmp_path / "x.vitrun", force=True)


@pytest.mark.parametrize("command", ["export", "page"])
@pytest.mark.parametrize(
    ("out", "said"), [(".", "names no file"), ("..", "names no file"), ("nowhere/x", "There is no folder")]
)
def test_a_place_that_cannot_be_written_to_is_one_sentence(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    command: str, out: str, said: str,
) -> None:  # fmt: skip
    run = store.create(tiny_config())
    store.request_stop(run)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["runs", command, run, "--out", out]) == 2
    assert said in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".vitrun", ".html")]


def test_a_student_imports_nothing(store: RunStore, tmp_path: Path) -> None:
    path = pack(store, trained(store), tmp_path / "mine")
    with pytest.raises(NotAllowed, match="only the teacher imports"):
        unpack(store.acting_as(Actor("ada")), path)


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other contents."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    out = path.with_name("changed.vitrun")
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out


def of_json(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        files[name] = json.dumps(change(json.loads(files[name]))).encode()

    return apply


SPOILT: dict[str, Callable[[dict[str, bytes]], None]] = {
    "nested too deep": lambda files: files.update({"run.json": b"[" * 200_000}),
    "no row": lambda files: files.pop("run.json") and None,
    "no tables": lambda files: files.pop("tables.json") and None,
    "cut off": lambda files: files.update({"run.json": files["run.json"][:50]}),
    "another format": of_json("run.json", lambda row: {**row, "format": 99}),
    "a list": of_json("run.json", lambda row: [row]),
    "settings of no text": of_json("run.json", lambda row: {**row, "config": {"a": 1}}),
    "a column of a list": of_json("run.json", lambda row: {**row, "top1": [1]}),
    "rows of no mapping": of_json("tables.json", lambda tables: {**tables, "steps": [1, 2]}),
    "bytes of no base64": of_json(
        "tables.json", lambda tables: {**tables, "finishes": [{"confusion": {"base64": "*"}}]}
    ),
}


@pytest.mark.parametrize("kind", list(SPOILT))
def test_a_damaged_file_is_one_sentence_and_leaves_nothing(store: RunStore, tmp_path: Path, kind: str) -> None:
    path = rewritten(pack(store, trained(store), tmp_path / "mine"), SPOILT[kind])
    other = elsewhere(tmp_path)
    with pytest.raises(BadData):
        unpack(other, path)
    assert other.list() == []


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("run.json", lambda row: {**row, "top1": "abc"}),
        ("tables.json", lambda tables: {**tables, "steps": tables["steps"] + tables["steps"][:1]}),
    ],
)
def test_rows_that_the_database_refuses_are_one_sentence_and_leave_nothing(
    store: RunStore, tmp_path: Path, part: str, change: Any
) -> None:
    pack(store, trained(store), tmp_path / "mine")
    other = elsewhere(tmp_path)
    with pytest.raises(BadData, match="is damaged"):
        unpack(other, rewritten(tmp_path / "mine.vitrun", of_json(part, change)))
    assert other.list() == []
    assert other.orphans() == ()


def test_facts_that_are_none_hide_no_other_run(store: RunStore, tmp_path: Path) -> None:
    pack(store, trained(store), tmp_path / "mine")

    def spoil(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "facts": json.dumps({**json.loads(row["facts"]), "classes": 5, "mean": "x"})}

    came = unpack(store, rewritten(tmp_path / "mine.vitrun", of_json("run.json", spoil)))
    assert {record.id for record in store.list()} >= {came}
    assert store.get(came).classes is None
    store.delete(came)


def test_files_are_unpacked_while_others_write(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gigabytes on a slow disk must not hold up a run that trains."""
    pack(store, trained(store), tmp_path / "mine")
    copy, renamed = archive_module._copy, []

    def slow(source: Any, target: Any) -> None:
        if not renamed:
            renamed.append(1)
            RunStore().rename(store.list()[0].id, "renamed meanwhile")
            tidy(RunStore())  # as a worker does when it starts
        copy(source, target)

    monkeypatch.setattr(archive_module, "_copy", slow)
    came = unpack(store, tmp_path / "mine.vitrun")
    assert renamed
    assert load_model(f"run:{came}") is not None
    assert "renamed meanwhile" in {record.name for record in store.list()}


def test_what_is_no_archive_is_one_sentence(store: RunStore, tmp_path: Path) -> None:
    junk, locked = tmp_path / "junk.vitrun", tmp_path / "locked.vitrun"
    junk.write_bytes(b"PK\x03\x04 not a zip")
    with zipfile.ZipFile(locked, "w") as archive:
        archive.writestr("run.json", "{}")
    content = bytearray(locked.read_bytes())
    for begins, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(begins) + flags] |= 1  # says that it is encrypted
    locked.write_bytes(content)
    for path in (junk, locked, tmp_path / "missing.vitrun", tmp_path):
        with pytest.raises(BadData):
            unpack(store, path)


def test_names_that_lead_elsewhere_are_left(store: RunStore, tmp_path: Path) -> None:
    def add(files: dict[str, bytes]) -> None:
        files |= {
            "../../evil.py": b"x",
            "/etc/evil": b"x",
            "snapshots/../../evil": b"x",
            "log.txt": b"x",
            "evil.pt": b"x",
        }

    path = rewritten(pack(store, trained(store), tmp_path / "mine"), add)
    other = elsewhere(tmp_path)
    came = unpack(other, path)
    there = {
        p.relative_to(other.folder(came).path).as_posix() for p in other.folder(came).path.rglob("*") if p.is_file()
    }
    assert not [name for name in there if "evil" in name or name == "log.txt"]
    assert not list(tmp_path.rglob("evil*"))


def test_a_wicked_name_is_shown_as_text(store: RunStore, tmp_path: Path) -> None:
    change = of_json("run.json", lambda row: {**row, "name": "\x1b[31mred\n" + "x" * 500, "id": "../../x"})
    path = rewritten(pack(store, trained(store), tmp_path / "mine"), change)
    other = elsewhere(tmp_path)
    with pytest.raises(BadData):
        unpack(other, path)
    change = of_json("run.json", lambda row: {**row, "name": "\x1b[31mred\n", "id": "../../x"})
    came = unpack(other, rewritten(tmp_path / "mine.vitrun", change))
    assert other.get(came).name.strip() == "red"
    assert came.isalnum()


def test_the_commands(store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(store)
    out = tmp_path / "taken.vitrun"
    assert cli.main(["runs", "export", run, "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    assert cli.main(["runs", "export", run, "--out", str(out)]) == 2
    capsys.readouterr()
    assert cli.main(["runs", "import", str(out), "--json"]) == 0
    came = json.loads(capsys.readouterr().out)["run"]
    assert store.get(came).test_top1 == store.get(run).test_top1
    page = tmp_path / "page.html"
    assert cli.main(["runs", "page", run, "--out", str(page)]) == 0
    assert "Do it again" in page.read_text()
    shutil.rmtree(store.folder(came).path)
    assert cli.main(["runs", "import", str(tmp_path / "none.vitrun")]) == 2
    assert "There is no file" in capsys.readouterr().err
