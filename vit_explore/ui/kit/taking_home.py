"""Take it home: a run as a page, and a lesson's runs as one zip."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from vit_explore.home import home
from vit_explore.runs.guesses import Guess
from vit_explore.runs.naming import file_stem
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.session import caches, room
from vit_explore.ui.session.jobs import Job, Work
from vit_explore.ui.session.warmup import warm_up


def button(store: RunStore, record: RunRecord, key: str, sample: int = 0) -> None:
    """Download the run as a page that needs no server; sample: which of its kept images the model is asked with."""
    who = room.name_of(record.owner) if room.is_served() and record.owner else ""
    said = store.guess_of(record.id)
    st.download_button(
        "Take it home", lambda: _page(store, record.id, sample, who, said),
        f"{file_stem(record.name, record.id)}.html", "text/html", icon=":material/home_work:", on_click="ignore",
        key=key,
        help="Settings, curves, the pictures inside, results and the command that trains it again: one page that needs "
        "no server and no network.",
    )  # fmt: skip


def _page(store: RunStore, run: str, sample: int, who: str, said: Guess | None) -> bytes:
    from vit_explore import takehome

    return takehome.sheet(store, run, takehome.first_sample(store, run, sample), who, said).encode()


def packed(runs: Sequence[RunRecord], names: dict[str, str]) -> bytes:
    """All these runs as one zip, with their tables; a job, since each model is opened twice."""
    folder, warm = str(home()), warm_up()
    store = caches.store()

    def work() -> Work[bytes]:
        yield from warm.waking()
        from vit_explore import takehome

        return (yield from takehome.bundle_steps(store, [run.id for run in runs], names))

    state = repr([(run.id, run.name, run.state, run.step) for run in runs])
    return result(Job(("takehome", folder, state, repr(sorted(names.items()))), "Packing", work, is_long=True))
