"""The picker of the model in the sidebar, and what the pages that look inside share: slider, comparison, invitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from vit_explore.errors import VitExploreError
from vit_explore.home import home
from vit_explore.runs.initial import FILE
from vit_explore.runs.references import Available, available_references
from vit_explore.ui import site
from vit_explore.ui.kit import timm_picker
from vit_explore.ui.kit.chart import Side, beside_bundled, sides
from vit_explore.ui.kit.panel import of_explanation, panel
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address, caches
from vit_explore.ui.session.choice import (
    TIMM,
    Choice,
    awaited_run,
    choose,
    chosen_model,
    no_choice,
    settle_choice,
    want_timm,
    wants_timm,
)

_OFFERS = "model_offers"  # what the picker of this script run offers

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


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
                st.switch_page(site.path("train"))
            st.caption("Or choose a model of timm in the sidebar, such as vit_tiny_patch16_224 with random weights.")
        panel(*(of_explanation(name) for name in explanations))
        st.stop()
    return choice


def choose_model() -> None:
    """Draw the picker in the sidebar and settle which model the page looks at. Once per script run, before the page."""
    with st.sidebar:
        try:
            offers = available_references(home())
        except VitExploreError as error:
            no_choice()
            st.error(escaped(str(error)), icon=":material/error:")
            return
        choice = settle_choice(offers)
        st.session_state[_OFFERS] = offers
        draw_picker("shell")
        is_timm = choice is not None and choice.base.startswith(TIMM)
        if choice is not None and not is_timm and wants_timm():
            st.caption(f"Until it has a name, you still see: {escaped(choice.title)}.")
        elif choice is not None and awaited_run() is not None:
            st.caption(f"It has no weights yet; until its first step you see: {escaped(choice.title)}.")
        elif choice is not None and choice.step is not None:
            of = f"Snapshot at step {choice.step:,} of {choice.steps[-1]:,}."
            st.caption("The latest snapshot." if choice.is_latest else of)


def offer_bundled() -> None:
    """A button that leads to the first bundled model: where the chosen one cannot answer."""
    known = bundled_choice()
    if known is not None:
        st.button(f"Look at “{known.title}” instead", icon=":material/visibility:", on_click=choose, args=(known.base,))


def show_notices(place: DeltaGenerator) -> None:
    """Say in `place`, in a sentence each, what of the address could not be shown, and correct it."""
    for sentence in address.correct():
        place.warning(escaped(sentence), icon=":material/info:")


def snapshot_slider(label: str = "Snapshot: training step") -> None:
    """A slider through the snapshots of the chosen model; nothing where it has fewer than two."""
    choice = chosen_model()
    if choice is None or len(choice.steps) < 2:
        return
    key = "shell_step"
    st.session_state[key] = choice.step

    def moved() -> None:
        step = st.session_state[key]
        choose(choice.base, None if step == choice.steps[-1] else step)

    st.select_slider(label, choice.steps, format_func=lambda step: f"{step:,}", key=key, on_change=moved)


def compare_toggle(key: str) -> bool:
    """Whether step 0 shall stand beside now; asked only where there is a step 0 that is not the chosen one."""
    choice = chosen_model()
    if choice is None or choice.before_training is None:
        return False
    shown: bool = st.toggle(
        "Beside step 0",
        help="The same view of the model before training.",
        **address.widget("compare", key, address.get("compare") in (None, "on"), {True: "on", False: "off"}),
    )
    return shown


def pick_beside(choice: Choice, key: str, default: str = "on") -> list[Side]:
    """What stands beside the chosen model, by the person's choice: nothing, its step 0, the first bundled model, or the
    one that it started from.

    default: the field `compare` of the address where it says nothing: off, on or bundled.
    """
    known = bundled_choice()
    other = known if known is not None and known.base != choice.base and choice.steps else None
    source = source_of(choice)
    options = {
        "off": "Nothing",
        "on": "Step 0",
        "bundled": other.title if other else "",
        "source": "What it began from",
    }
    if choice.before_training is None:
        del options["on"]
    if other is None:
        del options["bundled"]
    if source is None:
        del options["source"]
    asked = address.get("compare") or default
    shown = asked if asked in options else "off" if "on" not in options else "on"
    if len(options) > 1:
        words = {title: name for name, title in options.items()}
        widget = address.widget("compare", key, options[shown], words)
        st.segmented_control("Beside it", list(words), required=True, **widget)
    if shown == "source" and source is not None:
        return beside_bundled(choice, source)
    if shown == "bundled" and other is not None:
        return beside_bundled(choice, other)
    return sides(choice, shown == "on")


def bundled_choice() -> Choice | None:
    """The first bundled model, at the end of its training."""
    offer = next((offer for offer in st.session_state[_OFFERS] if offer.ref.startswith("bundled:")), None)
    return None if offer is None else Choice(offer.ref, offer.title, offer.steps, max(offer.steps, default=None))


def offered() -> list[str]:
    """The references of the models that the picker offers."""
    return [offer.ref for offer in st.session_state[_OFFERS]]


def source_of(choice: Choice) -> Choice | None:
    """The model whose weights a run started from; None for one from scratch."""
    kind, _, run = choice.base.partition(":")
    record = caches.store().get(run) if kind == "run" and caches.store().has(run) else None
    ref = record.config.model.init_from if record is not None and record.config is not None else None
    if ref is None or ref.endswith(FILE):
        return None
    return Choice(ref, f"{ref}, which it began from")


def draw_picker(key: str) -> None:
    """The picker itself, where a page wants it once more; key: of its widgets."""
    choice, awaited = chosen_model(), awaited_run()
    labels = {offer.ref: _label(offer) for offer in st.session_state[_OFFERS]} | {TIMM: "A model of timm, by name…"}
    if awaited is not None:
        labels = {f"run:{awaited.id}": f"{awaited.id} · {awaited.name} · no weights yet", **labels}
    base = f"run:{awaited.id}" if awaited else choice.base if choice else None
    is_timm = base is not None and base.startswith(TIMM)
    naming = is_timm or wants_timm()
    st.session_state[f"{key}_model"] = TIMM if naming else base
    st.selectbox(
        "Which model am I looking at?", list(labels), index=None if base is None else 0,
        format_func=lambda ref: labels.get(ref, ref), key=f"{key}_model", on_change=_picked, args=(f"{key}_model",),
        placeholder="No model yet",
    )  # fmt: skip
    if naming:
        timm_picker.draw(base if is_timm else None, key)


def _label(offer: Available) -> str:
    kind, _, name = offer.ref.partition(":")
    return f"{name} · {offer.title}" if kind == "run" else f"{offer.title} · bundled"


def _picked(key: str) -> None:
    ref = st.session_state[key]
    if ref == TIMM:
        want_timm(True)
    elif ref is not None:
        choose(ref)
