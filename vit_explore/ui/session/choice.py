"""Which model is being looked at: kept in the URL, followed from page to page.

The choice is two query parameters, `model` ("run:3f2a", "bundled:vit-cifar10", "timm:vit_tiny_patch16_224@random") and
`step` (a snapshot; none means the latest, which grows with a running run). What the URL says wins; a page without them
in its URL gets those of the session, so the choice follows the person. The picker in the sidebar settles it once per
script run; a page then asks `chosen_model()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from vit_explore.cards import answers_all
from vit_explore.errors import BadReference
from vit_explore.home import home
from vit_explore.runs.references import Available, parse_reference, snapshot_steps
from vit_explore.runs.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TIMM = "timm:"  # the option that opens the text box, and how every timm reference begins
_BASE, _STEP = "chosen_model", "chosen_step"  # the session's copy of the URL
_NOW, _NOTICE, _WANTS_TIMM = "model_choice", "model_notice", "shell_wants_timm"


@dataclass(frozen=True)
class Choice:
    """The model being looked at. steps: its snapshots, in order, empty for a timm model; step: the chosen one."""

    base: str  # the reference without a step
    title: str
    steps: tuple[int, ...] = ()
    step: int | None = None

    @property
    def ref(self) -> str:
        """The full reference, for `caches.opening`."""
        return self.at(self.step)

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


def link(ref: str) -> Mapping[str, str]:
    """The query parameters that open a page on a model: `st.switch_page(page, query_params=link("run:3f2a"))`."""
    parsed = parse_reference(ref)
    if parsed.step is None:
        return {"model": ref}
    return {"model": ref.partition("@")[0], "step": str(parsed.step)}


def choose(ref: str) -> None:
    """Look at another model from now on: before `st.switch_page`, or in a callback. Raises BadReference."""
    parameters = link(ref)
    st.session_state[_WANTS_TIMM] = False
    set_choice(parameters["model"], int(parameters["step"]) if "step" in parameters else None)


def chosen_model() -> Choice | None:
    """The model being looked at, or None where there is none yet."""
    return st.session_state.get(_NOW)


def settle_choice(offers: list[Available]) -> Choice | None:
    """Settle which model this script run looks at: what the URL or the session names, else the first on offer."""
    _take_from_url()
    choice = _settle(offers)
    st.session_state[_NOW] = choice
    set_choice(choice.base if choice else None, None if choice is None or choice.is_latest else choice.step)
    return choice


def no_choice() -> None:
    """There is nothing to choose from in this script run."""
    st.session_state[_NOW] = None


def forget(runs: Iterable[str]) -> None:
    """Drop the choice of a run that its own person has just deleted: no notice, the next best is shown."""
    if st.session_state.get(_BASE) in {f"run:{run}" for run in runs}:
        set_choice(None, None)


def take_notice() -> str | None:
    """Why another model is shown than the one that was asked for, once."""
    return st.session_state.pop(_NOTICE, None)


def wants_timm() -> bool:
    """Whether the person is about to name a model of timm."""
    return bool(st.session_state.get(_WANTS_TIMM, False))


def want_timm(wanted: bool) -> None:
    """Remember whether the person is about to name a model of timm."""
    st.session_state[_WANTS_TIMM] = wanted


def set_choice(base: str | None, step: int | None) -> None:
    """Write the choice to the session and to the URL."""
    for key, name, value in ((_BASE, "model", base), (_STEP, "step", None if step is None else str(step))):
        st.session_state[key] = value
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value
    st.session_state[_STEP] = step


def _take_from_url() -> None:
    """What the URL names becomes the session's; a `step` without a `model` belongs to the session's model."""
    url = st.query_params
    if "model" in url:
        if url["model"] != st.session_state.get(_BASE):
            st.session_state[_WANTS_TIMM] = False
        st.session_state[_BASE], st.session_state[_STEP] = url["model"], None
    if "step" in url:
        if url["step"].isdecimal() and len(url["step"]) < 10:
            st.session_state[_STEP] = int(url["step"])
        else:
            st.session_state[_NOTICE] = f"{url['step']!r} in the address is no training step; here is the latest one."


def _settle(offers: list[Available]) -> Choice | None:
    """The session's choice where it exists; else the first on offer, and a notice that says why."""
    base = st.session_state.get(_BASE)
    if base is None:
        return _first(offers)
    try:
        return _choice(base, st.session_state.get(_STEP), offers)
    except BadReference as error:
        first = _first(offers)
        instead = f"Here is {first.title} instead." if first else "There is no other model yet."
        st.session_state[_NOTICE] = f"{error} {instead}"
        return first


def _first(offers: list[Available]) -> Choice | None:
    """The newest run, or a bundled model, that answers every page's question. Else whatever there is."""
    fitting = (offer for offer in offers if answers_all(offer.card) and _is_readable(offer))
    offer = next(fitting, next(iter(offers), None))
    return None if offer is None else Choice(offer.ref, offer.title, offer.steps, max(offer.steps, default=None))


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
        return Choice(base, base.removeprefix(TIMM))
    offer = next((offer for offer in offers if offer.ref == base), None)
    if offer is None:
        snapshot_steps(base, home())  # raises for what is not there, and says why
        raise BadReference(f"{base} has no weights yet; look again when it has made its first step.")
    if not offer.steps:
        return Choice(base, offer.title)
    if step is not None and step not in offer.steps:
        asked = step
        nearest = min(offer.steps, key=lambda known: abs(known - asked))
        st.session_state[_NOTICE] = f"There is no snapshot at step {step}; here is the nearest, step {nearest}."
        step = nearest
    return Choice(base, offer.title, offer.steps, offer.steps[-1] if step is None else step)
