"""What the pages with sweeps share: start one, see how far it is, stop it, go on, and what it gave so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from vit_explore.config import RunConfig
from vit_explore.errors import BadReference
from vit_explore.home import home
from vit_explore.runs.backends import get_backend
from vit_explore.runs.store import RunStore
from vit_explore.sweeps import Sweep
from vit_explore.sweeps import group as groups
from vit_explore.sweeps.estimate import Estimate, estimating
from vit_explore.sweeps.group import Group
from vit_explore.sweeps.results import Curve, Result, Shipped, results_of, shipped
from vit_explore.training.advice import memory_words, took
from vit_explore.ui.kit import waiting, wording
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address, caches, room
from vit_explore.ui.session.jobs import Job, Work, relayed
from vit_explore.ui.session.warmup import WarmUp, warm_up

EVERY = 2.0  # seconds between two looks while it trains
MOST_SEEDS = 5


@dataclass(frozen=True)
class Found:
    """What there is of a sweep: one's own group with its results so far, and the records that come with the package."""

    group: Group | None
    own: tuple[Result, ...]
    shipped: Shipped | None

    @property
    def is_own(self) -> bool:
        """Whether one's own results are the ones to judge by: there are no shipped ones, or all of one's own."""
        return self.shipped is None or (self.group is not None and self.group.is_whole)

    @property
    def shown(self) -> tuple[Result, ...]:
        """One's own results, or the shipped ones until one's own are all there."""
        return self.own if self.is_own or self.shipped is None else self.shipped.results


def live(sweep: Sweep, draw: Callable[[Found], None]) -> None:
    """How far the chosen group is, and below it `draw`; again and again while it trains."""
    store = caches.store()
    names = groups.groups_of(store, sweep)
    name = _pick(store, names, sweep)
    active = name is not None and bool(groups.find(store, name).active)
    fragment(_live, every=EVERY if active else None)(sweep, name, active, draw)


def _pick(store: RunStore, names: Sequence[str], sweep: Sweep) -> str | None:
    """The group to show: the latest unless another is chosen."""
    if len(names) < 2:
        return names[0] if names else None
    labels = {name: _label(groups.find(store, name)) for name in names}
    key = f"group_{sweep.name}_{len(names)}"  # a new one is another widget, and shown at once
    return st.selectbox("Your sweeps", names, format_func=lambda name: labels.get(name, name), key=key)


def _label(group: Group) -> str:
    """While it trains it has no count: this is not drawn again with the bar below, which has one."""
    done = "training" if group.active else f"{len(group.finished)} of {len(group.records)} runs finished"
    return f"{_when(group)} · {done}"


def _when(group: Group) -> str:
    return time.strftime("%d %b, %H:%M", time.localtime(group.created))


def _live(sweep: Sweep, name: str | None, was_active: bool, draw: Callable[[Found], None]) -> None:
    store = caches.store()
    group = None
    if name is not None:
        try:
            group = groups.find(store, name)
        except BadReference:
            address.redraw()  # deleted in another tab
        if bool(group.active) != was_active:
            address.redraw()
        _stands(store, group)
    own = tuple(results_of(store, group, _curves())) if group is not None else ()
    with friendly():
        draw(Found(group, own, shipped(sweep.name)))


def _curves() -> dict[str, Curve]:
    """The curves of finished runs that this session has read; they change no more."""
    known: dict[str, Curve] = st.session_state.setdefault("sweep_curves", {})
    return known


# ---------------------------------------------------------------------- how far it is


def _stands(store: RunStore, group: Group) -> None:
    """A bar over all of its runs, and Stop or Resume."""
    done, total = len(group.finished), len(group.records)
    if group.others:
        many = f"{group.others} run{'' if group.others == 1 else 's'}"
        st.caption(f"{many} of this sweep had other settings than today's grid; they are listed on the page Runs.")
    if not total:
        return
    if not group.active and group.is_whole:
        st.caption(f"Yours: {total} runs, {_when(group)}, all finished.")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="sweep_stands"):
        share = sum(wording.progress_of(record) for record in group.records.values()) / max(1, total)
        st.progress(min(1.0, share), text=f"{done} of {total} runs finished. {_now(group)}")
        if all(room.may_change(record.owner) for record in group.records.values()):
            _stop_or_go_on(store, group)
    for error in sorted({r.error for r in group.records.values() if r.error and r.state == "failed"}):
        st.warning(escaped(error), icon=":material/error:")


def _stop_or_go_on(store: RunStore, group: Group) -> None:
    if group.active:
        if st.button("Stop", icon=":material/stop:", key="sweep_stop", type="primary", disabled=_stops(group)):
            with friendly():
                groups.stop(store, group.name)
                st.rerun()
    elif st.button("Go on", icon=":material/play_arrow:", key="sweep_resume", type="primary"):
        with friendly():
            groups.go_on(store, group.name)
            get_backend().ensure()
            st.rerun()


def _stops(group: Group) -> bool:
    return all(record.stop_requested for record in group.active)


def _now(group: Group) -> str:
    """What trains at the moment."""
    running = [record for record in group.active if record.state == "running"]
    if running:
        return f"Now: {escaped(running[0].name.rpartition(' · ')[0])}."
    if group.active:
        return "Waiting for its turn."
    return "Stopped: what has finished is kept, and Go on trains the rest."


# ---------------------------------------------------------------------- start


def start_box(sweep: Sweep, label: str = "Start") -> None:
    """How many seeds, how many runs that makes, how long they take here, and the button."""
    with st.container(border=True, key="sweep_box"):
        first, costs, button = st.columns([0.8, 2.4, 1], vertical_alignment="bottom", gap="large")
        seeds = first.number_input(
            "Seeds of each cell", 1, MOST_SEEDS, 3, key=f"sweep_seeds_{sweep.name}", persist_state="session",
            help="Each cell is trained again with another seed: the spread says which differences are noise.",
        )  # fmt: skip
        chosen, busy = list(range(int(seeds))), _is_active(sweep)
        pressed = button.button(
            label, type="primary", icon=":material/play_arrow:", width="stretch", key=f"sweep_start_{sweep.name}",
            disabled=busy, help="It trains already." if busy else None,
        )  # fmt: skip
        with costs, friendly():
            _say_costs(sweep, chosen)
        if pressed:
            with friendly():
                groups.start(caches.store(), sweep, chosen)
                get_backend().ensure()
                st.rerun()


def _is_active(sweep: Sweep) -> bool:
    store = caches.store()
    return any(groups.find(store, name).active for name in groups.groups_of(store, sweep)[:1])


def _say_costs(sweep: Sweep, seeds: list[int]) -> None:
    runs = len(sweep.runs(seeds))
    shared = " (what cells share is trained once)" if runs < len(sweep.cells) * len(seeds) else ""
    st.markdown(
        f"{len(sweep.cells)} cells × {len(seeds)} seed{'' if len(seeds) == 1 else 's'}: **{runs} runs**{shared}."
    )
    job = _estimating(sweep, tuple(seeds))
    done = waiting.peek(job)
    if done is None:
        waiting.watch(job, quiet=True)
        return
    found: Estimate = done.value
    st.caption(
        f"About **{took(found.seconds)}** here, one after another; the longest run about {took(found.longest)}. "
        f"Their snapshots take about {memory_words(round(found.disk))} on disk. It can be stopped, and goes on later."
    )


def _estimating(sweep: Sweep, seeds: tuple[int, ...]) -> Job[Estimate]:
    warm, folder, runs = warm_up(), home(), sweep.runs(seeds)
    states = caches.store().states()
    known = str(states.get("finished", 0))  # a run that has finished says more of the pace than what was reckoned
    key = ("sweep", str(folder), sweep.name, str(seeds), str(bool(states.get("running"))), known)
    return Job(key, "Estimating how long that takes here", lambda: _estimate(runs, folder, warm))


def _estimate(runs: list[RunConfig], folder: Path, warm: WarmUp) -> Work[Estimate]:
    yield from warm.waking()
    return (yield from relayed(estimating(runs, RunStore(folder))))
