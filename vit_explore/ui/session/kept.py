"""Results that are kept for whoever asks next: the latest ones, within a number and a size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")
IN_USE = 10.0  # seconds; a page that needs two large results must not lose the first while it waits for the second


@dataclass
class _Entry(Generic[T]):
    value: T
    size: int
    asked: float
    until: float


class Kept(Generic[T]):
    """The values asked for last, at most `most` of them in `most_bytes`; what was asked for just now always stays.

    Not safe between threads by itself. clock: seconds, for tests.
    """

    def __init__(self, most: int, most_bytes: int, clock: Callable[[], float]) -> None:
        self._most, self._most_bytes, self._clock = most, most_bytes, clock
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(entry.size for entry in self._entries.values())

    def get(self, key: Hashable) -> T | None:
        """The value, or None where there is none (any more)."""
        entry, now = self._entries.get(key), self._clock()
        if entry is None or now >= entry.until:
            self._entries.pop(key, None)
            return None
        entry.asked = now
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: Hashable, value: T, size: int, seconds: float = float("inf")) -> None:
        """Keep a value, for at most so many seconds."""
        now = self._clock()
        self._entries[key] = _Entry(value, size, now, now + seconds)
        self._entries.move_to_end(key)
        self._drop()

    def _drop(self) -> None:
        now, size = self._clock(), self.size
        for key, entry in list(self._entries.items()):  # the one asked for longest ago first
            if len(self._entries) <= self._most and size <= self._most_bytes:
                return
            if now - entry.asked >= IN_USE or now >= entry.until:
                del self._entries[key]
                size -= entry.size


def size_of(value: Any) -> int:
    """Bytes of the arrays, weights and files in a result; small things count nothing."""
    return sum(_bytes(part) for part in _parts(value))


def make_read_only(value: Any) -> None:
    """Many sessions share a result: none may write into its arrays."""
    for part in _parts(value):
        if isinstance(part, np.ndarray):
            part.setflags(write=False)


def _bytes(part: Any) -> int:
    if isinstance(part, np.ndarray):
        return part.nbytes
    if isinstance(part, bytes | str):
        return len(part)
    weights = getattr(part, "parameters", None)  # of a torch module; torch may not be here
    return sum(p.numel() * p.element_size() for p in weights()) if callable(weights) else 0


def _parts(value: Any) -> Iterator[Any]:
    """What a result is made of, through dataclasses, tuples, lists and dicts."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _parts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _parts(inner)
    else:
        yield value
