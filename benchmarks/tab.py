"""A tab without its browser: it says what Streamlit's frontend says on its websocket, and draws nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileUploaderState, FileURLs, FileURLsRequest, UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

XSRF = "_streamlit_xsrf"
EXPLORER = "vit_explore_attention_explorer"  # the component that shows attention over a picture
PATIENCE = 60.0  # seconds


class Tab:
    """One tab: asks for a page, then for its fragments at the pace that the server names.

    cookie: what its browser sends along, as name=value.
    """

    def __init__(self, url: str, page: str, query: str, cookie: str = "") -> None:
        self.messages = 0
        self.painted = asyncio.Event()
        self._url, self._page, self._query, self._cookie = url, page, query, cookie
        self._session = ""
        self._uploader = ""  # the widget that takes files, where the page has one
        self._widgets: WidgetStates | None = None  # what the person has given; a browser sends it with every question
        self._alerts: list[str] = []  # what the page warns of, says of what went wrong, or waits for
        self._drawn: set[str] = set()  # components that came since the last question
        self._places: asyncio.Queue[FileURLs] = asyncio.Queue()  # where a file may be sent
        self._script = ""  # the hash by which the server knows the page
        self._is_at_rest = False  # no run of the page, or of a part of it, goes on
        self._there: str | None = None  # the page that the server shows
        self._cached: dict[str, None] = {}  # large messages, which the server need not send again
        self._timers: dict[str, tuple[float, asyncio.Task[None]]] = {}  # fragment -> (interval, task)

    async def watch(self) -> None:
        """Keep the page open until cancelled. Raises RuntimeError when the page shows an exception."""
        address = self._url.replace("http", "ws", 1) + "/_stcore/stream"
        try:
            headers = {"Cookie": self._cookie} if self._cookie else {}
            protocols = [Subprotocol("streamlit")]
            async with connect(
                address, subprotocols=protocols, max_size=None, additional_headers=headers, ping_interval=None
            ) as self._socket:
                await self._ask()
                async for data in self._socket:
                    assert isinstance(data, bytes)
                    self._take(ForwardMsg.FromString(data))
        finally:
            self._stop_all()
        raise RuntimeError(f"{self._url} closed the connection of a watching page")

    async def upload(self, name: str, content: bytes) -> float:
        """Give a photo to the page's uploader; the seconds until its attention is there, the sending included."""
        await self._until(lambda: bool(self._uploader))
        uploader = self._uploader  # a run of the page that begins meanwhile names it anew
        begin = time.perf_counter()
        asked = FileURLsRequest(request_id=name, file_names=[name], session_id=self._session)
        await self._socket.send(BackMsg(file_urls_request=asked).SerializeToString())
        place = await self._places.get()
        await asyncio.to_thread(self._send, place.upload_url, name, content)
        info = UploadedFileInfo(file_id=place.file_id, name=name, size=len(content), file_urls=place)
        state = WidgetState(id=uploader, file_uploader_state_value=FileUploaderState(uploaded_file_info=[info]))
        self._widgets = WidgetStates(widgets=[state])
        self._drawn.clear()
        await self._ask()
        await self._until(lambda: EXPLORER in self._drawn)
        return time.perf_counter() - begin

    def _send(self, path: str, name: str, content: bytes) -> None:
        """As the browser does: with the token that the server gave it, so that no other site can."""
        with requests.Session() as browser:
            browser.headers["Cookie"] = self._cookie
            token = browser.get(f"{self._url}/_stcore/health", timeout=60).cookies.get(XSRF) or ""
            headers = {"X-Xsrftoken": token, "Cookie": f"{self._cookie}; {XSRF}={token}"}
            files = {"file": (name, content, "image/jpeg")}
            browser.put(f"{self._url}{path}", files=files, headers=headers, timeout=60).raise_for_status()

    async def _ask(self, fragment: str = "") -> None:
        """Ask for a run of the page, or of one of its fragments."""
        state = ClientState(
            widget_states=self._widgets,
            query_string=self._query,
            page_script_hash=self._script,
            page_name="" if self._script else self._page,
            fragment_id=fragment,
            is_auto_rerun=bool(fragment),
            cached_message_hashes=list(self._cached),
        )
        await self._socket.send(BackMsg(rerun_script=state).SerializeToString())

    async def go(self, page: str, query: str = "") -> float:
        """Ask for another page; the seconds until its script has run to its end."""
        self._script, self._page, self._query, self._widgets = "", page, query, None
        self._there, self._uploader = None, ""
        self._stop_all()
        self.painted.clear()
        begin = time.perf_counter()
        await self._ask()
        await self.painted.wait()
        return time.perf_counter() - begin

    def _take(self, message: ForwardMsg) -> None:
        """Do with a message what the frontend does, but for drawing it."""
        self.messages += 1
        kind = message.WhichOneof("type")
        if message.metadata.cacheable:
            self._cached[message.hash or message.ref_hash] = None
        if kind == "new_session":
            self._begin(message)
        elif kind == "navigation":
            self._script = message.navigation.page_script_hash
            paths = {page.page_script_hash: page.url_pathname for page in message.navigation.app_pages}
            self._there = paths.get(self._script)
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind in ("auto_rerun", "stop_auto_rerun"):
            self._time(message)
        self._is_at_rest |= kind == "script_finished"
        if kind == "script_finished" and self._there == self._page:  # not what still ran of the page before
            self.painted.set()
        elif kind == "file_urls_response":
            self._places.put_nowait(message.file_urls_response.file_urls[0])
        elif kind == "delta":
            self._draw(message.delta.new_element)

    def _time(self, message: ForwardMsg) -> None:
        """Fragments that ask again and again, from now on or no more."""
        if message.WhichOneof("type") == "auto_rerun":
            self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        for fragment in message.stop_auto_rerun.fragment_ids:
            self._stop(fragment)

    def _begin(self, message: ForwardMsg) -> None:
        """A run of the script begins."""
        self._is_at_rest = False
        self._session = message.new_session.initialize.session_id or self._session
        if not message.metadata.run.fragment_ids:
            self._stop_all()  # a run of the whole page names its timers anew
            self._uploader, self._alerts = "", []

    def _draw(self, element: Element) -> None:
        if element.HasField("file_uploader"):
            self._uploader = element.file_uploader.id
        elif element.HasField("bidi_component"):
            self._drawn.add(element.bidi_component.component_name)
        elif element.HasField("alert"):
            self._alerts.append(element.alert.body)
        elif element.HasField("progress"):
            self._alerts.append(element.progress.text)
        elif element.HasField("exception"):
            raise RuntimeError(f"A watched page shows an exception: {element.exception.message}")

    def _repeat(self, fragment: str, interval: float) -> None:
        if fragment in self._timers and self._timers[fragment][0] == interval:
            return
        self._stop(fragment)
        self._timers[fragment] = interval, asyncio.create_task(self._tick(fragment, interval))

    async def _tick(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self._ask(fragment)

    def _stop_all(self) -> None:
        for fragment in list(self._timers):
            self._stop(fragment)

    def _stop(self, fragment: str) -> None:
        if fragment in self._timers:
            self._timers.pop(fragment)[1].cancel()

    async def _until(self, what: Callable[[], bool]) -> None:
        """Raises RuntimeError where it does not come about, with what the page says instead."""
        deadline = time.monotonic() + PATIENCE
        while not what():
            if time.monotonic() > deadline:
                said = f" It says: {' / '.join(self._alerts)}" if self._alerts else ""
                state = f"{self._page}?{self._query}, {'at rest' if self._is_at_rest else 'in the middle of a run'}"
                raise RuntimeError(f"A page did not show in {PATIENCE:g} s what it was asked for ({state}).{said}")
            await asyncio.sleep(0.01)
