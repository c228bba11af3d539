"""The heartbeat of a process that trains, from a thread of its own: a long evaluation must not look like death.

It also ends, by force, a run whose trainer does not hear that it is to stop: torch computes without Python's lock.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from vit_explore.errors import RunNotFound, VitExploreError
from vit_explore.runs.asked import Watch, forced_sentence, waiting_note
from vit_explore.runs.fair import SLICE_SECONDS
from vit_explore.runs.records import Claimant, State
from vit_explore.runs.store import RunStore

BEAT_SECONDS = 0.5
LOOK_SECONDS = 0.1  # a person who changes a run waits for it; a look is one row read, and takes no lock
logger = logging.getLogger(__name__)


class Pulse:
    """Beats while the `with` lasts. `registered`: keep the process in the table of workers, too.

    end_process: called from the heartbeat's thread when a run was ended by force, with what it was watched as; it ends
    or replaces the process. Without it nothing is forced.
    """

    def __init__(
        self,
        store: RunStore,
        claimant: Claimant,
        registered: bool,
        end_process: Callable[[Watch], object] | None = None,
    ) -> None:
        self.store, self.claimant, self.registered, self.end_process = store, claimant, registered, end_process
        self._watch: Watch | None = None
        self._hold = threading.Lock()  # a run ends by itself, or by force
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
    def watching(self, run: str, leaving: threading.Event | None = None, left_as: State = "stopped") -> Iterator[Watch]:
        """Keep `run` alive meanwhile. leaving: set when this process is to end; the run is then left as `left_as`."""
        self._watch = watch = Watch(run, left_as, leaving=leaving or threading.Event())
        self._try(self._look)
        self._try(self._beat)
        try:
            yield watch
        finally:
            with self._hold:
                self._watch = None
            self._try(self._beat)

    def _beat_on(self) -> None:
        due = monotonic() + BEAT_SECONDS
        while not self._end.wait(LOOK_SECONDS):
            self._try(self._look)
            if monotonic() >= due:
                self._try(self._beat)
                due = monotonic() + BEAT_SECONDS
            self._try(self._force_where_deaf)

    def _try(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except VitExploreError as error:  # a full disk or a busy store may pass; the next beat tries again
            logger.warning("%s", error)
        except Exception:  # a heart that stands still would look like the run's death, whatever else is wrong
            logger.exception("heartbeat")

    def _look(self) -> None:
        watch = self._watch
        if watch is None:
            return
        watch.look()
        try:
            watch.heed(self.store.orders(watch.run))
        except RunNotFound:  # the next heartbeat finds out that it is lost
            return

    def _beat(self) -> None:
        watch, worker = self._watch, self.claimant.worker
        if self.registered:
            self.store.register(self.claimant, "busy" if watch else "warm", watch.run if watch else None)
        if watch is None:
            return
        if self.store.heartbeat(watch.run, worker) == "lost":
            watch.lost.set()
        elif self.registered and monotonic() - watch.begun > SLICE_SECONDS and not watch.is_testing:
            watch.gives_way = self.store.is_waited_for(watch.run)
        if watch.lost.is_set():
            return
        if (left := watch.stop.patience(watch.alive)) < math.inf:
            self.store.set_note(watch.run, waiting_note(left))

    def _force_where_deaf(self) -> None:
        """End a run whose trainer has not heard in time that it is to, and this process as `end_process` does."""
        watch = self._watch
        if watch is None or watch.lost.is_set() or self.end_process is None or watch.patience() > 0:
            return
        with self._hold:
            if self._watch is not watch:  # it has ended by itself just now
                return
            sentence = forced_sentence(watch, self.store.get(watch.run))
            self.store.let_go(watch.run, self.claimant.worker, watch.end, sentence)
            watch.lost.set()
            self.end_process(watch)
