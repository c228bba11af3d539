"""What every test stands on: a home of its own, one torch thread, no network."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before huggingface_hub is imported anywhere
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests share the cores with the workers that they start


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh VIT_EXPLORE_HOME for each test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("VIT_EXPLORE_HOME", str(folder))
    monkeypatch.delenv("VIT_EXPLORE_DB", raising=False)
    server = os.environ.get("VIT_EXPLORE_TEST_DB")  # see scripts/with_postgres.py: the same tests on a server
    if server is None:
        yield folder
        return
    monkeypatch.setenv("VIT_EXPLORE_DB", new_database(server))
    yield folder
    from vit_explore.runs import database

    for opened in database._open.values():  # a server takes so many connections, and each test has its own database
        opened.engine.dispose()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """A trainer may take both cores and keep them; the next test would share them with another process, and crawl."""
    yield
    torch = sys.modules.get("torch")  # which many tests do without, and another thread may be importing
    if hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)


@pytest.fixture
def decoded_once(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The decoded images of all tests that ask for this lie in one folder, so that each set is decoded once."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "decoded"
    shared.mkdir(exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    (home / "data").symlink_to(shared, target_is_directory=True)


def new_database(server: str) -> str:
    """An empty database on the server: its address."""
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.rpartition("/")[0] + f"/{name}"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of VIT_EXPLORE_DATA with the real CIFAR-10; skips where there is none."""
    folder = os.environ.get("VIT_EXPLORE_DATA")
    if not folder or not (Path(folder) / "cifar10").is_dir():
        pytest.skip("VIT_EXPLORE_DATA names no folder with cifar10: the tests on real data are skipped")
    return Path(folder)
