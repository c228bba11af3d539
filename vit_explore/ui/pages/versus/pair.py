"""Which two runs race: those of the address, the session, or the latest two that compare fairly."""

from __future__ import annotations

import streamlit as st

from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import wording
from vit_explore.ui.pages.versus import comparison
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import Pair, settle_pair

_TITLES = ("One run", "Against")


def comparable(store: RunStore) -> list[RunRecord]:
    """The runs that have begun, that wait, or that were to run in a race, the newest first."""
    return [record for record in store.list() if wording.can_race(record)]


def settled(records: list[RunRecord]) -> Pair:
    """The pair to show; without one, or the other, where there are too few runs."""
    by_id = {record.id: record for record in records}
    latest = Pair(*comparison.latest_pair(telling(records)))
    if latest.other is None:  # there are fewer than two of these
        latest = Pair(*comparison.latest_pair(records))
    return settle_pair(by_id, latest, lambda run: comparison.partner(by_id[run], records))


def telling(records: list[RunRecord]) -> list[RunRecord]:
    """Those that go on, or reached their end: not what a race that was stopped has left behind."""
    return [record for record in records if record.state in (*wording.ACTIVE, "finished")]


def pick(records: list[RunRecord], pair: Pair) -> None:
    """Choose two other runs."""
    labels = {record.id: f"{record.name} · {record.id}" for record in records}
    for name, title, run, column in zip(("one", "other"), _TITLES, (pair.one, pair.other), st.columns(2), strict=True):
        column.selectbox(
            title, list(labels), index=None, format_func=lambda run: labels.get(run, run), placeholder="choose a run",
            **address.widget(name, f"race_{name}", run),
        )  # fmt: skip
