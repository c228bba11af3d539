"""How torch's threads wait for each other. Must be said before torch is imported, since OpenMP reads it once.

Threads that spin for long while they wait slow training more than tenfold as soon as another process (the app, a second
run) wants a share of the cores; threads that sleep at once lose a third of the speed on an idle machine. So: spin for
some microseconds, then sleep.
"""

from __future__ import annotations

import os

SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}


def wait_briefly() -> None:
    """Let waiting threads sleep soon, unless the environment says otherwise."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
