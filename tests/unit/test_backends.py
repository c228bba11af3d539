"""Who trains queued runs: the known ones keep the protocol, and another needs no more than it."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path

import pytest
from run_tools import FakeTrainer, me, tiny_config

from vit_explore.errors import UnknownName
from vit_explore.runs.backends import Backend, backends, get_backend
from vit_explore.runs.backends.local import LOG
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.records import WorkerInfo
from vit_explore.runs.store import RunStore


class AtOnce:
    """Trains what waits in the caller's process, before `ensure` returns."""

    def ensure(self, home: Path | None = None) -> WorkerInfo:
        store, claimant = RunStore(home), me()
        with Pulse(store, claimant, registered=True) as pulse:
            while (record := store.claim(claimant)) is not None:
                train_run(store, record, pulse, threading.Event(), make_trainer=FakeTrainer())
        return WorkerInfo(claimant.worker, claimant.pid, "cpu", "warm", 0.0, None)

    def devices(self) -> list[str]:
        return ["cpu"]

    def failure(self, home: Path) -> str:
        return f"Nothing can go wrong in {home}."


@pytest.mark.parametrize("name", backends.names())
def test_a_backend_keeps_the_protocol(name: str, tmp_path: Path) -> None:
    backend = get_backend(name)
    for method in ("ensure", "devices", "failure"):
        said, asked = (inspect.signature(getattr(kind, method)) for kind in (type(backend), Backend))
        assert list(said.parameters) == list(asked.parameters)
    assert len(backend.devices()) >= 1
    assert backend.failure(tmp_path).endswith(".")


def test_another_backend_needs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_members", {**backends._members})
    backends.register("at-once")(AtOnce())
    store = RunStore()
    runs = [store.create(tiny_config()) for _ in range(2)]
    assert get_backend("at-once").ensure().state == "warm"
    assert [store.get(run).state for run in runs] == ["finished", "finished"]


def test_an_unknown_backend_lists_the_known() -> None:
    with pytest.raises(UnknownName, match=r"There is no backend named 'cloud'; choose one of: .*local"):
        get_backend("cloud")


def test_another_one_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIT_EXPLORE_BACKEND", "elsewhere")
    store = RunStore()
    assert get_backend().ensure().state == "failed"
    assert store.workers() == []  # none was started here
    store.register(me("cuda:1"), "warm")
    assert get_backend().ensure().device == "cuda:1"
    assert get_backend().devices() == ["cuda:1"]


def test_the_local_one_says_where_to_read_why(tmp_path: Path) -> None:
    assert str(tmp_path / LOG) in get_backend().failure(tmp_path)
