"""What a lab is, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vit_explore.registry import Registry
from vit_explore.sweeps.results import Result


@dataclass(frozen=True)
class LabProgress:
    """share: in [0, 1]; words: what is being done."""

    share: float
    words: str


@dataclass(frozen=True)
class LabResult:
    """The end of a lab. verdict: one sentence; findings: what it rests on; results: its runs."""

    name: str
    question: str
    verdict: str
    findings: tuple[str, ...]
    results: tuple[Result, ...] = ()


@dataclass(frozen=True)
class Lab:
    """A lab by its name. run: (refs, images, **options) to progress and, last, the result."""

    name: str
    title: str
    question: str
    run: Callable[..., Iterator[LabProgress | LabResult]]


labs: Registry[Lab] = Registry("lab", package="vit_explore.labs")
