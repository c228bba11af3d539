"""A page comes whole on a busy server, too, and keeps what was chosen: what Streamlit (1.67) now and then drops of it.

A part of a page asks to run again (`run_every`), and its question crosses a run of the page:

- The run has just ended in its thread, while the event loop is behind and has not passed on what was drawn. Streamlit
  takes a new runner for the part, and ignores from then on what the old one has said: the rest of the page never
  reaches the browser, and nobody waits for it. A comment in AppSession.request_rerun tells of it. So such a question
  goes to the end of the loop's queue, behind what was drawn.
- The run has just opened another page (`st.switch_page`), of which the browser has not heard. Streamlit runs the part
  as one of the page before, and says so to the browser, which clears the page that it has by now. So a part that the
  clock asks for is passed over then, and one that a person asks for runs in the page that is open.
- The run has just given widgets new values (a preset fills a form), of which the browser has not heard. The question
  brings all values that the browser knows, and Streamlit takes the old ones for a change of mind. So a question of the
  clock has no say in what the app has set, until a person changes something, which the browser says at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

from vit_explore.ui.session import address

_MARK = "keeps_pages_whole"
_SET: WeakKeyDictionary[PagesManager, set[str]] = WeakKeyDictionary()  # of each session: the ids of widgets


def keep() -> None:
    """From now on, in all sessions of this server."""
    _put(AppSession, "request_rerun", _after_what_was_drawn)
    _put(ScriptRunner, "_run_script", _in_the_open_page)
    _put(ScriptRequests, "request_rerun", _apart_from_the_clock)


def _put(owner: type, name: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Change a method of Streamlit's, once."""
    method = getattr(owner, name)
    if not hasattr(method, _MARK):
        changed = change(method)
        setattr(changed, _MARK, True)
        setattr(owner, name, changed)


def _after_what_was_drawn(ask: Callable[..., None]) -> Callable[..., None]:
    @wraps(ask)
    def request_rerun(self: AppSession, client_state: Any) -> None:
        if client_state and client_state.fragment_id and _has_ended(self):
            self._event_loop.call_soon(ask, self, client_state)
        else:
            ask(self, client_state)

    return request_rerun


def _has_ended(session: AppSession) -> bool:
    """Whether the session still has a runner that takes no more: its last words may be on their way."""
    requests = getattr(getattr(session, "_scriptrunner", None), "_requests", None)
    return getattr(requests, "_state", None) is ScriptRequestType.STOP


def _in_the_open_page(run: Callable[..., None]) -> Callable[..., None]:
    @wraps(run)
    def _run_script(self: ScriptRunner, rerun_data: RerunData) -> None:
        page, is_of_the_clock = self._pages_manager.current_page_script_hash, _only_the_clock_asks(rerun_data)
        if rerun_data.fragment_id_queue and page and rerun_data.page_script_hash != page:
            if is_of_the_clock:
                return
            query = address.query_of(self._session_state)
            rerun_data = replace(rerun_data, page_script_hash=page, query_string=query)
        if is_of_the_clock:
            rerun_data = replace(rerun_data, widget_states=_without_what_was_set(self, rerun_data.widget_states))
        elif rerun_data.widget_states is not None:
            _SET.pop(self._pages_manager, None)  # a person has changed something, and knows what was set
        run(self, rerun_data)

    return _run_script


def _only_the_clock_asks(rerun_data: RerunData) -> bool:
    return rerun_data.is_auto_rerun and bool(rerun_data.fragment_id_queue)


def _without_what_was_set(runner: ScriptRunner, states: WidgetStates | None) -> WidgetStates | None:
    """What the browser knows of the widgets, but for those that the app has set since a person changed anything."""
    session = runner._session_state._state
    mapped = (session._key_id_mapper.get_id_from_key(key) for key in session._new_session_state)
    known = _SET.setdefault(runner._pages_manager, set())
    known.update(widget for widget in mapped if widget is not None)
    if states is None or not known:
        return states
    return WidgetStates(widgets=[state for state in states.widgets if state.id not in known])


def _apart_from_the_clock(ask: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(ask)
    def request_rerun(self: ScriptRequests, new_data: RerunData) -> bool:
        pending = self._rerun_data if self._state is ScriptRequestType.RERUN else None
        if new_data.is_auto_rerun and pending is not None:
            if not pending.fragment_id_queue:
                return True  # the whole page is about to run, perhaps another than the clock knows
            new_data = replace(new_data, is_auto_rerun=pending.is_auto_rerun)  # with a person's question it is theirs
        return ask(self, new_data)

    return request_rerun
