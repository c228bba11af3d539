"""What the head and a seat say to each other: the head asks, again and again, and a seat answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from vit_explore.config import RunConfig
from vit_explore.training.controls import Controls
from vit_explore.training.events import Event


@dataclass(frozen=True)
class Task:
    """A run to train. attempt: its name from now on; a run that goes on after a loss is another one.

    state: of a checkpoint; initial: the weights that init_from names.
    """

    attempt: str
    config: RunConfig
    state: dict[str, Any] | None = None
    initial: Any = None


@dataclass(frozen=True)
class Word:
    """From the head. heard: the number of the last event that it has kept; all else holds until the next word."""

    heard: int = 0
    stop: bool = False
    skip_test: bool = False
    wants_checkpoint: bool = False
    wants_snapshot: bool = False
    controls: Controls = field(default_factory=Controls)


@dataclass(frozen=True)
class Told:
    """From a seat. events: with their numbers, those after the last one heard, so that a lost answer loses none.

    note: what goes on where no steps are taken; hears: its trainer has heard that it is to stop; error: why it ended,
    with a traceback where that is a bug.
    """

    events: tuple[tuple[int, Event], ...] = ()
    note: tuple[str, float] | None = None
    hears: bool = False
    is_over: bool = False
    error: Exception | None = None
    traceback: str = ""


class SeatLost(Exception):
    """The process on the node is gone, or its node, or the way there."""


class AnySeat(Protocol):
    """A seat as the head sees it. Every call may raise SeatLost."""

    def begin(self, task: Task, dataset: Any) -> None:
        """Train this; what was trained before is given up."""
        ...

    def poll(self, attempt: str, word: Word) -> Told:
        """What is new; waits a moment for something."""
        ...

    def end(self, attempt: str) -> None:
        """Nobody listens any more."""
        ...

    def kill(self) -> None:
        """End its process by force."""
        ...
