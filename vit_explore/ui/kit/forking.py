"""A fork: a new run that goes on from a snapshot of another one, with other settings. And the word for it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from vit_explore.config import settings
from vit_explore.runs.backends import get_backend
from vit_explore.runs.records import RunRecord, SnapshotRow
from vit_explore.runs.store import RunStore
from vit_explore.ui import site
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import dialog
from vit_explore.ui.kit.run_actions import open_run
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address, caches

_OPEN = "fork_of"  # (run, key of the button) whose dialog is open: it stays so when the page behind it is drawn anew
_LEAST_SECONDS = 10.0  # that a fork is offered where its parent's budget is spent


def button(record: RunRecord, key: str, on_train: bool = False) -> None:
    """Opens the dialog; nothing for a run that never started, or with settings that cannot be read.

    on_train: the page Train shows the run, and shows the fork next.
    """
    if record.config is None or record.model is None:
        return
    st.button(
        "Fork …", icon=":material/fork_right:", key=key, help="Go on from any snapshot with other settings",
        on_click=_open, args=(record.id, key),
    )  # fmt: skip
    if st.session_state.get(_OPEN) == (record.id, key):
        _ask(record.id, on_train)
    else:
        close()  # another one was left open on the page, or the run, that was shown before


def _open(run: str, key: str) -> None:
    st.session_state[_OPEN] = run, key
    for key in [key for key in st.session_state if str(key).startswith(_key_of("", run))]:
        del st.session_state[key]  # chosen when it was open before


def close() -> None:
    """No dialog of a fork is open any more; for whoever opens another one, since there can be only one."""
    st.session_state[_OPEN] = None


def origin(store: RunStore, record: RunRecord) -> None:
    """Of a fork: what it goes on from, as a link; nothing for another run."""
    if record.fork_step is None or record.parent is None:
        return
    if not store.has(record.parent):
        st.caption(f"Forked at step {record.fork_step:,} from a run that is deleted.")
        return
    st.page_link(
        site.path("train"), icon=":material/fork_right:", query_params=address.link("train", run=record.parent),
        label=f"Forked from {escaped(store.get(record.parent).name)} at step {record.fork_step:,}",
    )  # fmt: skip


@dialog("Fork this run", icon=":material/fork_right:", on_dismiss=close)
def _ask(run: str, on_train: bool) -> None:
    if (new := form(run)) is None:
        return
    close()
    if on_train:
        open_run(new)
        st.rerun()
    else:
        st.switch_page(site.path("train"), query_params=address.link("train", run=new))


def form(run: str) -> str | None:
    """From which snapshot, with what, for how long; gives the id of the new run once it is started."""
    store = caches.store()
    record, rows = store.get(run), {row.step: row for row in store.snapshots(run)}
    if not rows:
        st.info("It has no snapshot yet: the first comes with the first step.", icon=":material/info:")
        return None
    st.markdown(f"A new run takes the weights that **{escaped(record.name)}** had then, and goes on with its images.")
    step = _snapshot(list(rows.values()), record)
    changes = _changes(record)
    if (at := rows.get(step)) is None:
        _say_gone(step)
        return None
    changes |= _budget(record, at)
    if _start_button():
        with friendly():
            new = store.fork(run, at.step, **changes)
            get_backend().ensure()
            return new
    return None


def _snapshot(rows: list[SnapshotRow], record: RunRecord) -> int:
    """The step of the chosen snapshot."""
    said = {row.step: f"step {row.step:,} · {wording.duration(row.elapsed)}" for row in rows}
    key = _step_key(record.id)
    chosen: int = st.session_state.get(key, rows[-1].step)
    if chosen not in said:  # it stays chosen until the person takes another one
        said[chosen] = f"step {chosen:,} · gone"
    if len(said) == 1:
        st.markdown(f"From {said[chosen]}")
        return chosen
    st.session_state[key] = chosen
    step: int = st.select_slider("From", sorted(said), format_func=said.__getitem__, key=key)
    return step


def _step_key(run: str) -> str:
    return _key_of("step", run)


def _key_of(name: str, run: str) -> str:
    """Of a widget: another run has other ones, since a dialog's live on when it is closed."""
    return f"fork_{run}_{name}"


def _say_gone(step: int) -> None:
    """In place of Start's way on: while a run trains, it keeps fewer and fewer of the snapshots of a look."""
    st.error(f"The snapshot at step {step:,} is not kept any more; choose another one.", icon=":material/error:")
    _start_button(disabled=True)


def _start_button(disabled: bool = False) -> bool:
    return st.button(
        "Start the fork", type="primary", icon=":material/play_arrow:", key="fork_start", width="stretch",
        disabled=disabled,
    )  # fmt: skip


def _changes(record: RunRecord) -> dict[str, Any]:
    """The settings that differ from those of the run."""
    train, known = record.settings().train, settings()
    lr, decay, augment = st.columns(3)
    kinds = known["augment"].options
    chosen = {
        "lr": lr.number_input(
            "Learning rate", value=train.lr, format="%g", step=train.lr / 2, key=_key_of("lr", record.id)
        ),
        "weight_decay": decay.number_input(
            "Weight decay", value=train.weight_decay, format="%g", step=0.05, key=_key_of("decay", record.id)
        ),
        "augment": augment.selectbox(
            "Augmentation", kinds, kinds.index(train.augment), key=_key_of("augment", record.id)
        ),
    }
    return {name: value for name, value in chosen.items() if value != known[name].value(record.settings())}


def _budget(record: RunRecord, at: SnapshotRow) -> dict[str, float]:
    """The whole budget of the fork: what the snapshot has had, and what is asked for."""
    train = record.settings().train
    if train.seconds is not None:
        kind, had, total, least = "seconds", at.elapsed, train.seconds, _LEAST_SECONDS
    else:
        kind, had, total, least = "epochs", at.epoch, train.epochs or 1.0, 1.0
    left = total - had
    offered = left if left >= least else max(least, total / 2)
    more = st.number_input(
        f"More {kind}", value=float(round(offered, 1)), format="%g", key=_key_of(f"more_{at.step}", record.id),
        help="The learning rate goes on where its schedule is at that share of the whole.",
    )  # fmt: skip
    return {kind: had + more}
