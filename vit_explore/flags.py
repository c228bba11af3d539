"""One command-line flag for each setting of a run, from the same fields that the forms and the store use."""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vit_explore.config import RunConfig, Setting, settings
from vit_explore.errors import BadConfig
from vit_explore.presets import DEFAULT, preset, presets

NOTHING = "none"  # on the command line: no limit, for the settings that may be left open
_METAVARS = {"whole": "N", "number": "X", "names": "A,B,…", "text": "TEXT", "choice": "NAME"}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add --preset, --name and a flag per setting; one that is not given stays as the preset has it."""
    known = f"what to start from: {', '.join(presets.names())} (default: {DEFAULT})"
    parser.add_argument("--preset", metavar="NAME", help=known)
    parser.add_argument("--name", default=argparse.SUPPRESS, help="a name for people; made from the settings if empty")
    add_settings(parser, ("data", "model", "train"), presets.get(DEFAULT).config)


def add_settings(parser: argparse.ArgumentParser, sections: Sequence[str], base: RunConfig) -> None:
    """Add a flag for each setting of these sections; base: whose values the help shows."""
    groups = {title: parser.add_argument_group(title) for title in sections}
    for name, setting in settings().items():
        if setting.section not in sections:
            continue
        help_text = _help(setting, setting.value(base))
        options: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": help_text}
        if setting.kind == "switch":
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["metavar"] = _metavar(setting)
        groups[setting.section].add_argument(flag(name), **options)


def config_from(arguments: argparse.Namespace) -> RunConfig:
    """The run that the flags describe. Raises UnknownName for the preset, BadConfig for a value."""
    base, changes = preset(arguments.preset or DEFAULT).config, changes_from(arguments)
    if changes.get("dataset", base.data.dataset) != base.data.dataset:
        changes.setdefault("classes", None)  # the preset's classes are those of its own dataset
    with named_by_flags():
        return base.update(**changes)


def changes_from(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that the flags give, by their flat names. Raises BadConfig for two budgets."""
    known = settings()
    given = {name: value for name, value in vars(arguments).items() if name in known or name == "name"}
    changes = {name: _value(known[name], value) if name in known else value for name, value in given.items()}
    if changes.get("epochs") is not None and changes.get("seconds") is not None:
        raise BadConfig("The budget is given twice, in epochs and in seconds; give one of them.")
    return changes


@contextmanager
def named_by_flags() -> Iterator[None]:
    """What is wrong with a setting is said of its flag."""
    try:
        yield
    except BadConfig as error:
        raise BadConfig(_with_flags(error), *error.fields) from None


def flag(name: str) -> str:
    """The flag of a setting, by its flat name."""
    return f"--{name.replace('_', '-')}"


def _with_flags(error: BadConfig) -> str:
    """The sentence with the flags that it is about: in place of the setting's name, or at its end."""
    sentence, flags = str(error), [flag(name) for name in error.fields if name in settings()]
    name, equals, rest = sentence.partition(" = ")
    if equals and (name,) == error.fields and flags:
        return f"{flags[0]} {rest}"
    return f"{sentence.rstrip('.')} ({', '.join(flags)})." if flags else sentence


def command_of(config: RunConfig) -> str:
    """The command that trains a run with these settings: the flags in which it differs from the preset that `train`
    takes when none is named."""
    base = presets.get(DEFAULT).config
    if config.data.dataset != base.data.dataset:
        base = base.update(dataset=config.data.dataset, classes=None, path=config.data.path)
        words = [flag("dataset"), config.data.dataset, *([flag("path"), config.data.path] if config.data.path else [])]
    else:
        words = []
    return _command(words, config, base)


def command_of_fork(config: RunConfig, parent: RunConfig, at: str) -> str:
    """The command of a fork with these settings, from a snapshot RUN@STEP of a run with the parent's."""
    return _command([flag("fork"), at], config, parent)


def _command(words: list[str], config: RunConfig, base: RunConfig) -> str:
    """`train` with these words, and the flags in which a run differs from `base`."""
    budget = "seconds" if config.train.epochs is not None else "epochs"  # the one that is left open by the other
    for name, setting in settings().items():
        value = setting.value(config)
        if value != setting.value(base) and name != budget:
            words = [*words, *_typed(setting, value)]
    return shlex.join(["python", "-m", "vit_explore", "train", *map(str, words)])


def _typed(setting: Setting, value: Any) -> list[str]:
    """A setting as it is typed."""
    name = flag(setting.name)
    if setting.kind == "switch":
        return [name if value else name.replace("--", "--no-", 1)]
    if value is None:
        return [name, NOTHING]
    return [name, ",".join(value) if isinstance(value, tuple) else str(value)]


def unknown(given: str, parser: argparse.ArgumentParser) -> str:
    """What to say of an argument that a command does not know, with the flag that was meant where one is like it."""
    word = given.partition("=")[0]
    if not word.startswith("-"):
        return f"unexpected argument {given!r}"
    has = set(re.findall(r"--[a-z][a-z0-9-]*", parser.format_help()))
    if word in has:
        return f"{word} comes too early; give it after {parser.prog.partition(' ')[2]!r}"
    meant = {name: name for name in has}
    for name, setting in settings().items():
        if flag(name) in has:  # what people call it
            meant.setdefault(f"--{re.sub(r'[^a-z]+', '-', setting.label.lower()).strip('-')}", flag(name))
    word_like = f"--{word.lstrip('-').lower().replace('_', '-')}"
    begun = sorted((name for name in meant if name.startswith(word_like)), key=len)
    like = begun or difflib.get_close_matches(word_like, meant, n=1, cutoff=0.6)
    return f"unknown flag {word}" + (f"; did you mean {meant[like[0]]}?" if like else "")


def _value(setting: Setting, given: Any) -> Any:
    """What was typed, as the config takes it; the config checks numbers itself, and says what is allowed."""
    if not isinstance(given, str):
        return given
    if setting.optional and given.lower() == NOTHING:
        return None
    if setting.kind == "names":
        return tuple(part.strip() for part in given.split(",") if part.strip())
    return given


def _help(setting: Setting, default: Any) -> str:
    text = setting.help.rstrip(".").replace("%", "%%")
    if isinstance(default, tuple):
        default = ",".join(default)
    return text if default is None else f"{text} ({DEFAULT}: {default})"


def _metavar(setting: Setting) -> str:
    if setting.options and not setting.hints.is_open:
        return "{" + ",".join(setting.options) + "}"
    return _METAVARS[setting.kind]
