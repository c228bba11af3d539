"""The Train page before Start: presets, the form, what the choice costs, and one big button."""

from __future__ import annotations

from typing import Any

import streamlit as st

from vit_explore.config import RunConfig
from vit_explore.data import DatasetStatus, datasets
from vit_explore.errors import VitExploreError
from vit_explore.models import ModelSummary
from vit_explore.presets import DEFAULT, Preset, everyday, presets
from vit_explore.reports.base import KINDS, in_order
from vit_explore.runs.backends import get_backend
from vit_explore.ui.kit import background, forms, guessing, starting, wording
from vit_explore.ui.kit.config_facts import budget_words, class_names, model_of, status_of, training_images
from vit_explore.ui.kit.errors import NotYet, friendly
from vit_explore.ui.kit.run_actions import no_parent, open_run, parent_of_new_run
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.train import form, preflight
from vit_explore.ui.session import caches


def setup() -> None:
    """Choose what to train, and start it."""
    forms.ensure(presets.get(DEFAULT).config)
    _preset_row()
    _start_box()
    st.subheader("Or change anything", anchor=False)
    with st.container(key="train_form"):
        data, model, budget = st.columns([1, 1.25, 1], gap="medium")
        with data.container(border=True):
            form.data_form()
        with model.container(border=True):
            form.model_form()
        with budget.container(border=True):
            form.budget_form()
        form.folded_form()


# ---------------------------------------------------------------------- presets


_EVERYDAY, _REPEATED, _CHOSEN = "train_preset", "train_repeated", "train_chosen"  # two pickers, one choice


def _preset_row() -> None:
    """The everyday runs as pills; those of the paper and of the reports in a list that says how long they take."""
    titles = {name: preset.title for name, preset in everyday().items()}
    repeated = {name: _with_time(preset) for name, preset in _repeated().items()}
    st.session_state.setdefault(_EVERYDAY, DEFAULT)
    usual, others = st.columns([1.5, 1], gap="medium")  # its options are long, and end with what tells them apart
    usual.pills(
        "Ready-made runs", list(titles), format_func=titles.__getitem__, key=_EVERYDAY, on_change=_take_everyday,
        persist_state="session", wrap=True,
    )  # fmt: skip
    others.selectbox(
        "Or repeat the paper, or a report", list(repeated), index=None, format_func=repeated.__getitem__,
        key=_REPEATED, placeholder="choose one", on_change=_take_repeated, persist_state="session",
    )  # fmt: skip


def _repeated() -> dict[str, Preset]:
    """The runs of the paper and of the reports, in the order of their page."""
    return {row.preset(kind).name: row.preset(kind) for row in in_order() for kind in KINDS}


def _with_time(preset: Preset) -> str:
    return f"{preset.title} · {preset.takes or 'minutes'}"


def _take_everyday() -> None:
    _take(st.session_state.get(_EVERYDAY) or _chosen_preset().name)  # a second click on a pill lets go of it


def _take_repeated() -> None:
    _take(st.session_state.get(_REPEATED) or DEFAULT)


def _take(name: str) -> None:
    no_parent()
    choose_preset(presets.get(name))


def choose_preset(preset: Preset) -> None:
    """Put a preset into the form and into its picker (in a callback, or before they are drawn)."""
    st.session_state[_CHOSEN] = preset.name
    st.session_state[_EVERYDAY] = preset.name if preset.is_everyday else None
    st.session_state[_REPEATED] = None if preset.is_everyday else preset.name
    forms.fill(preset.config)


def _chosen_preset() -> Preset:
    name: str = st.session_state.get(_CHOSEN) or DEFAULT
    return presets.get(name if name in presets else DEFAULT)


# ---------------------------------------------------------------------- Start


def _start_box() -> None:
    """The choice in words and numbers, the button, and what stands in the way."""
    preset = _chosen_preset()
    config, cost, found, mistake = None, None, None, None
    status = status_of(forms.value_of("dataset") or "")
    try:
        config = starting.followed(forms.read(skip=_meaningless()))
        cost = background.cost(model_of(config, status))
        found = preflight.found_by_now(config)
    except NotYet:
        config = None
    except VitExploreError as error:
        mistake = error
    trouble = forms.mark(mistake)
    with st.container(border=True, key="train_start_box"):
        text, button = st.columns([2.1, 1], gap="large", vertical_alignment="center")
        with text:
            _say_choice(config, preset)
            if trouble:
                st.error(trouble, icon=":material/error:")
            elif config is not None:
                _say_cost(config, status, cost)
        said = _guess(config, status) if config is not None else None
        with button:
            _start_button(None if trouble or preflight.is_impossible(found) else config, said)
        _data_notice(status)
        if config is not None and not trouble:
            preflight.say(config, found)


def _meaningless() -> set[str]:
    """The settings that the chosen dataset has no use for."""
    name = forms.value_of("dataset") or ""
    skip = set() if name == "folder" else {"path"}
    coarse = name in datasets and datasets.get(name).coarse_classes
    skip = skip if coarse else skip | {"coarse_labels"}
    return skip | (forms.architectural() if forms.value_of("init_from") else set())


def _say_choice(config: RunConfig | None, preset: Preset) -> None:
    """What the preset is good for, or how the form differs from it."""
    changed = forms.changes(config, preset.config) if config is not None else []
    if changed:
        st.markdown(f"**Your settings**, from “{preset.title}” with changes: {escaped('; '.join(changed))}.")
    else:
        time = f" On two CPU cores it takes {preset.takes}; it can be stopped and resumed." if preset.takes else ""
        st.markdown(f"**{preset.title}.** {preset.why}{time}")


def _say_cost(config: RunConfig, status: DatasetStatus | None, cost: ModelSummary | None) -> None:
    images = training_images(config, status)
    facts = {
        "Parameters": wording.count(cost.params) if cost else "…",
        "FLOPs per image": wording.count(cost.flops) if cost else "…",
        "Training images": "all" if images is None else wording.count(images),
        "Budget": budget_words(config),
    }
    with st.container(horizontal=True, gap="medium"):
        for label, value in facts.items():
            st.metric(label, value, width="content")
    if cost is None:
        background.wait_for_cost(model_of(config, status))


def _guess(config: RunConfig, status: DatasetStatus | None) -> guessing.Said | None:
    """What the person says that will come of it, who wants to say."""
    if not guessing.wants_to("train"):
        return None
    return guessing.ask("train_guess", class_names(config, status))


def _start_button(config: RunConfig | None, said: guessing.Said | None) -> None:
    clicked = st.button(
        "Start training", type="primary", icon=":material/play_arrow:", width="stretch", key="train_start",
        disabled=config is None,
    )  # fmt: skip
    if clicked and config is not None:
        with friendly():
            start(config, said)


def start(config: RunConfig, said: guessing.Said | None = None) -> None:
    """Queue the run, with what was guessed of it, and watch it. Raises DiskFull, StoreUnusable."""
    run = caches.store().create(config, parent=parent_of_new_run())
    if said is not None:
        caches.store().guess(run, *said)
    no_parent()
    get_backend().ensure()
    open_run(run)
    st.rerun()


def _data_notice(status: DatasetStatus | None) -> None:
    """One sentence when the data are not on this machine, with the way out beside it."""
    if status is None or status.available or (status.name == "folder" and not status.trouble):
        return
    text, button = st.columns([2.1, 1], gap="large", vertical_alignment="center")
    away = (
        f"{status.title} is not on this machine, so Start downloads it first, which needs a network "
        "(or set VIT_EXPLORE_DATA to a folder that has it)."
    )
    text.warning(escaped(status.trouble) or away, icon=":material/cloud_download:")
    button.button(
        "Use Shapes instead", icon=":material/category:", on_click=_use_shapes, width="stretch",
        key="train_use_shapes",
    )  # fmt: skip


def _use_shapes() -> None:
    st.session_state[forms.PREFIX + "dataset"] = "shapes"
    st.session_state[forms.PREFIX + "classes"] = []
    st.session_state[forms.PREFIX + "per_class"] = None


def take_pending() -> None:
    """Put what another page (or an upload) left for the form into it, before its widgets are drawn."""
    pending: Any = st.session_state.pop("train_pending", None)
    if isinstance(pending, Preset):
        choose_preset(pending)
    elif isinstance(pending, RunConfig):
        forms.fill(pending)
    elif pending:
        for name, value in pending.items():
            st.session_state[forms.PREFIX + name] = value
