"""What stands before the app in a room: strict headers, and who may upload how much how fast."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Streamlit's page has inline scripts and styles, evaluates generated code for charts, and keeps pictures as blobs.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self' ws: wss: blob: data:; "
    "worker-src 'self' blob:; frame-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",  # the teacher's link carries a secret
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
}
UPLOAD = "/_stcore/upload_file/"
WINDOW = 60.0  # seconds
MOST_FILES, MOST_BYTES = 20, 100_000_000  # of one session in a window
MOST_BYTES_IN_ALL = 1_000_000_000
MOST_SESSIONS = 10_000


class Joined:
    """The sessions whose people have joined; of more than MOST_SESSIONS the latest."""

    def __init__(self) -> None:
        self._sessions: dict[str, None] = {}

    def note(self, session: str, has_joined: bool) -> None:
        """Called once per script run, from its thread."""
        self._sessions.pop(session, None)
        if has_joined:
            self._sessions[session] = None
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)), None)

    def __contains__(self, session: str) -> bool:
        return session in self._sessions


JOINED = Joined()  # of this server


class Uploads:
    """What was uploaded just now, by session."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, str, int]] = deque()

    def wait(self, session: str, size: int) -> float:
        """Seconds until the session may send so many bytes; 0.0: now, and they are counted."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] <= now - WINDOW:
            self._recent.popleft()
        mine = [(when, its) for when, who, its in self._recent if who == session]
        waits = (
            _until(mine, lambda kept: len(kept) < MOST_FILES),
            _until(mine, lambda kept: not kept or _bytes(kept) + size <= MOST_BYTES),
            _until(
                [(when, its) for when, _, its in self._recent],
                lambda kept: not kept or _bytes(kept) + size <= MOST_BYTES_IN_ALL,
            ),
        )
        if max(waits) == -math.inf:
            self._recent.append((now, session, size))
            return 0.0
        return max(1.0, max(waits) + WINDOW - now)


def _bytes(kept: Iterable[tuple[float, int]]) -> int:
    return sum(size for _, size in kept)


def _until(recent: list[tuple[float, int]], fits: Callable[[list[tuple[float, int]]], bool]) -> float:
    """When the last upload was that has to grow old first; minus infinity where it fits now."""
    for place in range(len(recent) + 1):
        if fits(recent[place:]):
            return recent[place - 1][0] if place else -math.inf
    raise AssertionError("nothing always fits")


class Guard:
    """ASGI middleware for `st.App`."""

    def __init__(self, app: App) -> None:
        self.app, self.uploads = app, Uploads()
        self.joined = JOINED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it uploads too much, or for somebody who has not joined."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message.get("headers", ())}
                added = [
                    (name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in named
                ]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        path = scope.get("path", "")
        if scope.get("method") not in ("PUT", "POST") or UPLOAD not in path:
            await self.app(scope, receive, strict)
            return
        session = path.partition(UPLOAD)[2].partition("/")[0]
        if session not in self.joined:
            await _refuse(strict, 403, "Join the lesson first; then upload.")
        elif wait := math.ceil(self.uploads.wait(session, _size(scope))):
            words = f"Too much was uploaded in a short time; try again in {wait} s."
            await _refuse(strict, 429, words, (b"retry-after", str(wait).encode()))
        else:
            await self.app(scope, receive, strict)


def _size(scope: Scope) -> int:
    """The bytes that a request says it brings; MOST_BYTES of one that does not say."""
    sizes = [value for name, value in scope.get("headers", ()) if name.lower() == b"content-length"]
    return int(sizes[0]) if sizes and sizes[0].isdigit() else MOST_BYTES


async def _refuse(send: Send, status: int, words: str, *headers: tuple[bytes, bytes]) -> None:
    plain = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [plain, *headers]})
    await send({"type": "http.response.body", "body": words.encode()})
