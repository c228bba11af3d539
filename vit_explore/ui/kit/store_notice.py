"""Above every page: what of the store cannot be changed or was lost, and the button that brings it back."""

from __future__ import annotations

import streamlit as st

from vit_explore.runs.store import RunStore
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import caches, room

_DONE = "store_rebuilt"


def show_store_notice() -> None:
    """Say it where there is something to say; nothing in an ordinary store."""
    with friendly():
        store = caches.store()
        done = st.session_state.pop(_DONE, None)
        if done:
            st.success(done, icon=":material/restore:")
        if store.refusal:
            st.warning(escaped(store.refusal), icon=":material/lock:")
        elif (loss := store.loss) is not None:
            st.warning(escaped(loss), icon=":material/warning:")
            if not room.is_student() and st.button(
                "Rebuild the runs from their folders", icon=":material/restore:", key="store_rebuild"
            ):
                _rebuild(store)


def _rebuild(store: RunStore) -> None:
    done = store.rebuild()
    count = len(done.entered)
    came_back = f"{count} run{'' if count == 1 else 's'} came back, without their curves."
    st.session_state[_DONE] = f"{came_back} {escaped(done.remark)}" if done.remark else came_back
    st.rerun()
