"""What the pages keep between reruns: the store, opened models, datasets.

Models are shared between threads: never change one. Keys are short strings (a model reference, a picture's SHA-256,
a config as JSON), never arrays.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from vit_explore.config import DataConfig
from vit_explore.home import home
from vit_explore.runs.store import RunStore
from vit_explore.ui.session.warmup import need_torch

if TYPE_CHECKING:
    from vit_explore.data import Dataset
    from vit_explore.runs.loaded import LoadedModel


def store() -> RunStore:
    """The store of this home. Raises StoreUnusable."""
    kept = _store(str(home()))
    if not kept.is_there():  # runs.db was deleted or replaced under us
        _store.clear()
        kept = _store(str(home()))
    return kept


def model(ref: str) -> LoadedModel:
    """The model behind a full reference ("run:3f2a@1200": always with its step), in evaluation mode, gradients off.

    Waits for torch. Raises the errors of `load_model`: BadReference, RunNotFound, ModelUnavailable, UnknownName.
    """
    need_torch()
    return _model(ref, str(home()))


def dataset(config: DataConfig) -> Dataset:
    """The dataset of a config, kept in memory for all pages. Raises BadData, DataUnavailable, BadConfig."""
    return _dataset(config.model_dump_json())


@st.cache_resource(show_spinner=False, max_entries=4)
def _store(folder: str) -> RunStore:
    return RunStore(Path(folder))


@st.cache_resource(show_spinner="Opening the model…", max_entries=6)
def _model(ref: str, folder: str) -> LoadedModel:
    from vit_explore.runs.references import load_model

    loaded = load_model(ref, Path(folder))
    loaded.model.eval().requires_grad_(False)
    return loaded


@st.cache_resource(show_spinner="Reading the data…", max_entries=3)
def _dataset(config_json: str) -> Dataset:
    from vit_explore.data import load_dataset

    return load_dataset(DataConfig.model_validate_json(config_json))
