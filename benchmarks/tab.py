"""A tab without its browser: it says what Streamlit's frontend says on its websocket, and draws nothing."""

from __future__ import annotations

import asyncio
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol


class Tab:
    """One tab: asks for a page, then for its fragments at the pace that the server names."""

    def __init__(self, url: str, page: str, query: str) -> None:
        self.messages = 0
        self.painted = asyncio.Event()
        self._url, self._page, self._query = url, page, query
        self._script = ""  # the hash by which the server knows the page
        self._cached: dict[str, None] = {}  # large messages, which the server need not send again
        self._timers: dict[str, tuple[float, asyncio.Task[None]]] = {}  # fragment -> (interval, task)

    async def watch(self) -> None:
        """Keep the page open until cancelled. Raises RuntimeError when the page shows an exception."""
        address = self._url.replace("http", "ws", 1) + "/_stcore/stream"
        try:
            async with connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None) as self._socket:
                await self._ask()
                async for data in self._socket:
                    assert isinstance(data, bytes)
                    self._take(ForwardMsg.FromString(data))
        finally:
            self._stop_all()
        raise RuntimeError(f"{self._url} closed the connection of a watching page")

    async def _ask(self, fragment: str = "") -> None:
        """Ask for a run of the page, or of one of its fragments."""
        state = ClientState(
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
        self._script, self._page, self._query = "", page, query
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
        if kind == "new_session" and not message.metadata.run.fragment_ids:
            self._stop_all()  # a run of the whole page names its timers anew
        elif kind == "navigation":
            self._script = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._stop(fragment)
        elif kind == "script_finished":
            self.painted.set()
        elif kind == "delta" and message.delta.new_element.HasField("exception"):
            raise RuntimeError(f"A watched page shows an exception: {message.delta.new_element.exception.message}")

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
