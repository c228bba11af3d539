"""The board: the class's runs in one budget, and their guesses."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from vit_explore import plots
from vit_explore.runs.lessons import Lesson
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui import site
from vit_explore.ui.kit import taking_home, wording
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.config_facts import budget_words
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address, caches, room

MOST = 200  # runs
_TAKEN = "room_taken"  # the runs of the last zip that was offered


def board(lesson: Lesson) -> None:
    """Runs of this lesson, live."""
    store = caches.store()
    runs = runs_of(store, lesson)
    if not runs:
        st.info("Nobody has started a run yet. The first one appears here.", icon=":material/info:")
        return
    names = room.lessons().names([run.owner for run in runs])
    _best(runs, names)
    with friendly():
        _guesses(store, runs, names, lesson)


def _to_take_home(lesson: Lesson) -> list[RunRecord]:
    """All runs of the lesson with a first step for the teacher, their own for a student.

    As they were when one of them last came, went or changed its state: a step more is no other zip to pack.
    """
    store, actor = caches.store(), room.actor()
    runs = [run for run in runs_of(store, lesson) if run.step is not None and actor is not None]
    runs = [run for run in runs if room.is_teacher() or run.owner == (actor and actor.id)]
    kept: list[RunRecord] = st.session_state.get(_TAKEN, [])
    if [(run.id, run.name, run.state) for run in runs] != [(run.id, run.name, run.state) for run in kept]:
        st.session_state[_TAKEN] = kept = runs
    return kept


def take_home(lesson: Lesson) -> None:
    """What one may take along as one zip, packed when it is asked for."""
    store, runs = caches.store(), _to_take_home(lesson)
    if not runs:
        return
    words = "Take the lesson home" if room.is_teacher() else "Take my runs home"
    if st.toggle(words, key="room_home", help="A page for each run, and tables of runs and guesses, as one zip."):
        may_name = lesson.shows_names or room.is_teacher()
        guessers = _guessers(store, runs) if may_name else []
        names = room.lessons().names([*(run.owner for run in runs), *guessers])
        st.download_button(
            f"{len(runs)} run{'s' if len(runs) > 1 else ''} as a zip", taking_home.packed(runs, names), "lesson.zip",
            "application/zip", icon=":material/folder_zip:", on_click="ignore", key="room_zip", type="primary",
        )  # fmt: skip


def _guessers(store: RunStore, runs: list[RunRecord]) -> list[str]:
    return [guess.person for run in runs for guess in store.guesses(run.id)]


def runs_of(store: RunStore, lesson: Lesson) -> list[RunRecord]:
    """The runs that were started in the lesson and can be read, the newest first."""
    return [run for run in store.list(limit=MOST) if run.created >= lesson.started and run.config is not None]


def who(run: RunRecord, names: dict[str, str]) -> str:
    """Whose run it is; "–" for one that was started by a command."""
    return names.get(run.owner or "", "–")


def _best(runs: list[RunRecord], names: dict[str, str]) -> None:
    st.markdown("#### In the same budget")
    budgets = list(dict.fromkeys(_budget(run) for run in runs))
    if st.session_state.get("room_budget") not in budgets:
        st.session_state["room_budget"] = budgets[0]
    budget = st.pills("Budget", budgets, key="room_budget", required=True, label_visibility="collapsed")
    alike = [run for run in runs if _budget(run) == budget]
    st.dataframe(
        table(alike, names), hide_index=True, width="stretch", key="room_board", height="content",
        column_config={"Accuracy": st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100)},
    )  # fmt: skip


def _budget(run: RunRecord) -> str:
    config = run.settings()
    return f"{budget_words(config)} of {config.data.dataset}"


def table(runs: list[RunRecord], names: dict[str, str]) -> pd.DataFrame:
    """A row for each run, the best first: on the test images where it was tested, else on validation images."""
    ranked = sorted(runs, key=lambda run: -(reached(run) or 0.0))
    return pd.DataFrame(
        {
            "Who": [who(run, names) for run in ranked],
            "Run": [run.name for run in ranked],
            "Accuracy": [None if reached(run) is None else 100 * (reached(run) or 0.0) for run in ranked],
            "On": ["test" if run.test_top1 is not None else "validation" for run in ranked],
            "Parameters": [wording.count(run.params) for run in ranked],
            "FLOPs per image": [wording.count(run.flops) for run in ranked],
            "State": [wording.STATE_WORDS[run.state] for run in ranked],
        }
    )


def reached(run: RunRecord) -> float | None:
    """The accuracy that counts: on the test images, or until then on those of the validation."""
    return run.test_top1 if run.test_top1 is not None else run.top1


def _guesses(store: RunStore, runs: list[RunRecord], names: dict[str, str], lesson: Lesson) -> None:
    guessed = {run.id: run for run in runs if store.guesses(run.id)}
    if not guessed:
        return
    st.markdown("#### What the class said before")
    chosen = st.selectbox(
        "Guesses of the run", list(guessed), format_func=lambda run: f"{guessed[run].name} · {run}", key="room_guessed"
    )
    run, said = guessed[chosen], store.guesses(chosen)
    shows = lesson.shows_names or room.is_teacher()
    people = room.lessons().names([guess.person for guess in said]) if shows else {}
    labels = [people.get(guess.person, "") for guess in said]
    truth = run.test_top1 if run.state not in wording.ACTIVE else None
    chart(plots.guesses([guess.top1 for guess in said], truth, labels), f"room_guesses_{run.id}")
    st.page_link(
        site.path("train"), label=f"Watch {escaped(run.name)}", icon=":material/visibility:",
        query_params=address.link("train", run=run.id),
    )  # fmt: skip
