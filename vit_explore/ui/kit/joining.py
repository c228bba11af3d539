"""The door of a lesson: a code and a nickname, no account."""

from __future__ import annotations

import streamlit as st

from vit_explore.errors import LessonOver, VitExploreError
from vit_explore.runs.lessons import LONGEST_NAME
from vit_explore.ui.components import room_cookie
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import account, room

_REFUSED, _OVER = "joining_refused", "joining_over"
_QUIET = '<style>[data-testid="stDialog"] { display: none; }</style>'  # the app ends: nobody is to mend the connection
_SIGNING_IN = 600  # seconds that it may take


def let_in() -> bool:
    """Whether who is there may see the pages: always on a machine of one's own, in a lesson who has joined.

    Once per script run, before anything is drawn.
    """
    if not room.is_served():
        return True
    st.session_state[_REFUSED], st.session_state[_OVER] = None, False
    try:
        return room.arrive() is not None
    except LessonOver:
        st.session_state[_OVER] = True
        return False
    except VitExploreError as error:
        st.session_state[_REFUSED] = str(error)
        return False


def door() -> None:
    """The form to join, in place of a page; the way out, where the lesson has ended."""
    with st.container(key="joining", width=520):
        if st.session_state.get(_OVER):
            st.html(_QUIET)
            st.title("This lesson is over.", anchor=False)
            st.markdown("What was trained stays on the teacher's machine. You can close this page.")
            return
        st.title("Join the lesson", anchor=False)
        if refused := st.session_state.get(_REFUSED):
            st.error(escaped(refused), icon=":material/error:")
            return
        st.markdown("Train small vision transformers with your class, and look inside them.")
        signed_in = account.here()
        if account.are_offered() and signed_in is None:
            st.markdown("This lesson knows you by your account.")
            if code := room.code_in_link():  # signing in leads back to the address without it
                room_cookie.keep(room.CODE_COOKIE, code, _SIGNING_IN)
            st.button("Sign in", type="primary", icon=":material/login:", width="stretch", on_click=st.login)
            return
        st.caption("No account is needed." if signed_in is None else f"Signed in: {escaped(signed_in.name)}")
        with st.form("joining_form"):
            code = st.text_input("Class code", room.code_in_link(), key="joining_code", placeholder="such as K7PAC")
            own = "" if signed_in is None else signed_in.name[:LONGEST_NAME]
            name = st.text_input("Your nickname", own, key="joining_name", max_chars=LONGEST_NAME)
            pressed = st.form_submit_button("Join", type="primary", icon=":material/login:", width="stretch")
        st.caption(
            "Everybody here sees your nickname, your runs and the pictures whose links you share. Nothing of it leaves "
            "the teacher's machine."
        )
        if pressed:
            try:
                room.join(code, name)
            except VitExploreError as error:
                st.error(escaped(str(error)), icon=":material/error:")
            else:
                st.rerun()


def keep_cookie() -> None:
    """Let the browser keep who it is, after joining."""
    if token := room.cookie_due():
        room_cookie.keep(room.COOKIE, token)
