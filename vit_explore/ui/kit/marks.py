"""What a person did to a run, in words beside its curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vit_explore.config import RunConfig
from vit_explore.training.events import Changed, Paused
from vit_explore.ui.kit import wording


@dataclass(frozen=True)
class Said:
    """A mark in words: short above the curve, whole under the pointer."""

    step: int
    elapsed: float
    short: str
    text: str
    is_pause: bool


def said(marks: Iterable[Changed | Paused], config: RunConfig | None) -> list[Said]:
    """Each change against what held before it, and each pause."""
    train = config.train if config else None
    held = Changed(0, 0.0, 1.0, train.weight_decay if train else 0.0, train.augment if train else "")
    out = []
    for mark in marks:
        if isinstance(mark, Paused):
            words = [(f"pause {wording.duration(mark.seconds)}", f"paused for {wording.duration(mark.seconds)}")]
        else:
            words = list(_differences(mark, held))
            held = mark
        if words:
            short, text = (", ".join(part) for part in zip(*words, strict=True))
            out.append(Said(mark.step, mark.elapsed, short, f"step {mark.step:,}: {text}", isinstance(mark, Paused)))
    return out


def _differences(now: Changed, was: Changed) -> Iterator[tuple[str, str]]:
    """(short, whole) of what changed."""
    if now.lr_factor != was.lr_factor:
        yield f"lr × {now.lr_factor:g}", f"learning rate × {now.lr_factor:g} (was × {was.lr_factor:g})"
    if now.weight_decay != was.weight_decay:
        yield f"decay {now.weight_decay:g}", f"weight decay {now.weight_decay:g} (was {was.weight_decay:g})"
    if now.augment != was.augment:
        yield now.augment if now.augment != "none" else "no augment.", f"augmentation {now.augment} (was {was.augment})"
