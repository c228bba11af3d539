"""A part of a page that asks to run again drops nothing of what the page's own run has drawn."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from vit_explore.ui.session import whole_runs

PART, PAGE = ClientState(fragment_id="a part"), ClientState()


def ended() -> ScriptRequests:
    requests = ScriptRequests()
    requests.request_stop()
    return requests


def running() -> ScriptRequests:
    requests = ScriptRequests()
    requests.request_rerun(RerunData())
    requests.on_scriptrunner_ready()
    return requests


def order(monkeypatch: pytest.MonkeyPatch, requests: ScriptRequests | None, asked: ClientState) -> list[str]:
    """What comes first: what the runner has said, or the question that comes while it is still on its way."""
    happened: list[str] = []
    monkeypatch.setattr(AppSession, "request_rerun", lambda self, state: happened.append("asked"))
    whole_runs.keep()
    whole_runs.keep()  # once is enough

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        runner = None if requests is None else SimpleNamespace(_requests=requests)
        session: Any = SimpleNamespace(_scriptrunner=runner, _event_loop=loop)
        loop.call_soon(happened.append, "drawn")  # by the runner's thread, before
        AppSession.request_rerun(session, asked)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(scene())
    return happened


def test_a_part_waits_for_what_an_ended_run_has_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert order(monkeypatch, ended(), PART) == ["drawn", "asked"]


@pytest.mark.parametrize(("requests", "asked"), [(ended(), PAGE), (running(), PART), (None, PART)])
def test_nothing_else_waits(
    monkeypatch: pytest.MonkeyPatch, requests: ScriptRequests | None, asked: ClientState
) -> None:
    assert order(monkeypatch, requests, asked) == ["asked", "drawn"]


def test_streamlit_is_still_made_as_it_was() -> None:
    """If this fails with a new version: does AppSession.request_rerun still drop a runner that has ended?"""
    inside = inspect.getsource(AppSession)
    assert "self._scriptrunner = ScriptRunner(" in inside
    assert "self._event_loop" in inside
    assert "if sender is not self._scriptrunner:" in inside
    assert "self._requests = ScriptRequests()" in inspect.getsource(ScriptRunner)
