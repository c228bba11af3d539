"""What a trainer says, written into the store as it comes; and when checkpoints and snapshots are due."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vit_explore.errors import VitExploreError
from vit_explore.runs.metrics import RunLost
from vit_explore.runs.patience import patiently
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Checkpoint, Event, Snapshot, Started, Step

FLUSH_SECONDS = 0.25  # steps wait this long for one transaction together
CHECKPOINT_SECONDS = 10.0
FIRST_CHECKPOINT_SECONDS = 2.0
SNAPSHOT_SECONDS = 2.5  # between two snapshots, while someone watches
CHECKPOINT_SHARE = 0.05  # of the time, at most, goes into checkpoints, as much into such snapshots: few of large models


class _Clock:
    """When the next checkpoint, or snapshot, is due: at first after `first` seconds, then more and more seldom up to
    every `longest`, never too costly, and not before the run has moved."""

    def __init__(self, first: float, longest: float) -> None:
        self._pause, self._longest, self._next, self._moved = first, longest, math.inf, False

    def start(self) -> None:
        self._next, self._moved = time.monotonic() + self._pause, True

    def moved(self) -> None:
        """A step was taken."""
        self._moved = True

    def is_due(self) -> bool:
        return self._moved and time.monotonic() >= self._next

    def done(self, begun: float) -> None:
        """It is written; the work on it began at `begun`."""
        now = time.monotonic()
        self._pause, self._moved = min(2 * self._pause, self._longest), False
        self._next = now + max(self._pause, (now - begun) / CHECKPOINT_SHARE)


class Clocks:
    """That of the checkpoints and that of the snapshots for whoever watches."""

    def __init__(self) -> None:
        self.checkpoints = _Clock(FIRST_CHECKPOINT_SECONDS, CHECKPOINT_SECONDS)
        self.snapshots = _Clock(SNAPSHOT_SECONDS, SNAPSHOT_SECONDS)

    def heed(self, event: Event, begun: float) -> None:
        """An event was written; the work on it began at `begun`."""
        for clock, kind in ((self.checkpoints, Checkpoint), (self.snapshots, Snapshot)):
            if isinstance(event, Started):
                clock.start()
            elif isinstance(event, Step):
                clock.moved()
            elif isinstance(event, kind):
                clock.done(begun)


class Recorder:
    """Buffers steps, and writes everything else at once."""

    def __init__(
        self, store: RunStore, run: str, worker: str, clocks: Clocks, leaving: threading.Event | None = None
    ) -> None:
        self.store, self.run, self.worker, self.clocks, self.leaving = store, run, worker, clocks, leaving
        self._events: list[Event] = []
        self._next_flush = 0.0

    def add(self, event: Event) -> None:
        """Take one event."""
        self._events.append(event)
        now = time.monotonic()
        if not isinstance(event, Step) or now >= self._next_flush:
            patiently(self.flush, self.leaving)
            self._next_flush = now + FLUSH_SECONDS
        self.clocks.heed(event, begun=now)

    def flush(self) -> None:
        """Write what is buffered; it stays so where that fails."""
        if self._events:
            self.store.record_all(self.run, self._events, self.worker)
            self._events = []


@contextmanager
def recording(store: RunStore, run: str, worker: str, clocks: Clocks, leaving: threading.Event) -> Iterator[Recorder]:
    """A recorder whose buffered steps are kept also when training fails. leaving: set when the process is to end."""
    recorder = Recorder(store, run, worker, clocks, leaving)
    try:
        yield recorder
    except BaseException:
        with suppress(VitExploreError, RunLost):  # what is being raised says more than a second failure would
            recorder.flush()
        raise
