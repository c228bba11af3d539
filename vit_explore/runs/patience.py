"""A store that another program holds, or whose server does not answer for a while: what trains waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from vit_explore.errors import StoreBusy

BUSY_SECONDS = 120.0  # after which a run gives up, and can be resumed
RETRY_SECONDS = 0.5

T = TypeVar("T")


def patiently(write: Callable[[], T], leaving: threading.Event | None = None) -> T:
    """What the writing gives; it is tried again while the store is busy.

    leaving: set when the process is to end. Raises StoreBusy then, and after BUSY_SECONDS.
    """
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return write()
        except StoreBusy:
            if time.monotonic() >= end or (leaving is not None and leaving.is_set()):
                raise
            time.sleep(RETRY_SECONDS)
