"""Who sits at this browser, where the app serves a lesson; on a machine of one's own there is no such question."""

from __future__ import annotations

import os
from collections.abc import Callable
from urllib.parse import unquote

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from vit_explore.classroom.addresses import CODE, LESSON, SECRET
from vit_explore.classroom.guard import JOINED
from vit_explore.classroom.throttle import Throttle
from vit_explore.errors import NotAllowed
from vit_explore.home import home, uploads
from vit_explore.runs import policy
from vit_explore.runs.lessons import Lesson, Lessons, Person, digest
from vit_explore.runs.policy import Actor
from vit_explore.ui.session import account, address

COOKIE, CODE_COOKIE = "vit_explore_lesson", "vit_explore_code"
_LONGEST_CODE = 20
GLANCE = 0.5  # seconds
_TOKEN, _WHO, _LESSON, _CODE, _CAME = (f"room_{name}" for name in ("token", "who", "lesson", "code", "came"))


def is_served() -> bool:
    """Whether this server serves a lesson."""
    return bool(os.environ.get(LESSON))


def lessons() -> Lessons:
    """The lessons of this home."""
    return _lessons(str(home()))


@st.cache_resource(show_spinner=False, max_entries=4)
def _lessons(folder: str) -> Lessons:
    return Lessons()


@st.cache_resource(show_spinner=False)
def _throttle() -> Throttle:
    return Throttle()


def arrive() -> Person | None:
    """Who is there, by the address (the teacher's link), this session, or the browser's cookie; None: nobody known yet.

    Once per script run. Raises LessonOver where the lesson is over.
    """
    if code := address.taken(CODE):
        st.session_state[_CODE] = code[:_LONGEST_CODE]
    known = lessons()
    st.session_state[_LESSON] = lesson = known.get(os.environ[LESSON])
    token: str | None = st.session_state.get(_TOKEN) or _cookie()
    signed_in = account.here()
    if signed_in is not None and not (token and known.is_teacher(lesson.id, token)):  # the same in every browser
        token = known.account_token(lesson.id, signed_in.id)
    if secret := address.taken(SECRET):  # out of the address bar, for who looks over the shoulder
        token = _checked(secret)
        st.session_state[_CAME] = True
    who = _known(token, lambda: known.person(lesson.id, token or ""))
    st.session_state[_TOKEN], st.session_state[_WHO] = (token, who) if who else (None, None)
    if (context := get_script_run_ctx()) is not None:
        JOINED.note(context.session_id, has_joined=who is not None)
    if who is not None:
        known.seen(who)
    return who


def look_again() -> tuple[Person | None, Lesson | None]:
    """Who is there and in what lesson, by now: for what is drawn again and again. Raises LessonOver as `arrive`."""
    token = st.session_state.get(_TOKEN)
    if not is_served() or token is None:
        return None, None
    lesson = lessons().get(os.environ[LESSON])
    who = _known(token, lambda: lessons().person(lesson.id, token))
    if who is not None:
        lessons().seen(who)
    return who, lesson


def glance() -> tuple[Person | None, Lesson | None]:
    """`look_again` with an answer that all sessions share, as old as GLANCE: for what every page asks all the time."""
    token = st.session_state.get(_TOKEN)
    if not is_served() or token is None:
        return None, None
    lesson, people = _everybody(str(home()), os.environ[LESSON])
    who = _known(token, lambda: people.get(digest(token)))
    if who is not None:
        lessons().seen(who)
    return who, lesson


@st.cache_resource(show_spinner=False, ttl=GLANCE, max_entries=4)
def _everybody(folder: str, lesson: str) -> tuple[Lesson, dict[str, Person]]:
    return _lessons(folder).everybody(lesson)


def _known(token: str | None, find: Callable[[], Person | None]) -> Person | None:
    """Whose token it is, as `find` says. Where there are accounts, a student has signed in, and a teacher may have."""
    if token is None:
        return None
    signed_in = account.here()
    if account.is_teacher(signed_in):
        return Person(policy.TEACHER, "Teacher", is_teacher=True)
    who = find()
    is_signed_out = who is not None and not who.is_teacher and signed_in is None and account.are_offered()
    return None if is_signed_out else who


def _cookie() -> str | None:
    """What the browser sent when it came."""
    return st.context.cookies.get(COOKIE)


def _place() -> str:
    """Where a try to come in comes from."""
    return st.context.ip_address or "here"


def _checked(secret: str) -> str:
    """A secret that came in an address; wrong ones cost time, as wrong codes do. Raises NotAllowed."""
    place = _place()
    _throttle().check(place)
    if not lessons().is_teacher(os.environ[LESSON], secret):
        _throttle().wrong(place)
        raise NotAllowed("That is not the teacher's link of this lesson; it stands where `serve` was started.")
    return secret


def join(code: str, nickname: str) -> None:
    """Enter the lesson. Raises NotAllowed, BadConfig."""
    place = _place()
    _throttle().check(place)
    try:
        lesson, signed_in = os.environ[LESSON], account.here()
        own = lessons().account_token(lesson, signed_in.id) if signed_in is not None else None
        who, token = lessons().join(lesson, code, nickname, own)
    except NotAllowed:
        _throttle().wrong(place)
        raise
    st.session_state[_TOKEN], st.session_state[_WHO] = token, who


def cookie_due() -> str | None:
    """The token, where the browser did not send it when it came. Not once alone: a script run may be cut short."""
    token: str | None = st.session_state.get(_TOKEN) if is_served() else None
    return token if token != _cookie() else None


def came_to_teach() -> bool:
    """Whether the teacher has just come by the teacher's link; once."""
    return bool(st.session_state.pop(_CAME, False))


def code_in_link() -> str:
    """The class code that the address brought, before signing in or after it."""
    kept = unquote(st.context.cookies.get(CODE_COOKIE) or "")
    return str(st.session_state.get(_CODE) or kept[:_LONGEST_CODE])


def lesson() -> Lesson | None:
    """The lesson as it was when this script run began; None on a machine of one's own."""
    return st.session_state.get(_LESSON) if is_served() else None


def person() -> Person | None:
    """Who is there; None on a machine of one's own."""
    return st.session_state.get(_WHO) if is_served() else None


def is_teacher() -> bool:
    """Whether the teacher of a lesson sits here."""
    who = person()
    return who is not None and who.is_teacher


def is_student() -> bool:
    """Whether somebody sits here who may not open everything: in a lesson, anybody but the teacher."""
    return is_served() and not is_teacher()


def check_folder(path: str | None) -> None:
    """Raises NotAllowed for images of this machine that who is there may not read."""
    if is_student():
        policy.check_folder(path, uploads())


def check_model(ref: str | None) -> None:
    """Raises NotAllowed for a model that who is there may not open."""
    if is_student():
        policy.check_model_name(ref)


def actor() -> Actor | None:
    """What who is there may do with runs; None: everything, on a machine of one's own.

    In a lesson who has not joined may do nothing: an owner of no run, who may start none.
    """
    if not is_served():
        return None
    who, now = person(), lesson()
    return who.actor(now) if who is not None and now is not None else Actor("")


def longest() -> float | None:
    """The seconds that a run of who is there lasts at most; None: as long as they like."""
    who = actor()
    return None if who is None or who.is_teacher else float(who.limits.seconds)


def name_of(owner: str | None) -> str:
    """The nickname of the owner of a run, in a lesson."""
    return lessons().names([owner]).get(owner or "", "not yours")


def may_change(owner: str | None) -> bool:
    """Whether who is there may stop, change or delete a run of this owner."""
    who = actor()
    return who is None or who.may_change(owner)
