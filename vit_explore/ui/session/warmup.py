"""Heavy imports and the worker, off the path of the first paint: once per server process, in a thread."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import threading
import time

import streamlit as st

from vit_explore.cards import card_of
from vit_explore.errors import VitExploreError
from vit_explore.openmp import wait_briefly
from vit_explore.ui.session import room
from vit_explore.ui.session.jobs import Progress, Work

_PAINT_SECONDS = 2.0  # the browser fetches the page's scripts meanwhile; importing torch, here or there, holds it up
_NEEDED = ("torch", "vit_explore.models.vit.net", "vit_explore.explain.capture")
# all that comes to stay must be here before the freeze: timm alone brings 200,000 objects
_LATER = ("captum.attr", "plotly.graph_objects", "timm")  # pandas: see shell.py
_COLLECT_SECONDS, _YOUNG = 20.0, 20  # how often all is looked at, after so many collections of what is young
_LATER_SECONDS = 3.0  # the page that waited for torch is drawn meanwhile


_collecting = threading.Lock()  # held for good by the thread that collects


class WarmUp:
    """The thread that imports torch and starts the worker. `trouble`: why there is no worker, one sentence. `cores`:
    those that torch would take."""

    def __init__(self) -> None:
        wait_briefly()
        self.trouble: str | None = None
        self.cores = 1
        self._now = threading.Event()
        self._ready = threading.Event()
        self._importing = threading.Lock()
        threading.Thread(target=self._run, name="warm-up", daemon=True).start()

    def waking(self) -> Work[None]:
        """Until torch is there, in a job. Two threads that import it at the same time can see half of a module."""
        self._now.set()
        while not self._ready.wait(0.1):
            yield Progress(0.0, "waking PyTorch up, once after the start of the app")

    def load(self, module: str) -> None:
        """Import something heavy in a job: one thread at a time."""
        with self._importing:
            importlib.import_module(module)

    def load_for(self, architecture: str) -> None:
        """Import what building such a model imports; an unknown one is refused by whoever builds it."""
        if needed := card_of(architecture).imports:
            self.load(needed)

    @property
    def ready(self) -> bool:
        """Whether torch is there."""
        return self._ready.is_set()

    def _run(self) -> None:
        self._now.wait(_PAINT_SECONDS)
        self._start_worker()
        try:
            for name in _NEEDED:
                self.load(name)
            self.cores = _one_thread()
        finally:
            self._ready.set()  # also after a failed import: the page that needs it then says what is wrong
        time.sleep(_LATER_SECONDS)
        for name in _LATER:
            if importlib.util.find_spec(name.partition(".")[0]):
                self.load(name)
        _freeze()
        if room.is_served():
            _collect_now_and_then()

    def _start_worker(self) -> None:
        from vit_explore.runs.backends import get_backend

        try:
            get_backend().ensure()
        except VitExploreError as error:
            self.trouble = str(error)


@st.cache_resource(show_spinner=False)
def warm_up() -> WarmUp:
    """Start the warm-up if it has not been started; returns at once."""
    return WarmUp()


def _freeze() -> None:
    """A collection takes 200 ms as long as the modules' objects are looked at.

    Once: each freeze makes what sessions hold at that moment stay for good.
    """
    gc.collect()
    gc.freeze()


def _collect_now_and_then() -> None:
    """In a room, in place of Streamlit's collection after each run of a script, of which a class makes dozens a second:
    it took four fifths of the time of thirty sessions. Nothing is done while nobody does anything."""
    if not _collecting.acquire(blocking=False):
        return  # another warm-up of this process does it
    seen = 0
    while True:
        time.sleep(_COLLECT_SECONDS)
        young = gc.get_stats()[0]["collections"]
        if young - seen > _YOUNG:
            gc.collect()
            seen = gc.get_stats()[0]["collections"]


def _one_thread() -> int:
    """The worker needs the cores; most of what the pages ask for is small. Returns how many torch took before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    return before
