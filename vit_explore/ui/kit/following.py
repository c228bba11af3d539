"""Follow me: what the teacher looks at, on all screens at once; and who one is, in the head of every page."""

from __future__ import annotations

import streamlit as st

from vit_explore.errors import LessonOver, VitExploreError
from vit_explore.runs.lessons import Lesson
from vit_explore.ui import site
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import account, address, room

EVERY = 2.0  # seconds between two looks of a student's page, with an answer that all share
_CSS = """<style>
.st-key-following {
  position: fixed; top: 0.45rem; right: 1rem; z-index: 999991; width: auto; max-width: calc(100vw - 4.5rem);
  flex-wrap: nowrap; gap: 0.9rem; padding: 0.15rem 0.8rem; border-radius: 0.6rem;
  background: var(--st-secondary-background-color, rgba(128, 132, 142, 0.16));
}
@media (min-width: 641px) {
  :root { --lesson: 2.6rem; }
  [data-testid="stMainBlockContainer"]:has(.st-key-live_stage) { padding-top: 3.1rem !important; }
}
@media (max-width: 640px) {
  .st-key-following { gap: 0.4rem; padding: 0.15rem 0.5rem; }
  .st-key-following p { font-size: 0.8rem; }
  .st-key-following [data-testid="stTooltipIcon"] { display: none; }
}
.st-key-following [data-testid="stMarkdownContainer"] p {
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
}
</style>"""
_LEADS, _FOLLOWS, _SEEN, _SENT = (f"following_{name}" for name in ("leads", "follows", "seen", "sent"))


def bar() -> None:
    """Who one is, and whether one leads or follows, in the head of every page; nothing on a machine of one's own."""
    who, lesson = room.person(), room.lesson()
    if who is None or lesson is None:
        return
    st.html(_CSS)
    if account.here() is not None:
        st.sidebar.button("Sign out", icon=":material/logout:", key="following_sign_out", on_click=st.logout)
    with st.container(horizontal=True, vertical_alignment="center", key="following"):
        if who.is_teacher:
            st.markdown(f"Class code **{lesson.code}**", width="content")
            if lesson.follow is None and st.session_state.get(_SENT):  # ended in another window of the teacher's
                st.session_state[_LEADS], st.session_state[_SENT] = False, None
            _toggle(
                "Show my view to all", _LEADS, lesson.follow == _view(),
                "Every page that you open from now on opens there, too.",
            )  # fmt: skip
            if lesson.follow is not None and not st.session_state[_LEADS] and st.session_state.get(_SENT) is None:
                title = site.page(lesson.follow["page"]).title
                st.button(
                    "Stop showing", type="tertiary", icon=":material/cast:", key="following_stop",
                    on_click=_stop_showing, help=f"Another window shows {title} to all.",
                )  # fmt: skip
        else:
            st.markdown(f"**{escaped(who.nickname)}**", width="content")
            _toggle(
                "Follow the teacher", _FOLLOWS, True,
                "On: what the teacher shows to all opens here, too. Off: you stay where you are.",
            )  # fmt: skip
            fragment(_follow, every=EVERY)()


def _toggle(label: str, name: str, at_first: bool, words: str) -> None:
    """A switch whose state is kept beside the widget's own, which a script run that ends early would drop."""
    st.session_state[_widget(name)] = st.session_state.setdefault(name, at_first)
    st.toggle(label, key=_widget(name), help=words, on_change=_keep, args=(name,))


def _keep(name: str) -> None:
    st.session_state[name] = st.session_state[_widget(name)]
    if name == _LEADS and not st.session_state[name]:
        _stop_showing()


def _stop_showing() -> None:
    """Nobody is led any more, by this window or another one; in a callback, since a page may end early."""
    lesson = room.lesson()
    try:
        if lesson is not None:
            room.lessons().show(lesson.id, None)
    except LessonOver:
        pass  # the page says so
    except VitExploreError as error:
        st.session_state[_LEADS] = True
        st.toast(escaped(str(error)), icon=":material/error:")
        return
    st.session_state[_LEADS], st.session_state[_SENT] = False, None


def _widget(name: str) -> str:
    return f"{name}_toggle"


def lead() -> None:
    """After the page: send it to all, where the teacher wants that and it is new; another window may have led since."""
    lesson, view = room.lesson(), _view()
    if lesson is None or not room.is_teacher() or not st.session_state.get(_LEADS):
        return
    if view != st.session_state.get(_SENT):
        room.lessons().show(lesson.id, view)
        st.session_state[_SENT] = view


def _view() -> dict[str, str]:
    """What is on the screen, as it is sent."""
    return {"page": address.page(), "query": address.query()}


def go_where_led() -> None:
    """Before the page: open what the teacher shows, where that is new and the student follows. Ends the script run."""
    who, lesson = room.person(), room.lesson()
    if who is None or lesson is None or not _is_led(lesson):
        return
    st.session_state[_SEEN], follow = lesson.shown, lesson.follow or {}
    if (follow["page"], follow["query"]) != (address.page(), address.query()):
        page = follow["page"]
        st.switch_page(site.path(page), query_params=address.link(page, **address.values(follow["query"])))


def _follow() -> None:
    """A student's look for what the teacher shows. It goes there by a run of the whole page: leaving it from within a
    fragment lets late messages of other fragments fall into the new page."""
    try:
        who, lesson = room.glance()
    except LessonOver:
        address.redraw()  # the lesson is over: the page says so
    if who is None or lesson is None or _is_led(lesson):
        address.redraw()
    if not st.session_state.get(_FOLLOWS):
        st.session_state[_SEEN] = None  # whoever comes back is led there at once


def _is_led(lesson: Lesson) -> bool:
    """Whether the teacher shows something that this student, who follows, has not been led to."""
    follows = st.session_state.get(_FOLLOWS, True) and not room.is_teacher()
    return bool(follows and lesson.follow is not None and st.session_state.get(_SEEN) != lesson.shown)
