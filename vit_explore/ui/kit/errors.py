"""A user's mistake is one sentence on the page, never a traceback; so is a bug in a fragment, and the log has it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from vit_explore.errors import NotApplicable, SnapshotGone, VitExploreError
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address, choice
from vit_explore.ui.session.jobs import unexpected

_GONE = "errors_gone"
logger = logging.getLogger("vit_explore")


class NotYet(Exception):
    """What this part of the page needs is being computed, and its progress is drawn in its place."""


@contextmanager
def friendly(way_on: Callable[[], None] | None = None) -> Iterator[None]:
    """Show what the domain refuses as one sentence, in place of what could not be drawn; the rest of the page goes on.

    A question that does not fit the model is information, and `way_on` is drawn below it; the rest is an error. What is
    not computed yet is nothing to say. Use it inside fragments too.
    """
    try:
        yield
    except NotYet:
        pass
    except SnapshotGone as error:
        _look_again(error)
    except NotApplicable as error:
        st.info(escaped(str(error)), icon=":material/info:")
        if way_on is not None:
            way_on()
    except VitExploreError as error:
        st.error(escaped(str(error)), icon=":material/error:")


def _look_again(error: SnapshotGone) -> None:
    """The run went on while the page waited: draw it anew, about a snapshot that is there. Once for the same one."""
    if st.session_state.get(_GONE) != str(error):
        st.session_state[_GONE] = str(error)
        choice.move_on()
        address.redraw()
    st.error(escaped(str(error)), icon=":material/error:")


@contextmanager
def guarded() -> Iterator[None]:
    """`friendly` for a whole fragment, where a bug too is one sentence; its traceback goes to the log."""
    with friendly():
        try:
            yield
        except (NotYet, VitExploreError):
            raise
        except Exception as error:
            logger.exception("A part of a page met an unexpected error")
            st.error(unexpected(error), icon=":material/error:")
