"""Stop, wherever a run can be stopped: at once with the test on what is trained, and then, if need be, without it."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit.wording import ACTIVE

_HELP = "It ends after this step (within 5 s in any case) and tests what it has learned. Resume goes on from there."
_NO_TEST_HELP = "It ends at once, and its accuracy on the test images stays unknown."


def stop_button(
    store: RunStore, record: RunRecord, key: str, kind: Literal["primary", "secondary"] = "primary"
) -> None:
    """Draw Stop for a run that waits or trains, nothing for another; `key` is that of the button.

    While it is stopping, a second button leaves the test out. Use it inside `friendly()`: raises as request_stop.
    """
    if record.state not in ACTIVE:
        return
    asked = record.stop_requested
    if st.button(
        "Stopping…" if asked else "Stop", icon=":material/stop:", key=key, type=kind, disabled=asked,
        help=None if record.state == "queued" else _HELP,
    ):  # fmt: skip
        store.request_stop(record.id)
        st.rerun()
    if asked and st.button(
        "Without the test", icon=":material/skip_next:", key=f"{key}_untested", disabled=record.skip_test,
        help=_NO_TEST_HELP,
    ):  # fmt: skip
        store.request_stop(record.id, test=False)
        st.rerun()
