"""The head and the seats of a cluster, in one process and without Ray: what they say to each other loses nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from run_tools import FakeTrainer, checkpoint, evaluated, me, started, step, tiny_config, tiny_dataset, tiny_trainer

from vit_explore import cli
from vit_explore.config import DataConfig
from vit_explore.errors import BadConfig, TrainingFailed
from vit_explore.runs import recording
from vit_explore.runs.backends import ELSEWHERE, get_backend
from vit_explore.runs.cluster import head as heads
from vit_explore.runs.cluster import remote
from vit_explore.runs.cluster import seat as seats
from vit_explore.runs.cluster.head import Head, run_cluster
from vit_explore.runs.cluster.ray_seat import Shape
from vit_explore.runs.cluster.remote import Losses, RemoteTrainer
from vit_explore.runs.cluster.seat import Seat
from vit_explore.runs.cluster.words import SeatLost, Task, Told, Word
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.queue import suits
from vit_explore.runs.recorder import Outcome, train_run
from vit_explore.runs.records import CLUSTER
from vit_explore.runs.store import RunStore
from vit_explore.training import Checkpoint, Finished, Step


class Here:
    """A seat in this process. fails: what its answers go through first."""

    def __init__(self, make_trainer: Any = None, fails: Callable[[Told], None] = lambda told: None) -> None:
        self.seat, self.fails, self.is_killed = Seat(make_trainer=make_trainer), fails, False

    def begin(self, task: Task, dataset: Any) -> None:
        self.seat.begin(task, dataset)

    def poll(self, attempt: str, word: Word) -> Told:
        told = self.seat.poll(attempt, word)
        self.fails(told)
        return told

    def end(self, attempt: str) -> None:
        self.seat.end(attempt)

    def kill(self) -> None:
        self.is_killed = True
        self.seat._attempt.abandon()


class Forgetful(Here):
    """Every second answer is lost on its way, and asked for again."""

    def poll(self, attempt: str, word: Word) -> Told:
        super().poll(attempt, word)
        return super().poll(attempt, word)


def the_dataset(_data: DataConfig, _progress: object) -> Any:
    return tiny_dataset()


@pytest.fixture
def store() -> RunStore:
    return RunStore()


@pytest.fixture(autouse=True)
def _quick_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "FIRST_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(recording, "CHECKPOINT_SECONDS", 0.05)


def train(store: RunStore, run: str, seat: Here, losses: Losses | None = None) -> Outcome:
    """Train a queued run on a seat, as a place of the head does."""
    counted = losses or Losses()
    factory = partial(RemoteTrainer, seat, the_dataset, partial(counted.count, run))
    with Pulse(store, me(CLUSTER, "ray:0"), registered=False) as pulse:
        record = store.claim(pulse.claimant)
        assert record is not None
        assert record.id == run
        return train_run(store, record, pulse, threading.Event(), make_trainer=factory)


def losses_of(store: RunStore, run: str) -> list[float]:
    return list(store.steps(run)["loss"])


def trained_here(**changes: Any) -> list[float]:
    """The losses of the same run in one piece, without a cluster."""
    events = tiny_trainer(tiny_config(**changes)).events()
    return [event.loss for event in events if isinstance(event, Step)]


@pytest.mark.parametrize("kind", [Here, Forgetful])
def test_a_seat_trains_as_this_process_does(store: RunStore, kind: type[Here]) -> None:
    run = store.create(tiny_config())
    assert train(store, run, kind()).state == "finished"
    np.testing.assert_array_equal(losses_of(store, run), trained_here())
    finished = store.finished(run)
    assert finished is not None
    direct = next(event for event in tiny_trainer(tiny_config()).events() if isinstance(event, Finished))
    assert finished.test_top1 == direct.test_top1
    assert [row.step for row in store.snapshots(run)][:4] == [0, 1, 2, 4]
    assert not store.get(run).has_checkpoint


def test_a_run_whose_seat_dies_goes_on_elsewhere_as_if_nothing_had_been(store: RunStore) -> None:
    run = store.create(tiny_config(epochs=4))
    reached: list[int] = []

    def dies(told: Told) -> None:
        reached.extend(event.step for _, event in told.events if isinstance(event, Checkpoint))
        if reached and max(reached) >= 5:
            raise SeatLost("the node is gone")

    slow = slowed(tiny_trainer)
    assert train(store, run, Here(slow, dies)).state == "queued"
    record = store.get(run)
    assert (record.state, record.has_checkpoint, record.error) == ("queued", True, None)
    assert train(store, run, Here()).state == "finished"
    np.testing.assert_array_equal(losses_of(store, run), trained_here(epochs=4))


def slowed(make: Callable[..., Any], pause: float = 0.02) -> Callable[..., Any]:
    """A trainer that takes its time at each step."""

    class Slow:
        def __init__(self, config: Any, dataset: Any = None, **options: Any) -> None:
            self.trainer = make(config, **options)

        def events(self) -> Iterator[Any]:
            for event in self.trainer.events():
                yield event
                time.sleep(pause if isinstance(event, Step) else 0.0)

    return Slow


def test_one_that_dies_again_and_again_at_the_same_step_has_failed(store: RunStore) -> None:
    run, losses = store.create(tiny_config()), Losses()

    def dies(_told: Told) -> None:
        raise SeatLost("killed by the kernel")

    most = remote.MOST_LOSSES
    states = [train(store, run, Here(fails=dies), losses).state for _ in range(most)]
    assert states == [*["queued"] * (most - 1), "failed"]
    said = store.get(run).error or ""
    assert f"ended {most} times after step 0, the last time with: killed by the kernel" in said


def test_losses_that_get_further_are_counted_anew() -> None:
    losses = Losses()
    assert [losses.count("a", 0), losses.count("a", 0), losses.count("b", 0), losses.count("a", 8)] == [1, 2, 1, 1]


def test_a_sentence_of_the_trainer_arrives(store: RunStore) -> None:
    run = store.create(tiny_config())
    failing = FakeTrainer(steps=5, error=TrainingFailed("The loss became nan at step 6."))
    assert train(store, run, Here(failing)).state == "failed"
    assert store.get(run).error == "The loss became nan at step 6."
    assert store.steps(run)["step"].tolist() == [1, 2, 3, 4, 5]


def test_a_bug_arrives_with_its_traceback(store: RunStore) -> None:
    run = store.create(tiny_config())
    outcome = train(store, run, Here(FakeTrainer(error=ZeroDivisionError("a bug"))))
    assert outcome.unexpected
    assert "ZeroDivisionError: a bug" in (store.get(run).error or "")
    assert "in events" in store.folder(run).log.read_text()  # where it was, on the node


def test_a_stop_is_heard_and_keeps_the_test(store: RunStore) -> None:
    run = store.create(tiny_config(epochs=4000))
    thread = threading.Thread(target=train, args=(store, run, Here()))
    thread.start()
    wait_for(lambda: (store.get(run).step or 0) > 3)
    store.request_stop(run)
    thread.join(60)
    record = store.get(run)
    assert (record.state, record.has_checkpoint) == ("stopped", True)
    assert record.test_top1 is not None


def test_a_seat_that_does_not_hear_is_killed(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FORCE_SECONDS", 0.5)
    run, free = store.create(tiny_config()), threading.Event()

    class Deaf(FakeTrainer):
        def events(self) -> Iterator[Any]:
            yield started()
            yield step(1)
            yield evaluated(1)
            free.wait(60)

    seat = Here(Deaf())
    thread = threading.Thread(target=train, args=(store, run, seat))
    thread.start()
    wait_for(lambda: store.get(run).step == 1)
    store.request_stop(run)
    thread.join(30)
    free.set()
    assert seat.is_killed
    assert store.get(run).state == "stopped"


def test_what_a_person_sets_reaches_the_node(store: RunStore) -> None:
    run = store.create(tiny_config(epochs=4000))
    thread = threading.Thread(target=train, args=(store, run, Here()))
    thread.start()
    wait_for(lambda: (store.get(run).step or 0) > 3)
    store.control(run, lr_factor=0.5)
    wait_for(lambda: store.marks(run))
    assert store.marks(run)[0].lr_factor == 0.5
    store.request_stop(run, test=False)
    thread.join(60)
    assert store.get(run).state == "stopped"


def test_what_is_wanted_is_made_once_until_it_is_heard() -> None:
    attempt = seats.Attempt("a")
    attempt.word = Word(wants_checkpoint=True)
    wants = attempt.options()["wants_checkpoint"]
    assert wants()
    attempt.say(checkpoint(1))
    assert not wants()
    attempt.answer(Word(heard=0, wants_checkpoint=True))
    assert not wants()
    attempt.answer(Word(heard=1, wants_checkpoint=True))
    assert wants()


def test_a_checkpoint_is_as_it_was_when_it_was_made() -> None:
    attempt, event = seats.Attempt("a"), checkpoint(1)
    attempt.say(event)
    event.state["w"] += 1
    ((_, kept),) = attempt.answer(Word()).events
    assert isinstance(kept, Checkpoint)
    assert kept.state["w"].sum() == 0


def test_a_trainer_waits_for_a_head_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "MOST_UNHEARD", 4)
    seat = Seat(make_trainer=FakeTrainer(steps=50))
    seat.begin(Task("a", tiny_config()), tiny_dataset())
    time.sleep(0.3)
    assert len(seat.poll("a", Word()).events) == 4
    assert len(seat.poll("a", Word(heard=2)).events) <= 4
    seat.end("a")


def test_a_seat_that_was_given_another_run_says_so() -> None:
    seat = Seat(make_trainer=FakeTrainer(steps=50, pause=0.01))
    seat.begin(Task("a", tiny_config()), tiny_dataset())
    seat.begin(Task("b", tiny_config()), tiny_dataset())
    with pytest.raises(SeatLost):
        seat.poll("a", Word())


@pytest.mark.parametrize(
    ("shape", "resources", "fits"),
    [
        (Shape(), {"CPU": 2.0}, 2),
        (Shape(cpus=1, gpus=0.25), {"CPU": 16.0, "GPU": 1.0}, 4),
        (Shape(cpus=0.1, gpus=0), {"CPU": 1.0}, 10),
        (Shape(memory=10**9), {"CPU": 8.0, "memory": 3.5e9}, 3),
        (Shape(gpus=1), {"CPU": 8.0}, 0),
    ],
)
def test_how_many_fit(shape: Shape, resources: dict[str, float], fits: int) -> None:
    assert shape.fits(resources) == fits


# ------------------------------------------------------------------ the head


class Nodes:
    """A cluster in this process, with so many places."""

    def __init__(self, places: int) -> None:
        self.places, self.made, self.is_left = places, [], False
        self.put = the_dataset

    def capacity(self) -> int:
        return self.places

    def seat(self) -> Here:
        self.made.append(Here(slowed(tiny_trainer, 0.005)))
        return self.made[-1]

    def leave(self) -> None:
        self.is_left = True


@pytest.fixture
def serving(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Nodes], Head]]:
    """serving(nodes): a head that looks at them ten times a second."""
    leaving, threads, made = threading.Event(), [], []

    def begin(nodes: Nodes) -> Head:
        head = Head(store, nodes, leaving, made.append)

        def look() -> None:
            while not leaving.wait(0.1):
                head.look()
            head.close()

        threads.append(threading.Thread(target=look))
        threads[0].start()
        return head

    yield begin
    leaving.set()
    for thread in threads:
        thread.join(60)


def test_places_are_filled_and_emptied(store: RunStore, serving: Callable[[Nodes], Head]) -> None:
    nodes = Nodes(2)
    runs = [store.create(tiny_config()) for _ in range(5)]
    serving(nodes)
    wait_for(lambda: sum(worker.state == "busy" for worker in store.workers()) == 2)
    wait_for(lambda: all(store.get(run).state == "finished" for run in runs))
    assert len(nodes.made) == 2  # a seat trains one run after another
    nodes.places = 1
    wait_for(lambda: len(store.workers()) == 1)


def test_where_a_cluster_serves_nothing_is_started_here(store: RunStore, serving: Callable[[Nodes], Head]) -> None:
    assert get_backend(ELSEWHERE).ensure().state == "failed"
    serving(Nodes(2))
    wait_for(lambda: len(store.workers()) == 2)
    assert get_backend().ensure().device == get_backend(ELSEWHERE).ensure().device == CLUSTER
    assert get_backend().devices() == [CLUSTER] * 2
    assert not suits("auto", "cpu", {CLUSTER, "cpu"})
    assert suits("cuda:3", CLUSTER, {CLUSTER, "cpu"})


def test_a_head_that_leaves_queues_its_runs(store: RunStore) -> None:
    run = store.create(tiny_config(epochs=4000))
    leaving, told = threading.Event(), []
    head = Head(store, Nodes(1), leaving, told.append)
    head.look()
    wait_for(lambda: store.get(run).has_checkpoint)
    leaving.set()
    head.close()
    record = store.get(run)
    assert (record.state, record.has_checkpoint) == ("queued", True)
    assert f"{run}: queued again" in told


def test_what_a_dead_head_left_is_queued_and_nothing_else(store: RunStore) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    gone = {"pid": process.pid, "pid_started": time.time()}
    dead = dataclasses.replace(me(CLUSTER, "ray:ray-1"), **gone)
    local = dataclasses.replace(me("cpu", "cpu"), **gone)
    mine, other = store.create(tiny_config(), dead), store.create(tiny_config(), local)
    assert store.left_on(CLUSTER) == [mine]
    head = Head(store, Nodes(0), threading.Event(), lambda line: None)
    head.look()
    assert (store.get(mine).state, store.get(other).state) == ("queued", "interrupted")


def test_a_cluster_without_room_is_one_sentence(store: RunStore) -> None:
    nodes = Nodes(0)
    with pytest.raises(BadConfig, match="ask for less"):
        run_cluster(nodes, lambda line: None)
    assert nodes.is_left


def test_a_head_whose_cluster_is_gone_leaves_nothing_behind(store: RunStore) -> None:
    nodes, asked = Nodes(1), []

    def capacity() -> int:
        asked.append(1)
        if len(asked) > 2:
            raise ConnectionError("the cluster is gone")
        return 1

    nodes.capacity = capacity  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        run_cluster(nodes, lambda line: None)
    assert nodes.is_left
    assert store.workers() == []


def test_a_seat_that_cannot_be_had_takes_no_run(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "RETRY_SECONDS", 0.05)
    run, told, leaving = store.create(tiny_config()), [], threading.Event()

    class Full(Nodes):
        def seat(self) -> Here:
            raise SeatLost("another job has the node")

    head = Head(store, Full(1), leaving, told.append)
    head.look()
    wait_for(lambda: told)
    leaving.set()
    head.close()
    assert told[0] == "no seat: another job has the node"
    assert store.get(run).state == "queued"


@pytest.mark.parametrize("flags", [["--cpus", "-1"], ["--memory", "0"], ["--cpus", "0"], ["--runs", "0"]])
def test_what_a_seat_cannot_take_is_one_sentence(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cluster", *flags]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
