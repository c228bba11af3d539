"""These tests need a server: scripts/with_postgres.py starts one for them."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _needs_a_server() -> None:
    if "VIT_EXPLORE_TEST_DB" not in os.environ:
        pytest.skip("no PostgreSQL server: run `python scripts/with_postgres.py python -m pytest tests/postgres`")
