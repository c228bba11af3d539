"""Runs that are trained in this very process, by a command: with a bar, and a Ctrl-C that leaves a checkpoint; and what
machine this is."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from vit_explore.printing import say

if TYPE_CHECKING:
    from vit_explore.runs.asked import Watch
    from vit_explore.runs.pulse import Pulse
    from vit_explore.runs.records import Claimant, RunRecord
    from vit_explore.runs.store import RunStore

INTERRUPTED = 130  # the exit status


class Closing(Protocol):
    """What is on the terminal while it trains."""

    def close(self) -> None: ...


def processor() -> str:
    """The processor's name, or the kind of machine, and how many cores this process may use: such as "…, 2 cores"."""
    info = Path("/proc/cpuinfo")
    lines: list[str] = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{name or platform.machine()}, {cores} core{'' if cores == 1 else 's'}"


def this_process(device: str) -> Claimant:
    """This process, as one that trains on a device. Raises DeviceUnavailable."""
    from vit_explore.runs.records import Claimant
    from vit_explore.runs.worker import concrete_device

    return Claimant.this_process(device, slot=concrete_device(device))


@contextmanager
def training(store: RunStore, claimant: Claimant, shown: Closing) -> Iterator[tuple[Pulse, threading.Event]]:
    """The heartbeat of this process, and what Ctrl-C sets; a second one, or a step that takes minutes, ends it."""
    from vit_explore.runs.pulse import Pulse
    from vit_explore.runs.signals import leave_on

    def end(watch: Watch) -> NoReturn:
        end_by_force(store, watch.run, shown.close)

    with (
        leave_on(signal.SIGINT, signal.SIGTERM) as leaving,
        Pulse(store, claimant, registered=False, end_process=end) as pulse,
    ):
        yield pulse, leaving


def stopped(record: RunRecord) -> str:
    """How a run goes on that was stopped."""
    return (
        f"Run {record.id} stopped at step {record.step or 0}; go on with: python -m vit_explore runs resume {record.id}"
    )


def end_by_force(store: RunStore, run: str, close: Callable[[], None]) -> NoReturn:
    """The run did not end as asked, inside one long step, and is let go of: end, from the heartbeat's thread."""
    try:
        close()
        record = store.get(run)
        say(*filter(None, [record.error]), stopped(record), file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(INTERRUPTED)
