"""In Streamlit's own session and runner: a part of a page that asks to run again takes nothing of a page away."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner import ScriptRunner, ScriptRunnerEvent
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.runtime.state import SessionState

from vit_explore.ui.session import whole_runs

PART = "a part of the page"
PLAIN = inspect.unwrap(AppSession.request_rerun)  # another test may have opened a page
PLAIN_RUN = inspect.unwrap(ScriptRunner._run_script)
APP = """
import streamlit as st

def one(): pass

def two(): pass

page = st.navigation([st.Page(one), st.Page(two)])

@st.fragment
def head():
    st.text(f"head of {page.title}, asked for {st.query_params.get('of')}")

head()
page.run()
"""


class Runner:
    """As much of a ScriptRunner as a session asks of the one that it has."""

    def __init__(self, requests: ScriptRequests) -> None:
        self._requests = requests
        self.request_rerun, self.request_stop = requests.request_rerun, requests.request_stop


def ended() -> Runner:
    requests = ScriptRequests()
    requests.request_stop()
    return Runner(requests)


def running() -> Runner:
    requests = ScriptRequests()
    requests.request_rerun(RerunData())
    requests.on_scriptrunner_ready()
    return Runner(requests)


def scene(monkeypatch: pytest.MonkeyPatch, runner: Runner, asked: ClientState) -> SimpleNamespace:
    """The runner has drawn, which the loop has not passed on yet, when the browser asks.

    Gives whether what was drawn reaches the browser, whether a new runner was taken, and whether that was at once.
    """

    async def play() -> SimpleNamespace:
        session: Any = AppSession(ScriptData("app.py", False), MagicMock(), MagicMock(), None, {})
        session._scriptrunner = runner
        session._fragment_storage.contains = lambda fragment: True
        taken: list[RerunData] = []

        def take(data: RerunData) -> None:
            taken.append(data)
            session._scriptrunner = ended()

        monkeypatch.setattr(session, "_create_scriptrunner", take)
        drawn = ForwardMsg()
        drawn.delta.new_element.text.body = "the rest of the page"
        session._on_scriptrunner_event(runner, ScriptRunnerEvent.ENQUEUE_FORWARD_MSG, forward_msg=drawn)
        session.request_rerun(asked)
        at_once = bool(taken)
        for _ in range(5):
            await asyncio.sleep(0)
        arrived = any(message.delta.new_element.text.body for message in session.flush_browser_queue())
        return SimpleNamespace(arrives=arrived, is_new=bool(taken), at_once=at_once)

    return asyncio.run(play())


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AppSession, "request_rerun", PLAIN)
    monkeypatch.setattr(ScriptRunner, "_run_script", PLAIN_RUN)
    whole_runs.keep()
    whole_runs.keep()  # once is enough


def test_streamlit_alone_drops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it no longer does, `whole_runs` can go."""
    monkeypatch.setattr(AppSession, "request_rerun", PLAIN)
    found = scene(monkeypatch, ended(), ClientState(fragment_id=PART))
    assert found.is_new
    assert not found.arrives


def test_a_part_waits_for_what_an_ended_run_has_drawn(monkeypatch: pytest.MonkeyPatch, kept: None) -> None:
    found = scene(monkeypatch, ended(), ClientState(fragment_id=PART))
    assert found.arrives
    assert found.is_new
    assert not found.at_once


def test_a_part_is_taken_by_a_runner_that_still_runs(monkeypatch: pytest.MonkeyPatch, kept: None) -> None:
    found = scene(monkeypatch, running(), ClientState(fragment_id=PART))
    assert found.arrives
    assert not found.is_new


def test_the_page_itself_does_not_wait(monkeypatch: pytest.MonkeyPatch, kept: None) -> None:
    assert scene(monkeypatch, ended(), ClientState()).at_once


@dataclass
class Visit:
    """One who visits an app of two pages: Streamlit's runners, one after the other, for one session."""

    script: Path
    state: SessionState = field(default_factory=SessionState)
    fragments: MemoryFragmentStorage = field(default_factory=MemoryFragmentStorage)
    opened: list[str] = field(default_factory=list)  # the page that the browser is told of, run by run
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pages = PagesManager(str(self.script), ScriptCache(), setup_watcher=False)

    def run(self, data: RerunData) -> None:
        loop = asyncio.new_event_loop()
        runner = ScriptRunner(
            "visit", str(self.script), self.state, MemoryUploadedFileManager("/"), ScriptCache(), data, {},
            self.fragments, self.pages, loop,
        )  # fmt: skip
        runner.on_event.connect(self._note, weak=False)
        runner.start()
        runner._script_thread.join(30)  # type: ignore[union-attr]
        loop.close()

    def _note(self, sender: Any, event: ScriptRunnerEvent, **about: Any) -> None:
        if event is ScriptRunnerEvent.SCRIPT_STARTED:
            self.opened.append(about["page_script_hash"])
        elif event is ScriptRunnerEvent.ENQUEUE_FORWARD_MSG and about["forward_msg"].delta.new_element.text.body:
            self.said.append(about["forward_msg"].delta.new_element.text.body)


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Visit:
    """Page one was open, page two is now."""
    monkeypatch.setattr("streamlit.runtime.scriptrunner.script_runner.runtime.get_instance", MagicMock())
    monkeypatch.setattr(ScriptRunner, "_run_script", PLAIN_RUN)
    (tmp_path / "app.py").write_text(APP)
    visit = Visit(tmp_path / "app.py")
    visit.run(RerunData(query_string="of=one"))
    [two] = [key for key, page in visit.pages.get_pages().items() if page["url_pathname"] == "two"]
    visit.run(RerunData(page_script_hash=two, query_string="of=two"))
    assert visit.said == ["head of one, asked for one", "head of two, asked for two"]
    return visit


def late(visit: Visit) -> RerunData:
    """The head's question from page one, which the browser still shows."""
    [part] = visit.fragments._fragments
    return RerunData(page_script_hash=visit.opened[0], query_string="of=one", fragment_id=part, is_auto_rerun=True)


def test_streamlit_alone_goes_back_with_a_late_part(visit: Visit) -> None:
    """The browser clears the body of page two when it hears that. Where Streamlit no longer does, this can go."""
    visit.run(late(visit))
    assert visit.opened[-1] == visit.opened[0]


def test_a_late_part_runs_in_the_page_that_is_open(visit: Visit, kept: None) -> None:
    visit.run(late(visit))
    assert visit.opened[-1] == visit.opened[1] != visit.opened[0]
    assert visit.said[-1] == "head of two, asked for two"


def test_a_whole_run_opens_the_page_that_it_asks_for(visit: Visit, kept: None) -> None:
    visit.run(RerunData(page_script_hash=visit.opened[0], query_string="of=one"))
    assert visit.opened[-1] == visit.opened[0]
    assert visit.said[-1] == "head of one, asked for one"
