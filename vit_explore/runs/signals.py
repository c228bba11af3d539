"""Ctrl-C and SIGTERM while torch computes: heard at once, though Python's own handlers wait for the end of its call."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_SECONDS = 0.5  # for Python to end by itself at the second signal


@contextmanager
def leave_on(*signals: signal.Signals) -> Iterator[threading.Event]:
    """An event that the first of these signals sets; the second one ends the process at once. Main thread only."""
    leaving, over = threading.Event(), threading.Event()

    def leave(number: int, _frame: FrameType | None) -> None:
        leaving.set()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    before = {number: signal.signal(number, leave) for number in signals}
    told, ear = socket.socketpair()
    told.setblocking(False)
    old = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)  # written to by the signal itself
    listener = threading.Thread(target=_listen, args=(ear, set(signals), leaving, over), name="signals", daemon=True)
    listener.start()
    try:
        yield leaving
    finally:
        over.set()
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        told.close()
        listener.join()
        ear.close()


def _listen(ear: socket.socket, signals: set[int], leaving: threading.Event, over: threading.Event) -> None:
    """Read the numbers of the signals that come, until the other end is closed."""
    heard = 0
    while numbers := ear.recv(64):
        for number in numbers:
            if number not in signals:
                continue
            if heard and not over.wait(GRACE_SECONDS):
                os._exit(128 + number)
            heard += 1
            leaving.set()
