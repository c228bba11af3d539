"""Damaged files of a run: whatever is wrong with one, its reader gives one sentence, and other runs are well."""

from __future__ import annotations

import io
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_tools import checkpoint, evaluated, finished, me, snapshot, started, step, tiny_config, tiny_trainer
from safetensors.torch import save

from vit_explore.errors import BadRunState, DamagedFile, ModelUnavailable, VitExploreError
from vit_explore.models import create_model
from vit_explore.runs import reading
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import Outcome, train_run
from vit_explore.runs.records import pack
from vit_explore.runs.references import load_model
from vit_explore.runs.store import RunStore


@pytest.fixture
def store() -> RunStore:
    return RunStore()


@pytest.fixture
def run(store: RunStore) -> str:
    """A stopped run that has a file and a row of each kind."""
    run = store.create(tiny_config(), me())
    record = started()
    weights = {name: value.half() for name, value in create_model(record.model).state_dict().items()}
    kept = snapshot(0)
    events = [record, type(kept)(0, 0.0, 0.0, weights), step(1), evaluated(1), checkpoint(1), finished(1, stopped=True)]
    store.record_all(run, events)
    return run


def readers(store: RunStore, run: str) -> dict[str, tuple[Path, Callable[[], Any]]]:
    folder = store.folder(run)
    return {
        "checkpoint": (folder.checkpoint, folder.read_checkpoint),
        "samples": (folder.path / "samples.npz", lambda: store.started(run)),
        "snapshot": (folder.snapshot(0), lambda: load_model(f"run:{run}")),
    }


def damages(whole: bytes) -> Iterator[bytes]:
    """Cut short, empty, foreign, with bytes turned over: 100 of them, the same ones each time."""
    rng = random.Random(0)
    yield from (b"", b"\0", b"{}", b"PK\x03\x04", b"\x80\x04]", b"\x93NUMPY\x01\x00", rng.randbytes(300))
    for _ in range(33):
        yield whole[: rng.randrange(len(whole))]
    for _ in range(60):
        bent = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            bent[rng.randrange(min(len(bent), 600))] = rng.randrange(256)
        yield bytes(bent)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["checkpoint", "samples", "snapshot"])
def test_a_damaged_file_is_one_sentence_or_still_sound(store: RunStore, run: str, kind: str) -> None:
    path, read = readers(store, run)[kind]
    assert read() is not None
    sentences = []
    for data in damages(path.read_bytes()):
        path.write_bytes(data)
        try:
            read()  # a turned byte may lie where it does no harm
        except VitExploreError as error:
            sentences.append(str(error))
    assert len(sentences) > 60
    assert all("; " in sentence and "\n" not in sentence for sentence in sentences)


@pytest.mark.parametrize("kind", ["checkpoint", "samples"])
def test_a_folder_in_place_of_a_file(store: RunStore, run: str, kind: str) -> None:
    path, read = readers(store, run)[kind]
    path.unlink()
    with pytest.raises(DamagedFile, match=r"\(FileNotFoundError\)"):
        read()
    path.mkdir()
    with pytest.raises(DamagedFile, match=r"cannot be read \(IsADirectoryError\)"):
        read()
    claimant = me()
    store.resume(run, claimant)
    with pytest.raises(BadRunState, match="is in the way"):
        store.record_all(run, [started(), checkpoint(1)], claimant.worker)


@pytest.mark.parametrize("value", [None, [1, 2], "state", 7])
def test_a_checkpoint_is_a_dict(store: RunStore, run: str, value: object) -> None:
    torch.save(value, store.checkpoint_path(run))
    reason = f"it holds a {type(value).__name__} and not the state of a run"
    with pytest.raises(DamagedFile, match=rf"cannot be read \({reason}\);"):
        store.folder(run).read_checkpoint()


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


IMAGES, LABELS = np.zeros((2, 3, 8, 8), np.uint8), np.zeros(2, np.int64)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": IMAGES}, "KeyError"),
        ({"images": IMAGES.astype(np.float32), "labels": LABELS}, "images float32"),
        ({"images": IMAGES[0], "labels": LABELS}, r"images uint8 \(3, 8, 8\)"),
        ({"images": IMAGES, "labels": LABELS[:1]}, r"labels \(1,\)"),
        ({"images": IMAGES, "labels": LABELS.astype(float)}, "labels of float64"),
        ({"images": np.array([{}, {}], object), "labels": LABELS}, "ValueError"),
    ],
)
def test_samples_are_images_with_labels(store: RunStore, run: str, arrays: dict[str, Any], says: str) -> None:
    (store.folder(run).path / "samples.npz").write_bytes(npz(**arrays))
    with pytest.raises(DamagedFile, match=says):
        store.started(run)


def test_weights_of_another_kind_do_not_fit(store: RunStore, run: str) -> None:
    path, model = store.folder(run).snapshot(0), create_model(started().model)
    for change, says in (
        (lambda w: {**w, "head.weight": w["head.weight"].long()}, r"head\.weight holds torch\.int64 and not"),
        (lambda w: {**w, "head.weight": torch.zeros(9)}, r"head\.weight is 9 and not 3 × 8"),
        (lambda w: {k: v for k, v in w.items() if k != "head.bias"}, r"they lack head\.bias"),
    ):
        path.write_bytes(save(change(dict(model.state_dict()))))
        with pytest.raises(ModelUnavailable, match=says):
            load_model(f"run:{run}")


def set_blob(store: RunStore, table: str, column: str, run: str, data: object) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE run = ?", (data, run))


@pytest.mark.parametrize(
    "data",
    [None, b"", b"x", pack(np.zeros(3))[:-4], pack(np.zeros((2, 2, 2))), pack(np.array(["a"])), pack(np.zeros(2))],
    ids=["null", "empty", "foreign", "cut", "axes", "words", "size"],
)
@pytest.mark.parametrize(("table", "says"), [("evaluations", "at step 1 cannot"), ("finishes", "result of the run")])
def test_a_damaged_row_is_one_sentence(store: RunStore, run: str, table: str, says: str, data: object) -> None:
    other = store.create(tiny_config(), me())
    store.record_all(other, [started(), evaluated(1), finished(1)])
    set_blob(store, table, "confusion", run, data)
    read = store.evaluations if table == "evaluations" else store.finished
    with pytest.raises(DamagedFile, match=says):
        read(run)
    assert read(other)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"step": 1}'])
def test_damaged_json_is_one_sentence(store: RunStore, run: str, text: str) -> None:
    set_blob(store, "finishes", "scalars", run, text)
    with pytest.raises(DamagedFile, match="The result of the run"):
        store.finished(run)


def test_what_was_packed_is_read() -> None:
    for array, kind in ((np.arange(6).reshape(2, 3), (2, "iu")), (np.array([0.5, np.nan], np.float32), (1, "f"))):
        np.testing.assert_array_equal(reading.array(pack(array), *kind), array)


def resume(store: RunStore, run: str) -> Outcome:
    import threading

    claimant = me()
    store.resume(run, claimant)
    with Pulse(store, claimant, registered=False) as pulse:
        return train_run(store, store.get(run), pulse, threading.Event(), make_trainer=tiny_trainer)


@pytest.mark.parametrize(
    "state", [None, [1], {"step": 1}, {"model": {}, "optimizer": {}, "step": 1, "elapsed": 0.0}], ids=repr
)
def test_a_run_with_a_foreign_checkpoint_fails_in_one_sentence(store: RunStore, run: str, state: object) -> None:
    torch.save(state, store.checkpoint_path(run))
    outcome = resume(store, run)
    assert (outcome.state, outcome.unexpected) == ("failed", False)
    error = store.get(run).error or ""
    assert error.startswith("The checkpoint ")
    assert "duplicate the run" in error
    assert not store.folder(run).log.exists()


def test_a_log_that_cannot_be_written_hurts_nothing_else(
    store: RunStore, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.folder(run).log.mkdir()
    monkeypatch.setattr("vit_explore.runs.files.RunFolder.read_checkpoint", lambda _: 1 / 0)
    assert resume(store, run).unexpected
    assert "ZeroDivisionError" in (store.get(run).error or "")


def test_a_run_whose_folder_is_gone_says_so_and_the_others_go_on(store: RunStore, run: str) -> None:
    other = store.create(tiny_config())
    shutil.rmtree(store.folder(run).path)
    assert "cannot be read" in str(resume(store, run).error)
    assert {record.id for record in store.list()} == {run, other}
