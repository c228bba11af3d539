"""The head's side of a run that trains on a seat: a trainer whose events come from there."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from vit_explore.config import DataConfig, RunConfig
from vit_explore.errors import TrainingFailed
from vit_explore.runs.asked import FORCE_SECONDS
from vit_explore.runs.cluster.seat import on_a_seat
from vit_explore.runs.cluster.words import AnySeat, SeatLost, Task, Told, Word
from vit_explore.runs.recorder import GivingWay, Leaving
from vit_explore.training.controls import Controls
from vit_explore.training.events import Event, Finished

Progress = Callable[[str, float], None]
Put = Callable[[DataConfig, Progress], Any]  # gives what stands for a dataset in the cluster
MOST_LOSSES = 5  # of one run from the same step: a run that breaks its process does so each time, bad luck ends before


class Losses:
    """How often seats were lost while they trained which run, and from which step it would go on."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}

    def count(self, run: str, step: int) -> int:
        """One more; those that got further than the one before begin anew."""
        at, count = self._counts.get(run, (step, 0))
        self._counts[run] = (step, count + 1 if at == step else 1)
        return self._counts[run][1]


class RemoteTrainer:
    """What train_run needs of a trainer; the work is done on `seat`.

    Its events raise GivingWay where the seat is lost: the run waits in the queue again, from its last checkpoint, and
    TrainingFailed where that has happened too often. Takes the options of training.Trainer.
    """

    def __init__(self, seat: AnySeat, put: Put, lost: Callable[[int], int], config: RunConfig, **options: Any) -> None:
        self._seat, self._put, self._lost, self._config = seat, put, lost, config
        self._state, self._initial = options["state"], options.get("initial")
        self._note: Progress = options["progress"]
        self._should_stop: Callable[[], bool] = options["should_stop"]
        self._skips_test: Callable[[], bool] = options["skips_test"]
        self._wants_checkpoint: Callable[[], bool] = options["wants_checkpoint"]
        self._wants_snapshot: Callable[[], bool] = options["wants_snapshot"]
        self._controls: Callable[[], Controls] = options["controls"]
        self._attempt, self._heard = uuid.uuid4().hex, 0
        self._asked = float("inf")  # when its end was first asked for and not heard
        self._noted: tuple[str, float] | None = None

    def events(self) -> Iterator[Event]:
        """Those of the run, in order, each once."""
        try:
            dataset = self._put(self._config.data, self._note)
            self._seat.begin(Task(self._attempt, on_a_seat(self._config), self._state, self._initial), dataset)
            yield from self._events()
        except SeatLost as error:
            step = self._state["step"] if self._state else 0
            if self._lost(step) < MOST_LOSSES:
                raise GivingWay from error
            raise TrainingFailed(
                f"The process that trained this run ended {MOST_LOSSES} times after step {step}, the last time with: "
                f"{error}. It may need more memory than it is given; see `cluster --memory`."
            ) from error
        finally:
            self._leave()

    def _events(self) -> Iterator[Event]:
        while True:
            told = self._seat.poll(self._attempt, self._word())
            for number, event in told.events:
                if number > self._heard:  # else the answer before was lost on its way, and this one was kept
                    yield event
                    self._heard = number
                    if isinstance(event, Finished):
                        return
            self._heed(told)

    def _word(self) -> Word:
        stop = self._should_stop()
        self._asked = min(self._asked, time.monotonic()) if stop else float("inf")
        return Word(
            heard=self._heard,
            stop=stop,
            skip_test=stop and self._skips_test(),
            wants_checkpoint=self._wants_checkpoint(),
            wants_snapshot=self._wants_snapshot(),
            controls=self._controls(),
        )

    def _heed(self, told: Told) -> None:
        """What else a seat says. Raises its error, and Leaving where it does not hear that it is to stop."""
        if told.error is not None:
            if told.traceback:
                told.error.add_note(told.traceback)
            raise told.error
        if told.is_over and not told.events:
            raise SeatLost("its trainer ended without a result")
        if told.hears or told.events:
            self._asked = float("inf")
        if time.monotonic() - self._asked > FORCE_SECONDS:
            self._seat.kill()
            raise Leaving
        if told.note is not None and told.note != self._noted:
            self._noted = told.note
            self._note(*told.note)

    def _leave(self) -> None:
        try:
            self._seat.end(self._attempt)
        except SeatLost:
            return
