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
from streamlit.proto.WidgetStates_pb2 import WidgetStates
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
PLAIN_REQUEST = inspect.unwrap(ScriptRequests.request_rerun)
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
FORM = """
import streamlit as st

def take():
    st.session_state.setting = "its own"

st.button("Preset", on_click=take)
st.selectbox("Setting", ["the usual", "its own"], key="setting", persist_state="session")

@st.fragment
def look():
    st.text(st.session_state.setting)

look()
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
    monkeypatch.setattr(ScriptRequests, "request_rerun", PLAIN_REQUEST)
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
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit as it comes, and without a server."""
    monkeypatch.setattr("streamlit.runtime.scriptrunner.script_runner.runtime.get_instance", MagicMock())
    monkeypatch.setattr(ScriptRunner, "_run_script", PLAIN_RUN)
    monkeypatch.setattr(ScriptRequests, "request_rerun", PLAIN_REQUEST)


@pytest.fixture
def visit(plain: None, tmp_path: Path) -> Visit:
    """Page one was open, page two is now."""
    (tmp_path / "app.py").write_text(APP)
    visit = Visit(tmp_path / "app.py")
    visit.run(RerunData(query_string="of=one"))
    [two] = [key for key, page in visit.pages.get_pages().items() if page["url_pathname"] == "two"]
    visit.run(RerunData(page_script_hash=two, query_string="of=two"))
    assert visit.said == ["head of one, asked for one", "head of two, asked for two"]
    return visit


def late(visit: Visit, by_clock: bool) -> RerunData:
    """The head's question from page one, which the browser still shows."""
    [part] = visit.fragments._fragments
    return RerunData(
        page_script_hash=visit.opened[0], query_string="of=one", fragment_id=part, is_auto_rerun=by_clock,
        widget_states=WidgetStates(),
    )  # fmt: skip


@pytest.mark.parametrize("by_clock", [True, False])
def test_streamlit_alone_goes_back_with_a_late_part(visit: Visit, by_clock: bool) -> None:
    """The browser clears the body of page two when it hears that. Where Streamlit no longer does, this can go."""
    visit.run(late(visit, by_clock))
    assert visit.opened[-1] == visit.opened[0]


def test_a_late_part_that_a_person_asks_for_runs_in_the_page_that_is_open(visit: Visit, kept: None) -> None:
    visit.run(late(visit, by_clock=False))
    assert visit.opened[2:] == visit.opened[1:2]
    assert visit.said[-1] == "head of two, asked for two"


def test_a_late_part_that_the_clock_asks_for_is_passed_over(visit: Visit, kept: None) -> None:
    visit.run(late(visit, by_clock=True))
    assert len(visit.opened) == 2
    assert len(visit.said) == 2


def test_the_clock_does_not_keep_a_page_from_being_opened(visit: Visit, kept: None) -> None:
    requests = ScriptRequests()
    requests.request_rerun(RerunData(page_script_hash=visit.opened[1]))
    requests.request_rerun(late(visit, by_clock=True))
    assert requests.on_scriptrunner_ready().rerun_data.page_script_hash == visit.opened[1] != visit.opened[0]


def test_a_whole_run_opens_the_page_that_it_asks_for(visit: Visit, kept: None) -> None:
    visit.run(RerunData(page_script_hash=visit.opened[0], query_string="of=one"))
    assert visit.opened[-1] == visit.opened[0]
    assert visit.said[-1] == "head of one, asked for one"


@pytest.fixture
def form(plain: None, tmp_path: Path) -> Visit:
    """A form that the preset has just filled."""
    (tmp_path / "app.py").write_text(FORM)
    form = Visit(tmp_path / "app.py")
    form.run(RerunData())
    form.run(RerunData(widget_states=known(form, clicks=True)))
    assert form.said == ["the usual", "its own"]
    return form


def known(form: Visit, clicks: bool = False) -> WidgetStates:
    """What a browser knows of the form before it hears of the preset's values."""
    names = list(form.state._new_widget_state.widget_metadata)
    [button], [setting] = ([name for name in names if ("setting" in name) is of_it] for of_it in (False, True))
    states = WidgetStates()
    states.widgets.add(id=setting, string_value="the usual")
    if clicks:
        states.widgets.add(id=button, trigger_value=True)
    return states


def look(form: Visit) -> RerunData:
    """The part's question, asked by the clock before the browser heard."""
    [part] = form.fragments._fragments
    page = form.opened[-1]
    return RerunData(page_script_hash=page, widget_states=known(form), fragment_id=part, is_auto_rerun=True)


def test_streamlit_alone_takes_the_old_values_for_a_change(form: Visit) -> None:
    """Where it no longer does, this can go."""
    form.run(look(form))
    assert form.said[-1] == "the usual"


def test_what_a_preset_filled_in_outlives_a_question_of_the_clock(form: Visit, kept: None) -> None:
    for _ in range(3):  # as long as the browser has not heard
        form.run(look(form))
    form.run(RerunData())  # such a part may run the page again
    assert form.said[2:] == ["its own"] * 4


def test_what_a_person_changes_counts(form: Visit, kept: None) -> None:
    form.run(RerunData(widget_states=known(form)))
    assert form.said[-1] == "the usual"


def test_a_change_counts_after_a_question_of_the_clock(form: Visit, kept: None) -> None:
    form.run(look(form))
    form.run(RerunData(widget_states=known(form)))
    assert form.said[-1] == "the usual"
    form.run(look(form))
    assert form.said[-1] == "the usual"


def test_a_question_of_the_clock_brings_what_nobody_set(plain: None, kept: None, tmp_path: Path) -> None:
    """A change whose own question was dropped (its part was gone) comes with the next one, as in Streamlit alone."""
    (tmp_path / "app.py").write_text(FORM)
    form = Visit(tmp_path / "app.py")
    form.run(RerunData())
    asked = look(form)
    asked.widget_states.widgets[0].string_value = "its own"
    form.run(asked)
    assert form.said[-1] == "its own"


def test_a_question_of_the_clock_takes_nothing_from_a_click_that_waits(form: Visit, kept: None) -> None:
    [part] = form.fragments._fragments
    for whole in (True, False):
        click = RerunData(widget_states=known(form, clicks=True), fragment_id=None if whole else part)
        requests = ScriptRequests()
        requests.request_rerun(click)
        requests.request_rerun(look(form))
        asked = requests.on_scriptrunner_ready().rerun_data
        assert asked.widget_states is not None
        assert {state.id for state in asked.widget_states.widgets} == {s.id for s in known(form, clicks=True).widgets}
        assert not asked.is_auto_rerun
