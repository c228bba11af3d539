"""The teacher's hand on a lesson: the way in, who is here, the queue, the limits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from vit_explore.classroom.addresses import qr_png, reachable, students_link
from vit_explore.errors import VitExploreError
from vit_explore.runs.lessons import Lesson, Person
from vit_explore.runs.policy import Limits
from vit_explore.runs.records import RunRecord
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import dialog, fragment
from vit_explore.ui.kit.run_actions import active_runs
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.room import board
from vit_explore.ui.session import caches, room

EVERY = 3.0  # seconds between two looks at who is here and what waits
_QR = 260  # pixels
_REFUSED = "room_refused"  # the sentence of what could not be done
_NAMES = "room_names"


def way_in(lesson: Lesson) -> None:
    """The address, the QR code and the class code, as large as the back row needs."""
    host, port = _host(), int(st.get_option("server.port"))
    link = students_link(host, port, lesson.code)
    st.html("<style>.st-key-room_way_in code { font-size: 3rem; font-weight: 650; color: inherit; }</style>")
    with st.container(border=True, key="room_way_in"):
        picture, words = st.columns([1, 2.4], vertical_alignment="center", gap="large")
        picture.image(qr_png(link), width=_QR, output_format="PNG", alt=f"QR code that opens {link}")
        with words:
            st.markdown("Scan, or open")
            st.markdown(f"`{host}:{port}`")
            st.markdown("and join with the class code")
            st.markdown(f"`{lesson.code}`")


def _host() -> str:
    """The name by which others reach this server: the one it was told, or the first of the machine."""
    told = str(st.get_option("browser.serverAddress"))
    listens = str(st.get_option("server.address"))
    return told if told != "localhost" else listens if listens != "0.0.0.0" else next(iter(reachable()), "localhost")


def desk(lesson: Lesson) -> None:
    """People, queue and settings, beside each other."""
    people, queue, settings = st.columns([1, 1.3, 1], gap="medium")
    with people.container(border=True, key="room_people"):
        fragment(_people, every=EVERY)(lesson.id)
    with queue.container(border=True, key="room_queue"):
        fragment(_queue, every=EVERY)()
    with settings.container(border=True, key="room_settings"):
        _settings(lesson)


def _people(lesson: str) -> None:
    everybody = room.lessons().people(lesson)
    here = [person for person in everybody if person.is_here]
    st.markdown(f"#### :material/groups: {len(here)} here" + (f" of {len(everybody)}" if here != everybody else ""))
    if not everybody:
        st.caption("Nobody has joined yet.")
    for person in everybody:
        _person(lesson, person)


def _person(lesson: str, person: Person) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        away = "" if person.is_here else " :gray[(away)]"
        st.markdown(f"{escaped(person.nickname)}{away}", width="content")
        remove = room.lessons().remove
        _button("Remove", "person_remove", f"room_remove_{person.id}", remove, lesson, person.id)


def _queue() -> None:
    """What trains and what waits, in the order in which it is taken."""
    store, lesson = caches.store(), room.look_again()[1]
    if lesson is None:
        return
    active = active_runs(store)
    waiting = [run for run in active if run.state == "queued"]
    names = room.lessons().names([run.owner for run in active])
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"#### :material/queue: {len(waiting)} wait{'s' if len(waiting) == 1 else ''}", width="content")
        words, icon = ("Let runs start", "play_arrow") if lesson.is_paused else ("Hold the queue", "pause")
        kind = "primary" if lesson.is_paused else "secondary"
        _button(words, icon, "room_hold", room.lessons().hold, lesson.id, not lesson.is_paused, kind=kind)
    if refused := st.session_state.pop(_REFUSED, None):
        st.error(escaped(refused), icon=":material/error:")
    for run in active:
        _waiting_run(run, board.who(run, names), is_next=run.place == 1)


def _waiting_run(run: RunRecord, who: str, is_next: bool) -> None:
    store = caches.store()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{wording.STATE_ICONS[run.state]} **{escaped(who)}** · {escaped(run.name)} · {wording.state_line(run)}"
        )
        if run.state == "queued" and not is_next:
            _button("Next", "vertical_align_top", f"room_first_{run.id}", store.put_first, run.id)
        if run.state == "queued":
            _button("Last", "vertical_align_bottom", f"room_last_{run.id}", store.put_last, run.id)
        if not run.stop_requested:
            _button("Stop", "stop", f"room_stop_{run.id}", store.request_stop, run.id)


def _button(
    label: str, icon: str, key: str, deed: Callable[..., object], *args: object, kind: Any = "tertiary"
) -> None:
    st.button(label, icon=f":material/{icon}:", key=key, type=kind, on_click=_do, args=(deed, *args))


def _do(deed: Callable[..., object], *args: object) -> None:
    """Carry out what was pressed; what is refused (a run has ended meanwhile) is told once."""
    try:
        deed(*args)
    except VitExploreError as error:
        st.session_state[_REFUSED] = str(error)


def _settings(lesson: Lesson) -> None:
    st.markdown("#### :material/tune: What students may")
    with st.form("room_limits", border=False), friendly():
        seconds = st.number_input(
            "Seconds of a run, at most", value=float(lesson.limits.seconds), step=10.0, format="%g"
        )
        millions = st.number_input(
            "Million parameters, at most", value=lesson.limits.parameters / 1e6, step=0.5, format="%g"
        )
        runs = st.number_input("Runs of a student at a time", value=lesson.limits.runs, step=1)
        if st.form_submit_button("Set", key="room_limits_set"):
            room.lessons().limit(lesson.id, Limits(seconds, round(millions * 1e6), int(runs)))
            st.rerun()
    st.session_state[_NAMES] = lesson.shows_names  # what holds, whichever window of the teacher's has set it
    st.toggle("The class sees who guessed what", key=_NAMES, on_change=_show_names, args=(lesson.id,))
    st.caption(f"Since {time.strftime('%H:%M', time.localtime(lesson.started))}, served by process {os.getpid()}.")
    if st.button("End the lesson", icon=":material/logout:", key="room_end"):
        _confirm_end(lesson.id)


def _show_names(lesson: str) -> None:
    _do(room.lessons().show_names, lesson, st.session_state[_NAMES])


@dialog("End the lesson?", icon=":material/logout:")
def _confirm_end(lesson: str) -> None:
    st.markdown("Everybody is sent out, you too, and the app ends. The runs stay on this machine.")
    yes, no = st.columns(2)
    if yes.button("End it", width="stretch", key="room_end_yes"):
        room.lessons().end(lesson)
        st.rerun()
    if no.button("Go on", type="primary", width="stretch", key="room_end_no"):
        st.rerun()
