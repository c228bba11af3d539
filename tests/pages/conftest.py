"""What the page tests share: the app without a worker, fresh caches, runs in any state from a tiny real training."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit import deprecation_util
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.runs import stored
from vit_explore.runs.backends.local import Local
from vit_explore.runs.store import Claimant, RunStore, WorkerInfo
from vit_explore.training import fit
from vit_explore.training.advice import Memory, Preflight
from vit_explore.training.events import Event, Finished
from vit_explore.ui import site
from vit_explore.ui.kit import waiting
from vit_explore.ui.session import warmup

APP = Path(__file__).parents[2] / "app.py"
PAGES = {page.name: page.path for page in site.PAGES}
TINY = RunConfig(
    data=DataConfig(dataset="shapes", classes=("square", "star", "ring"), per_class=8, image_size=16),
    model=ModelConfig(width=16, depth=2, num_heads=2),
    train=TrainConfig(epochs=2, batch_size=8, device="cpu", precision="fp32", threads=1, evaluations=2),
)


MakeRun = Callable[..., str]
OpenPage = Callable[..., AppTest]


def param(at: AppTest, name: str) -> str | None:
    """A field of the address: what the app chose or completed; AppTest has no browser that would show it."""
    return at.session_state["address"].get(name)


@pytest.fixture(scope="session")
def events_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[RunConfig], list[Event]]:
    """The events of a real training of a config; each config is trained once in a session."""
    known: dict[str, list[Event]] = {}

    def events(config: RunConfig) -> list[Event]:
        key = config.model_dump_json()
        if key not in known:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("VIT_EXPLORE_HOME", str(tmp_path_factory.mktemp("training")))
                known[key] = list(fit(config))
        return known[key]

    return events


@pytest.fixture(autouse=True)
def _decoded(decoded_once: None) -> None:
    """Of a page's images only the first test waits."""


@pytest.fixture(autouse=True)
def foreseen(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What each run is estimated to cost, in place of a try of its model; a test may change it."""
    found: dict[str, object] = {
        "step_seconds": 0.03, "test_seconds": 2.0, "images_per_second": 1900.0, "steps": 2000.0,
        "memory": Memory(10**8, 10**8, 10**8, 10**8, 10**6), "free": 8 * 10**9, "machine": 16 * 10**9,
        "source": "probe", "smaller": None,
    }  # fmt: skip
    for place in ("vit_explore.ui.kit.background.foresee", "vit_explore.sweeps.estimate.foresee"):
        monkeypatch.setattr(place, lambda *_: Preflight(**found))  # type: ignore[arg-type]
    return found


@pytest.fixture
def make_run(home: Path, events_of: Callable[[RunConfig], list[Event]]) -> MakeRun:
    """make_run(state, config=TINY): a run that is queued, running, finished, stopped, failed or interrupted; its id.

    guess: what was said of it before it began.
    """

    def make(state: str = "finished", config: RunConfig = TINY, guess: tuple[Any, ...] = (), **origin: str) -> str:
        store = RunStore()
        claimant = None if state == "queued" else Claimant.this_process("cpu", "cpu")
        run = store.create(config, claimant, **origin)
        if guess:
            store.guess(run, *guess)
        if claimant is None:
            return run
        events = events_of(config)
        if state != "finished":
            events = [event for event in events[: len(events) // 2] if not isinstance(event, Finished)]
        store.record_all(run, events, claimant.worker)
        if state != "running":
            error = {
                "failed": "The loss became infinite at step 3; try a smaller learning rate.",
                "interrupted": "The process that trained this run ended at step 3; resume it to start it again.",
            }.get(state)
            store.let_go(run, claimant.worker, state, error)
        return run

    return make


@pytest.fixture(autouse=True)
def no_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model comes with the package, unless a test asks for `bundled` or `really_bundled`."""
    monkeypatch.setattr(stored, "WEIGHTS", tmp_path / "no-weights")


@pytest.fixture
def really_bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models that do come with the package."""
    monkeypatch.setattr(stored, "WEIGHTS", APP.parent / "vit_explore" / "weights")


@pytest.fixture
def bundled(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bundled model made of a run, with its snapshots; its reference. The store is empty again."""
    store, run = RunStore(), make_run()
    record, steps = store.get(run), [row.step for row in store.snapshots(run)]
    weights = tmp_path / "weights"
    (weights / "tiny").mkdir(parents=True)
    for step in steps:
        shutil.copy(store.snapshot_path(run, step), weights / "tiny" / f"{step}.safetensors")
    shutil.copy(store.snapshot_path(run, steps[-1]), weights / "tiny.safetensors")
    assert record.model is not None
    card = {
        "title": "A tiny ViT",
        "config": record.model.model_dump(mode="json"),
        "classes": record.classes,
        "mean": record.mean,
        "std": record.std,
    }
    (weights / "tiny.json").write_text(json.dumps(card), encoding="utf-8")
    store.delete(run)
    monkeypatch.setattr(stored, "WEIGHTS", weights)
    return "bundled:tiny"


@pytest.fixture
def open_page() -> OpenPage:
    """open_page("attention", model="run:3f2a") runs the app at a page's address and gives the AppTest."""

    def open_(page: str, **query: str) -> AppTest:
        at = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in query.items():
            at.query_params[name] = value
        if page != "home":
            at.switch_page(PAGES[page])
        return at.run()

    return open_


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages under test start no process; runs stay in the state in which they were made."""
    worker = WorkerInfo("test", None, "cpu", "warm", time.time(), None)
    monkeypatch.setattr(Local, "ensure", lambda _, home=None: worker)


@pytest.fixture(scope="session", autouse=True)
def _scanned_once() -> Iterator[None]:
    """Each AppTest looks through all installed packages for components, half a second each time; one look will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm() -> Iterator[None]:
    """One warm-up for all tests, without a worker: it would come when its test is over, and take the others' cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warmup.WarmUp, "_start_worker", lambda _: None)
        one = warmup.WarmUp()
        patch.setattr(warmup, "WarmUp", lambda: one)
        yield


class _Refusing:
    """In place of Streamlit's logger of deprecations: what it would have logged is an error."""

    def warning(self, message: str) -> None:
        raise DeprecationWarning(message)


@pytest.fixture(autouse=True)
def _no_deprecated_streamlit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit logs its deprecations in place of warning, so pytest's filter cannot see them."""
    monkeypatch.setattr(deprecation_util, "_LOGGER", _Refusing())
    monkeypatch.setattr(deprecation_util, "_shown_warnings", set())


@pytest.fixture(autouse=True)
def _pages_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page under test waits for its jobs: what it shows does not depend on how fast they are."""
    monkeypatch.setattr(waiting, "PATIENCE", 60.0)


@pytest.fixture
def bugs(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """bugs() gives the tracebacks that the app logged so far, and takes them away: for the test that causes some."""

    def take() -> list[str]:
        found = [caplog.handler.format(record) for record in caplog.get_records("call") if record.name == "vit_explore"]
        caplog.clear()
        return found

    return take


@pytest.fixture(autouse=True)
def _no_bug_is_hidden(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A bug in a fragment or a job is a sentence on the page: here it fails the test."""
    yield
    assert not [record.message for record in caplog.get_records("call") if record.name == "vit_explore"]


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    """Cached resources outlive an AppTest; no test may see another's."""
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()
