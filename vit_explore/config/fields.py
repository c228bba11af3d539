"""What stands with a field of a config, and the one view of it that flags, forms, names and comparisons read."""

from __future__ import annotations

import importlib
import types
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from vit_explore.cards import card_of
from vit_explore.errors import BadConfig

if TYPE_CHECKING:
    from vit_explore.config.run import RunConfig
    from vit_explore.registry import Registry

Kind = Literal["whole", "number", "choice", "switch", "text", "names"]
_KINDS: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number", str: "text"}

# Must two runs share a setting, so that their difference is that of their models? "always": it changes what is learned
# from, for how long or how well. "clock": it only changes how much is done in a second, which counts where the budget
# is a time. "never": it is what is compared, or only what is looked at. What says nothing is taken to matter.
Fair = Literal["always", "clock", "never"]


@dataclass(frozen=True)
class Hints:
    """What a field says of itself beside its type, bounds and help."""

    label: str = ""  # for people; made from the name when empty
    words: str = ""  # the same within a sentence; made from the label when empty
    fair: Fair = "always"
    advanced: bool = False  # folded away by default
    group: str = ""  # the title under which it is folded away; that of its section when empty
    when: tuple[str, str] = ("", "")  # another setting and its value, without which it does nothing
    kind: Kind | None = None  # where it does not follow from the type
    empty: str = "none"  # what no value means, in words
    offered: Any = None  # what a form holds at first where the default is no value
    registry: str = ""  # "module:name" of the registry whose names can be chosen
    is_open: bool = False  # other values than the registry's names are possible
    flat: str = ""  # the setting's name among all settings of a run, where the field's own is ambiguous
    follows_data: bool = False  # no setting of its own
    follows: str = ""  # the setting of the data whose value it has where it has no other
    for_all: bool = False  # of a model's: every architecture has it, whatever its card says

    def __call__(self, schema: dict[str, Any]) -> None:
        """Pydantic's `json_schema_extra`: what a JSON schema says of it."""
        schema.update({"label": self.label, "advanced": self.advanced} if self.label else {"advanced": self.advanced})

    def members(self) -> Registry[Any]:
        """The registry whose names can be chosen."""
        module, _, name = self.registry.partition(":")
        return getattr(importlib.import_module(module), name)


def setting(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    **hints: Any,
) -> Any:
    """A field of a config with its bounds, its help and its `Hints`."""
    return Field(default, description=help, json_schema_extra=Hints(**hints), ge=ge, gt=gt, le=le, lt=lt)


def hints_of(info: FieldInfo) -> Hints:
    """What stands with a field; the defaults where nothing does."""
    return info.json_schema_extra if isinstance(info.json_schema_extra, Hints) else Hints()


@dataclass(frozen=True)
class Setting:
    """One setting of a run: `field` of the config's `section`, known as `name` among all of them."""

    name: str
    section: str
    field: str
    info: FieldInfo

    @cached_property
    def hints(self) -> Hints:
        return hints_of(self.info)

    @property
    def label(self) -> str:
        return self.hints.label or self.name.replace("_", " ").capitalize()

    @property
    def words(self) -> str:
        """The label within a sentence."""
        if self.hints.words:
            return self.hints.words
        return self.label if self.label[1:2].isupper() else self.label[0].lower() + self.label[1:]

    @property
    def help(self) -> str:
        """What it does, and what can be chosen where that is registered."""
        text = self.info.description or ""
        if not self.hints.registry:
            return text
        members = list(self.hints.members())
        said = [f"{name}: {member.help}" for name, member in members if hasattr(member, "help")]
        return f"{text} {'; '.join(said) or 'Known: ' + ', '.join(name for name, _ in members)}."

    @cached_property
    def kinds(self) -> tuple[Any, ...]:
        """The alternatives of the annotation, None left out."""
        annotation = self.info.annotation
        alternatives = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
        return tuple(kind for kind in alternatives if kind is not type(None))

    @cached_property
    def optional(self) -> bool:
        return bool(self.hints.follows) or type(None) in get_args(self.info.annotation)

    @cached_property
    def kind(self) -> Kind:
        """What is typed or picked for it."""
        if self.hints.kind or self.hints.registry or get_origin(self.kinds[0]) is Literal:
            return self.hints.kind or "choice"
        return _KINDS.get(self.kinds[0], "names")

    @property
    def options(self) -> tuple[str, ...]:
        """What can be chosen; empty where anything can be typed."""
        if self.hints.registry:
            return tuple(self.hints.members().names())
        return get_args(self.kinds[0]) if get_origin(self.kinds[0]) is Literal else ()

    @property
    def default(self) -> Any:
        return None if self.hints.follows else self.info.default

    @property
    def advanced(self) -> bool:
        return self.hints.advanced

    @property
    def takes(self) -> str:
        """What is possible, in words: "a whole number from 8 to 1536"."""
        if self.options:
            return " or ".join(map(repr, self.options))
        noun = {"whole": "a whole number", "number": "a number", "switch": "True or False", "names": "a list of names"}
        words = f"{noun.get(self.kind, 'text')}{_between(self.info.metadata)}"
        if not self.optional:
            return words
        return f"{words}, or nothing" + ("" if self.hints.empty == "none" else f" for {self.hints.empty}")

    def applies(self, architecture: str) -> bool:
        """Whether it means something for this architecture."""
        return self.section != "model" or self.hints.for_all or self.field in card_of(architecture).fields

    def options_for(self, architecture: str) -> tuple[str, ...]:
        """What can be chosen for this architecture, which may know fewer than all."""
        knob = card_of(architecture).fields.get(self.field) if self.section == "model" else None
        return knob.choices if knob is not None and knob.choices else self.options

    def must_match(self, on_clock: bool) -> bool:
        """Whether two runs must share it to be compared fairly; on_clock: their budget is a time."""
        return self.hints.fair == "always" or (on_clock and self.hints.fair == "clock")

    def value(self, config: RunConfig) -> Any:
        """What a run has; None where it follows the data."""
        value = getattr(getattr(config, self.section), self.field)
        return None if self.hints.follows and value == getattr(config.data, self.hints.follows) else value

    def said(self, value: Any) -> str:
        """A value in words."""
        if value is None:
            return self.hints.empty
        if isinstance(value, tuple):
            return ", ".join(value)
        return f"{value:g}" if isinstance(value, float) else str(value)


class Config(BaseModel):
    """Base of every config: frozen, unknown fields refused, errors as one sentence (BadConfig)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _mistake(type(self), error) from None

    @model_validator(mode="after")
    def _names_are_known(self) -> Config:
        for field, hints in _closed(type(self)).items():
            if getattr(self, field) not in hints.members():
                allowed = " or ".join(map(repr, hints.members().names()))
                known = hints.flat or field
                raise BadConfig(f"{known} = {getattr(self, field)!r} is not possible: it takes {allowed}.", known)
        return self

    def replace(self, **changes: Any) -> Any:
        """A copy with `changes`, validated again; what was not set explicitly stays a default."""
        return type(self)(**{**self.model_dump(exclude_unset=True), **changes})


@cache
def _closed(cls: type[Config]) -> dict[str, Hints]:
    """The fields of a config that take a registry's names and no others."""
    hints = {field: hints_of(info) for field, info in cls.model_fields.items()}
    return {field: hint for field, hint in hints.items() if hint.registry and not hint.is_open}


_BOUNDS = {  # those that a field has, and how they are said
    (): "",
    ("ge",): " of {ge:,g} or more",
    ("gt",): " above {gt:,g}",
    ("le",): " of at most {le:,g}",
    ("lt",): " below {lt:,g}",
    ("ge", "le"): " from {ge:,g} to {le:,g}",
    ("ge", "lt"): " from {ge:,g} to below {lt:,g}",
    ("gt", "le"): " above {gt:,g} and at most {le:,g}",
    ("gt", "lt"): " above {gt:,g} and below {lt:,g}",
    ("max_length",): " of at most {max_length} characters",
}


def _between(metadata: list[Any]) -> str:
    """The bounds of a field in words, with a space in front: " from 8 to 1,536"."""
    names = ("ge", "gt", "le", "lt", "max_length")
    bounds = {name: getattr(part, name) for name in names for part in metadata if hasattr(part, name)}
    return _BOUNDS[tuple(bounds)].format(**bounds)


def _mistake(cls: type[Config], error: ValidationError) -> BadConfig:
    """Pydantic's first complaint as one sentence of ours, with the settings that it is about."""
    first = error.errors()[0]
    own = first.get("ctx", {}).get("error")
    if isinstance(own, BadConfig):
        return own
    owner, field = _place(cls, first["loc"])
    if first["type"] == "extra_forbidden":
        return BadConfig(f"{owner.__name__} has no field {field!r}; it has: {', '.join(owner.model_fields)}.")
    info = owner.model_fields[field]
    known, given = hints_of(info).flat or field, first.get("input")
    setting = Setting(known, "", field, info)
    said = setting.said(given) if setting.kind in ("whole", "number") else repr(given)
    return BadConfig(f"{known} = {said} is not possible: it takes {setting.takes}.", known)


def _place(cls: type[Config], path: tuple[int | str, ...]) -> tuple[type[Config], str]:
    """The config and its field at pydantic's path, which may lead through a section and into a list."""
    section = cls.model_fields[str(path[0])].annotation if path[0] in cls.model_fields else None
    if len(path) > 1 and isinstance(section, type) and issubclass(section, Config):
        return section, str(path[1])
    return cls, str(path[0])
