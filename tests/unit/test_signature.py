"""The store's signature: what makes a page that lists runs draw itself again, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import run_tools

from vit_explore.config import DataConfig, RunConfig, TrainConfig
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import follow

CONFIG = RunConfig(data=DataConfig(dataset="shapes"), train=TrainConfig(epochs=1))


@pytest.fixture
def store(home: Path) -> RunStore:
    return RunStore()


@pytest.mark.parametrize(
    "change",
    [
        lambda store, run: store.create(CONFIG),
        lambda store, run: store.delete(run),
        lambda store, run: store.rename(run, "another name"),
        lambda store, run: store.request_stop(run),
        lambda store, run: store.claim(run_tools.me()),
    ],
    ids=["a new run", "deleted", "renamed", "stopped", "claimed"],
)
def test_what_a_list_shows_changes_it(store: RunStore, change: Callable[[RunStore, str], object]) -> None:
    run = store.create(CONFIG)
    before = store.signature()
    assert store.signature() == before
    change(RunStore(), run)  # as another tab does it
    assert store.signature() != before


def test_windows_ask_together_and_what_is_drawn_is_never_old(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = RunStore.signature
    monkeypatch.setattr(RunStore, "signature", lambda self: asked.append("") or real(self))
    drawn: list[str] = []
    monkeypatch.setattr(follow, "fragment", lambda draw, every: drawn.append)
    follow.follow_others()
    for _ in range(30):
        follow._look(drawn[-1])  # another window's tick
    assert len(asked) == 1
    store.create(CONFIG)
    follow.follow_others()
    assert drawn[-1] == real(store) != drawn[0]


def test_a_stop_and_a_resume_change_it_and_a_step_does_not(store: RunStore) -> None:
    claimant = run_tools.me()
    run = store.create(CONFIG, claimant)
    store.record_all(run, [run_tools.started()])
    before = store.signature()
    store.record_all(run, [run_tools.step(1), run_tools.evaluated(1)])
    assert store.signature() == before
    store.request_stop(run)
    asked = store.signature()
    assert asked != before
    store.let_go(run, claimant.worker, "stopped")
    stopped = store.signature()
    store.resume(run)
    assert len({before, asked, stopped, store.signature()}) == 4
