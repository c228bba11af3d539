"""The picker of a model of timm: all its names, searched by name and family as one types; what is cached is marked."""

from __future__ import annotations

import streamlit as st

from vit_explore.models.timm_models import cached_weights, families, weight_names
from vit_explore.ui.session.choice import TIMM, choose

_RANDOM = "@random"
_SHOWN_FIRST = ("vit", "resnet")  # the families that the pages have most to say about


def draw(base: str | None, key: str) -> None:
    """The list and the switch. base: the chosen reference, `timm:NAME` or `timm:NAME@random`; None where none is."""
    name = (base or "").removeprefix(TIMM)
    random_key, name_key = f"{key}_timm_random", f"{key}_timm"
    if base is not None:
        st.session_state[random_key] = name.endswith(_RANDOM)
    random = bool(st.session_state.setdefault(random_key, False))
    chosen = name.removesuffix(_RANDOM) or None
    labels = _labels(random)
    st.session_state[name_key] = chosen
    st.selectbox(
        "Model of timm", list(dict.fromkeys([*([chosen] if chosen else []), *labels])), index=None, key=name_key,
        format_func=lambda option: labels.get(option, option), on_change=_named, args=(key,),
        placeholder="type a name or a family: vit, swin, dinov2…", accept_new_options=True,
        help="Published weights are fetched once; “on this machine” needs no network. A name may end in @random, too.",
    )  # fmt: skip
    st.toggle(
        "Random weights", key=random_key, on_change=_named, args=(key,),
        help="The architecture alone, untrained: no download, and answers that mean nothing.",
    )  # fmt: skip


def _named(key: str) -> None:
    typed = (st.session_state[f"{key}_timm"] or "").strip().removeprefix(TIMM)
    random = st.session_state[f"{key}_timm_random"] or typed.endswith(_RANDOM)
    name = typed.removesuffix(_RANDOM)
    if name:
        choose(f"{TIMM}{name}{_RANDOM if random else ''}")


@st.cache_data(show_spinner=False, ttl=30, max_entries=2)  # a download, or another program's, shows after a while
def _labels(random: bool) -> dict[str, str]:
    """What is offered, with its words: cached ones first, then the plain ViTs and ResNets, then the rest."""
    cached, family = cached_weights(), families()
    names = list(family) if random else weight_names()

    def place(name: str) -> tuple[bool, bool, int, str]:
        kind = family.get(name.partition(".")[0], "")
        first = _SHOWN_FIRST.index(kind) if kind in _SHOWN_FIRST else len(_SHOWN_FIRST)
        return random or name not in cached, not name.startswith(_SHOWN_FIRST), first, name

    return {
        name: f"{name} · {family.get(name.partition('.')[0], '')}"
        + (" · on this machine" if name in cached and not random else "")
        for name in sorted(names, key=place)
    }
