"""Who may do what with runs. On a machine of one's own everybody may do everything; in a lesson a student changes only
runs of their own, and starts those that the lesson's limits allow. The store asks here before it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig, NotAllowed

TEACHER = "teacher"  # the owner of a teacher's runs
_MOST = {"seconds": 86_400.0, "parameters": 10**10, "runs": 1000}


@dataclass(frozen=True)
class Limits:
    """What a student may start. seconds: the largest budget of a run; parameters: the largest model; runs: how many of
    one student train or wait at a time. Raises BadConfig."""

    seconds: float = 120.0
    parameters: int = 5_000_000
    runs: int = 2

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            value = getattr(self, name)
            if not 0 < value <= most:
                raise BadConfig(f"A lesson's limit {name} = {value:g} is not possible; give 1 to {most:,.0f}.")


@dataclass(frozen=True)
class Actor:
    """Who acts on a store. id: the owner of what they start."""

    id: str
    is_teacher: bool = False
    limits: Limits = field(default_factory=Limits)

    def may_change(self, owner: str | None) -> bool:
        """Whether they may stop, change or delete a run of this owner."""
        return self.is_teacher or owner == self.id


def check_change(actor: Actor | None, run: str, owner: str | None) -> None:
    """Raises NotAllowed where the actor may not change this run; None is a person on a machine of their own."""
    if actor is not None and not actor.may_change(owner):
        raise NotAllowed(
            f"The run {run!r} is not yours, so you cannot change it; start one with the same settings, or fork it."
        )


def check_teacher(actor: Actor | None, what: str) -> None:
    """Raises NotAllowed for a student."""
    if actor is not None and not actor.is_teacher:
        raise NotAllowed(f"In a lesson only the teacher {what}.")


def check_start(actor: Actor | None, configs: Sequence[RunConfig], uploads: Path) -> None:
    """Whether a student may start runs like these. Raises NotAllowed.

    uploads: the folder of what students have uploaded; no other folder of the server is theirs to read.
    """
    if actor is None or actor.is_teacher:
        return
    for config in configs:
        _check_budget(config, actor.limits)
        _check_source(config, uploads)
        _check_size(config, actor.limits)


def check_room(actor: Actor | None, wanted: int, active: int) -> None:
    """Whether a student may have so many more runs beside `active` ones that train or wait. Raises NotAllowed."""
    if actor is None or actor.is_teacher or active + wanted <= actor.limits.runs:
        return
    most = actor.limits.runs
    mine = f"{active} of yours train or wait" if active else f"{wanted} were asked for"
    raise NotAllowed(
        f"In this lesson a student has at most {most} run{'s' if most > 1 else ''} at a time, and {mine}; "
        f"{'wait for them, or stop one' if active else 'ask your teacher'}."
    )


def _check_budget(config: RunConfig, limits: Limits) -> None:
    if config.train.seconds is None:
        raise NotAllowed(
            f"In this lesson a run has a budget in seconds, at most {limits.seconds:g}, and this one counts epochs; "
            "start it from the page Train, with Seconds below Budget."
        )
    if config.train.seconds > limits.seconds:
        raise NotAllowed(
            f"In this lesson a run lasts at most {limits.seconds:g} seconds, and this one would take "
            f"{config.train.seconds:g}; choose fewer."
        )


def _check_source(config: RunConfig, uploads: Path) -> None:
    """A student names no files of the server, and no weights beyond timm's own registry."""
    check_folder(config.data.path, uploads)
    check_model_name(config.model.init_from)
    check_model_name(config.model.architecture)


def check_folder(path: str | None, uploads: Path) -> None:
    """Raises NotAllowed for images of this machine that no student has uploaded."""
    try:
        is_theirs = not path or Path(path).expanduser().resolve().is_relative_to(uploads.resolve())
    except (RuntimeError, ValueError, OSError):  # no such user, no such name
        is_theirs = False
    if not is_theirs:
        raise NotAllowed("In a lesson only the teacher names a folder of this machine; upload a zip in place of it.")


def check_model_name(ref: str | None) -> None:
    """Raises NotAllowed for a name that reaches beyond the runs, the bundled models and timm's registry."""
    text = str(ref or "").strip()
    name = text.removeprefix("timm:")
    if text.endswith(".safetensors") or ":" in name.removeprefix("run:").removeprefix("bundled:") or "/" in name:
        raise NotAllowed(
            f"In a lesson only the teacher opens {text!r}, which is neither a run, a bundled model nor a name of "
            "timm's registry; choose one of these."
        )


def _check_size(config: RunConfig, limits: Limits) -> None:
    from vit_explore.models import summarise

    found = summarise(config.model).params
    if found > limits.parameters:
        raise NotAllowed(
            f"In this lesson a model has at most {limits.parameters:,} parameters, and this one has {found:,}; make it "
            "narrower, or less deep."
        )
