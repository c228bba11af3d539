"""The Train page before Start: presets, the form, what the choice costs, and one big button."""

from __future__ import annotations

from typing import Any

import streamlit as st

from vit_explore.config import RunConfig
from vit_explore.data import DatasetStatus, datasets
from vit_explore.errors import VitExploreError
from vit_explore.models import ModelSummary
from vit_explore.presets import DEFAULT, Preset, presets
from vit_explore.runs.backends import get_backend
from vit_explore.ui.kit import background, forms, starting, wording
from vit_explore.ui.kit.config_facts import budget_words, model_of, status_of, training_images
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


def _preset_row() -> None:
    titles = {name: preset.title for name, preset in presets}
    st.session_state.setdefault("train_preset", DEFAULT)
    st.pills(
        "Ready-made runs", list(titles), format_func=titles.__getitem__, key="train_preset", required=True,
        on_change=_take_preset, persist_state="session",
    )  # fmt: skip


def _take_preset() -> None:
    no_parent()
    forms.fill(_chosen_preset().config)


def _chosen_preset() -> Preset:
    name: str = st.session_state.get("train_preset") or DEFAULT
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
        with button:
            _start_button(None if trouble or preflight.is_impossible(found) else config)
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
        st.markdown(f"**{preset.title}.** {preset.why}")


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


def _start_button(config: RunConfig | None) -> None:
    clicked = st.button(
        "Start training", type="primary", icon=":material/play_arrow:", width="stretch", key="train_start",
        disabled=config is None,
    )  # fmt: skip
    if clicked and config is not None:
        with friendly():
            start(config)


def start(config: RunConfig) -> None:
    """Queue the run and watch it. Raises DiskFull, StoreUnusable."""
    run = caches.store().create(config, parent=parent_of_new_run())
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
    if isinstance(pending, RunConfig):
        forms.fill(pending)
    elif pending:
        for name, value in pending.items():
            st.session_state[forms.PREFIX + name] = value
