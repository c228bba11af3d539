"""What every test stands on: a home of its own, one torch thread, no network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before huggingface_hub is imported anywhere
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests share the cores with the workers that they start


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh VIT_EXPLORE_HOME for each test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("VIT_EXPLORE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of VIT_EXPLORE_DATA with the real CIFAR-10; skips where there is none."""
    folder = os.environ.get("VIT_EXPLORE_DATA")
    if not folder or not (Path(folder) / "cifar10").is_dir():
        pytest.skip("VIT_EXPLORE_DATA names no folder with cifar10: the tests on real data are skipped")
    return Path(folder)
