"""How many threads torch takes, and how they wait for each other: which OpenMP reads once, as torch is imported.

On two cores, beside one busy process, training with libgomp's long default spin ran at a fifth of the speed that it has
with these settings (51 and 61 images/s against 267 and 263, in turn); threads that sleep at once lose about a third on
an idle machine. So: spin for some microseconds, then sleep.
"""

from __future__ import annotations

import os
import sys

SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}


def wait_briefly() -> None:
    """Let waiting threads sleep soon, unless the environment says otherwise."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def take_cores(count: int) -> None:
    """So many of torch's threads for the work of the calling thread; of each thread its own. Imports no torch."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads") and torch.get_num_threads() != count:
        torch.set_num_threads(count)
