"""A form made from the config's fields: a new field of the config appears here by itself.

Labels and help come from the fields, which also check their bounds; the values live in the session under
`form_<name>`, so that what was typed stays when a page is left or a widget is hidden. `read()` gives the RunConfig, or
raises BadConfig.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import streamlit as st
from pydantic.fields import FieldInfo

from vit_explore.config import RunConfig, field_extra, flat_fields
from vit_explore.errors import BadConfig

PREFIX = "form_"
Kind = Literal["whole", "number", "choice", "switch", "text", "names"]
_KINDS: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number", str: "text"}
_LABELS = {
    "per_class": "Images per class",
    "num_heads": "Heads",
    "mlp_ratio": "MLP ratio",
    "pos_embed": "Position embedding",
    "pool": "Pooling",
    "num_registers": "Registers",
    "lr": "Learning rate",
    "model": "Architecture",
    "data_seed": "Seed of the data",
    "seed": "Seed of the training",
    "val_fraction": "Validation share",
    "val_images": "Validation images",
    "image_size": "Image size (px)",
    "patch_size": "Patch size (px)",
    "width": "Width D",
    "depth": "Depth (blocks)",
    "grad_clip": "Gradient clipping",
    "optimizer": "Optimiser",
    "low_res_fraction": "Share at half size",
    "compiled": "Compile the step",
}
_EMPTY = {"classes": "all", "per_class": "all", "threads": "all cores"}  # what no value means


@dataclass(frozen=True)
class Widget:
    """What the form knows of one field."""

    name: str
    section: str
    kind: Kind
    label: str
    help: str
    default: Any
    options: tuple[str, ...]
    optional: bool
    advanced: bool
    architectures: tuple[str, ...]  # the field means something only there; empty: everywhere

    @property
    def key(self) -> str:
        return PREFIX + self.name

    def applies(self, architecture: str) -> bool:
        """Whether the field means something for this architecture."""
        family = "timm" if architecture.startswith("timm:") else architecture
        return not self.architectures or family in self.architectures


@cache
def widgets() -> dict[str, Widget]:
    """A widget for every setting of a run, by its flat name."""
    return {name: _widget(name, section, info) for name, (section, _, info) in flat_fields().items()}


def _widget(name: str, section: str, info: FieldInfo) -> Widget:
    inner, optional = _without_none(info.annotation)
    literal = typing.get_origin(inner) is Literal
    kind: Kind = "choice" if literal else _KINDS.get(inner, "names")
    return Widget(
        name=name,
        section=section,
        kind=kind,
        label=_LABELS.get(name) or name.replace("_", " ").capitalize(),
        help=info.description or "",
        default=info.default,
        options=typing.get_args(inner) if literal else (),
        optional=optional,
        advanced=bool(field_extra(info, "advanced", False)),
        architectures=tuple(field_extra(info, "architectures", ())),
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(annotation) if part is not type(None)]
        return rest[0], True
    return annotation, False


# ---------------------------------------------------------------------- values


def fill(config: RunConfig) -> None:
    """Put a run's settings into the form (before its widgets are drawn, or in a callback)."""
    for name, (section, field, _) in flat_fields().items():
        value = getattr(getattr(config, section), field)
        if name in ("seconds", "epochs") and value is None:
            continue  # what was typed for the other kind of budget stays
        st.session_state[PREFIX + name] = _as_widget_value(widgets()[name], value)
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
    fallback = {"seconds": 60.0, "epochs": 5.0}
    for name, widget in widgets().items():
        st.session_state.setdefault(widget.key, fallback.get(name, _as_widget_value(widget, widget.default)))
    st.session_state.setdefault(PREFIX + "budget", "seconds")


def value_of(name: str) -> Any:
    """What the form holds for a setting; None where it is empty."""
    value = st.session_state.get(PREFIX + name)
    if widgets()[name].kind == "names":
        return tuple(value) if value else None
    if isinstance(value, str):
        return value.strip() or None
    return value


def read(skip: Iterable[str] = (), **fixed: Any) -> RunConfig:
    """The form as a RunConfig. `skip`: names that keep their default. Raises BadConfig."""
    architecture = fixed.get("model") or value_of("model") or ""
    other = {"seconds": "epochs", "epochs": "seconds"}[st.session_state.get(PREFIX + "budget") or "seconds"]
    sections: dict[str, dict[str, Any]] = {"data": {}, "model": {}, "train": {}}
    for name, (section, field, _) in flat_fields().items():
        widget = widgets()[name]
        if name == other or name in skip or not widget.applies(architecture):
            continue
        value = fixed.get(name, value_of(name))
        if value is not None:
            sections[section][field] = value
    with labelled():
        return RunConfig(**sections)


@contextmanager
def labelled() -> Iterator[None]:
    """What the config refuses names a field as the form does, where its sentence begins with the field."""
    try:
        yield
    except BadConfig as error:
        field, equals, rest = str(error).partition(" = ")
        labels = {known: widgets()[name].label for name, (_, known, _) in flat_fields().items()}
        raise BadConfig(labels.get(field.rpartition(".")[2], field) + equals + rest) from None


def changes(config: RunConfig, base: RunConfig) -> list[str]:
    """Where `config` differs from `base`, in words: "Width D 128 (was 96)"."""
    out = []
    for name, (section, field, _) in flat_fields().items():
        widget = widgets()[name]
        now, was = getattr(getattr(config, section), field), getattr(getattr(base, section), field)
        if now != was and widget.applies(config.model.architecture):
            out.append(f"{widget.label} {said(name, now)} (was {said(name, was)})")
    return out


def said(name: str, value: Any) -> str:
    """A setting's value in words."""
    if value is None:
        return _EMPTY.get(name, "none")
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


# ---------------------------------------------------------------------- drawing


def draw(widget: Widget, disabled: bool = False) -> None:
    """The Streamlit widget of one field."""
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
        st.selectbox(options=widget.options, **common)
    elif widget.kind == "switch":
        st.toggle(**common)
    elif widget.kind == "text":
        st.text_input(**common)


def _draw_number(widget: Widget, common: dict[str, Any]) -> None:
    # No bounds: a browser keeps back what is beyond them, and Start would train with the number of before.
    value: Any = None if widget.optional else "min"  # the session holds the value; None allows an empty field
    step: Any = 1 if widget.kind == "whole" else _step(widget.default)
    st.number_input(
        value=value,
        step=step,
        format=None if widget.kind == "whole" else "%g",
        placeholder=_EMPTY.get(widget.name, "default"),
        **common,
    )


def _step(default: float | None) -> float:
    """A step of the buttons that suits the size of the default: half of its leading decimal."""
    if default is None:
        return 1.0
    return 10.0 ** math.floor(math.log10(default)) / 2 if default else 0.05


def draw_many(names: Iterable[str], columns: int = 2) -> None:
    """Several fields side by side; those that mean nothing for the chosen architecture are left out."""
    architecture = value_of("model") or ""
    shown = [widget for name in names if (widget := widgets()[name]).applies(architecture)]
    for start in range(0, len(shown), columns):
        for column, widget in zip(st.columns(columns), shown[start : start + columns], strict=False):
            with column:
                draw(widget)
