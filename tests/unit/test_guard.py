"""What stands before the app in a room: every answer is strict, and nobody uploads without end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vit_explore.classroom import guard
from vit_explore.classroom.guard import Guard, Joined, Uploads


@pytest.fixture(autouse=True)
def all_have_joined(monkeypatch: pytest.MonkeyPatch) -> Joined:
    """Those who upload here, in tests about something else."""
    joined = Joined()
    for session in ("ada", "bob", "late", *map(str, range(20))):
        joined.note(session, has_joined=True)
    monkeypatch.setattr(guard, "JOINED", joined)
    return joined


async def app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"x-frame-options", b"SAMEORIGIN")] if scope["path"] == "/own" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"the app"})


def ask(
    guarded: Guard, path: str, method: str = "GET", size: int | None = None
) -> tuple[int, dict[bytes, bytes], bytes]:
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    headers = [] if size is None else [(b"Content-Length", str(size).encode())]
    asyncio.run(guarded({"type": "http", "path": path, "method": method, "headers": headers}, _nothing, send))
    return said[0]["status"], dict(said[0]["headers"]), said[1]["body"]


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request"}


def upload(guarded: Guard, session: str, size: int | None = 1000) -> int:
    return ask(guarded, f"/_stcore/upload_file/{session}/file", "PUT", size)[0]


def test_every_answer_is_strict() -> None:
    status, headers, body = ask(Guard(app), "/train")
    assert (status, body) == (200, b"the app")
    for name, value in guard.HEADERS.items():
        assert headers[name.encode()] == value.encode()
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]


def test_what_the_app_says_itself_stands() -> None:
    assert ask(Guard(app), "/own")[1][b"x-frame-options"] == b"SAMEORIGIN"


def test_one_session_sends_so_many_files_in_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(guard.time, "monotonic", lambda: now[0])
    guarded = Guard(app)
    assert {upload(guarded, "ada") for _ in range(guard.MOST_FILES)} == {200}
    assert upload(guarded, "ada") == 429
    assert upload(guarded, "bob") == 200
    status, headers, body = ask(guarded, "/_stcore/upload_file/ada/x", "PUT", 1)
    assert (status, headers[b"retry-after"]) == (429, b"60")
    assert b"try again in 60 s" in body
    assert headers[b"x-frame-options"] == b"DENY"
    now[0] = guard.WINDOW + 1
    assert upload(guarded, "ada") == 200


def test_bytes_are_bounded_of_one_and_of_all() -> None:
    guarded = Guard(app)
    assert upload(guarded, "ada", guard.MOST_BYTES - 10) == 200
    assert upload(guarded, "ada", 11) == 429
    assert upload(guarded, "ada", 10) == 200
    sessions = guard.MOST_BYTES_IN_ALL // guard.MOST_BYTES
    assert {upload(guarded, f"{number}", guard.MOST_BYTES) for number in range(sessions - 1)} == {200}
    assert upload(guarded, "late", 1) == 429


def test_one_that_does_not_say_how_much_counts_as_the_most() -> None:
    guarded = Guard(app)
    assert upload(guarded, "ada", None) == 200
    assert upload(guarded, "ada", 1) == 429


def test_waiting_ends_when_enough_has_grown_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now, uploads = [0.0], Uploads()
    monkeypatch.setattr(guard.time, "monotonic", lambda: now[0])
    for second in (0.0, 20.0, 40.0):
        now[0] = second
        assert uploads.wait("ada", guard.MOST_BYTES // 4) == 0.0
    assert uploads.wait("ada", guard.MOST_BYTES // 2) == guard.WINDOW - 40.0
    now[0] = guard.WINDOW
    assert uploads.wait("ada", guard.MOST_BYTES // 2) == 0.0


def test_who_has_not_joined_uploads_nothing_and_spends_nothing(all_have_joined: Joined) -> None:
    guarded = Guard(app)
    status, headers, body = ask(guarded, "/_stcore/upload_file/eve/x", "PUT", guard.MOST_BYTES_IN_ALL)
    assert (status, body) == (403, b"Join the lesson first; then upload.")
    assert headers[b"x-frame-options"] == b"DENY"
    assert upload(guarded, "ada") == 200
    all_have_joined.note("ada", has_joined=False)  # taken out of the lesson
    assert upload(guarded, "ada") == 403


def test_of_very_many_sessions_the_latest_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_SESSIONS", 2)
    joined = Joined()
    for session in ("ada", "bob", "ada", "late"):
        joined.note(session, has_joined=True)
    assert [session in joined for session in ("ada", "bob", "late")] == [True, False, True]


def test_other_requests_are_not_counted() -> None:
    guarded = Guard(app)
    assert {ask(guarded, "/_stcore/health")[0] for _ in range(3 * guard.MOST_FILES)} == {200}
    assert {ask(guarded, "/_stcore/upload_file/ada/x", "DELETE")[0] for _ in range(3 * guard.MOST_FILES)} == {200}
