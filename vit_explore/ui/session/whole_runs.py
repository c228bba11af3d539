"""A page comes whole on a busy server, too: what Streamlit (1.67) now and then drops of it.

A part of a page asks to run again (`run_every`) when the page's run has just ended in its thread, while the event loop
is behind and has not passed on what was drawn. Streamlit takes a new runner for the part, and ignores from then on what
the old one has said: the rest of the page never reaches the browser, and nobody waits for it. A comment in
AppSession.request_rerun tells of it. So such a question goes to the end of the loop's queue, behind what was drawn.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

_MARK = "waits_for_the_page"


def keep() -> None:
    """From now on, in all sessions of this server."""
    ask = AppSession.request_rerun
    if hasattr(ask, _MARK):
        return

    @wraps(ask)
    def request_rerun(self: AppSession, client_state: Any) -> None:
        if client_state and client_state.fragment_id and _has_ended(self):
            self._event_loop.call_soon(ask, self, client_state)
        else:
            ask(self, client_state)

    setattr(request_rerun, _MARK, True)
    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]


def _has_ended(session: AppSession) -> bool:
    """Whether the session still has a runner that takes no more: its last words may be on their way."""
    requests = getattr(getattr(session, "_scriptrunner", None), "_requests", None)
    return getattr(requests, "_state", None) is ScriptRequestType.STOP
