"""A user's mistake is one sentence on the page, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from vit_explore.errors import NotApplicable, VitExploreError
from vit_explore.ui.kit.text import escaped


@contextmanager
def friendly(way_on: Callable[[], None] | None = None) -> Iterator[None]:
    """Show what the domain refuses as one sentence, in place of what could not be drawn; the rest of the page goes on.

    A question that does not fit the model is information, and `way_on` is drawn below it; the rest is an error. Use it
    inside fragments too.
    """
    try:
        yield
    except NotApplicable as error:
        st.info(escaped(str(error)), icon=":material/info:")
        if way_on is not None:
            way_on()
    except VitExploreError as error:
        st.error(escaped(str(error)), icon=":material/error:")
