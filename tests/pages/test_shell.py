"""What holds for every page alike."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

PICTURE = "import numpy as np, streamlit as st\nst.image(np.zeros((2, 2), np.uint8), {})"


def test_a_deprecated_call_of_streamlit_fails_a_page_test() -> None:
    assert not AppTest.from_string(PICTURE.format('width="stretch"')).run().exception
    assert AppTest.from_string(PICTURE.format("use_container_width=True")).run().exception
