"""In Streamlit's own session: a part of a page that asks to run again drops nothing that the page's run has drawn."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner import ScriptRunnerEvent
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from vit_explore.ui.session import whole_runs

PART = "a part of the page"
PLAIN = inspect.unwrap(AppSession.request_rerun)  # another test may have opened a page


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
