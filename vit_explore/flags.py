"""One command-line flag for each setting of a run, from the same fields that the forms and the store use."""

from __future__ import annotations

import argparse
import types
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from vit_explore.config import RunConfig, flat_fields
from vit_explore.errors import BadConfig
from vit_explore.presets import DEFAULT, presets

NOTHING = "none"  # on the command line: no limit, for the settings that may be left open


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add --preset, --name and a flag per setting; one that is not given stays as the preset has it."""
    known = f"what to start from: {', '.join(presets.names())} (default: {DEFAULT})"
    parser.add_argument("--preset", default=DEFAULT, metavar="NAME", help=known)
    parser.add_argument("--name", default=argparse.SUPPRESS, help="a name for people; made from the settings if empty")
    groups = {title: parser.add_argument_group(title) for title in ("data", "model", "train")}
    base = presets.get(DEFAULT).config
    for name, (section, key, field) in flat_fields().items():
        default = getattr(getattr(base, section), key)
        options: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": _help(field, default)}
        if field.annotation is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["metavar"] = _metavar(field)
        groups[section].add_argument(f"--{name.replace('_', '-')}", **options)


def config_from(arguments: argparse.Namespace) -> RunConfig:
    """The run that the flags describe. Raises UnknownName for the preset, BadConfig for a value."""
    base = presets.get(arguments.preset).config
    fields = flat_fields()
    given = {name: value for name, value in vars(arguments).items() if name in fields or name == "name"}
    changes = {name: _value(fields[name][2], value) if name in fields else value for name, value in given.items()}
    if changes.get("dataset", base.data.dataset) != base.data.dataset:
        changes.setdefault("classes", None)  # the preset's classes are those of its own dataset
    if changes.get("epochs") is not None and changes.get("seconds") is not None:
        raise BadConfig("The budget is given twice, in epochs and in seconds; give one of them.")
    return base.update(**changes)


def _value(field: FieldInfo, given: Any) -> Any:
    """What was typed, as the config takes it; the config checks numbers itself, and says what is allowed."""
    if not isinstance(given, str):
        return given
    if _is_optional(field) and given.lower() == NOTHING:
        return None
    if _is_tuple(field):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    return given


def _help(field: FieldInfo, default: Any) -> str:
    text = (field.description or "").rstrip(".").replace("%", "%%")
    if isinstance(default, tuple):
        default = ",".join(default)
    return text if default is None else f"{text} ({DEFAULT}: {default})"


def _metavar(field: FieldInfo) -> str:
    if _is_tuple(field):
        return "A,B,…"
    kind = next(kind for kind in _alternatives(field) if kind is not type(None))
    if get_origin(kind) is Literal:
        return "{" + ",".join(get_args(kind)) + "}"
    return {int: "N", float: "X"}.get(kind, "TEXT")


def _alternatives(field: FieldInfo) -> tuple[Any, ...]:
    kind = field.annotation
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _is_optional(field: FieldInfo) -> bool:
    return type(None) in _alternatives(field)


def _is_tuple(field: FieldInfo) -> bool:
    return any(get_origin(kind) is tuple for kind in _alternatives(field))
