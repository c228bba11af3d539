"""A form made from the config's fields: a new field of the config appears here by itself.

Labels and help come from the fields, which also check their bounds; the values live in the session under
`form_<name>`, so that what was typed stays when a page is left or a widget is hidden. `read()` gives the RunConfig, or
raises BadConfig.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import streamlit as st

from vit_explore.config import RunConfig, Setting, settings
from vit_explore.errors import BadConfig
from vit_explore.ui.kit import wording

PREFIX = "form_"
_MARKED = "form_marked"
_MARKS = "<style>%s { border-left: 3px solid #D55E00; padding-left: 0.6rem; }</style>"  # more than colour: a bar


class Widget(Setting):
    """A setting, with the key of its widget."""

    @property
    def key(self) -> str:
        return PREFIX + self.name


@cache
def widgets() -> dict[str, Widget]:
    """A widget for every setting of a run, by its flat name."""
    return {name: Widget(name, known.section, known.field, known.info) for name, known in settings().items()}


# ---------------------------------------------------------------------- values


def fill(config: RunConfig) -> None:
    """Put a run's settings into the form (before its widgets are drawn, or in a callback)."""
    for name, widget in widgets().items():
        value = widget.value(config)
        if name in ("seconds", "epochs") and value is None:
            continue  # what was typed for the other kind of budget stays
        st.session_state[widget.key] = _as_widget_value(widget, value)
    st.session_state[PREFIX + "budget"] = "seconds" if config.train.seconds is not None else "epochs"


def _as_widget_value(widget: Widget, value: Any) -> Any:
    if widget.kind == "names":
        return list(value or ())
    if widget.kind == "number" and value is not None:
        return float(value)
    return "" if widget.kind == "text" and value is None else value


def ensure(config: RunConfig) -> None:
    """Fill the form with `config` the first time; later, give a default to what has no value."""
    if PREFIX + "model" not in st.session_state:
        fill(config)
    for widget in widgets().values():
        first = widget.default if widget.hints.offered is None else widget.hints.offered
        st.session_state.setdefault(widget.key, _as_widget_value(widget, first))
    st.session_state.setdefault(PREFIX + "budget", "seconds")
    _keep_to_options()


def _keep_to_options() -> None:
    """A choice that the chosen architecture does not know becomes its first one."""
    for widget in widgets().values():
        options = widget.options_for(value_of("model") or "")
        if options and not widget.hints.is_open and st.session_state[widget.key] not in options:
            st.session_state[widget.key] = options[0]


def value_of(name: str) -> Any:
    """What the form holds for a setting; None where it is empty."""
    value = st.session_state.get(PREFIX + name)
    if widgets()[name].kind == "names":
        return tuple(value) if value else None
    if isinstance(value, str):
        return value.strip() or None
    return value


def architectural() -> set[str]:
    """The settings that follow from the weights that a run starts from."""
    return {name for name, widget in widgets().items() if widget.section == "model"} - {"init_from"}


def read(skip: Iterable[str] = (), **fixed: Any) -> RunConfig:
    """The form as a RunConfig. `skip`: names that keep their default. Raises BadConfig."""
    architecture = fixed.get("model") or value_of("model") or ""
    other = {"seconds": "epochs", "epochs": "seconds"}[st.session_state.get(PREFIX + "budget") or "seconds"]
    sections: dict[str, dict[str, Any]] = {"data": {}, "model": {}, "train": {}}
    for name, widget in widgets().items():
        if name == other or name in skip or not widget.applies(architecture):
            continue
        value = fixed.get(name, value_of(name))
        if value is not None:
            sections[widget.section][widget.field] = value
    try:
        with labelled():
            return RunConfig(**sections)
    except BadConfig as error:
        raise BadConfig(str(error), *(name for name in error.fields if name != other)) from None


@contextmanager
def labelled() -> Iterator[None]:
    """What the config refuses names a setting as the form does, where its sentence begins with the setting."""
    try:
        yield
    except BadConfig as error:
        name, equals, rest = str(error).partition(" = ")
        label = widgets()[name].label if name in widgets() else name
        raise BadConfig(label + equals + rest, *error.fields) from None


# ---------------------------------------------------------------------- what has to be mended


def mark(error: Exception | None) -> str | None:
    """Let the settings that an error names be marked as they are drawn, the first with its sentence; None: none.

    Gives what to say above the form; call it in each script run, before the form is drawn.
    """
    names = tuple(name for name in getattr(error, "fields", ()) if name in widgets())
    st.session_state[_MARKED] = (names, wording.sentence(error)) if error is not None and names else ((), "")
    if error is None or not names:
        return None if error is None else wording.sentence(error)
    st.html(_MARKS % ", ".join(f".st-key-{PREFIX}{name}" for name in names))
    labels = ", ".join(f"**{widgets()[name].label}**" for name in names)
    return f"Mend the marked setting: {labels}." if len(names) == 1 else f"Mend one of the marked settings: {labels}."


def marked() -> tuple[str, ...]:
    """The settings that have to be mended, the one with the sentence first."""
    return st.session_state.get(_MARKED, ((), ""))[0]


def say_mistake(name: str) -> None:
    """Below the widget of a setting: what is wrong with it, where something is."""
    if name in marked()[:1]:
        st.error(st.session_state[_MARKED][1])


def changes(config: RunConfig, base: RunConfig) -> list[str]:
    """Where `config` differs from `base`, in words: "Width D 128 (was 96)"."""
    out = []
    for widget in widgets().values():
        now, was = widget.value(config), widget.value(base)
        if now != was and widget.applies(config.model.architecture):
            out.append(f"{widget.label} {widget.said(now)} (was {widget.said(was)})")
    return out


# ---------------------------------------------------------------------- drawing


def draw(widget: Widget, disabled: bool = False) -> None:
    """The Streamlit widget of one field, and what is wrong with it."""
    _draw(widget, disabled)
    say_mistake(widget.name)


def _draw(widget: Widget, disabled: bool = False) -> None:
    common: dict[str, Any] = {
        "label": widget.label,
        "key": widget.key,
        "help": widget.help or None,
        "persist_state": "session",
        "disabled": disabled,
    }
    if widget.kind in ("whole", "number"):
        _draw_number(widget, common)
    elif widget.kind == "choice":
        _draw_choice(widget, common)
    elif widget.kind == "switch":
        st.toggle(**common)
    elif widget.kind == "text":
        st.text_input(**common)


def _draw_choice(widget: Widget, common: dict[str, Any]) -> None:
    options, chosen = widget.options_for(value_of("model") or ""), st.session_state.get(widget.key)
    if chosen and widget.hints.is_open and chosen not in options:
        options = (*options, chosen)
    st.selectbox(options=options, accept_new_options=widget.hints.is_open, **common)


def _draw_number(widget: Widget, common: dict[str, Any]) -> None:
    # No bounds: a browser keeps back what is beyond them, and Start would train with the number of before.
    value: Any = None if widget.optional else "min"  # the session holds the value; None allows an empty field
    step: Any = 1 if widget.kind == "whole" else _step(widget.default)
    st.number_input(
        value=value,
        step=step,
        format=None if widget.kind == "whole" else "%g",
        placeholder=widget.hints.empty,
        **common,
    )


def _step(default: float | None) -> float:
    """A step of the buttons that suits the size of the default: half of its leading decimal."""
    if default is None:
        return 1.0
    return 10.0 ** math.floor(math.log10(default)) / 2 if default else 0.05


def is_of_use(name: str) -> bool:
    """Whether a setting means something for the chosen architecture, and for the setting that it goes with."""
    widget, (other, value) = widgets()[name], widgets()[name].hints.when
    return widget.applies(value_of("model") or "") and (not other or value_of(other) == value or name in marked())


def draw_many(names: Iterable[str], columns: int = 2) -> None:
    """Several fields side by side, but for those that mean nothing as the others stand."""
    shown = [widgets()[name] for name in names if is_of_use(name)]
    for start in range(0, len(shown), columns):
        for column, widget in zip(st.columns(columns), shown[start : start + columns], strict=False):
            with column:
                _draw(widget)
        for widget in shown[start : start + columns]:  # below the row, which has the room for a sentence
            say_mistake(widget.name)
