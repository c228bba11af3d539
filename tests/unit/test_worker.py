"""Training in a worker: every way in which a run may end, kill -9 included."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import sqlalchemy as sa
from run_tools import FakeTrainer, me, on_a_file, tiny_config, tiny_trainer
from safetensors.torch import load_file

from vit_explore.errors import DiskFull, StoreBusy, TrainingFailed, VitExploreError
from vit_explore.runs import files, patience, recording, schema
from vit_explore.runs import worker as worker_module
from vit_explore.runs.backends import get_backend
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import Outcome, TrainerFactory, train_run
from vit_explore.runs.store import RunStore
from vit_explore.runs.worker import run_worker
from vit_explore.training.events import Event, Step

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store() -> RunStore:
    return RunStore()


def wait_for(what: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def train(
    store: RunStore,
    run: str,
    trainer: TrainerFactory,
    leaving: threading.Event | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Outcome:
    """Claim and train one run, as a worker does."""
    claimant = me()
    with Pulse(store, claimant, registered=False) as pulse:
        record = store.claim(claimant)
        assert record is not None
        assert record.id == run
        return train_run(store, record, pulse, leaving or threading.Event(), on_event=on_event, make_trainer=trainer)


def last_weights(store: RunStore, run: str) -> dict[str, np.ndarray]:
    path = store.snapshot_path(run, store.snapshots(run)[-1].step)
    return {name: tensor.float().numpy() for name, tensor in load_file(path).items()}


# ------------------------------------------------------------------ the ends of a run


def test_a_run_to_its_end(store: RunStore) -> None:
    run = store.create(tiny_config(epochs=2))
    assert train(store, run, tiny_trainer) == Outcome("finished", started=True)
    record, end = store.get(run), store.finished(run)
    assert end is not None
    assert record.state == "finished"
    assert record.test_top1 == end.test_top1
    assert store.steps(run)["step"].tolist() == list(range(1, 33))
    assert {event.split for event in store.evaluations(run)} == {"val", "train", "test"}
    assert [row.step for row in store.snapshots(run)] == [0, 1, 2, 4, 8, 16, 32]
    assert not store.checkpoint_path(run).exists()
    assert store.started(run) is not None


def test_stop_and_go_on(store: RunStore) -> None:
    run = store.create(tiny_config())

    def ask(event: Event) -> None:
        if isinstance(event, Step) and event.step == 3:
            store.request_stop(run)

    outcome = train(store, run, FakeTrainer(steps=10_000, pause=0.005), on_event=ask)
    stopped_at = store.get(run).step or 0
    assert outcome.state == store.get(run).state == "stopped"
    assert 3 <= stopped_at < 10_000
    assert store.checkpoint_path(run).exists()
    store.resume(run)
    assert train(store, run, FakeTrainer(steps=stopped_at + 5)).state == "finished"
    assert store.steps(run)["step"].tolist() == list(range(1, stopped_at + 6))


def test_a_failure_keeps_its_sentence_and_the_metrics(store: RunStore) -> None:
    run = store.create(tiny_config())
    outcome = train(store, run, FakeTrainer(steps=5, error=TrainingFailed("The loss became nan at step 6.")))
    record = store.get(run)
    assert (outcome.state, record.state, record.error) == ("failed", "failed", "The loss became nan at step 6.")
    assert outcome.started
    assert store.steps(run)["step"].tolist() == [1, 2, 3, 4, 5]
    assert not store.folder(run).log.exists()


def test_a_bug_is_told_and_logged(store: RunStore) -> None:
    run = store.create(tiny_config())
    outcome = train(store, run, FakeTrainer(error=ZeroDivisionError("a bug")))
    assert outcome.unexpected
    assert (store.get(run).error or "").startswith("unexpected: ZeroDivisionError: a bug")
    assert "Traceback" in store.folder(run).log.read_text()


def test_a_full_disk_fails_the_run_and_keeps_the_metrics(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run, replace = store.create(tiny_config()), os.replace

    def full(source: Path, target: Path) -> None:
        if target.suffix == ".pt":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", full)
    monkeypatch.setattr(recording, "FIRST_CHECKPOINT_SECONDS", 0.05)
    assert train(store, run, FakeTrainer(steps=40, pause=0.005)).state == "failed"
    record = store.get(run)
    assert "free some space" in (record.error or "")
    assert record.step == store.steps(run)["step"].max() > 0
    assert len(store.snapshots(run)) == 1
    assert not record.has_checkpoint


def test_a_disk_too_full_for_the_end_itself(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(tiny_config())

    def full(*_: object) -> None:
        raise DiskFull("The disk has no room left; free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "let_go", full)
        patch.setattr(RunStore, "record_all", full)
        assert train(store, run, FakeTrainer()).state == "failed"
    assert store.get(run).state == "running"  # as long as this process lives and is not taken for hung


def test_a_store_that_is_held_for_a_while_costs_time_and_no_run(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0.01)
    run, fails = store.create(tiny_config()), iter([True, True, False, False, True])
    write, refused = type(store).record_all, []

    def record_all(self: RunStore, *args: object) -> None:
        if next(fails, False):
            refused.append(1)
            raise StoreBusy("held")
        write(self, *args)

    monkeypatch.setattr(type(store), "record_all", record_all)
    assert train(store, run, FakeTrainer()).state == "finished"
    assert len(refused) == 3
    record, steps = store.get(run), store.steps(run)["step"].tolist()
    assert (record.state, record.error) == ("finished", None)
    assert steps == sorted(set(steps))


def test_a_run_whose_end_is_written_is_not_lost_for_what_follows(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise StoreBusy("held")

    run = store.create(tiny_config())
    monkeypatch.setattr(RunStore, "_tidy_files", busy)
    assert train(store, run, FakeTrainer()).state == "finished"
    assert store.get(run).state == "finished"


def test_a_store_that_stays_held_leaves_a_run_that_can_go_on(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BUSY_SECONDS", 0.0)
    run = store.create(tiny_config())

    def busy(*_: object) -> None:
        raise StoreBusy("held by another program")

    monkeypatch.setattr(type(store), "record_all", busy)
    outcome = train(store, run, FakeTrainer())
    assert (outcome.state, str(outcome.error)) == ("interrupted", "held by another program")
    record = store.get(run)
    assert record.state == "interrupted"
    assert record.resume_refusal is None


@pytest.mark.parametrize("error", [StoreBusy("held"), DiskFull("no room")])
def test_a_store_that_cannot_be_written_for_a_while_ends_no_worker(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, error: VitExploreError
) -> None:
    monkeypatch.setattr(worker_module, "RETRY_SECONDS", 0.01)
    run, claim, refused = store.create(tiny_config()), RunStore.claim, []

    def later(self: RunStore, *args: object) -> object:
        if len(refused) < 3:
            refused.append(1)
            raise error
        return claim(self, *args)

    monkeypatch.setattr(RunStore, "claim", later)
    monkeypatch.setattr(worker_module, "_warm_up", lambda: None)
    assert run_worker("cpu", idle_exit=1.0, make_trainer=FakeTrainer()) == 0
    assert store.get(run).state == "finished"


def test_a_worker_that_lost_its_run_writes_nothing_more(store: RunStore) -> None:
    run = store.create(tiny_config())

    def take_over(event: Event) -> None:
        if isinstance(event, Step) and event.step == 3:
            claimed = store.get(run)
            store.let_go(run, worker_of(store, run), "interrupted")
            assert claimed.state == "running"

    outcome = train(store, run, FakeTrainer(steps=10_000, pause=0.005), on_event=take_over)
    assert outcome.state == "lost"
    assert store.get(run).state == "interrupted"
    assert store.finished(run) is None


def worker_of(store: RunStore, run: str) -> str:
    with store._reading() as connection:
        return connection.execute(sa.select(schema.runs.c.worker).where(schema.runs.c.id == run)).scalar_one()


def test_progress_before_the_first_step_is_a_note(store: RunStore) -> None:
    run, notes = store.create(tiny_config()), []

    class Downloading(FakeTrainer):
        def __call__(self, config, progress, **options):  # type: ignore[no-untyped-def]
            progress("downloading", 0.25)
            notes.append(store.get(run).note)
            return super().__call__(config, **options)

    train(store, run, Downloading())
    assert notes == ["downloading (25%)"]
    assert store.get(run).note is None


# ------------------------------------------------------------------ interrupted and resumed


def test_interrupted_and_resumed_ends_as_uninterrupted(store: RunStore) -> None:
    whole = store.create(tiny_config(epochs=3))
    train(store, whole, tiny_trainer)
    broken, leaving = store.create(tiny_config(epochs=3)), threading.Event()

    def leave(event: Event) -> None:
        if isinstance(event, Step) and event.step == 20:
            leaving.set()

    assert train(store, broken, tiny_trainer, leaving, leave).state == "interrupted"
    record = store.get(broken)
    assert (record.state, record.has_checkpoint) == ("interrupted", True)
    assert 20 <= (record.step or 0) < 48
    store.resume(broken)
    assert train(store, broken, tiny_trainer).state == "finished"

    assert store.steps(broken)["step"].tolist() == list(range(1, 49))
    np.testing.assert_allclose(store.steps(broken)["loss"], store.steps(whole)["loss"], atol=1e-5)
    for name, weights in last_weights(store, whole).items():
        np.testing.assert_allclose(last_weights(store, broken)[name], weights, atol=2e-3)  # fp16
    assert store.snapshots(broken)[-1].step == store.snapshots(whole)[-1].step == 48


WORKER = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
from run_tools import tiny_trainer
from vit_explore.runs import recording
from vit_explore.runs.worker import run_worker
recording.FIRST_CHECKPOINT_SECONDS = recording.CHECKPOINT_SECONDS = 0.1
sys.exit(run_worker(make_trainer=tiny_trainer))
"""


@pytest.fixture
def worker(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process that trains the tiny model, with checkpoints in quick succession."""
    process = subprocess.Popen([sys.executable, "-c", WORKER])
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_kill_9_leaves_a_run_that_loads_and_goes_on(store: RunStore, worker: subprocess.Popen[bytes]) -> None:
    fine = store.create(tiny_config())
    train(store, fine, tiny_trainer)
    before = store.get(fine), store.steps(fine)["loss"].tolist(), last_weights(store, fine)

    run, waiting = store.create(tiny_config(seconds=300)), store.create(tiny_config())
    wait_for(lambda: store.get(run).has_checkpoint)
    assert store.get(waiting).place == 1
    worker.send_signal(signal.SIGKILL)
    wait_for(lambda: store.get(run).state == "interrupted", 10)  # though a zombie is left

    record = store.get(run)
    assert "resume it" in (record.error or "")
    steps = store.steps(run)["step"]
    assert steps.tolist() == list(range(1, len(steps) + 1))
    assert all(load_file(store.snapshot_path(run, row.step)) for row in store.snapshots(run))
    assert store.get(waiting).state == "queued"
    after = store.get(fine), store.steps(fine)["loss"].tolist(), last_weights(store, fine)
    assert before[:2] == after[:2]
    assert all(np.array_equal(before[2][name], after[2][name]) for name in before[2])

    store.request_stop(waiting)
    store.resume(run)
    leaving = threading.Event()

    def leave(event: Event) -> None:
        if isinstance(event, Step) and event.step > steps[-1] + 3:
            leaving.set()

    assert train(store, run, tiny_trainer, leaving, leave).state == "interrupted"
    assert len(store.steps(run)["step"]) > len(steps)
    assert np.all(np.diff(store.steps(run)["step"]) == 1)  # one curve, no hole


def test_sigterm_ends_a_worker_with_a_checkpoint(store: RunStore) -> None:
    run = store.create(tiny_config())

    def end_it() -> None:
        wait_for(lambda: (store.get(run).step or 0) > 0)  # before, SIGTERM would end these tests
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_it).start()
    assert run_worker("cpu", make_trainer=FakeTrainer(steps=10_000, pause=0.005)) == 0
    record = store.get(run)
    assert (record.state, record.has_checkpoint) == ("interrupted", True)
    assert "asked to end" in (record.error or "")
    assert store.folder(run).read_checkpoint()["step"] == record.step == store.steps(run)["step"][-1]
    assert store.workers() == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_worker_serves_the_queue_in_order_and_survives_a_failing_run(store: RunStore) -> None:
    good = FakeTrainer(steps=2)
    runs = [store.create(tiny_config()) for _ in range(3)]
    order = []

    def trainer(config, **options):  # type: ignore[no-untyped-def]
        order.append(next(record.id for record in store.list() if record.state == "running"))
        if len(order) == 2:
            raise MemoryError("spent")
        return FakeTrainer(steps=2)(config, **options)

    assert run_worker("cpu", idle_exit=0.2, make_trainer=trainer) == 0
    assert order == runs
    assert [store.get(run).state for run in runs] == ["finished", "failed", "finished"]
    assert store.workers() == []
    assert run_worker("cpu", once=True, make_trainer=good) == 0  # nothing waits: it leaves


@on_a_file
def test_a_worker_leaves_when_its_home_is_gone(store: RunStore, tmp_path: Path) -> None:
    home = tmp_path / "gone"
    home.mkdir()
    RunStore(home)
    threading.Timer(0.5, lambda: (home / "runs.db").unlink()).start()
    assert run_worker("cpu", home=home) == 0


@pytest.mark.slow
def test_an_idle_worker_stays_while_its_app_lives(store: RunStore) -> None:
    app = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1.0)"])
    start = time.monotonic()
    threading.Thread(target=app.wait, daemon=True).start()
    assert run_worker("cpu", idle_exit=0.0, parent=app.pid) == 0
    assert time.monotonic() - start > 0.8


@pytest.mark.slow
def test_one_worker_is_started_and_started_again(store: RunStore) -> None:
    first = get_backend().ensure()
    processes = [first]
    try:
        assert [get_backend().ensure().id for _ in range(3)] == [first.id] * 3
        wait_for(lambda: [worker.state for worker in store.workers()] == ["warm"])
        assert store.workers()[0].pid == first.pid
        psutil.Process(first.pid).kill()
        wait_for(lambda: get_backend().ensure().id != first.id, 10)
        processes.append(get_backend().ensure())
        assert len(store.workers()) == 1
    finally:
        for info in processes:
            if info.pid is not None and psutil.pid_exists(info.pid):
                psutil.Process(info.pid).kill()


@pytest.mark.parametrize(
    ("visible", "devices"), [("", ["auto"]), ("0", ["auto"]), ("0,3", ["cuda:0", "cuda:1"]), ("-1", ["auto"])]
)
def test_one_worker_per_gpu(monkeypatch: pytest.MonkeyPatch, visible: str, devices: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert get_backend().devices() == devices
