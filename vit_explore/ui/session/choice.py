"""Which model is being looked at, or which two: kept in the address, followed from page to page.

The choice is two fields of the address, `model` ("run:3f2a", "bundled:vit-cifar10", "timm:vit_tiny_patch16_224@random")
and `step` (a snapshot; none means the latest, which grows with a running run). The picker in the sidebar settles it
once per script run; a page then asks `chosen_model()`. Who starts a run, or opens one to watch it, calls `select_run`.
A run without weights stays chosen: until its first snapshot another model stands in, and `awaited_run()` names the run.
Two runs side by side are the fields `one` and `other`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from vit_explore.cards import Card, answers_all, card_of
from vit_explore.errors import BadReference
from vit_explore.home import home
from vit_explore.runs.references import Available, parse_reference, snapshot_steps
from vit_explore.runs.store import RunStore
from vit_explore.ui import site
from vit_explore.ui.session import address, room

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from vit_explore.runs.records import RunRecord, State

TIMM = "timm:"  # the option that opens the text box, and how every timm reference begins
_NOW, _WANTS_TIMM, _WAITING = "model_choice", "shell_wants_timm", "model_waiting"
_AWAITED, _BASE = "model_awaited", "model_base"
TOGETHER_SECONDS = 8.0  # in a lesson; snapshots of a run that is watched come every 2.5 s
_TRAINING: tuple[State, ...] = ("running",)
_BEGUN = ("queued", "running")  # the states in which a first snapshot may still come


@dataclass(frozen=True)
class Choice:
    """The model being looked at. steps: its snapshots, in order, empty for a timm model; step: the chosen one.

    card: of its architecture, where it is a run or a bundled model.
    """

    base: str  # the reference without a step
    title: str
    steps: tuple[int, ...] = ()
    step: int | None = None
    card: Card | None = None

    @property
    def ref(self) -> str:
        """The full reference, for `caches.opening`."""
        return self.at(self.step)

    @property
    def family(self) -> str:
        """Card.family of its architecture; empty where that is not known."""
        return (self.card or card_of(self.base.partition("@")[0])).family

    @property
    def is_latest(self) -> bool:
        """Whether this is the end of training so far (always so without snapshots)."""
        return not self.steps or self.step == self.steps[-1]

    @property
    def before_training(self) -> str | None:
        """The reference of step 0, to stand beside the chosen one; None where there is none, or it is chosen."""
        return self.at(0) if self.steps and self.steps[0] == 0 and self.step != 0 else None

    def at(self, step: int | None) -> str:
        """The full reference of another snapshot."""
        if step is None or (self.base.startswith("bundled:") and step == self.steps[-1]):
            return self.base
        return f"{self.base}@{step}"


@dataclass(frozen=True)
class Pair:
    """Two runs side by side, by their ids; None where there is none."""

    one: str | None
    other: str | None


def choose(base: str | None, step: int | None = None) -> None:
    """Look at another model from now on, in a callback. step: None for the latest."""
    st.session_state[_WANTS_TIMM] = False
    move_on()
    address.choose(model=base, step=step)


def select_run(run: str, /, **view: str) -> None:
    """Look at this run on every page from now on, at its latest snapshot. view: other fields of the same choice.

    For whoever starts a run or opens one to watch it: `select_run(run, run=run)` on Train.
    """
    st.session_state[_WANTS_TIMM] = False
    move_on()
    _known_for_now.clear()
    address.choose(model=f"run:{run}", step=None, **view)


def wait_here() -> None:
    """A part of this page waits for what it asked of the chosen snapshot: the next script run looks at it still."""
    st.session_state[_WAITING] = True


def move_on() -> None:
    """Whatever was waited for: the next script run looks at the latest snapshot again."""
    st.session_state[_WAITING] = False


def chosen_model() -> Choice | None:
    """The model being looked at, or None where there is none yet."""
    return st.session_state.get(_NOW)


def awaited_run() -> RunRecord | None:
    """The run that was chosen and has no weights yet; `chosen_model` is what stands in for it."""
    return st.session_state.get(_AWAITED)


def settle_choice(offers: list[Available]) -> Choice | None:
    """Settle which model this script run looks at: what the address or the session names, else the first on offer."""
    offers = _while_waiting(_together(offers) if room.is_served() else offers)
    _take_watched_run(offers)
    base = address.get("model")
    if base != st.session_state.get(_BASE, base):
        st.session_state[_WANTS_TIMM] = False
    awaited = st.session_state[_AWAITED] = _awaited(base, offers)
    choice = st.session_state[_NOW] = _first(offers) if awaited else _settle(base, offers)
    if awaited is None:
        step = None if choice is None or choice.is_latest else choice.step
        address.settle(model=choice.base if choice else None, step=step)
    st.session_state[_BASE] = address.get("model")
    return choice


def no_choice() -> None:
    """There is nothing to choose from in this script run."""
    st.session_state[_NOW] = st.session_state[_AWAITED] = None


def settle_pair(known: Container[str], latest: Pair, partner: Callable[[str], str | None]) -> Pair:
    """The two runs that the address or the session names; beside one alone its partner, else the latest pair."""
    one, other = (_known_run(name, known) for name in ("one", "other"))
    if one is None and other is None:
        one, other = latest.one, latest.other
    elif one is None or other is None:
        one, other = one or _beside(other, latest.one, partner), other or _beside(one, latest.other, partner)
    address.settle(one=one, other=other)
    return Pair(one, other)


def _beside(said: str | None, latest: str | None, partner: Callable[[str], str | None]) -> str | None:
    """What stands beside the one run that is said: the latest of the other side, but never the same run twice."""
    return latest if said is None or latest != said else partner(said)


def forget(runs: Iterable[str]) -> None:
    """Drop the choice of runs that their own person has just deleted: no notice, the next best is shown."""
    gone = set(runs)
    if address.get("model") in {f"run:{run}" for run in gone}:
        address.forget("model", "step")
    if str(address.get("picture")).rpartition(":")[0] in {f"run:{run}" for run in gone}:
        address.forget("picture")
    address.forget(*(name for name in ("run", "one", "other") if address.get(name) in gone))


def wants_timm() -> bool:
    """Whether the person is about to name a model of timm."""
    return bool(st.session_state.get(_WANTS_TIMM, False))


def want_timm(wanted: bool) -> None:
    """Remember whether the person is about to name a model of timm."""
    st.session_state[_WANTS_TIMM] = wanted


def _while_waiting(offers: list[Available]) -> list[Available]:
    """The offers, of which a run in training has no newer snapshots while this session waits for what it asked of one:
    asked anew of each, a slow question would never be answered."""
    now, is_waiting = st.session_state.get(_NOW), st.session_state.get(_WAITING, False)
    move_on()
    if not is_waiting or now is None or not now.is_latest:
        return offers
    return [replace(offer, steps=now.steps) if offer.ref == now.base else offer for offer in offers]


def _together(offers: list[Available]) -> list[Available]:
    """Of runs that train, the snapshots that the whole class looks at for a while: what is asked of one is asked once,
    and it is answered before the next one comes."""
    active = {f"run:{record.id}" for record in RunStore(home()).list(states=_TRAINING)}
    return [
        replace(offer, steps=_of(offer, _known_for_now(str(home()), offer.ref, offer.steps)))
        if offer.ref in active
        else offer
        for offer in offers
    ]


@st.cache_data(show_spinner=False, ttl=TOGETHER_SECONDS, max_entries=64)
def _known_for_now(folder: str, ref: str, _steps: tuple[int, ...]) -> tuple[int, ...]:
    return _steps


def _of(offer: Available, known: tuple[int, ...]) -> tuple[int, ...]:
    """Those that are still there; all where none is."""
    return tuple(step for step in known if step in offer.steps) or offer.steps


def _take_watched_run(offers: list[Available]) -> None:
    """A link to a run on Train, which names no model, is about the model of that run, where it has one or will."""
    if not address.came("run") or address.came("model"):
        return
    base = f"run:{address.get('run')}"
    if any(offer.ref == base for offer in offers) or _awaited(base, offers):
        address.settle(model=base, step=None)


def _awaited(base: str | None, offers: list[Available]) -> RunRecord | None:
    """The run of a base reference where it has no snapshot yet and may still get one."""
    kind, _, run = (base or "").partition("@")[0].partition(":")
    if kind != "run" or any(offer.ref == f"run:{run}" for offer in offers) or not RunStore(home()).has(run):
        return None
    record = RunStore(home()).get(run)
    return record if record.state in _BEGUN else None


def _settle(base: str | None, offers: list[Available]) -> Choice | None:
    """The choice of the address where it exists; else the first on offer, and a sentence that says why."""
    first, step = _first(offers), address.get("step")
    if base is None:
        return first if first is None or step is None else _choice(first.base, step, offers)
    try:
        return _choice(base, step, offers)
    except BadReference as error:
        instead = f"Here is {first.title} instead." if first else "There is no other model yet."
        if site.page(address.page()).asks or not _is_run(base):
            address.refuse("model", f"{error} {instead}")
        else:  # the page is about the run itself, and shows no model
            address.settle(model=None)
        return first


def _is_run(base: str) -> bool:
    """Whether there is such a run, with weights or without."""
    kind, _, run = base.partition("@")[0].partition(":")
    return kind == "run" and RunStore(home()).has(run)


def _known_run(name: str, known: Container[str]) -> str | None:
    run: str | None = address.get(name)
    if run is not None:
        run = run.removeprefix("run:")
        if run not in known:
            address.refuse(name, f"{_why_not(run)}; choose another one below.")
            return None
    return run


def _why_not(run: str) -> str:
    """Why a run of the address cannot race."""
    store = RunStore(home())
    if not store.has(run):
        return f"There is no run {run} any more"
    return f"The run {run} never began" if store.get(run).step is None else f"The run {run} cannot be read here"


def _first(offers: list[Available]) -> Choice | None:
    """The newest run, or a bundled model, that answers every page's question. Else whatever there is."""
    trained = sorted(offers, key=lambda offer: max(offer.steps, default=1) == 0)  # one of step 0 alone shows noise
    fitting = (offer for offer in trained if answers_all(offer.card) and _is_readable(offer))
    offer = next(fitting, next(iter(offers), None))
    if offer is None:
        return None
    return Choice(offer.ref, offer.title, offer.steps, max(offer.steps, default=None), offer.card)


def _is_readable(offer: Available) -> bool:
    """Whether this version knows the offered model; asked of one after the other, for it reads the run's settings."""
    kind, _, name = offer.ref.partition(":")
    return kind != "run" or RunStore(home()).get(name).model is not None


def _choice(base: str, step: int | None, offers: list[Available]) -> Choice:
    """The choice behind a base reference and a step. Raises BadReference for a model that is not there."""
    parsed = parse_reference(base)
    if parsed.step is not None:  # a full reference in the URL
        base, step = base.partition("@")[0], parsed.step
    if parsed.kind == "timm":
        return Choice(base, parsed.name)
    offer = next((offer for offer in offers if offer.ref == base), None)
    if offer is None:
        snapshot_steps(base, home())  # raises for what is not there, and says why
        name = RunStore(home()).get(parsed.name).name
        raise BadReference(f"The run {name!r} ended before it had any weights.")
    if not offer.steps:
        return Choice(base, offer.title, card=offer.card)
    if step is not None and step not in offer.steps:
        asked = step
        nearest = min(offer.steps, key=lambda known: abs(known - asked))
        address.refuse("step", f"There is no snapshot at step {step}; here is the nearest, step {nearest}.")
        step = nearest
    return Choice(base, offer.title, offer.steps, offer.steps[-1] if step is None else step, offer.card)
