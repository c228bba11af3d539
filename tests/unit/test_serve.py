"""The command that begins a lesson, and the links into it."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import segno
from PIL import Image

from vit_explore import cli, serve_command
from vit_explore.classroom import addresses
from vit_explore.errors import DiskFull, NotAllowed
from vit_explore.runs.lessons import Lessons

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_the_addresses_that_others_reach_are_those_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = {
        "lo": ["127.0.0.1", "::1"], "eth0": ["203.0.113.5", "fe80::1%eth0"], "wlan0": ["192.168.1.7", "192.168.1.7"],
        "odd": ["169.254.3.4", "0.0.0.0", "00:11:22:33:44:55"],
    }  # fmt: skip
    found = {name: [SimpleNamespace(address=one) for one in many] for name, many in cards.items()}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    assert set(addresses.reachable()) == {"192.168.1.7", "203.0.113.5"}
    monkeypatch.setattr(psutil, "net_if_addrs", dict)
    assert addresses.reachable() == []


def test_the_students_link_holds_the_code_and_no_secret() -> None:
    assert addresses.students_link("10.0.0.5", 8501, "K7PAC") == "http://10.0.0.5:8501/?code=K7PAC"
    assert addresses.teachers_link("127.0.0.1", 8501, "a-b_c") == "http://127.0.0.1:8501/?teacher=a-b_c"


def test_the_qr_code_is_that_of_the_link() -> None:
    link = addresses.students_link("10.0.0.5", 8501, "K7PAC")
    picture = Image.open(io.BytesIO(addresses.qr_png(link, scale=3))).convert("L")
    code = segno.make(link, error="m")
    size = code.symbol_size(scale=1, border=2)
    assert picture.size == (3 * size[0], 3 * size[1])
    modules = [
        [picture.getpixel((3 * (x + 2) + 1, 3 * (y + 2) + 1)) == 0 for x in range(size[0] - 4)]
        for y in range(size[1] - 4)
    ]
    assert modules == [[bool(bit) for bit in row] for row in code.matrix]
    assert len(addresses.qr_text(link).splitlines()) > 10


def test_every_address_that_is_printed_may_open_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(addresses, "reachable", lambda: ["10.0.0.5", "192.168.1.7"])
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: asked.append(command))
    serve_command._start("0.0.0.0", 8600, "a-lesson")
    (command,) = asked
    named = [command[place + 1] for place, flag in enumerate(command) if flag == "--server.corsAllowedOrigins"]
    assert named == ["http://10.0.0.5:8600", "http://192.168.1.7:8600"]


def test_a_port_that_is_taken_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["serve", "--host", "127.0.0.1", "--port", str(port)]) == 2
    assert "cannot be listened on" in capsys.readouterr().err


class Server:
    """What stands in for the app's process: it runs until it is told to end."""

    returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self.returncode = -15

    def wait(self, _: float) -> None:
        assert self.returncode is not None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(serve_command, "_start", lambda *_: server)
    for name in ("BEAT_SECONDS", "FAREWELL_SECONDS"):
        monkeypatch.setattr(serve_command, name, 0.05)
    return server


def test_the_app_ends_with_a_lesson_that_was_ended_on_its_page(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    beat = Lessons.beat
    monkeypatch.setattr(Lessons, "beat", lambda self, lesson: (beat(self, lesson), self.end(lesson)))
    assert cli.main(["serve", "--host", "127.0.0.1", "--port", str(free_port())]) == 0
    assert server.returncode == -15
    said = capsys.readouterr()
    assert "The lesson is over; its runs stay." in said.out
    assert not said.err


def test_a_lesson_outlives_a_disk_that_is_full_for_a_while(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    beats: list[str] = []

    def beat(_: Lessons, lesson: str) -> None:
        beats.append(lesson)
        if len(beats) < 3:
            raise DiskFull("no room")
        server.returncode = 0

    monkeypatch.setattr(Lessons, "beat", beat)
    assert cli.main(["serve", "--host", "127.0.0.1", "--port", str(free_port())]) == 0
    assert len(beats) == 3
    with pytest.raises(NotAllowed, match="over"):
        Lessons().get(beats[0])


@pytest.mark.parametrize("wrong", [["--seconds", "0"], ["--runs", "-1"], ["--port", "99999999"]])
def test_what_cannot_be_is_one_sentence(capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert cli.main(["serve", "--host", "127.0.0.1", "--port", str(free_port()), *wrong]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_lesson_is_served_and_is_over_when_the_command_ends(home: Path) -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "vit_explore",
        "serve",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--seconds",
        "45",
    ]
    served = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        said = ""
        while "End the lesson" not in said:
            said += served.stdout.readline()
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        lesson = said.partition("class code: ")[2].split()[0]
        secret = said.partition("?teacher=")[2].split()[0]
        lessons = Lessons()
        with lessons._reading() as connection:
            (row,) = connection.exec_driver_sql("SELECT id, code, pid FROM lessons").all()
        assert (row.code, row.pid) == (lesson, served.pid)
        assert lessons.get(row.id).limits.seconds == 45
        assert lessons.is_teacher(row.id, secret)
        children = psutil.Process(served.pid).children()
        assert secret not in " ".join(" ".join(child.cmdline()) for child in children)
    finally:
        served.terminate()
        assert served.wait(60) == 0
    with pytest.raises(NotAllowed, match="over"):
        lessons.get(row.id)
    psutil.wait_procs(children, timeout=20)
    assert not any(child.is_running() for child in children)
