"""Class: the way into the lesson, the board of its runs, and for the teacher who and what is in it."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui.kit import panel
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.pages.room import board, notes, teaching
from vit_explore.ui.session import address, room

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
        with friendly():
            runs = board.to_take_home(lesson)
            fragment(_board, every=EVERY)(board.signature(runs))
            board.take_home(lesson, runs)
    panel.panel(notes.lesson())


def _board(drawn: str) -> None:
    """drawn: of the runs that could be taken home when the page was drawn; others, or in other states, draw it anew."""
    lesson = room.look_again()[1]
    if lesson is not None:
        if board.signature(board.to_take_home(lesson)) != drawn:
            address.redraw()
        board.board(lesson)
