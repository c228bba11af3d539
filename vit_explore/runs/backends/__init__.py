"""Who trains a queued run. A backend is one file here that registers itself; the app and the commands go through it.

A backend needs nothing of the store but its queue: `claim` a run, `train_run` it, and the store does the rest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from vit_explore.registry import Registry
from vit_explore.runs.records import WorkerInfo

DEFAULT, ELSEWHERE = "local", "elsewhere"
VARIABLE = "VIT_EXPLORE_BACKEND"


class Backend(Protocol):
    """Somebody who trains the queued runs of a home."""

    def ensure(self, home: Path | None = None) -> WorkerInfo:
        """See to it that somebody will train what waits, and give the first of them. Returns at once: call it often.

        One who could not be started has the state "failed" for a while; `failure` says where to read why.
        """
        ...

    def devices(self) -> list[str]:
        """A device for each run that is trained at the same time."""
        ...

    def failure(self, home: Path) -> str:
        """Why nobody could be started, or where to read it: one sentence."""
        ...


backends: Registry[Backend] = Registry("backend", package="vit_explore.runs.backends")


def chosen() -> str:
    """The name of the backend that this process goes through: that of VIT_EXPLORE_BACKEND, or the local one."""
    return os.environ.get(VARIABLE) or DEFAULT


def get_backend(name: str | None = None) -> Backend:
    """The backend of that name, by default the chosen one. Raises UnknownName, which lists the known ones."""
    return backends.get(name or chosen())
