"""A real server, a real browser: the app as a person meets it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a free port with an empty home."""
    home = tmp_path_factory.mktemp("home")
    port = free_port()
    environment = os.environ | {"VIT_EXPLORE_HOME": str(home)}
    environment.pop("OMP_NUM_THREADS", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"],
        cwd=PROJECT,
        env=environment,
        stdout=(home / "app.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url, process)
    yield App(url, home)
    stop_tree(process, home)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Headless Chromium, the system's own."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the browser tests are skipped")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: object, app: App) -> Iterator[object]:
    """A fresh tab, 1440 × 900; fails the test when the page's own script fails."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.set_default_timeout(30_000)
    yield tab
    context.close()
    assert not errors
