"""The heartbeat of a process that trains, from a thread of its own: a long evaluation must not look like death."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from vit_explore.errors import RunNotFound, VitExploreError
from vit_explore.runs.playing import Orders
from vit_explore.runs.records import Claimant
from vit_explore.runs.store import RunStore

BEAT_SECONDS = 0.5
LOOK_SECONDS = 0.1  # a person who changes a run waits for it; a look is one row read, and takes no lock
logger = logging.getLogger(__name__)


@dataclass
class Watch:
    """What the heartbeat learns about the run in hand."""

    run: str
    orders: Orders = field(default_factory=Orders)
    stop: threading.Event = field(default_factory=threading.Event)  # somebody asked for its end
    lost: threading.Event = field(default_factory=threading.Event)  # it is not ours any more


class Pulse:
    """Beats while the `with` lasts. `registered`: keep the process in the table of workers, too."""

    def __init__(self, store: RunStore, claimant: Claimant, registered: bool) -> None:
        self.store, self.claimant, self.registered = store, claimant, registered
        self._watch: Watch | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)

    def __enter__(self) -> Pulse:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()
        if self.registered:
            self.store.unregister(self.claimant.worker)

    @contextmanager
    def watching(self, run: str) -> Iterator[Watch]:
        """Keep `run` alive meanwhile."""
        self._watch = watch = Watch(run)
        self._try(self._look)
        self._try(self._beat)
        try:
            yield watch
        finally:
            self._watch = None
            self._try(self._beat)

    def _beat_on(self) -> None:
        due = monotonic() + BEAT_SECONDS
        while not self._end.wait(LOOK_SECONDS):
            self._try(self._look)
            if monotonic() >= due:
                self._try(self._beat)
                due = monotonic() + BEAT_SECONDS

    def _try(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except VitExploreError as error:  # a full disk or a busy store may pass; the next beat tries again
            logger.warning("%s", error)

    def _look(self) -> None:
        watch = self._watch
        if watch is None:
            return
        try:
            watch.orders = self.store.orders(watch.run)
        except RunNotFound:  # the next heartbeat finds out that it is lost
            return
        if watch.orders.stop:
            watch.stop.set()

    def _beat(self) -> None:
        watch, worker = self._watch, self.claimant.worker
        if self.registered:
            self.store.register(self.claimant, "busy" if watch else "warm", watch.run if watch else None)
        if watch is None:
            return
        beat = self.store.heartbeat(watch.run, worker)
        if beat == "stop":
            watch.stop.set()
        elif beat == "lost":
            watch.lost.set()
