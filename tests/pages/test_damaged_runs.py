"""A run of which a file or a row is damaged: one sentence where it would have stood, and the rest of the page."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable

import pytest
from conftest import MakeRun, OpenPage
from streamlit.testing.v1 import AppTest

from vit_explore.runs.store import RunStore

Damage = Callable[[str], None]


def samples(data: bytes) -> Damage:
    return lambda run: (RunStore().folder(run).path / "samples.npz").write_bytes(data) and None


def snapshot(data: bytes | None) -> Damage:
    def damage(run: str) -> None:
        store = RunStore()
        path = store.snapshot_path(run, store.snapshots(run)[-1].step)
        if data is None:
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(data)

    return damage


def blob(table: str, column: str, data: object) -> Damage:
    def damage(run: str) -> None:
        with sqlite3.connect(RunStore().path) as connection:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE run = ?", (data, run))

    return damage


DAMAGES: dict[str, tuple[Damage, str]] = {
    "samples empty": (samples(b""), "sample images of this run"),
    "samples foreign": (samples(b"PK\x03\x04" + bytes(40)), "sample images of this run"),
    "snapshot empty": (snapshot(b""), "cannot be read"),
    "snapshot cut": (snapshot(b"\x40\0\0\0\0\0\0\0{"), "cannot be read"),
    "evaluations": (blob("evaluations", "sample_probs", b"cut"), "The evaluation of the run"),
    "evaluations null": (blob("evaluations", "confusion", None), "The evaluation of the run"),
    "result": (blob("finishes", "confusion", zlib.compress(b"x")), "The result of the run"),
    "result scalars": (blob("finishes", "scalars", "{"), "The result of the run"),
}


def errors(at: AppTest) -> str:
    return " ".join(str(element.value) for element in at.error)


@pytest.mark.parametrize("what", DAMAGES)
def test_the_train_page_says_so_and_shows_the_rest(open_page: OpenPage, make_run: MakeRun, what: str) -> None:
    run, (damage, says) = make_run(), DAMAGES[what]
    damage(run)
    at = open_page("train", run=run)
    assert not at.exception
    assert says in errors(at)
    assert {"live_change", "live_new"} <= {element.key for element in at.button}
    assert [metric.label for metric in at.metric]  # the numbers are there
    assert "Behind this page" in " ".join(str(element.value) for element in at.subheader)


@pytest.mark.parametrize("what", ["evaluations", "result"])
def test_a_race_with_a_damaged_run_goes_on(open_page: OpenPage, make_run: MakeRun, what: str) -> None:
    one, other = make_run(), make_run()
    damage, says = DAMAGES[what]
    damage(one)
    at = open_page("versus", one=one, other=other)
    assert not at.exception
    assert says in errors(at)
    assert "In numbers" in " ".join(str(element.value) for element in at.markdown)


@pytest.mark.parametrize("page", ["attention", "positions", "filters"])
@pytest.mark.parametrize("what", ["snapshot empty", "snapshot cut"])
def test_looking_into_a_damaged_snapshot_is_one_sentence(
    open_page: OpenPage, make_run: MakeRun, page: str, what: str
) -> None:
    run = make_run()
    DAMAGES[what][0](run)
    at = open_page(page, model=f"run:{run}")
    assert not at.exception
    assert "cannot be read" in errors(at)
    assert at.title


def test_the_other_runs_are_well(open_page: OpenPage, make_run: MakeRun) -> None:
    well, ill = make_run(), make_run()
    for damage, _ in DAMAGES.values():
        damage(ill)
    assert not open_page("train", run=well).error
    at = open_page("runs")
    assert not at.exception
    assert not at.error


@pytest.mark.parametrize("page", ["train", "attention"])
def test_a_folder_in_place_of_a_snapshot(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    run = make_run()
    snapshot(None)(run)
    at = open_page("train", run=run) if page == "train" else open_page(page, model=f"run:{run}")
    assert not at.exception
    assert "no snapshot at step" in errors(at)
