"""Which model is being looked at: chosen once in the sidebar, kept in the URL, followed from page to page.

The choice is two query parameters, `model` ("run:3f2a", "bundled:vit-cifar10", "timm:vit_tiny_patch16_224@random") and
`step` (a snapshot; none means the latest, which grows with a running run). What the URL says wins; a page without them
in its URL gets those of the session, so the choice follows the person. The shell calls `choose_model()`, then the page
runs and asks `require_model()`, or `chosen_model()` where it works without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from vit_explore.errors import BadReference, VitExploreError
from vit_explore.home import home
from vit_explore.runs.references import Available, available_references, parse_reference, snapshot_steps
from vit_explore.ui.panel import of_explanation, panel
from vit_explore.ui.text import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TRAIN_PAGE, RUNS_PAGE = "pages/train/train.py", "pages/train/runs.py"
_TIMM = "timm:"  # the option that opens the text box
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
        """The full reference, for `caches.model`."""
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
    _set(parameters["model"], int(parameters["step"]) if "step" in parameters else None)


def chosen_model() -> Choice | None:
    """The model being looked at, or None where there is none yet."""
    return st.session_state.get(_NOW)


def require_model(question: str, *explanations: str) -> Choice:
    """The model being looked at; without any an inviting page that leads to Train, and the script ends here.

    question: what this page would show, as a part of a sentence: "how position embeddings become a map".
    explanations: the rows of EXPLANATIONS that the page's panel explains, here too.
    """
    choice = chosen_model()
    if choice is None:
        with st.container(border=True):
            st.subheader("There is no model to look at yet", anchor=False)
            st.markdown(f"Train one for a minute, and this page shows {question}, step by step.")
            if st.button("Train a model", type="primary", icon=":material/play_circle:"):
                st.switch_page(TRAIN_PAGE)
            st.caption("Or name a model of timm in the sidebar, such as vit_tiny_patch16_224@random.")
        panel(*(of_explanation(name) for name in explanations))
        st.stop()
    return choice


def choose_model() -> None:
    """Draw the picker in the sidebar and settle which model the page looks at. Once per script run, before the page."""
    st.session_state[_NOW] = None
    with st.sidebar:
        try:
            offers = available_references(home())
        except VitExploreError as error:
            st.error(escaped(str(error)), icon=":material/error:")
            return
        _take_from_url()
        choice = _settle(offers)
        _picker(offers, choice)
        is_timm = choice is not None and choice.base.startswith(_TIMM)
        if choice is not None and not is_timm and st.session_state.get(_WANTS_TIMM, False):
            st.caption(f"Until it has a name, you still see: {escaped(choice.title)}.")
        elif choice is not None and choice.step is not None:
            latest = "the latest" if choice.is_latest else f"of {choice.steps[-1]:,}"
            st.caption(f"Snapshot at step {choice.step:,}, {latest}.")
    st.session_state[_NOW] = choice
    _set(choice.base if choice else None, None if choice is None or choice.is_latest else choice.step)


def offer_bundled() -> None:
    """A button that leads to the first bundled model: where the chosen one cannot answer."""
    offer = next((offer for offer in available_references(home()) if offer.ref.startswith("bundled:")), None)
    if offer is not None:
        st.button(f"Look at “{offer.title}” instead", icon=":material/visibility:", on_click=choose, args=(offer.ref,))


def forget(runs: Iterable[str]) -> None:
    """Drop the choice of a run that its own person has just deleted: no notice, the next best is shown."""
    if st.session_state.get(_BASE) in {f"run:{run}" for run in runs}:
        _set(None, None)


def show_notice() -> None:
    """Say, in one sentence, why another model is shown than the one that was asked for. Once per script run."""
    notice = st.session_state.pop(_NOTICE, None)
    if notice:
        st.warning(escaped(notice), icon=":material/info:")


def snapshot_slider(label: str = "Snapshot: training step") -> None:
    """A slider through the snapshots of the chosen model; nothing where it has fewer than two."""
    choice = chosen_model()
    if choice is None or len(choice.steps) < 2:
        return
    key = "shell_step"
    st.session_state[key] = choice.step

    def moved() -> None:
        step = st.session_state[key]
        _set(choice.base, None if step == choice.steps[-1] else step)

    st.select_slider(label, choice.steps, format_func=lambda step: f"{step:,}", key=key, on_change=moved)


def compare_toggle(key: str) -> bool:
    """Whether step 0 shall stand beside now; asked only where there is a step 0 that is not the chosen one."""
    choice = chosen_model()
    if choice is None or choice.before_training is None:
        return False
    return st.toggle(
        "Beside step 0",
        value=True,
        key=key,
        persist_state="session",
        help="The same view of the model before training.",
    )


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
    """The newest run of a ViT, or a bundled one: it answers every page's question. Else whatever there is."""
    offer = next((offer for offer in offers if offer.family == "vit"), next(iter(offers), None))
    return None if offer is None else Choice(offer.ref, offer.title, offer.steps, max(offer.steps, default=None))


def _choice(base: str, step: int | None, offers: list[Available]) -> Choice:
    """The choice behind a base reference and a step. Raises BadReference for a model that is not there."""
    parsed = parse_reference(base)
    if parsed.step is not None:  # a full reference in the URL
        base, step = base.partition("@")[0], parsed.step
    if parsed.kind == "timm":
        return Choice(base, base.removeprefix(_TIMM))
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


def _picker(offers: list[Available], choice: Choice | None) -> None:
    labels = {offer.ref: _label(offer) for offer in offers} | {_TIMM: "A model of timm, by name…"}
    is_timm = choice is not None and choice.base.startswith(_TIMM)
    wants_timm = is_timm or st.session_state.get(_WANTS_TIMM, False)
    st.session_state["shell_model"] = _TIMM if wants_timm else (choice.base if choice else None)
    st.selectbox(
        "Which model am I looking at?",
        list(labels),
        index=None if choice is None else 0,
        format_func=lambda ref: labels.get(ref, ref),
        key="shell_model",
        on_change=_picked,
        placeholder="No model yet",
    )
    if wants_timm:
        st.session_state["shell_timm"] = choice.base.removeprefix(_TIMM) if choice and is_timm else ""
        st.text_input(
            "Name of the model in timm",
            key="shell_timm",
            on_change=_named,
            placeholder="vit_tiny_patch16_224@random",
            help="A name alone takes the published weights (fetched once); @random an untrained model.",
        )


def _label(offer: Available) -> str:
    kind, _, name = offer.ref.partition(":")
    return f"{name} · {offer.title}" if kind == "run" else f"{offer.title} · bundled"


def _picked() -> None:
    ref = st.session_state["shell_model"]
    st.session_state[_WANTS_TIMM] = ref == _TIMM
    if ref not in (None, _TIMM):
        _set(ref, None)


def _named() -> None:
    name = st.session_state["shell_timm"].strip().removeprefix(_TIMM)
    if name:
        _set(_TIMM + name, None)


def _set(base: str | None, step: int | None) -> None:
    """Write the choice to the session and to the URL."""
    for key, name, value in ((_BASE, "model", base), (_STEP, "step", None if step is None else str(step))):
        st.session_state[key] = value
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value
    st.session_state[_STEP] = step
