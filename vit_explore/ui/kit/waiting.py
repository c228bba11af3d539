"""Results of jobs for pages: at once where they are there soon, else a bar with Cancel in their place.

    values = result(job)  # inside `friendly()` or `column()`, which skip what cannot be drawn yet

The bar is a fragment of its own that asks for the job, and runs the page again when it is done.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from typing import Any, TypeVar

import streamlit as st

from vit_explore.ui.kit.errors import NotYet
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.session import address, caches, choice
from vit_explore.ui.session.jobs import Done, Job

T = TypeVar("T")
PATIENCE = 0.3  # seconds that a page waits before it paints without the result
EVERY = 0.5  # seconds between two looks
_ASKER, _CANCELLED, _DRAWN = "jobs_asker", "jobs_cancelled", "jobs_drawn"


def begin() -> None:
    """At the start of a page: its bars are counted from anew, so that each button stays the same from run to run. A
    click on one that the next run does not know is lost, and so is the keyboard's place. And jobs of the page before
    are not waited for any more."""
    st.session_state[_DRAWN] = Counter()
    caches.pool().turn(_asker())


def result(job: Job[T]) -> T:
    """The job's result. Raises its error, and NotYet after drawing the bar in place of what needs it."""
    done = peek(job)
    if done is None:
        watch(job)
        raise NotYet
    return done.value


def peek(job: Job[T], patience: float | None = None) -> Done[T] | None:
    """The job's end, or None after `patience` (by default PATIENCE) seconds: for a page that can do without it."""
    if job.key in _cancelled():
        return caches.pool().kept(job)
    return caches.pool().ask(job, _asker(), PATIENCE if patience is None else patience)


def watch(job: Job[Any], quiet: bool = False) -> None:
    """Draw the job's progress, and run the page again when it is done. quiet: one line, without Cancel."""
    key = _key_of(job)
    if job.key in _cancelled():
        fragment(_offer_again)(job, key)
    else:
        choice.wait_here()
        fragment(_look, every=EVERY)(job, key, quiet)


def _look(job: Job[Any], key: str, quiet: bool) -> None:
    if job.key in _cancelled() or caches.pool().ask(job, _asker()) is not None:
        address.redraw()
    progress = caches.pool().progress(job)
    if quiet:
        st.caption(f"{job.title}…")
        return
    words = f"{job.title}: {progress.words}…" if progress.words else f"{job.title}…"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(min(max(progress.share, 0.0), 1.0), text=words)
        st.button("Cancel", icon=":material/close:", key=f"cancel_{key}", on_click=_cancel, args=(job,))


def _cancel(job: Job[Any]) -> None:
    caches.pool().cancel(job, _asker())
    _cancelled().add(job.key)


def _offer_again(job: Job[Any], key: str) -> None:
    if job.key not in _cancelled():
        address.redraw()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Cancelled: {job.title}.", width="content")
        st.button(
            "Do it after all",
            icon=":material/replay:",
            key=f"again_{key}",
            on_click=_cancelled().discard,
            args=(job.key,),
        )


def _key_of(job: Job[Any]) -> str:
    """Of a button: the job's, and which one of its bars, since two parts of a page may wait for the same job."""
    drawn: Counter[tuple[str, ...]] = st.session_state.setdefault(_DRAWN, Counter())
    drawn[job.key] += 1
    return f"{hashlib.sha256(repr(job.key).encode()).hexdigest()[:16]}_{drawn[job.key]}"


def _asker() -> str:
    """Who asks: this session."""
    return st.session_state.setdefault(_ASKER, uuid.uuid4().hex)


def _cancelled() -> set[tuple[str, ...]]:
    """The keys of the jobs that this session has cancelled."""
    return st.session_state.setdefault(_CANCELLED, set())
