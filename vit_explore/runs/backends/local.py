"""Start the worker processes, once per home and device, and start them again when they are gone."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

from vit_explore.runs.backends import DEFAULT, backends
from vit_explore.runs.files import disk_errors
from vit_explore.runs.fresh import worker_command, worker_environment
from vit_explore.runs.records import WorkerInfo
from vit_explore.runs.store import RunStore

IDLE_EXIT_SECONDS = 300.0  # a worker outlives its app by this much, so that a restarted app finds it warm
MAX_LOG_BYTES = 2**20
LOG = "worker.log"

_children: list[subprocess.Popen[bytes]] = []


class Local:
    """Worker processes of this machine, one per GPU where there are several; they outlive the app for a while."""

    def ensure(self, home: Path | None = None) -> WorkerInfo:
        """Make sure that the workers are there, and give the first. Cheap when all is well. Raises StoreUnusable.

        Where a cluster serves the home, its first seat; none is started here.
        """
        _children[:] = [child for child in _children if child.poll() is None]  # also takes leave of zombies
        store = RunStore(home)
        if there := store.seats():
            return there[0]
        first, *_ = [_ensure(store, device) for device in self.devices()]
        return first

    def devices(self) -> list[str]:
        """A device for each worker: auto where there is at most one GPU. Looks at the machine without torch.

        Where a cluster serves the home, one for each of its seats.
        """
        if there := RunStore().seats():
            return [seat.device for seat in there]
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            count = len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
        else:
            count = len(list(Path("/dev").glob("nvidia[0-9]*")))
        return [f"cuda:{i}" for i in range(count)] if count > 1 else ["auto"]

    def failure(self, home: Path) -> str:
        """A worker that died before it was warm wrote into its log why."""
        return f"The worker process could not start; {home / LOG} says why."


backends.register(DEFAULT)(Local())


def _ensure(store: RunStore, device: str) -> WorkerInfo:
    worker = uuid.uuid4().hex[:8]
    present = store.reserve_worker(worker, device)
    if present is not None:
        return present
    child = _start(store.home, worker, device)
    _children.append(child)
    return store.announce_worker(worker, child.pid)


def _start(home: Path, worker: str, device: str) -> subprocess.Popen[bytes]:
    command = worker_command(worker, device, IDLE_EXIT_SECONDS, os.getpid())
    environment = worker_environment(home)
    log = home / LOG
    with disk_errors(log), open(log, "wb" if _is_large(log) else "ab") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def _is_large(path: Path) -> bool:
    return path.exists() and path.stat().st_size > MAX_LOG_BYTES
