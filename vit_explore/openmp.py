"""How torch's threads wait for each other. Must be said before torch is imported, since OpenMP reads it once.

On two cores, beside one busy process, training with libgomp's long default spin ran at a fifth of the speed that it has
with these settings (51 and 61 images/s against 267 and 263, in turn); threads that sleep at once lose about a third on
an idle machine. So: spin for some microseconds, then sleep.
"""

from __future__ import annotations

import os

SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}


def wait_briefly() -> None:
    """Let waiting threads sleep soon, unless the environment says otherwise."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
