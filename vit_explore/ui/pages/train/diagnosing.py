"""What a run suffers from, on its page: the most severe on the stage, all of it below, one repair each."""

from __future__ import annotations

import streamlit as st

from vit_explore.diagnosis import Evidence, Finding, Repair, Severity, diagnose
from vit_explore.diagnosis.evidence import from_curves
from vit_explore.errors import RunNotFound
from vit_explore.runs.backends import get_backend
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit.curve_charts import curves_of
from vit_explore.ui.kit.curves import Curves
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.run_actions import open_run
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.kit.wording import ACTIVE
from vit_explore.ui.session import caches

_ICONS = {
    Severity.HINT: ":material/lightbulb:",
    Severity.WARNING: ":material/warning:",
    Severity.BROKEN: ":material/emergency_home:",
}
_CSS = """<style>
.st-key-live_diagnosis { align-items: center; gap: 0.5rem; }
.st-key-live_diagnosis p { font-size: 0.95rem; }
@media (min-width: 901px) { .st-key-live_diagnosis { flex-wrap: nowrap; max-height: 48px; } }
</style>"""


def line(run: str) -> None:
    """The most severe finding, in one line; nothing for a run that does well."""
    store = caches.store()
    try:
        record = store.get(run)
        found = findings(store, record)
    except RunNotFound:
        return  # the fragment of the numbers says so
    shown = _on_stage(record, found)
    if shown is not None:
        st.html(_CSS)
        _draw(store, run, shown, "live_diagnosis")


def _on_stage(record: RunRecord, found: list[Finding]) -> Finding | None:
    """The most severe, if it is more than a hint; of a run that was watched to its end the one that stood there.

    So the stage seldom moves while it trains, and never when it ends.
    """
    grave = [finding for finding in found if finding.severity is not Severity.HINT]
    stood: dict[str, str | None] = st.session_state.setdefault("live_diagnosed", {})
    if record.state in ACTIVE:
        stood[record.id] = grave[0].name if grave else None
    if record.id not in stood:
        return grave[0] if grave else None
    return next((finding for finding in grave if finding.name == stood[record.id]), None)


def rest(run: str) -> None:
    """The other findings, below the stage."""
    store = caches.store()
    try:
        record = store.get(run)
        found = findings(store, record)
    except RunNotFound:
        return
    for finding in found:
        if finding is _on_stage(record, found):
            continue
        _draw(store, run, finding, f"live_diagnosis_{finding.name}")


def findings(store: RunStore, record: RunRecord) -> list[Finding]:
    """From what this session has read of the run already; a few milliseconds, and only where there is something new."""
    if record.config is None:
        return []
    curves = curves_of(record.id)
    watcher = st.session_state.get("live_watcher")
    view = watcher.view if watcher is not None and watcher.run == record.id else None
    state = (record.id, curves.last_step, len(curves.on_training), view and view.step, record.state, len(curves.marks))
    kept = st.session_state.get("live_findings")
    if kept is None or kept[0] != state:
        kept = st.session_state["live_findings"] = state, diagnose(_evidence(record, curves, view))
    found: list[Finding] = kept[1]
    return found


def _evidence(record: RunRecord, curves: Curves, view: object) -> Evidence:
    touched = [mark.elapsed for mark in curves.marks if not mark.is_pause]
    looks = [*curves.evaluations, *curves.on_training]
    return from_curves(record, curves.columns, looks, getattr(view, "numbers", None), touched)


def _draw(store: RunStore, run: str, finding: Finding, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        st.markdown(f"{_ICONS[finding.severity]} {escaped(finding.sentence)}")
        with st.popover("Why?", key=f"{key}_why"):
            for fact in finding.evidence:
                st.markdown(f"- {escaped(fact)}")
        repair = finding.repair
        if repair and st.button(repair.label, icon=":material/healing:", key=f"{key}_repair_{finding.name}"):
            with friendly():
                _start(store, run, repair)


def _start(store: RunStore, run: str, repair: Repair) -> None:
    """The repair, as a run of its own. Raises DiskFull, BadConfig, BadRunState."""
    new = store.duplicate(run, **repair.changes)
    get_backend().ensure()
    open_run(new)
    st.rerun()
