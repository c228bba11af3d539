"""The command `serve`: the app for a room, with a lesson that students join."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vit_explore.errors import BadConfig, LessonOver, ModelUnavailable, VitExploreError
from vit_explore.printing import say
from vit_explore.runs.policy import Limits
from vit_explore.runs.signals import leave_on

if TYPE_CHECKING:
    from vit_explore.runs.lessons import Begun, Lessons

logger = logging.getLogger(__name__)

APP = Path(__file__).resolve().parents[1] / "app.py"
SERVED = Path(__file__).resolve().parent / "ui" / "served.py"
BEAT_SECONDS = 5.0
EVERYWHERE, HERE = "0.0.0.0", "127.0.0.1"
GRACE_SECONDS = 10.0
FAREWELL_SECONDS = 15.0  # in which all pages look again, and say that the lesson is over
ARENAS = {"MALLOC_ARENA_MAX": "2"}  # glibc keeps what dozens of threads have freed, for each of them


def add_serve(parser: argparse.ArgumentParser) -> None:
    """The arguments of `serve`."""
    usual = Limits()
    parser.add_argument("--host", default=EVERYWHERE, help="where it listens (default: the whole network)")
    parser.add_argument("--port", type=int, default=8501, metavar="N", help="default 8501")
    parser.add_argument(
        "--seconds", type=float, default=usual.seconds, metavar="S", help="the longest run of a student"
    )
    parser.add_argument(
        "--parameters", type=int, default=usual.parameters, metavar="N", help="the largest model of a student"
    )
    parser.add_argument("--runs", type=int, default=usual.runs, metavar="N", help="runs of a student at a time")


def serve(arguments: argparse.Namespace) -> int:
    """serve"""
    from vit_explore.runs.lessons import Lessons

    _check(arguments.host, arguments.port)
    lessons = Lessons()
    begun = lessons.begin(Limits(arguments.seconds, arguments.parameters, arguments.runs))
    server = None
    try:
        with leave_on(signal.SIGINT, signal.SIGTERM) as leaving:
            server = _start(arguments.host, arguments.port, begun.lesson.id)
            _tell(arguments.host, arguments.port, begun)
            while server.poll() is None and not leaving.wait(BEAT_SECONDS):
                if not _goes_on(lessons, begun.lesson.id):
                    leaving.wait(FAREWELL_SECONDS)
                    break
            return server.returncode or 0
    finally:
        if server is not None and server.poll() is None:
            _end(server)
        with suppress(LessonOver):  # it was ended on its page
            lessons.end(begun.lesson.id)
        say("The lesson is over; its runs stay.")


def _goes_on(lessons: Lessons, lesson: str) -> bool:
    """Say that the lesson's server lives; False where the teacher has ended the lesson on its page."""
    try:
        lessons.beat(lesson)
    except LessonOver:
        return False
    except VitExploreError as error:  # a full disk or a busy store may pass; the next beat tries again
        logger.warning("%s", error)
    return True


def _check(host: str, port: int) -> None:
    """Raises ModelUnavailable without the app, BadConfig for an address that cannot be had."""
    if not APP.is_file() or find_spec("streamlit") is None:
        raise ModelUnavailable("The app is not here: serve from the project's folder, with its requirements installed.")
    try:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port))
    except (OSError, OverflowError) as error:
        raise BadConfig(f"{host}:{port} cannot be listened on ({error}); choose another --port.") from None


def _start(host: str, port: int, lesson: str) -> subprocess.Popen[bytes]:
    from vit_explore.classroom import addresses

    hosts = _hosts(host)
    options = {"server.address": host, "server.port": port, "server.headless": "true"}
    options["browser.serverAddress"] = hosts[0]
    options["runner.postScriptGC"] = "false"  # of thirty sessions each tick would look at all objects: see warmup.py
    settings = [*options.items(), *(("server.corsAllowedOrigins", f"http://{one}:{port}") for one in hosts)]
    flags = [part for name, value in settings for part in (f"--{name}", str(value))]
    environment = {**ARENAS, **os.environ, addresses.LESSON: lesson}
    command = [sys.executable, "-m", "streamlit", "run", str(SERVED), *flags]
    return subprocess.Popen(command, cwd=APP.parent, env=environment, stdout=subprocess.DEVNULL)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _hosts(host: str) -> list[str]:
    """The names by which browsers reach it."""
    from vit_explore.classroom import addresses

    return [host] if host != EVERYWHERE else addresses.reachable() or [HERE]


def _tell(host: str, port: int, begun: Begun) -> None:
    from vit_explore.classroom import addresses

    hosts, code = _hosts(host), begun.lesson.code
    for line in addresses.qr_text(addresses.students_link(hosts[0], port, code)).splitlines():
        say(line)
    for one in hosts:
        say(f"Students: http://{one}:{port}   class code: {code}")
    local = HERE if host == EVERYWHERE else host
    say(f"Teacher (show it to nobody): {addresses.teachers_link(local, port, begun.secret)}")
    if hosts == [HERE]:
        say("Only browsers on this machine reach it: it has no network, or was told to listen here alone.")
    say("End the lesson with Ctrl-C, or on the page Class.")
