"""Stop means stop: within a step, too, by force; the run can go on, and the next one starts."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from run_tools import FakeTrainer, checkpoint, evaluated, finished, me, snapshot, started, step, tiny_config

from vit_explore import here
from vit_explore.errors import DiskFull
from vit_explore.home import home
from vit_explore.progress import Progress
from vit_explore.runs import asked, files, recorder, worker
from vit_explore.runs.asked import Asked, Watch
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import Outcome, train_run
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Event

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 0.6  # seconds, in place of FORCE_SECONDS
LONG = 120.0  # seconds of a step that hears nothing, and of a test
SOON = 40.0  # seconds on a machine that does much else


class Stuck(FakeTrainer):
    """Three steps and a checkpoint, then one long step that hears nothing."""

    def events(self) -> Iterator[Event]:
        yield started(resumed_at=self.step)
        yield snapshot(self.step)
        for _ in range(3):
            self.step += 1
            yield step(self.step)
        yield checkpoint(2)
        inside().touch()
        time.sleep(LONG)
        yield step(self.step + 1)


def inside() -> Path:
    """Is there once the long step has begun: all before it is written, and no more events are looked at."""
    return home() / "inside"


class Examined(FakeTrainer):
    """One step, then a long test that is left when nobody waits for it."""

    def __init__(self, deaf: bool = False) -> None:
        super().__init__()
        self.deaf = deaf

    def events(self) -> Iterator[Event]:
        yield started()
        yield step(1)
        yield snapshot(1)
        while not self.should_stop():
            time.sleep(0.01)
        end = time.monotonic() + LONG
        while time.monotonic() < end and (self.deaf or not self.skips_test()):
            time.sleep(0.01)
        yield evaluated(1, "test")
        yield finished(1, stopped=True)


@pytest.fixture
def store() -> RunStore:
    return RunStore()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "FORCE_SECONDS", PATIENCE)


def wait_for(what: Callable[[], object], seconds: float = 120.0) -> float:
    """Wait, and give the seconds that it took."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() < begun + seconds, "waited too long"
        time.sleep(0.02)
    return time.monotonic() - begun


def in_background(
    store: RunStore, trainer: Any, leaving: threading.Event | None = None, **options: Any
) -> tuple[str, list[Watch], list[Outcome]]:
    """A run in a thread; who was ended by force, and how it ended."""
    run, forced, ends = store.create(tiny_config()), [], []

    def work() -> None:
        claimant = me()
        with Pulse(store, claimant, registered=False, end_process=forced.append) as pulse:
            record = store.claim(claimant)
            assert record is not None
            ends.append(train_run(store, record, pulse, leaving or threading.Event(), make_trainer=trainer, **options))

    threading.Thread(target=work, daemon=True).start()
    wait_for(lambda: (store.get(run).step or 0) >= 1)
    return run, forced, ends


# ------------------------------------------------------------------ patience


def test_a_wish_that_is_heard_is_never_forced() -> None:
    wish = Asked()
    assert not wish()
    wish.ask()
    assert 0 < wish.patience() <= asked.FORCE_SECONDS
    assert wish()
    assert wish.patience() == float("inf")


def test_a_trainer_that_says_something_is_given_more_time_to_leave_the_test() -> None:
    watch = Watch("1234")
    watch.stop.ask()
    watch.stop()
    watch.skip_test.ask()
    watch.skip_test.since -= asked.FORCE_SECONDS + 1
    assert watch.patience() < 0
    watch.sign_of_life()
    assert watch.patience() > 0


@pytest.mark.parametrize("wish", ["stop", "leave", "skip_test"])
def test_nothing_is_forced_while_something_is_written(wish: str) -> None:
    watch = Watch("1234")
    asked_for: Asked = getattr(watch, wish)
    asked_for.ask()
    asked_for.since -= asked.FORCE_SECONDS + 1
    assert watch.patience() < 0
    with watch.writing():
        assert watch.patience() == math.inf
    assert 0 < watch.patience() <= asked.FORCE_SECONDS


@pytest.mark.slow
def test_a_checkpoint_that_takes_long_to_write_is_written_whole(
    store: RunStore, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes while it is written; the trainer hears it afterwards."""
    write = files.RunFolder.write_checkpoint

    def slow(folder: files.RunFolder, state: dict[str, Any]) -> None:
        store.request_stop(folder.path.name)
        time.sleep(4 * PATIENCE)
        write(folder, state)

    class Keeping(FakeTrainer):
        def events(self) -> Iterator[Event]:
            yield started()
            yield step(1)
            yield checkpoint(1)
            assert self.should_stop()
            yield finished(1, stopped=True)

    monkeypatch.setattr(files.RunFolder, "write_checkpoint", slow)
    run, forced, ends = in_background(store, Keeping())
    wait_for(lambda: ends)
    assert (forced, ends[0].state, store.get(run).has_checkpoint) == ([], "stopped", True)


def test_the_heart_beats_on_after_whatever_goes_wrong(store: RunStore, caplog: pytest.LogCaptureFixture) -> None:
    beats: list[int] = []

    class Broken(Pulse):
        def _look(self) -> None:
            beats.append(1)
            raise OverflowError("cannot convert float infinity to integer")

    with Broken(store, me(), registered=False):
        wait_for(lambda: len(beats) > 2)
    assert "cannot convert" in caplog.text


def test_a_run_that_is_forced_within_its_test_says_so(store: RunStore) -> None:
    claimant = me()
    run = store.create(tiny_config(), claimant)
    store.record_all(run, [started(), step(4)])
    watch = Watch(run)
    assert "by force, within step 5" in asked.forced_sentence(watch, store.get(run))
    note = recorder._Notes(store, watch, recorder.Told(None))
    note("Downloading", 0.5)
    assert not watch.is_testing
    note.told(started())
    note("Testing on 24 images", 0.0)
    assert "by force, within the test; resume it" in asked.forced_sentence(watch, store.get(run))


def test_on_a_full_disk_a_forced_process_ends_all_the_same(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DiskFull("no room")

    class Ended(BaseException):
        pass

    def ended(*_: object) -> None:
        raise Ended

    monkeypatch.setattr(store, "register", full)
    monkeypatch.setattr(store, "unregister", full)
    monkeypatch.setattr(store, "get", full)
    monkeypatch.setattr(worker, "replace_process", ended)
    monkeypatch.setattr(os, "_exit", ended)
    for again in (["python"], None):
        with pytest.raises(Ended):
            worker._end_by_force(store, me(), Watch("1234"), again)
    with pytest.raises(Ended):
        here.end_by_force(store, "1234", Progress(quiet=True).close)


# ------------------------------------------------------------------ by force


def test_a_run_inside_a_long_step_is_stopped_by_force_and_goes_on(store: RunStore, impatient: None) -> None:
    run, forced, _ = in_background(store, Stuck())
    wait_for(lambda: store.get(run).has_checkpoint)
    store.request_stop(run)
    wait_for(lambda: (store.get(run).note or "").startswith("Finishing the step, or ending it by force in "))
    assert wait_for(lambda: store.get(run).state == "stopped") < SOON
    record = store.get(run)
    wait_for(lambda: forced)
    assert [watch.run for watch in forced] == [run]
    assert record.error == (
        "It did not end in 5 s, so it was stopped by force, within step 4; resume it to go on from step 2."
    )
    assert record.has_checkpoint
    assert record.note is None
    store.resume(run)
    claimed = store.claim(me())
    assert claimed is not None
    assert (claimed.id, claimed.error) == (run, None)


def test_a_run_that_was_stopped_by_force_can_be_deleted_and_the_next_one_starts(
    store: RunStore, impatient: None
) -> None:
    run, _, _ = in_background(store, Stuck())
    waiting = store.create(tiny_config())
    store.request_stop(run)
    wait_for(lambda: store.get(run).state == "stopped")
    store.delete(run)
    claimed = store.claim(me())
    assert claimed is not None
    assert claimed.id == waiting


def test_a_test_that_goes_on_is_not_forced_and_one_without_is_left(store: RunStore, impatient: None) -> None:
    run, forced, ends = in_background(store, Examined())
    store.request_stop(run)
    time.sleep(2 * PATIENCE)
    assert store.get(run).state == "running"
    store.request_stop(run, test=False)
    assert wait_for(lambda: store.get(run).state == "stopped") < SOON
    assert forced == []
    wait_for(lambda: ends)
    assert ends[0].state == "stopped"


def test_a_test_that_does_not_hear_is_forced(store: RunStore, impatient: None) -> None:
    run, forced, _ = in_background(store, Examined(deaf=True))
    store.request_stop(run)
    time.sleep(0.7)
    store.request_stop(run, test=False)
    wait_for(lambda: store.get(run).state == "stopped")
    wait_for(lambda: forced)
    assert len(forced) == 1


def test_a_stop_during_a_download_ends_it_there(store: RunStore) -> None:
    class Downloading(FakeTrainer):
        def __call__(self, config: Any, **options: Any) -> Any:
            store.request_stop(record.id)
            for _ in range(200):
                options["progress"]("downloading", 0.25)
                time.sleep(0.02)
            raise AssertionError("it went on")

    run = store.create(tiny_config())
    claimant = me()
    with Pulse(store, claimant, registered=False) as pulse:
        record = store.claim(claimant)
        assert record is not None
        assert train_run(store, record, pulse, threading.Event(), make_trainer=Downloading()).state == "stopped"
    assert store.get(run).error is None


# ------------------------------------------------------------------ the process

SCRIPT = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
from test_stopping import Stuck
from vit_explore import cli
from vit_explore.runs import asked, recorder, worker
asked.FORCE_SECONDS = {PATIENCE}
recorder.the_trainer = Stuck()
"""


def process(lines: str) -> subprocess.Popen[str]:
    script = SCRIPT + textwrap.dedent(lines)
    return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)


@pytest.fixture
def kill() -> Iterator[Callable[[int], None]]:
    """Ends a process after the test."""
    pids: list[int] = []
    yield pids.append
    for pid in pids:
        if psutil.pid_exists(pid):
            psutil.Process(pid).kill()


@pytest.mark.slow
def test_a_forced_worker_is_replaced_in_place_and_serves_the_queue(store: RunStore, kill: Callable) -> None:
    run = store.create(tiny_config())
    worker = process("worker.run_worker('cpu', idle_exit=0.2, worker='abcd', own_process=True)")
    kill(worker.pid)
    wait_for(inside().exists)
    before = psutil.Process(worker.pid).create_time()
    waiting = store.create(tiny_config(seconds=0.2))
    store.request_stop(run)
    wait_for(lambda: store.get(run).state == "stopped")
    assert [(info.id, info.pid) for info in store.workers()] == [("abcd", worker.pid)]
    wait_for(lambda: store.get(waiting).state == "finished")  # by the true trainer of the fresh process
    assert psutil.Process(worker.pid).create_time() == before
    assert worker.wait(120) == 0  # its --idle-exit holds
    assert store.workers() == []


@pytest.mark.slow
def test_a_forced_worker_that_serves_once_leaves(store: RunStore, kill: Callable) -> None:
    run = store.create(tiny_config())
    worker = process("worker.run_worker('cpu', once=True, own_process=True)")
    kill(worker.pid)
    wait_for(lambda: store.get(run).step == 3)
    store.request_stop(run)
    assert worker.wait(120) == 0
    assert store.get(run).state == "stopped"
    assert store.workers() == []


@pytest.mark.slow
def test_sigterm_within_a_long_step_interrupts_the_run_and_ends_the_worker(store: RunStore, kill: Callable) -> None:
    run = store.create(tiny_config())
    worker = process("worker.run_worker('cpu', idle_exit=9.0, own_process=True)")
    kill(worker.pid)
    wait_for(inside().exists)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
    record = store.get(run)
    assert (record.state, record.has_checkpoint) == ("interrupted", True)
    assert "go on from step 2" in (record.error or "")
    assert store.workers() == []


def training(kill: Callable, patience: float = PATIENCE) -> subprocess.Popen[str]:
    """`train` in a process of its own, inside its long step."""
    command = "sys.exit(cli.main(['train', '--dataset', 'shapes', '--quiet']))"
    begun = process(f"asked.FORCE_SECONDS = {patience}; {command}")
    kill(begun.pid)
    wait_for(inside().exists)
    return begun


@pytest.mark.slow
def test_ctrl_c_within_a_long_step_ends_the_command(store: RunStore, kill: Callable) -> None:
    command = training(kill)
    begun = time.monotonic()
    command.send_signal(signal.SIGINT)
    assert command.wait(120) == 130
    assert time.monotonic() - begun < SOON
    assert command.stderr is not None
    said = command.stderr.read()
    (record,) = store.list()
    assert record.state == "stopped"
    assert "resume it to go on from step 2" in said
    assert f"runs resume {record.id}" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(store: RunStore, kill: Callable) -> None:
    command = training(kill, patience=LONG)
    begun = time.monotonic()
    command.send_signal(signal.SIGINT)
    time.sleep(0.1)
    command.send_signal(signal.SIGINT)
    assert command.wait(120) == 130
    assert time.monotonic() - begun < SOON
    (record,) = store.list()
    assert record.state in ("interrupted", "stopped")
    assert record.resume_refusal is None


def test_signals_are_heard_while_the_main_thread_cannot_be() -> None:
    """It is inside one long call, as a backward pass is: no handler of Python's runs until that returns."""
    script = textwrap.dedent(f"""
        import hashlib, signal, sys, threading
        sys.path.insert(0, {str(ROOT)!r})
        from vit_explore.runs.signals import leave_on
        with leave_on(signal.SIGINT) as leaving:
            threading.Thread(target=lambda: print(leaving.wait(5.0), flush=True)).start()
            print("ready", flush=True)
            hashlib.pbkdf2_hmac("sha256", b"x", b"y", 100_000_000)
    """)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    os.kill(child.pid, signal.SIGINT)
    assert child.stdout.readline() == "True\n"
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(10) == 130
