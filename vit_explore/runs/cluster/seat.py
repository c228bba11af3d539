"""A seat: the process on a node that trains one run at a time, in a thread, and answers the head meanwhile."""

from __future__ import annotations

import copy
import logging
import resource
import threading
import traceback
import warnings
from collections import deque
from typing import Any

from vit_explore.config import RunConfig
from vit_explore.data import Dataset
from vit_explore.errors import VitExploreError
from vit_explore.runs.cluster.words import SeatLost, Task, Told, Word
from vit_explore.runs.recorder import TrainerFactory, the_trainer
from vit_explore.training.events import Checkpoint, Event, Snapshot

MOST_UNHEARD = 256  # events that wait for the head; then the trainer waits, too
ANSWER_SECONDS = 0.2  # how long a question waits for an event
logger = logging.getLogger(__name__)


class Abandoned(Exception):
    """Nobody listens to this attempt any more."""


class Attempt:
    """One run in training: what its trainer is to know, and what it has said that the head has not heard."""

    def __init__(self, name: str) -> None:
        self.name, self.word = name, Word()
        self._unheard: deque[tuple[int, Event]] = deque()
        self._said, self._last = 0, {Checkpoint: 0, Snapshot: 0}  # numbers of events: the last one, and of these kinds
        self._note: tuple[str, float] | None = None
        self._hears = self._is_over = self._is_abandoned = False
        self._error: tuple[Exception, str] | None = None
        self._change = threading.Condition()

    # ------------------------------------------------------------------ the trainer's side

    def options(self) -> dict[str, Any]:
        """The callbacks of a Trainer. What is wanted is made once, until the head has heard of it."""
        return {
            "should_stop": self._should_stop,
            "wants_checkpoint": lambda: self.word.wants_checkpoint and self._last[Checkpoint] <= self.word.heard,
            "wants_snapshot": lambda: self.word.wants_snapshot and self._last[Snapshot] <= self.word.heard,
            "skips_test": lambda: self.word.skip_test or self._is_abandoned,
            "controls": lambda: self.word.controls,
            "progress": self._progress,
        }

    def say(self, event: Event) -> None:
        """Keep an event until it is heard; waits while too many are not. Raises Abandoned."""
        if isinstance(event, Checkpoint):
            event = copy.deepcopy(event)  # its tensors are the trainer's own, which goes on
        with self._change:
            self._change.wait_for(lambda: len(self._unheard) < MOST_UNHEARD or self._is_abandoned)
            if self._is_abandoned:
                raise Abandoned
            self._said += 1
            self._unheard.append((self._said, event))
            if type(event) in self._last:
                self._last[type(event)] = self._said
            self._change.notify_all()

    def over(self, error: Exception | None = None, trace: str = "") -> None:
        """The trainer has ended."""
        with self._change:
            self._is_over = True
            self._error = None if error is None else (error, trace)
            self._change.notify_all()

    def _should_stop(self) -> bool:
        self._hears = self.word.stop
        return self.word.stop or self._is_abandoned

    def _progress(self, what: str, share: float) -> None:
        if self._is_abandoned:
            raise Abandoned
        self._note = (what, share)

    # ------------------------------------------------------------------ the head's side

    def answer(self, word: Word) -> Told:
        """What is not heard yet; waits a moment where there is nothing."""
        with self._change:
            self.word = word
            while self._unheard and self._unheard[0][0] <= word.heard:
                self._unheard.popleft()
            self._change.notify_all()
            self._change.wait_for(lambda: bool(self._unheard) or self._is_over, ANSWER_SECONDS)
            error, trace = self._error or (None, "")
            return Told(tuple(self._unheard), self._note, self._hears, self._is_over, error, trace)

    def abandon(self) -> None:
        """The trainer ends where it next asks."""
        with self._change:
            self._is_abandoned = True
            self._change.notify_all()


class Seat:
    """See the module. memory: bytes that its process may take at most; gpu: the share of a GPU's memory."""

    def __init__(self, memory: int | None = None, gpu: float = 0.0, make_trainer: TrainerFactory | None = None) -> None:
        limit_memory(memory, gpu)
        self._make_trainer = make_trainer or the_trainer
        self._attempt = Attempt("")

    def ready(self) -> str:
        """The release that it trains with."""
        from vit_explore.training import Trainer  # noqa: F401 - so that the first run finds it imported
        from vit_explore.upgrades import CONFIG_VERSION

        return f"settings of version {CONFIG_VERSION}"

    def begin(self, task: Task, dataset: Dataset) -> None:
        """See AnySeat."""
        self._attempt.abandon()
        self._attempt = attempt = Attempt(task.attempt)
        threading.Thread(target=self._train, args=(attempt, task, dataset), name=task.attempt, daemon=True).start()

    def poll(self, attempt: str, word: Word) -> Told:
        """See AnySeat."""
        if attempt != self._attempt.name:
            raise SeatLost(f"this seat does not train {attempt}")
        return self._attempt.answer(word)

    def end(self, attempt: str) -> None:
        """See AnySeat."""
        if attempt == self._attempt.name:
            self._attempt.abandon()

    def _train(self, attempt: Attempt, task: Task, dataset: Dataset) -> None:
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # shared; nobody writes
        try:
            trainer = self._make_trainer(task.config, dataset=dataset, **_started(task), **attempt.options())
            for event in trainer.events():
                attempt.say(event)
            attempt.over()
        except Abandoned:
            return
        except VitExploreError as error:
            attempt.over(error)
        except Exception as error:
            logger.exception("attempt %s failed", attempt.name)
            attempt.over(RuntimeError(f"{type(error).__name__}: {error}"), traceback.format_exc())


def _started(task: Task) -> dict[str, Any]:
    return {"state": task.state, **({} if task.initial is None else {"initial": task.initial})}


def limit_memory(memory: int | None, gpu: float) -> None:
    """Bound this process: its data by the kernel, its part of a GPU by torch. What does not fit raises MemoryError."""
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    if 0 < gpu < 1:
        import torch

        torch.cuda.set_per_process_memory_fraction(gpu)


def on_a_seat(config: RunConfig) -> RunConfig:
    """The settings as a seat trains them: on the device that the cluster gave it, whose number is its own affair."""
    return config if config.train.device == "cpu" else config.update(device="auto")
