"""The app as a process: started on a free port, ended with the worker that it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class App:
    """A running app: its address and its home."""

    url: str
    home: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(url: str, process: subprocess.Popen, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the app ended at once"
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the app was not up after {seconds} s")


def stop_tree(process: subprocess.Popen, home: Path) -> None:
    """End the server and the worker that it started, which lives in a session of its own."""
    process.send_signal(signal.SIGTERM)
    for other in psutil.process_iter(["pid", "environ", "cmdline"]):
        if "worker" in (other.info["cmdline"] or []) and (other.info["environ"] or {}).get("VIT_EXPLORE_HOME") == str(
            home
        ):
            other.terminate()
    process.wait(20)


def start(
    home: Path, streamlit: Sequence[str] = ("-m", "streamlit"), app: Path = Path("app.py")
) -> tuple[subprocess.Popen, str]:
    """The app with this home: its process and its address, once it answers. Its log is home/app.log.

    streamlit: what Python runs in place of Streamlit as it is.
    """
    port = free_port()
    environment = os.environ | {"VIT_EXPLORE_HOME": str(home)}
    environment.pop("OMP_NUM_THREADS", None)  # the worker trains with all cores, as for a person
    process = subprocess.Popen(
        [sys.executable, *streamlit, "run", str(app), "--server.port", str(port), "--server.headless", "true"],
        cwd=PROJECT,
        env=environment,
        stdout=(home / "app.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url, process)
    return process, url
