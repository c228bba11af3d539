"""Train one run and write down what it says; the worker and the command line share it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from vit_explore.config import RunConfig
from vit_explore.errors import DiskFull, StoreBusy, VitExploreError
from vit_explore.runs import reading
from vit_explore.runs.asked import Watch
from vit_explore.runs.files import RunFolder
from vit_explore.runs.initial import initial_of
from vit_explore.runs.metrics import RunLost
from vit_explore.runs.patience import patiently
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recording import Clocks, recording
from vit_explore.runs.records import RunRecord, State
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Checkpoint, Event, Finished

NOTE_SECONDS = 0.3
LEFT = "The process that trained this run was asked to end; resume the run to go on."

logger = logging.getLogger("vit_explore")


class AnyTrainer(Protocol):
    """What is needed of training.Trainer."""

    def events(self) -> Iterator[Event]: ...


TrainerFactory = Callable[..., AnyTrainer]  # (config, should_stop=, state=, progress=, wants_checkpoint=, controls=, …)


@dataclass(frozen=True)
class Outcome:
    """How a run ended. state "lost": another process took it over, nothing more was written."""

    state: State | Literal["lost"]
    error: VitExploreError | None = None  # of a failed run
    started: bool = False  # whether training began at all
    unexpected: bool = False  # a failure that is a bug; the traceback is in the run's log.txt


class Leaving(Exception):
    """This process was asked to end, or the run before its first step; a checkpoint, if there can be one, is kept."""


class GivingWay(Exception):
    """A checkpoint is kept, and the run waits in the queue again, since others do."""


def train_run(
    store: RunStore,
    record: RunRecord,
    pulse: Pulse,
    leaving: threading.Event,
    left_as: State = "interrupted",
    on_event: Callable[[Event], None] | None = None,
    make_trainer: TrainerFactory | None = None,
) -> Outcome:
    """Train a claimed run to its end and write every event into the store; never raises for what goes wrong in the run.

    leaving: set (by a signal) to checkpoint and let go of the run in the state `left_as`.
    """
    worker, told = pulse.claimant.worker, Told(on_event)
    folder = store.folder(record.id)
    with pulse.watching(record.id, leaving, left_as) as watch, _log_into(folder):
        try:
            folder.create()  # a process that was killed while it entered the run has left none
            state: State = _train(store, record, watch, worker, leaving, told, make_trainer or the_trainer)
            outcome = Outcome(state, started=True)
        except Leaving:
            outcome = Outcome(left_as if leaving.is_set() else "stopped", started=told.started)
        except GivingWay:
            outcome = Outcome("queued", started=told.started)
        except RunLost:
            return Outcome("lost", started=told.started)
        except StoreBusy as error:
            outcome = Outcome("interrupted", error, started=told.started)
        except VitExploreError as error:
            outcome = Outcome("failed", error, started=told.started)
        except Exception as error:
            logger.exception("run %s failed", record.id)
            shown = VitExploreError(f"unexpected: {type(error).__name__}: {error} (see {folder.log})")
            outcome = Outcome("failed", shown, started=told.started, unexpected=True)
        sentence = str(outcome.error) if outcome.error else LEFT if outcome.state == "interrupted" else None
        try:
            if outcome.state == "queued":
                return Outcome(patiently(lambda: store.requeue(record.id, worker), leaving), started=told.started)
            patiently(lambda: store.let_go(record.id, worker, outcome.state, sentence), leaving)
        except (DiskFull, StoreBusy) as error:  # not even its end can be written: the run will show as interrupted
            return Outcome("failed", outcome.error or error, outcome.started)
    return outcome


class Told:
    """Passes events on to a listener, and remembers whether there was any."""

    def __init__(self, listener: Callable[[Event], None] | None) -> None:
        self.listener, self.started = listener, False

    def __call__(self, event: Event) -> None:
        self.started = True
        if self.listener is not None:
            self.listener(event)


def the_trainer(config: RunConfig, **options: Any) -> AnyTrainer:
    from vit_explore.training import Trainer
    from vit_explore.training.preflight import check_memory

    check_memory(config)
    return Trainer(config, **options)


def _train(
    store: RunStore,
    record: RunRecord,
    watch: Watch,
    worker: str,
    leaving: threading.Event,
    told: Told,
    make_trainer: TrainerFactory,
) -> State:
    state = start_state(store, record)
    watch.kept_step = _step_of(state)
    note, clocks = _Notes(store, watch, told), Clocks()
    initial = initial_of(store, record, goes_on=state is not None)
    trainer = make_trainer(
        record.settings(), should_stop=watch.should_stop, state=state, progress=note,
        wants_checkpoint=lambda: leaving.is_set() or watch.gives_way or clocks.checkpoints.is_due(),
        controls=lambda: watch.orders.controls,
        wants_snapshot=lambda: clocks.snapshots.is_due() and watch.orders.is_watched, skips_test=watch.skips_test,
        **({} if initial is None else {"initial": initial}),
    )  # fmt: skip
    end: State = "finished"
    with recording(store, record.id, worker, clocks, leaving) as recorder:
        for event in trainer.events():
            if watch.lost.is_set():
                raise RunLost(record.id)
            with watch.writing():
                recorder.add(event)
            told(event)
            if isinstance(event, Finished):
                end = "stopped" if event.stopped else "finished"
            elif isinstance(event, Checkpoint):
                watch.kept_step = event.step
                if leaving.is_set():
                    raise Leaving
                if watch.gives_way:
                    raise GivingWay
    return end


def start_state(store: RunStore, record: RunRecord) -> dict[str, Any] | None:
    """What the run goes on from: its checkpoint, or the snapshot that a fork starts from; None: from the start."""
    folder = store.folder(record.id)
    if record.has_checkpoint:
        return folder.read_checkpoint()
    if record.fork_step is None:
        return None
    from vit_explore.training.restore import from_snapshot

    at = next((row for row in store.snapshots(record.id) if row.step == record.fork_step), None)
    with reading.guarded(f"The weights that the run {record.id!r} starts from", "fork its parent again"):
        if at is None:
            raise reading.Misfit(f"there is no snapshot at step {record.fork_step}")
        return from_snapshot(reading.weights(folder.snapshot(at.step)), at.step, at.epoch, at.elapsed)


def _step_of(state: Any) -> int:
    """That of a checkpoint, which is not checked yet."""
    step = state.get("step") if isinstance(state, dict) else None
    return step if isinstance(step, int) else 0


class _Notes:
    """What the trainer does where it takes no steps (a download, the test) as the run's note.

    Before training begins it is the place to leave early; later the trainer is asked to.
    """

    def __init__(self, store: RunStore, watch: Watch, told: Told) -> None:
        self.store, self.watch, self.told, self.next = store, watch, told, 0.0

    def __call__(self, what: str, share: float) -> None:
        self.watch.sign_of_life()
        self.watch.is_testing = self.told.started
        if not self.told.started and self.watch.should_stop():
            raise Leaving
        now = time.monotonic()
        if now >= self.next:
            self.next = now + NOTE_SECONDS
            with suppress(StoreBusy):  # only words
                self.store.set_note(self.watch.run, f"{what} ({share:.0%})" if share else what)


class _RunLog(logging.FileHandler):
    """A log that cannot be written (its folder is gone, say) is told on stderr, and hurts nothing else."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


@contextmanager
def _log_into(folder: RunFolder) -> Iterator[None]:
    """The package's warnings and unexpected errors of this run go into its log.txt, made at the first of them."""
    handler = _RunLog(folder.log, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
