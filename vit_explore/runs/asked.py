"""What the process that trains is asked for from outside, whether its trainer has heard it, and when patience ends.

A trainer asks after each step and between the batches of an evaluation. One that does not ask for FORCE_SECONDS is
inside one long step or batch, and then no word reaches it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vit_explore.runs.playing import Orders
from vit_explore.runs.records import RunRecord, State

FORCE_SECONDS = 4.5  # from when the heartbeat has read it, a tenth of a second after the click


class Asked:
    """A wish. The trainer calls it to know whether there is one; by that it is heard."""

    def __init__(self) -> None:
        self.since = math.inf
        self.is_heard = False

    def __call__(self) -> bool:
        self.is_heard = self.is_asked
        return self.is_asked

    @property
    def is_asked(self) -> bool:
        return self.since < math.inf

    def ask(self) -> None:
        """From now on; asking again changes nothing."""
        self.since = min(self.since, time.monotonic())

    def patience(self, alive: float = -math.inf) -> float:
        """Seconds left to hear it; infinite where nobody asks or it is heard. alive: when there was a sign of life."""
        if self.is_heard or not self.is_asked:
            return math.inf
        return max(self.since, alive) + FORCE_SECONDS - time.monotonic()


@dataclass
class Watch:
    """What the heartbeat learns about the run in hand, and what it has to know of it."""

    run: str
    left_as: State = "interrupted"  # what becomes of the run when the process is asked to end
    orders: Orders = field(default_factory=Orders)  # what a person set last
    stop: Asked = field(default_factory=Asked)  # somebody asked for the run's end
    skip_test: Asked = field(default_factory=Asked)  # without the test
    leave: Asked = field(default_factory=Asked)  # a signal asked for the end of this process
    lost: threading.Event = field(default_factory=threading.Event)  # it is not ours any more
    leaving: threading.Event = field(default_factory=threading.Event)  # set by such a signal
    alive: float = -math.inf  # when the trainer last said anything; infinite while that is written
    kept_step: int = 0  # of the last checkpoint
    is_testing: bool = False  # it trains no more
    begun: float = field(default_factory=time.monotonic)  # when it was taken
    gives_way: bool = False  # others wait, and it has had its slice: it is to keep a checkpoint and to wait, too

    def should_stop(self) -> bool:
        """For the trainer: the run, or the process, is to end."""
        self.look()
        stop, leave = self.stop(), self.leave()
        return stop or leave

    def skips_test(self) -> bool:
        """For the trainer, once it trains no more: the test is not waited for."""
        self.look()
        skip, leave = self.skip_test(), self.leave()
        return skip or leave

    def heed(self, orders: Orders) -> None:
        """What was read of the run's row just now."""
        self.orders = orders
        if orders.stop:
            self.stop.ask()
        if orders.stop and orders.skip_test:
            self.skip_test.ask()

    def look(self) -> None:
        """Whether a signal has come."""
        if self.leaving.is_set():
            self.leave.ask()

    def sign_of_life(self) -> None:
        """The trainer has said something."""
        self.alive = time.monotonic()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nothing is forced meanwhile: a checkpoint that is half written would be lost."""
        self.alive = math.inf
        try:
            yield
        finally:
            self.sign_of_life()

    def patience(self) -> float:
        """Seconds until the run is ended by force; infinite where its trainer has heard all that it was asked."""
        return min(wish.patience(self.alive) for wish in (self.stop, self.leave, self.skip_test))

    @property
    def end(self) -> State:
        """What becomes of the run when it is ended by force."""
        return "stopped" if self.stop.is_asked else self.left_as


def waiting_note(seconds: float) -> str:
    """What goes on while the trainer has not heard that it is to stop, with so much patience left."""
    return f"Finishing the step, or ending it by force in {max(1, math.ceil(seconds))} s"


def forced_sentence(watch: Watch, record: RunRecord) -> str:
    """What a run says that was ended by force."""
    within = "while it was getting ready" if record.step is None else f"within step {record.step + 1:,}"
    within = "within the test" if watch.is_testing else within
    goes_on = f"go on from step {watch.kept_step:,}" if record.has_checkpoint else "start it again"
    return f"It did not end in 5 s, so it was stopped by force, {within}; resume it to {goes_on}."
