"""What a page shows while something is computed, and that no error in a part of it takes the page down."""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import TINY, MakeRun, OpenPage
from streamlit.testing.v1 import AppTest

from vit_explore.classroom.addresses import LESSON
from vit_explore.data import load_dataset
from vit_explore.errors import DiskFull, NotApplicable
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import waiting
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.pages.train import live
from vit_explore.ui.session import caches, warmup
from vit_explore.ui.session.jobs import Job, Progress, Work

UI = Path(waiting.__file__).parents[1]


def page() -> None:
    """A script with one part that needs a job, and one that does not."""
    import streamlit as st

    from vit_explore.ui.kit import waiting
    from vit_explore.ui.kit.errors import friendly

    waiting.begin()
    with friendly():
        st.write(f"the result: {waiting.result(st.session_state['job'])}")
    st.write("the rest")


def click(at: AppTest, label: str) -> AppTest:
    """A button that the run before has drawn."""
    (button,) = [button for button in at.button if button.label == label]
    return button.click().run()


def shown(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.error, at.info)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def opened(job: Job[Any]) -> AppTest:
    at = AppTest.from_function(page, default_timeout=60)
    at.session_state["job"] = job
    return at.run()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What `slow` waits for; pages have little patience."""
    monkeypatch.setattr(waiting, "PATIENCE", 0.05)
    return threading.Event()


def slow(gate: threading.Event, end: Callable[[], Any] = lambda: 42) -> Job[Any]:
    def work() -> Work[Any]:
        while not gate.wait(0.002):
            yield Progress(0.4, "layer 2 of 5")
        return end()

    return Job((str(id(gate)),), "Asking the layers", work)


def test_a_bar_stands_in_place_of_what_is_not_there_yet_and_the_rest_is_drawn(gate: threading.Event) -> None:
    at = opened(slow(gate))
    at.run()
    (bar,) = at.get("progress")
    assert (bar.proto.value, bar.proto.text) == (40, "Asking the layers: layer 2 of 5…")
    assert "the rest" in shown(at)
    assert "the result" not in shown(at)
    assert not at.exception
    gate.set()
    waiting.PATIENCE = 60.0
    at.run()
    assert "the result: 42" in shown(at)
    assert not at.get("progress")
    assert not at.button


def test_what_is_there_soon_is_drawn_without_a_bar(gate: threading.Event) -> None:
    gate.set()
    waiting.PATIENCE = 60.0
    at = opened(slow(gate))
    assert "the result: 42" in shown(at)
    assert not at.get("progress")


def test_cancel_stops_it_and_it_can_be_had_after_all(gate: threading.Event) -> None:
    at = opened(slow(gate))
    before = [button.key for button in at.button]
    assert [button.key for button in at.run().button] == before  # or a click in the middle of a run would be lost
    click(at, "Cancel")
    assert "Cancelled: Asking the layers." in shown(at)
    assert "the rest" in shown(at)
    assert not at.get("progress")
    at.run()  # nobody starts it again by looking
    gate.set()
    time.sleep(0.05)
    assert "the result" not in shown(at.run())
    click(at, "Do it after all")
    waiting.PATIENCE = 60.0
    assert "the result: 42" in shown(at.run())


def test_another_session_is_not_cancelled_with_it(gate: threading.Event) -> None:
    job = slow(gate)
    mine, yours = opened(job), opened(job)
    click(mine, "Cancel")
    gate.set()
    waiting.PATIENCE = 60.0
    assert "the result: 42" in shown(yours.run())
    assert "the result: 42" in shown(mine.run())  # it is there: why not show it


def test_a_refusal_is_its_sentence(gate: threading.Event) -> None:
    def refuse() -> None:
        raise NotApplicable("This model has no such layer.")

    gate.set()
    waiting.PATIENCE = 60.0
    at = opened(slow(gate, refuse))
    assert [info.value for info in at.info] == ["This model has no such layer."]
    assert "the rest" in shown(at)


def test_a_bug_in_a_job_is_one_sentence(gate: threading.Event, bugs: Callable[[], list[str]]) -> None:
    gate.set()
    waiting.PATIENCE = 60.0
    at = opened(slow(gate, lambda: 1 // 0))
    assert "error of the program (ZeroDivisionError)" in at.error[0].value
    assert "the rest" in shown(at)
    (traceback,) = bugs()
    assert "1 // 0" in traceback


# ---------------------------------------------------------------------- fragments


def test_only_one_file_makes_fragments_and_dialogs() -> None:
    makers = {
        path.relative_to(UI).as_posix()
        for path in UI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("fragment", "dialog") and ast.unparse(node.value) == "st"
    }
    assert makers == {"kit/fragments.py"}


@pytest.mark.parametrize("part", ["_numbers", "_curves_and_pictures"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DiskFull("There is no room left."), "There is no room left."),
        (KeyError("samples"), "This part of the page met an error of the program (KeyError)."),
    ],
)
def test_an_error_in_a_fragment_is_one_sentence_and_the_page_stands(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, bugs: Callable[[], list[str]],
    part: str, error: Exception, said: str,
) -> None:  # fmt: skip
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(live, part, broken)
    at = open_page("train", run=make_run("finished"))
    assert not at.exception
    assert [message.value.startswith(said) for message in at.error] == [True]
    assert any("What to beware of" in element.value for element in at.markdown)
    tracebacks = bugs()
    assert len(tracebacks) == (not isinstance(error, DiskFull))
    assert all("KeyError: 'samples'" in traceback for traceback in tracebacks)


def test_a_fragment_keeps_its_functions_name_and_arguments() -> None:
    """Streamlit tells fragments apart by their names."""
    made = fragment(live.other_active)
    assert (made.__name__, made.__module__) == ("other_active", "vit_explore.ui.pages.train.live")


def test_friendly_lets_a_bug_of_the_page_itself_through() -> None:
    with pytest.raises(ZeroDivisionError), friendly():
        _ = 1 // 0


@pytest.mark.parametrize("page", ["train", "attention", "positions", "filters"])
def test_a_snapshot_cut_short_is_a_sentence(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    store, run = RunStore(), make_run("finished")
    for row in store.snapshots(run):
        path = store.snapshot_path(run, row.step)
        path.write_bytes(path.read_bytes()[:100])
    at = open_page(page, run=run, model=f"run:{run}")
    assert not at.exception
    assert at.error
    assert all("cannot be read" in error.value for error in at.error)
    assert any("What to beware of" in element.value for element in at.markdown)


def test_the_sample_images_of_a_run_cut_to_nothing_leave_the_rest_of_the_page(
    open_page: OpenPage, make_run: MakeRun, bugs: Callable[[], list[str]]
) -> None:
    run = make_run("finished")
    for path in RunStore().folder(run).path.rglob("samples.npz"):
        path.write_bytes(b"")
    at = open_page("train", run=run)
    assert not at.exception
    assert at.error
    assert {"Test accuracy", "Macro F1"} <= {metric.label for metric in at.metric}
    bugs()


def test_garbage_is_frozen_in_one_place_and_never_listed() -> None:
    """`gc.get_objects` hands out tuples that another thread is still building; it then dies with a SystemError."""
    used = {
        (path.relative_to(UI).as_posix(), node.attr)
        for path in UI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "gc"
    }
    assert used == {("session/warmup.py", name) for name in ("collect", "freeze", "get_stats")}


def test_one_thread_of_the_process_collects(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt  # the loop has no end

    monkeypatch.setattr(warmup, "_collecting", threading.Lock())
    monkeypatch.setattr(warmup, "time", SimpleNamespace(sleep=sleep))
    with pytest.raises(KeyboardInterrupt):
        warmup._collect_now_and_then()
    warmup._collect_now_and_then()  # a second one returns at once
    assert slept == [warmup._COLLECT_SECONDS] * 3


def test_of_a_dataset_the_app_keeps_no_more_than_pages_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "TRAINING_IMAGES", 3)
    done = caches.pool().ask(caches.loading(TINY.data), "me", 60)
    assert done is not None
    kept, whole = done.value, load_dataset(TINY.data)
    np.testing.assert_array_equal(kept.train.images, whole.train.images[:3])
    np.testing.assert_array_equal(kept.val.images, whole.val.images)
    assert (kept.mean, kept.std) == (whole.mean, whole.std)


def test_long_work_leaves_the_cores_to_a_run_and_to_a_class(
    home: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm: Any = SimpleNamespace(cores=4)
    assert caches._spare(home, warm) == 4
    make_run("finished")
    assert caches._spare(home, warm) == 4
    make_run("running")
    assert caches._spare(home, warm) == 1
    monkeypatch.setattr(RunStore, "states", lambda _: {})
    assert caches._spare(home, warm) == 4
    monkeypatch.setenv(LESSON, "a lesson")
    assert caches._spare(home, warm) == 1


def test_a_store_that_cannot_be_read_gives_long_work_one_core(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "runs.db").write_text("this is no database", encoding="utf-8")
    assert caches._spare(home, SimpleNamespace(cores=4)) == 1  # type: ignore[arg-type]
