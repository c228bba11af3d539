"""The heartbeat of a process that trains, from a thread of its own: a long evaluation must not look like death."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vit_explore.errors import VitExploreError
from vit_explore.runs.records import Claimant
from vit_explore.runs.store import RunStore

BEAT_SECONDS = 0.5
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watch:
    """What the heartbeat learns about the run in hand."""

    run: str
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
        self._try_to_beat()
        try:
            yield watch
        finally:
            self._watch = None
            self._try_to_beat()

    def _beat_on(self) -> None:
        while not self._end.wait(BEAT_SECONDS):
            self._try_to_beat()

    def _try_to_beat(self) -> None:
        try:
            self._beat()
        except VitExploreError as error:  # a full disk or a busy store may pass; the next beat tries again
            logger.warning("%s", error)

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
