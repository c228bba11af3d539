"""Several sessions watch a run at the same time: the server's log stays free of exceptions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "watchers.py"  # by itself it watches longer, with ten


def test_sessions_that_watch_leave_no_exception_in_the_log() -> None:
    # a process of its own: Playwright has an event loop in this one
    command = [sys.executable, SCRIPT, "--sessions", "3", "--seconds", "15"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 pages watched" in done.stdout
