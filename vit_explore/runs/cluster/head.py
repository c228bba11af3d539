"""The head of a cluster: takes runs from the queue, has them trained on seats, and writes down what these say.

One thread for each seat. What a head that was killed has left behind is queued again by the next one.
"""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from vit_explore.errors import BadConfig, BadRunState, RunNotFound, VitExploreError
from vit_explore.runs.cluster.remote import Losses, Put, RemoteTrainer
from vit_explore.runs.cluster.words import AnySeat, SeatLost
from vit_explore.runs.patience import patiently
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.records import CLUSTER, Claimant
from vit_explore.runs.signals import leave_on
from vit_explore.runs.store import RunStore

LOOK_SECONDS = 2.0  # between two looks at the nodes, and at what other heads have left behind
POLL_SECONDS = 0.1
IDLE_SECONDS = 60.0  # after which a seat gives its place on the node back
RETRY_SECONDS = 5.0  # after which one that could not be had is asked for again


class Cluster(Protocol):
    """Where the seats are: see ray_seat.RayCluster."""

    @property
    def put(self) -> Put:
        """Puts a dataset into the cluster's memory, once."""
        ...

    def capacity(self) -> int:
        """How many seats fit on the nodes that live."""
        ...

    def seat(self) -> AnySeat:
        """A new one, ready. Raises SeatLost where there is no room now."""
        ...

    def leave(self) -> None:
        """Give all seats back."""
        ...


def run_cluster(
    cluster: Cluster, tell: Callable[[str], object], most: int | None = None, home: Path | None = None
) -> int:
    """Serve the queue of a home on the seats of `cluster` until SIGTERM or Ctrl-C; gives the exit status.

    tell: is given a line for each run that ends, and for what goes wrong; most: seats at a time, as many as fit by
    default. Runs that train when it ends keep a checkpoint and wait in the queue again.
    Raises BadConfig where not even one fits.
    """
    store = RunStore(home)
    if cluster.capacity() == 0:
        cluster.leave()
        raise BadConfig("No node of the cluster has room for a seat; ask for less (--cpus, --gpus, --memory).")
    with leave_on(signal.SIGTERM, signal.SIGINT) as leaving:
        head = Head(store, cluster, leaving, tell, most)
        try:
            while not leaving.is_set() and store.is_there():
                head.look()
                leaving.wait(LOOK_SECONDS)
        finally:  # also where the cluster is gone: the runs wait in the queue then
            leaving.set()
            head.close()
    return 0


class Head:
    """The threads, as many as there are seats by now."""

    def __init__(
        self,
        store: RunStore,
        cluster: Cluster,
        leaving: threading.Event,
        tell: Callable[[str], object],
        most: int | None = None,
    ) -> None:
        self.store, self.cluster, self.leaving, self.tell, self._most = store, cluster, leaving, tell, most
        self.losses, self.capacity = Losses(), 0
        self._threads: dict[int, threading.Thread] = {}

    def look(self) -> None:
        """Count the nodes' seats, see to it that each has its thread, and queue what a dead head left."""
        found = self.cluster.capacity()
        self.capacity = found if self._most is None else min(found, self._most)
        self._threads = {number: thread for number, thread in self._threads.items() if thread.is_alive()}
        for number in range(self.capacity):
            if number not in self._threads:
                self._threads[number] = threading.Thread(target=Place(self, number).serve, name=f"seat {number}")
                self._threads[number].start()
        try:
            self.queue_again(self.store.left_on(CLUSTER))
        except VitExploreError as error:  # a full disk or a busy store may pass
            self.tell(f"{error}")

    def queue_again(self, runs: list[str]) -> None:
        """Runs that were interrupted go on from their checkpoints, here or wherever a place is free; not one that
        somebody had asked to stop."""
        for run in runs:
            with suppress(BadRunState, RunNotFound):  # someone else did, or has deleted it
                if not self.store.get(run).stop_requested:
                    self.store.resume(run, keeps_pause=True)
                    self.tell(f"{run}: queued again")

    def close(self) -> None:
        """Wait for the threads, which have heard `leaving`."""
        for thread in self._threads.values():
            thread.join()
        self.cluster.leave()


class Place:
    """One thread of the head: a place in the cluster, whoever sits there."""

    def __init__(self, head: Head, number: int) -> None:
        self.head, self.number, self.store = head, number, head.store
        self.seat: AnySeat | None = None
        worker = f"{CLUSTER}-{uuid.uuid4().hex[:8]}"
        self.claimant = Claimant.this_process(CLUSTER, slot=f"{CLUSTER}:{worker}", worker=worker)

    def serve(self) -> None:
        """Train run after run until the head leaves, or there are fewer places than before."""
        used = time.monotonic()
        with Pulse(self.store, self.claimant, registered=True) as pulse:
            while self._is_wanted():
                if self._train_one(pulse):
                    used = time.monotonic()
                elif self.seat is not None and time.monotonic() - used > IDLE_SECONDS:
                    self._give_up()
                self.head.leaving.wait(POLL_SECONDS)
        self._give_up()

    def _is_wanted(self) -> bool:
        return not self.head.leaving.is_set() and self.number < self.head.capacity and self.store.is_there()

    def _train_one(self, pulse: Pulse) -> bool:
        """Take a run and train it; whether there was one. The seat comes first: without one nothing is taken."""
        try:
            if not self.store.has_queued() or not self._has_seat():
                return False
            record = self.store.claim(self.claimant)
            if record is None:
                return False
            factory = partial(RemoteTrainer, self._ask, self.head.cluster.put, partial(self._lost, record.id))
            outcome = train_run(self.store, record, pulse, self.head.leaving, make_trainer=factory)
            self.head.tell(f"{record.id}: {outcome.state}{f': {outcome.error}' if outcome.error else ''}")
            if outcome.state == "interrupted":
                patiently(lambda: self.head.queue_again([record.id]), self.head.leaving)
        except VitExploreError as error:  # of the store; the run, if there is one, will show as interrupted
            self.head.tell(f"{error}")
            self.head.leaving.wait(RETRY_SECONDS)
            return False
        return True

    @property
    def _ask(self) -> AnySeat:
        assert self.seat is not None
        return self.seat

    def _has_seat(self) -> bool:
        try:
            self.seat = self.seat or self.head.cluster.seat()
        except (SeatLost, VitExploreError) as error:
            self.head.tell(f"no seat: {error}")
            self.head.leaving.wait(RETRY_SECONDS)
        return self.seat is not None

    def _lost(self, run: str, step: int) -> int:
        """The seat is gone while it trained a run that would go on from `step`; gives how often that was by now."""
        self._give_up()
        return self.head.losses.count(run, step)

    def _give_up(self) -> None:
        seat, self.seat = self.seat, None
        if seat is not None:
            with suppress(SeatLost):
                seat.kill()
