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
  brings all values that the browser knows, and Streamlit takes the old ones for a change of mind. So the values of a
  question that nobody asked are left out: what a person changes, the browser says at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

from vit_explore.ui.session import address

_MARK = "keeps_pages_whole"


def keep() -> None:
    """From now on, in all sessions of this server."""
    _put(AppSession, "request_rerun", _after_what_was_drawn)
    _put(ScriptRunner, "_run_script", _in_the_open_page)
    _put(ScriptRequests, "request_rerun", _without_old_values)


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
        page = self._pages_manager.current_page_script_hash
        if rerun_data.fragment_id_queue and page and rerun_data.page_script_hash != page:
            if _only_the_clock_asks(rerun_data):
                return
            query = address.query_of(self._session_state)
            rerun_data = replace(rerun_data, page_script_hash=page, query_string=query)
        run(self, rerun_data)

    return _run_script


def _without_old_values(ask: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(ask)
    def request_rerun(self: ScriptRequests, new_data: RerunData) -> bool:
        pending = self._rerun_data
        if new_data.fragment_id and self._state is ScriptRequestType.RERUN and not pending.fragment_id_queue:
            if new_data.is_auto_rerun:
                return True  # the whole page is about to run
            new_data = replace(  # perhaps another page than the browser knows
                new_data, page_script_hash=pending.page_script_hash, query_string=pending.query_string
            )
        return ask(self, replace(new_data, widget_states=None) if new_data.is_auto_rerun else new_data)

    return request_rerun


def _only_the_clock_asks(rerun_data: RerunData) -> bool:
    return rerun_data.is_auto_rerun and rerun_data.widget_states is None
