"""Class: the way into the lesson, the board of its runs, and for the teacher who and what is in it."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui.kit import panel
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.pages.room import board, notes, teaching
from vit_explore.ui.session import room

EVERY = 3.0  # seconds between two looks at the board


def show() -> None:
    """Draw the page."""
    st.title("Class")
    lesson = room.lesson()
    if lesson is None:
        st.info(
            "There is no lesson here. `python -m vit_explore serve` begins one, which students join from their own "
            "machines with a code.",
            icon=":material/info:",
        )
    elif room.is_teacher():
        teaching.way_in(lesson)
        teaching.desk(lesson)
    else:
        limits = lesson.limits
        st.markdown(
            f"A run of yours may last **{limits.seconds:g} seconds** and have **{limits.parameters / 1e6:g} million** "
            f"parameters; **{limits.runs}** at a time. Students take turns."
        )
    if lesson is not None:
        fragment(_board, every=EVERY)()
        fragment(_way_home, every=EVERY)()
    panel.panel(notes.lesson())


def _board() -> None:
    lesson = room.look_again()[1]
    if lesson is not None:
        board.board(lesson)


def _way_home() -> None:
    lesson = room.look_again()[1]
    if lesson is not None:
        with friendly():
            board.take_home(lesson)
