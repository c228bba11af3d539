"""Which models to start from, and what of them to train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.errors import VitExploreError
from vit_explore.home import home
from vit_explore.models.timm_models import cached_weights
from vit_explore.runs.references import Available, available_references, bundled_facts
from vit_explore.ui.kit import starting
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import caches, room

MOST = 5
FIRST = ("bundled:vit-minute", "bundled:vit-shapes")
PARTS = {"head": "The head alone", "all": "All of it"}
EPOCHS = {"head": 20.0, "all": 5.0}
RATES = {"head": 3e-2, "all": 1e-3}
_SCRATCH_RATE = 2e-3  # as the presets learn
_SECONDS, _LOOKS = 20.0, 10  # of a run, and evaluations in it, where seconds are counted


@dataclass(frozen=True)
class Plan:
    """What the form asks for. refs: model references; seconds: the budget in place of epochs."""

    refs: tuple[str, ...]
    part: str
    epochs: float
    seconds: float | None
    lr: float
    layer_decay: float
    scratch: bool

    def runs(self, config: RunConfig) -> list[RunConfig]:
        """The runs of one model, from its settings as they follow from its reference."""
        is_timed = self.seconds is not None
        tuned = config.update(
            tune=self.part, lr=self.lr, layer_decay=self.layer_decay if self.part == "all" else 1.0,
            epochs=None if is_timed else self.epochs, seconds=self.seconds,
            optimizer="adamw", weight_decay=0.0 if self.part == "head" else 0.05, label_smoothing=0.0,
            low_res_fraction=0.0, augment="flip",
            evaluations=_LOOKS if is_timed else max(2, min(40, round(self.epochs))),
        )  # fmt: skip
        if not self.scratch:
            return [tuned]
        fresh = tuned.update(init_from=None, tune="all", layer_decay=1.0, lr=_SCRATCH_RATE, optimizer="muon",
                             weight_decay=0.05, augment="flip")  # fmt: skip
        return [tuned, fresh]


def form() -> None:
    """The widgets for the models."""
    st.markdown("##### :material/hub: 2 · The models to start from")
    offers = {offer.ref: offer for offer in available_references(home())}
    cached = [f"timm:{name}" for name in sorted(cached_weights())]
    st.session_state.setdefault("tune_models", [ref for ref in FIRST if ref in offers])
    chosen: list[str] = st.session_state["tune_models"]
    st.multiselect(
        "Models", list(dict.fromkeys([*offers, *cached, *chosen])), key="tune_models",
        format_func=lambda ref: _title(ref, offers), accept_new_options=True, max_selections=MOST,
        placeholder="your runs, bundled models, timm:NAME", persist_state="session",
        help="Your own runs and the bundled models are listed. Type **timm:NAME** for any model of timm (its published "
        "weights are fetched once, or taken from the cache; timm:NAME@random has none), or the path of a "
        "**.safetensors** file.",
    )  # fmt: skip
    st.toggle(
        "Also train each from scratch", key="tune_scratch", persist_state="session",
        help="The same architecture with fresh weights, on the same pictures, for as long: what the weights are worth.",
    )  # fmt: skip


def fill(configs: list[RunConfig]) -> None:
    """Put the models of some runs into the form, in the order in which they were started, and what the last trained."""
    refs = [config.model.init_from for config in configs if config.model.init_from is not None]
    latest = {f"{offer.ref}@{offer.steps[-1]}": offer.ref for offer in available_references(home()) if offer.steps}
    st.session_state["tune_models"] = list(dict.fromkeys(latest.get(ref, ref) for ref in refs))[:MOST]
    tuned = next((config.train for config in reversed(configs) if config.model.init_from is not None), None)
    if tuned is None or tuned.tune not in PARTS:
        return
    st.session_state["tune_part"], st.session_state["tune_lr"] = tuned.tune, tuned.lr
    st.session_state["tune_scratch"] = configs[-1].model.init_from is None  # the last of each model
    if tuned.epochs is not None:
        st.session_state["tune_epochs"] = tuned.epochs
    if tuned.seconds is not None:
        st.session_state["tune_seconds"] = tuned.seconds
    if tuned.tune == "all":
        st.session_state["tune_decay"] = tuned.layer_decay


def part_form() -> None:
    """The widgets for what is trained."""
    st.markdown("##### :material/tune: 3 · What to train")
    st.session_state.setdefault("tune_part", "head")
    st.segmented_control(
        "Train", list(PARTS), format_func=PARTS.__getitem__, key="tune_part", required=True, width="stretch",
        label_visibility="collapsed", persist_state="session", on_change=_follow_part,
    )  # fmt: skip
    part = st.session_state["tune_part"]
    st.caption(
        "**Linear probe.** The model is frozen; its features are computed once and kept, so training takes seconds."
        if part == "head"
        else "**Full fine-tuning.** Every weight moves, the first layers least."
    )
    left, right = st.columns(2)
    st.session_state.setdefault("tune_epochs", EPOCHS[part])
    st.session_state.setdefault("tune_lr", RATES[part])
    with left:
        _budget_form()
    right.number_input(
        "Learning rate", min_value=1e-6, max_value=1.0, step=1e-4, key="tune_lr", persist_state="session", format="%g"
    )
    if part == "all":
        if any(ref.startswith("timm:") for ref in st.session_state["tune_models"]):
            st.caption("A large published model wants a small rate: 1e-5 (the report's) to 1e-4.")
        st.slider(
            "Layer-wise decay", 0.5, 1.0, 0.75, 0.05, key="tune_decay", persist_state="session",
            help="Each layer below the head learns at this factor of the rate of the one above it: the first layers "
            "hold what every picture needs. 1 treats all alike.",
        )  # fmt: skip


def _budget_form() -> None:
    """Epochs; seconds for who may train only for so long."""
    most = room.longest()
    if most is None:
        st.number_input(
            "Epochs", min_value=0.5, max_value=500.0, step=1.0, key="tune_epochs", persist_state="session", format="%g"
        )
        return
    st.session_state["tune_seconds"] = min(st.session_state.get("tune_seconds", _SECONDS), most)
    st.number_input(
        "Seconds of each run", min_value=min(1.0, most), max_value=most, step=5.0, key="tune_seconds", format="%g",
        persist_state="session", help=f"In this lesson a run lasts at most {most:g} seconds.",
    )  # fmt: skip


def read() -> Plan:
    """What the form says."""
    state = st.session_state
    refs = tuple(dict.fromkeys(ref.strip() for ref in state["tune_models"] if ref.strip()))
    return Plan(
        refs, state["tune_part"], state["tune_epochs"], None if room.longest() is None else state["tune_seconds"],
        state["tune_lr"], state.get("tune_decay", 0.75), bool(state.get("tune_scratch")),
    )  # fmt: skip


def _follow_part() -> None:
    part = st.session_state["tune_part"]
    st.session_state["tune_epochs"], st.session_state["tune_lr"] = EPOCHS[part], RATES[part]


def config_of(ref: str, data: DataConfig) -> RunConfig:
    """A run from this reference on these images. Raises as starting.followed."""
    return starting.followed(RunConfig(data=data, model=ModelConfig(init_from=ref), train=TrainConfig(epochs=1)))


def exact(ref: str) -> str:
    """The reference with the step that a run is at by now, which is what training would start from."""
    kind, _, name = ref.partition(":")
    if kind != "run" or "@" in name or not caches.store().has(name):
        return ref
    steps = [row.step for row in caches.store().snapshots(name)]
    return f"{ref}@{steps[-1]}" if steps else ref


def title_of(ref: str) -> str:
    """What a reference is called on this page: its run's name, or the end of it."""
    kind, _, name = ref.partition(":")
    if kind == "run":
        run = name.partition("@")[0]
        return caches.store().get(run).name if caches.store().has(run) else ref
    return Path(ref).stem if ref.endswith(".safetensors") else name or ref


def seen_before(ref: str, data: DataConfig) -> str | None:
    """A sentence where a model was trained on these very images: then nothing is transferred."""
    try:
        known = _data_of(ref)
    except VitExploreError:
        return None
    if known is None or known.dataset != data.dataset or known.path != data.path:
        return None
    both = known.classes is None or data.classes is None or set(known.classes) & set(data.classes)
    if not both:
        return None
    return f"{escaped(title_of(ref))} was trained on these very classes, so this shows memory more than transfer."


def _data_of(ref: str) -> DataConfig | None:
    kind, _, name = ref.partition("@")[0].partition(":")
    if kind == "bundled":
        data = bundled_facts(name).get("data")
        return None if data is None else DataConfig(**data)
    return caches.store().get(name).settings().data if kind == "run" else None


def _title(ref: str, offers: dict[str, Available]) -> str:
    offer = offers.get(ref)
    if offer is None:
        return ref  # as it was typed: Streamlit takes what is shown for what was chosen
    kind, _, name = ref.partition(":")
    return f"{offer.title} · {name}" if kind == "run" else f"{name} · {offer.title}"
