"""The state of this machine in a few words, without torch: device, data, models, runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vit_explore.data import dataset_status, datasets
from vit_explore.home import home
from vit_explore.runs.backends import DEFAULT, chosen, get_backend
from vit_explore.runs.references import available_references
from vit_explore.ui.session import caches
from vit_explore.ui.session.warmup import warm_up

_WAKING = "Warming up for the first run…"


@dataclass(frozen=True)
class Fact:
    """A line for Home."""

    icon: str
    title: str
    value: str
    detail: str


def is_waking() -> bool:
    """Whether the worker is still on its way. Raises StoreUnusable."""
    return _worker() == _WAKING


def facts() -> list[Fact]:
    """What the machine has. Raises StoreUnusable."""
    return [_device(), _data(), _models(), _runs()]


def _device() -> Fact:
    gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cpu = f"{cores} CPU core{'s' if cores > 1 else ''}"
    value = f"{gpus} GPU{'s' if gpus > 1 else ''}, {cpu}" if gpus else cpu
    return Fact("memory", "Device", value, _worker())


def _worker() -> str:
    workers = caches.store().workers()
    if trouble := warm_up().trouble:
        return trouble
    if seats := caches.store().seats():
        return f"Runs train on a cluster, {len(seats)} at a time."
    states = {worker.state for worker in workers}
    if "busy" in states:
        return "A run is training now."
    if "warm" in states:
        return "Warm: a run starts at once."
    if "failed" in states or not (states or chosen() == DEFAULT):
        return get_backend().failure(home())
    return _WAKING


def _data() -> Fact:
    status = [dataset_status(name) for name in datasets.names()]
    here = [entry.title for entry in status if entry.available and entry.name != "folder"]
    away = [entry.title for entry in status if not (entry.available or entry.trouble) and entry.name != "folder"]
    detail = f"Not here yet: {', '.join(away)}; Train fetches it." if away else "Everything is on this machine."
    broken = [entry.title for entry in status if entry.trouble]
    if broken:
        detail = f"Cannot be used: {', '.join(broken)}; Train says why."
    return Fact("dataset", "Data", ", ".join(here), detail)


def _models() -> Fact:
    bundled = [offer.title for offer in available_references() if offer.ref.startswith("bundled:")]
    value = f"{len(bundled)} bundled" if bundled else "None bundled"
    return Fact("deployed_code", "Models", value, "Any model of timm can be named in the sidebar, too.")


def _runs() -> Fact:
    states = caches.store().states()
    detail = ", ".join(f"{count} {state}" for state, count in states.items()) or "The first one takes a minute."
    total = sum(states.values())
    return Fact("table_rows", "Runs", f"{total} run{'' if total == 1 else 's'}", detail)
