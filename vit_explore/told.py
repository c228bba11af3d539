"""How far long work is: what a generator yields before its result."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """share: in [0, 1]; words: what is being done, a word or two."""

    share: float = 0.0
    words: str = ""


def told(work: Generator[Progress, None, T], hear: Callable[[Progress], object]) -> T:
    """The result of work that yields its progress, all of which `hear` is told."""
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        hear(progress)
