"""What a person does with runs on any page: open one, begin a new one, see who is ahead.

The truth is the store; the address of the Train page names the run that it shows.
"""

from __future__ import annotations

import streamlit as st

from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit.wording import ACTIVE
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import select_run

_PARENT = "train_parent"


def open_run(run: str) -> None:
    """Show this run on the Train page from now on, and look at its model on every other."""
    select_run(run, run=run)


def new_run(origin: RunRecord | None = None) -> None:
    """Show the form, filled with the settings of `origin` where one is given (in a callback, or before a rerun)."""
    address.choose(run=address.NO_RUN)
    st.session_state[_PARENT] = origin.id if origin else None
    if origin is not None:
        st.session_state["train_pending"] = origin.settings()


def no_parent() -> None:
    """What is in the form repeats no run (any more)."""
    st.session_state[_PARENT] = None


def parent_of_new_run() -> str | None:
    """The id of the run whose settings the form was filled with."""
    return st.session_state.get(_PARENT)


def shown_run(store: RunStore) -> str | None:
    """The run to show: the address's, the one last looked at, or the first that is active; None for the form."""
    run: str = address.get("run") or next((record.id for record in active_runs(store)), address.NO_RUN)
    address.settle(run=run)
    return None if run == address.NO_RUN else run


def active_runs(store: RunStore) -> list[RunRecord]:
    """The runs that train or wait: the one that trains first, then the queue."""
    return sorted(store.list(states=ACTIVE), key=lambda record: (record.place or 0, record.created))


def run_ahead(store: RunStore, record: RunRecord) -> str | None:
    """The name of the run that a queued one waits for."""
    before = [run for run in active_runs(store) if (run.place or 0) < (record.place or 0)]
    before = [run for run in before if run.state == "running" or not run.paused]
    return before[-1].name if before else None
