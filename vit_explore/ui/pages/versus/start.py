"""Start a race: a ViT and its rival, on the same data, seeds, order and budget."""

from __future__ import annotations

import streamlit as st

from vit_explore.cards import rivals
from vit_explore.config import RunConfig
from vit_explore.presets import DEFAULT, RIVAL, everyday, presets
from vit_explore.runs.backends import get_backend
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import background, forms, guessing, wording
from vit_explore.ui.kit.config_facts import model_of, status_of
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.versus import comparison
from vit_explore.ui.session.choice import select_run


def start_box(store: RunStore) -> None:
    """One button that queues a ViT and its rival."""
    with st.container(border=True, key="race_box"):
        first, other, budget = st.columns([1.5, 1.1, 1], vertical_alignment="bottom")
        with first:
            name = _pick_preset()
        config = presets.get(name).config
        with other:
            rival = _pick_rival(config)
        with budget:
            amount = _pick_budget(name, config)
        is_possible = False
        with friendly(), forms.labelled():
            config = config.update(**amount)
            is_possible = True
        said = _guess(config, rival)
        costs, button = st.columns([2.1, 1], gap="large", vertical_alignment="center")
        pressed = button.button(
            "Start the race", type="primary", icon=":material/play_arrow:", width="stretch", key="race_start",
            disabled=not is_possible,
        )  # fmt: skip
        with costs, friendly():
            _say_costs(config, rival)
            if len(get_backend().devices()) == 1:
                st.caption("One after the other on this machine, each with the whole budget.")
        if pressed:
            with friendly():
                _start(store, config, rival, said)


def _pick_preset() -> str:
    usual = presets.get(DEFAULT).config.model.card.family
    titles = {name: preset.title for name, preset in everyday().items() if preset.config.model.card.family == usual}
    return st.selectbox(
        "The ViT and its data", list(titles), format_func=titles.__getitem__, key="race_preset",
        persist_state="session",
    )  # fmt: skip


def _pick_rival(config: RunConfig) -> str:
    known = rivals(config.model.architecture)
    first = known.index(RIVAL) if RIVAL in known else 0
    return st.selectbox("The rival", known, key="race_rival", index=first, persist_state="session")


def _pick_budget(name: str, config: RunConfig) -> dict[str, float]:
    """The setting of the budget that the preset uses, with its value."""
    kind = "seconds" if config.train.seconds is not None else "epochs"
    amount = st.number_input(
        f"{kind.capitalize()} for each", value=float(getattr(config.train, kind)), format="%g",
        step=10.0 if kind == "seconds" else 1.0, key=f"race_budget_{name}", persist_state="session",
    )  # fmt: skip
    return {kind: amount}


def _guess(config: RunConfig, rival: str) -> tuple[float, float] | None:
    """What the person says that each of the two will reach, who wants to say; and who wins by that."""
    if not guessing.wants_to("race"):
        return None
    titles = [model.card.title for model in (config.model, config.update(model=rival).model)]
    one, other = (
        column.slider(
            f"{escaped(title)}: accuracy on the test images", 0, 100, 50, format="%d %%", key=f"race_top1_{i}"
        )
        for i, (column, title) in enumerate(zip(st.columns(2), titles, strict=True))
    )
    ahead = titles[0] if one > other else titles[1]
    st.markdown(
        "You say that both will reach the same."
        if one == other
        else f"You say that **{escaped(ahead)}** wins by {abs(one - other)} points."
    )
    return one / 100, other / 100


def _start(store: RunStore, config: RunConfig, rival: str, said: tuple[float, float] | None) -> None:
    one, other = comparison.start_pair(store, config, rival)
    for run, top1 in zip((one, other), said or (), strict=False):
        store.guess(run, top1)
    get_backend().ensure()
    select_run(one, one=one, other=other)
    st.rerun()


def _say_costs(config: RunConfig, rival: str) -> None:
    """Parameters and FLOPs of both, in one line."""
    status = status_of(config.data.dataset)
    models = [model_of(config, status), model_of(config.update(model=rival), status)]
    parts, missing = [], []
    for model in models:
        cost = background.cost(model)
        if cost is None:
            missing.append(model)
        else:
            numbers = f"{wording.count(cost.params)} parameters, {wording.count(cost.flops)} FLOPs per image"
            parts.append(f"**{escaped(model.card.title)}** {numbers}")
    st.markdown("Same data, same seeds, same order of images, same budget. " + " · ".join(parts))
    if missing:
        background.wait_for_cost(missing[-1])
