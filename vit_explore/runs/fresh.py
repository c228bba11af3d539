"""A worker process in place of this one: the same pid and arguments, and all its memory given back.

For a run that does not end: what it computes cannot be interrupted from within Python.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn


def worker_command(worker: str, device: str, idle_exit: float | None, parent: int | None) -> list[str]:
    """How the worker `worker` is started."""
    command = [sys.executable, "-m", "vit_explore", "worker", "--device", device, "--id", worker]
    command += ["--idle-exit", str(idle_exit)] if idle_exit is not None else []
    return command + (["--parent", str(parent)] if parent is not None else [])


def worker_environment(home: Path) -> dict[str, str]:
    """The environment of a worker of that home; the package may not be installed."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != root]
    paths.insert(0, root)
    return {**os.environ, "VIT_EXPLORE_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)}


def replace_process(command: list[str], home: Path) -> NoReturn:
    """Run `command` in this very process, from any of its threads; all others end where they are."""
    try:
        os.execve(command[0], command, worker_environment(home))
    finally:
        os._exit(1)  # it could not: whoever needs a worker starts another one
