"""Predict, then run: what a person says that a run will reach, and what has become of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from vit_explore.runs.guesses import Guess
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Finished
from vit_explore.training.metrics import most_confused
from vit_explore.ui.components.live_chart import Level
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import caches

_CLOSE = 0.02  # of the accuracy: nobody guesses better than that
_START = 50  # per cent, where the slider stands at first

Said = tuple[float, tuple[str, str] | None]  # the accuracy, and the two classes


def wants_to(key: str) -> bool:
    """Whether the person guesses before the start."""
    return st.checkbox(
        "**Predict, then run:** guess first what will come of it", key=f"{key}_guesses", persist_state="session",
        help="The guess is drawn into the figures, and held against the result.",
    )  # fmt: skip


def ask(key: str, classes: Sequence[str], title: str = "Accuracy on the test images") -> Said:
    """A slider, and where the classes are known the two that will be mixed up; gives what they say now."""
    names = list(classes)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key=f"{key}_guess_row"):
        top1 = st.slider(
            title, 0, 100, _START, format="%d %%", key=f"{key}_top1", width=300,
            help=f"Guessing at random gives {wording.percent(1 / len(names), 0)}." if names else None,
        )  # fmt: skip
        if len(names) < 3:  # of two classes it is clear which are mixed up
            return top1 / 100, None
        label, more = "Which two will it mix up most?", "and"
        one = st.selectbox(label, names, index=None, key=f"{key}_one", placeholder="one class", width=240)
        others = [name for name in names if name != one]
        other = st.selectbox(more, others, index=None, key=f"{key}_other", placeholder="another", width=200)
    return top1 / 100, (one, other) if one and other else None


def late(run: str) -> None:
    """Below a run that goes on: the card to guess with, or what was guessed and the way to change it."""
    store = caches.store()
    record, known = store.get(run), store.guess_of(run)
    changes = st.session_state.get(_changing(run), False)
    with st.container(border=True, key="live_guess"):
        if known is not None and not changes:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f":material/lock: **Your guess:** {_in_words(known)}, {_when(known)}.", width="content")
                if st.button("Guess again", icon=":material/replay:", key="live_guess_again"):
                    st.session_state[_changing(run)] = True
                    st.rerun()
            return
        st.markdown("**Predict, then see:** what will it have reached at its end?")
        said = ask(f"live_guess_{run}", record.classes or ())
        if st.button("That is my guess", icon=":material/lock:", key="live_guess_keep"):
            with friendly():
                store.guess(run, *said)
                st.session_state[_changing(run)] = False
                st.rerun()


def levels(run: str, title: str = "your guess", colour: str = "", place: str = "left") -> list[Level]:
    """The height of the guess, for the chart of the accuracy."""
    known = caches.store().guess_of(run)
    return [] if known is None else [Level(known.top1, title, colour, place)]


def pair_of(guess: Guess | None, classes: Sequence[str]) -> tuple[int, int] | None:
    """The places of the two classes that were guessed."""
    if guess is None or guess.confused is None or not set(guess.confused) <= set(classes):
        return None
    one, other = guess.confused
    return list(classes).index(one), list(classes).index(other)


def judge(store: RunStore, record: RunRecord, finished: Finished) -> None:
    """What was guessed against what it came to; nothing where nothing was guessed."""
    known = store.guess_of(record.id)
    if known is None or finished.test_top1 is None:
        return
    lines = [f"#### :material/gavel: {how_near(known, finished.test_top1)}"]
    if known.confused is not None and record.classes:
        lines.append(which_pair(known.confused, finished.confusion, record.classes))
    st.markdown("\n\n".join(lines))


def how_near(guess: Guess, top1: float) -> str:
    """The accuracy that was guessed and the one that came of it, as one sentence."""
    points = 100 * (top1 - guess.top1)
    far = "as you said" if abs(top1 - guess.top1) < _CLOSE else f"{abs(points):.1f} points {_side(points)}"
    return f"You guessed {wording.percent(guess.top1, 0)}, {_when(guess)}; it came to {wording.percent(top1)}: {far}"


def which_pair(pair: tuple[str, str], confusion: np.ndarray, classes: Sequence[str]) -> str:
    """Whether the two classes that were guessed are those that are mixed up most, as a sentence."""
    said = _pair(pair)
    worst = most_confused(confusion)
    if worst is None:
        return f"You said that it would mix up {said}; it mixes up nothing."
    a, b = worst
    if {classes[a], classes[b]} == set(pair):
        return f"It does mix up {said} most: {_times(confusion, a, b)}."
    found = f"it mixes up {_pair((classes[a], classes[b]))} most ({_times(confusion, a, b)})"
    if not set(pair) <= set(classes):
        return f"You said {said}; {found}."
    one, other = (list(classes).index(name) for name in pair)
    return f"You said {said} ({_times(confusion, one, other)}); {found}."


def _times(confusion: np.ndarray, a: int, b: int) -> str:
    images = int(confusion[a, b] + confusion[b, a])
    return f"{images:,} image{'' if images == 1 else 's'}"


def _in_words(guess: Guess) -> str:
    pair = f", mixing up {_pair(guess.confused)} most" if guess.confused else ""
    return f"{wording.percent(guess.top1, 0)}{pair}"


def _when(guess: Guess) -> str:
    return "before it began" if guess.progress <= 0 else f"after {wording.percent(guess.progress, 0)} of its budget"


def _pair(names: tuple[str, str]) -> str:
    return f"{escaped(names[0])} and {escaped(names[1])}"


def _side(points: float) -> str:
    return "more" if points > 0 else "less"


def _changing(run: str) -> str:
    return f"live_guess_changes_{run}"
