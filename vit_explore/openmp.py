"""How torch's threads wait for each other. Must be said before torch is imported, since OpenMP reads it once.

Threads that spin while they wait cost nothing on an idle machine, but slow training more than tenfold as soon as
another process (the app, a second run) wants a share of the cores.
"""

from __future__ import annotations

import os

SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def wait_passively() -> None:
    """Let waiting threads sleep, unless the environment says otherwise."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
