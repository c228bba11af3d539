"""Small computations that need torch, in a thread of their own, so that the form paints at once and asks again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import streamlit as st

from vit_explore.config import ModelConfig
from vit_explore.errors import VitExploreError
from vit_explore.models import ModelSummary, summarise
from vit_explore.ui.session.warmup import warm_up

PATIENCE = 0.3  # seconds that a page waits before it paints without the answer
_KEPT = 256
T = TypeVar("T")


class Answers(Generic[T]):
    """Answers by key, each computed once, one after another; the oldest are forgotten."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="answers")
        self._futures: dict[str, Future[T]] = {}
        self._lock = threading.Lock()

    def ask(self, key: str, compute: Callable[[], T], patience: float = PATIENCE) -> T | None:
        """The answer, or None while it is not there yet. Raises what `compute` raised."""
        with self._lock:
            if key not in self._futures:
                self._futures[key] = self._pool.submit(compute)
                if len(self._futures) > _KEPT:
                    self._futures.pop(next(iter(self._futures)))
            future = self._futures[key]
        wait([future], patience)
        return future.result() if future.done() else None


def cost(model: ModelConfig, patience: float = PATIENCE) -> ModelSummary | None:
    """Parameters and FLOPs, or None while they are being counted. Raises UnknownName, BadConfig, ModelUnavailable."""
    warm = warm_up()

    def compute() -> ModelSummary:
        warm.wait()
        return summarise(model)

    return _summaries().ask(model.model_dump_json(), compute, patience)


def ask_again(done: Callable[[], bool], text: str) -> None:
    """Say `text`, and run the page again as soon as `done` says so (or raises what a user can get wrong)."""

    def look() -> None:
        st.caption(text)
        try:
            over = done()
        except VitExploreError:
            over = True  # the page says what is wrong
        if over:
            st.rerun()

    st.fragment(look, run_every=0.5)()


@st.cache_resource(show_spinner=False)
def _summaries() -> Answers[ModelSummary]:
    return Answers()
