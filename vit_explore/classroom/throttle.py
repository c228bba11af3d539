"""Wrong codes cost time: a few tries in a minute from one place, and not many in all."""

from __future__ import annotations

import threading
import time
from collections import deque

from vit_explore.errors import NotAllowed

WINDOW = 60.0  # seconds
FROM_ONE, IN_ALL = 8, 60  # wrong tries in a window; thirty students may share one address


class Throttle:
    """Counts wrong tries; safe to use from several threads."""

    def __init__(self, from_one: int = FROM_ONE, in_all: int = IN_ALL, window: float = WINDOW) -> None:
        self.from_one, self.in_all, self.window = from_one, in_all, window
        self._wrong: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def check(self, place: str) -> None:
        """Raises NotAllowed where there were too many wrong tries just now. place: where a try comes from."""
        with self._lock:
            now = time.monotonic()
            while self._wrong and self._wrong[0][0] < now - self.window:
                self._wrong.popleft()
            mine = [when for when, where in self._wrong if where == place]
            if len(mine) < self.from_one and len(self._wrong) < self.in_all:
                return
            oldest = mine[0] if len(mine) >= self.from_one else self._wrong[0][0]
            wait = max(1, round(oldest + self.window - now))
        raise NotAllowed(f"Too many wrong codes; try again in {wait} s.")

    def wrong(self, place: str) -> None:
        """A wrong try."""
        with self._lock:
            self._wrong.append((time.monotonic(), place))
