"""What the sessions share: the store, and the pool with the jobs that open models and read data.

Models are shared between threads: never change one. Keys are short strings (a model reference, a picture's SHA-256,
a config as JSON), never arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from vit_explore.config import DataConfig
from vit_explore.data.members import last_change
from vit_explore.errors import NotAllowed, VitExploreError
from vit_explore.home import home
from vit_explore.runs.store import RunStore
from vit_explore.ui.session import room
from vit_explore.ui.session.jobs import ABANDONED, Job, Jobs, Progress, Work, report
from vit_explore.ui.session.warmup import WarmUp, warm_up

if TYPE_CHECKING:
    from vit_explore.data import Dataset
    from vit_explore.runs.loaded import LoadedModel

TRAINING_IMAGES = 5000  # that pages look at: all of CIFAR-10's would take 140 MB, for each way to draw from them
LATE = 30.0  # seconds within which the page of a full class asks again, however busy the server is


def store() -> RunStore:
    """The store of this home, in the hands of who is there. Raises StoreUnusable."""
    kept = _store(str(home()))
    if not kept.is_there():  # runs.db was deleted or replaced under us
        _store.clear()
        kept = _store(str(home()))
    actor = room.actor()
    return kept if actor is None else kept.acting_as(actor)


@st.cache_resource(show_spinner=False)
def pool() -> Jobs:
    """The one pool of this server, which also keeps the results."""
    folder = home()
    return Jobs(abandoned=LATE if room.is_served() else ABANDONED, cores=lambda: _spare(folder, warm_up()))


def _spare(folder: Path, warm: WarmUp) -> int:
    """How many cores long work may take: all where nothing trains and no class is here."""
    if room.is_served():
        return 1
    try:
        return 1 if RunStore(folder).states().get("running") else warm.cores
    except VitExploreError:  # the page itself says what is wrong with the store
        return 1


def opening(ref: str) -> Job[LoadedModel]:
    """Opens the model behind a full reference ("run:3f2a@1200": always with its step): evaluation mode, no gradients.

    The job raises the errors of `load_model`: BadReference, RunNotFound, ModelUnavailable, UnknownName.
    """
    if refused := _refused(lambda: room.check_model(ref)):
        return refused
    return opening_in(ref, str(home()), warm_up())


def opening_in(ref: str, folder: str, warm: WarmUp) -> Job[LoadedModel]:
    """`opening`, for the work of another job: it asks no session."""
    is_timm = ref.startswith("timm:")
    return Job(("model", folder, ref), "Opening the model", lambda: open_model(ref, folder, warm), is_long=is_timm)


def key_of(config: DataConfig) -> str:
    """What names the images of a config: its JSON, and for a person's own pictures when they were changed last."""
    path = config.path if config.dataset == "folder" else None
    return config.model_dump_json() + (f" {last_change(path)}" if path else "")


def loading(config: DataConfig) -> Job[Dataset]:
    """Reads the dataset of a config, and keeps TRAINING_IMAGES of its training images at most.

    The job raises BadData, DataUnavailable, BadConfig.
    """
    if refused := _refused(lambda: room.check_folder(config.path)):
        return refused
    key = ("dataset", str(home()), key_of(config))
    return Job(key, f"Reading {config.dataset}", lambda: _load(config), is_long=True)


def _refused(check: Callable[[], None]) -> Job[Any] | None:
    """A job that raises what a student may not have; None where the check passes. What others asked for is kept for
    all, so that this is not found out in the job itself."""
    try:
        check()
    except NotAllowed as error:
        sentence = str(error)

        def work() -> Work[Any]:
            raise NotAllowed(sentence)
            yield

        return Job(("refused", sentence), "Refusing", work)
    return None


def open_model(ref: str, folder: str, warm: WarmUp) -> Work[LoadedModel]:
    """The work of `opening`, for a model that is looked at once: without a place among the kept ones."""
    yield from warm.waking()
    if ref.startswith("timm:"):
        yield Progress(0.1, "importing timm")
        warm.load("timm")
        yield Progress(0.4, "building it" if ref.endswith("@random") else "fetching and reading its weights")
    from vit_explore.runs.references import find_stored, load_model, parse_reference

    if not ref.startswith("timm:"):
        warm.load_for(find_stored(parse_reference(ref), Path(folder)).config.architecture)
    loaded = load_model(ref, Path(folder))
    loaded.model.eval().requires_grad_(False)
    return loaded


def _load(config: DataConfig) -> Work[Dataset]:
    yield Progress(0.0, "looking for it")
    import numpy as np

    from vit_explore.data import load_dataset

    dataset = load_dataset(config, report)
    few = np.arange(min(TRAINING_IMAGES, len(dataset.train)))
    return replace(dataset, train=dataset.train.take(few))


@st.cache_resource(show_spinner=False, max_entries=4)
def _store(folder: str) -> RunStore:
    return RunStore(Path(folder))
