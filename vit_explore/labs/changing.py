"""Labs that change the pictures of trained models, level by level, and count how many they still get right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.labs.base import Lab, LabResult, Line, labs
from vit_explore.told import Progress

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


SIDE = 32  # pixels: the side in which shifts and the like are told; a model of another size has them enlarged
BATCH, PIXELS = 256, 2**21  # images, and pixels of a batch
PIXELS_OF_GRADIENTS = 2**19  # of a batch whose pass is kept for the gradients: 256 images of 32 px, 10 of 224
Z = 1.959964  # of the 95 % interval
UNMOVED = 1e-3  # of a logit: what rounding makes of sums in another order is less


@dataclass(frozen=True)
class Subject:
    """A model and the pictures as it sees them. images: normalised (n, 3, h, w); std: of a channel, to change pixels by
    a given amount; low, high: (3, 1, 1), black and white; seed: of what is drawn; masks: bool (n, h, w), where the
    object is, for a lab that needs to know. A change that brings in other pictures keeps their classes as "other"."""

    net: nn.Module
    images: Tensor
    labels: Tensor
    std: Tensor
    low: Tensor
    high: Tensor
    seed: int = 0
    masks: Tensor | None = None
    kept: dict[str, Any] = field(default_factory=dict)  # what a change needs at every level, worked out once

    @property
    def scale(self) -> float:
        """Pixels of the model's picture for each one of SIDE."""
        return self.images.shape[-1] / SIDE

    def draw(self) -> Generator:
        """The same random numbers for every model and level."""
        import torch

        return torch.Generator().manual_seed(self.seed)


Change = Callable[[Subject, float], "Tensor"]


def changing(
    name: str,
    title: str,
    question: str,
    axis: str,
    levels: Sequence[float],
    expected: str,
    order: int,
    needs: Literal["", "masks"] = "",
) -> Callable[[Change], Change]:
    """Decorator that files a change of pictures as a lab. levels: the first one changes nothing."""

    def add(change: Change) -> Change:
        def run(refs: Any = (), images: Any = None, **options: Any) -> Iterator[Progress | LabResult]:
            yield from _run(labs.get(name), change, refs, images, **options)

        labs.register(name)(Lab(name, title, question, run, axis, tuple(levels), expected, order, needs))
        return change

    return add


def _run(
    lab: Lab, change: Change, refs: Any, images: Any, labels: Any = None, seed: int = 0, masks: Any = None
) -> Iterator[Progress | LabResult]:
    """refs: references, or LoadedModels; images: pictures uint8 (n, 3, h, w); labels: (n,); masks: bool (n, h, w)."""
    models = [_opened(ref) for ref in ([refs] if isinstance(refs, str) else refs)]
    if not models or images is None or labels is None:
        raise BadConfig(f"The lab {lab.name} asks models about pictures; give references, images and labels.")
    if any(tuple(model.classes) != tuple(models[0].classes) for model in models):
        raise BadConfig("These models do not have the same classes, so they cannot be right about the same labels.")
    if lab.needs == "masks" and masks is None:
        raise NotApplicable(
            f"“{lab.title}” has to know where the object is in each picture; choose a model of Shapes, which says so."
        )
    lines: list[Line] = []
    shown: list[np.ndarray] = []
    for at, model in enumerate(models):
        subject = _subject(model, images, labels, seed, masks)
        seen: list[Tensor] = []
        for k, level in enumerate(lab.levels):
            done = (at + k / len(lab.levels)) / len(models)
            yield Progress(done, f"{model.ref}: {k + 1} of {len(lab.levels)}")
            x = subject.images if k == 0 else change(subject, level)
            shown += [_pixels(subject, x[0])] if at == 0 else []
            seen.append(_logits(subject.net, x))
        lines.append(_line(model, lab, subject, seen))
    said = tuple(map(finding, lines))
    yield LabResult(lab.name, lab.question, verdict(lines), said, lines=tuple(lines), pictures=tuple(shown))


def _opened(ref: Any) -> Any:
    if not isinstance(ref, str):
        return ref
    from vit_explore.runs.references import load_model

    return load_model(ref)


def _subject(model: Any, images: np.ndarray, labels: Any, seed: int, masks: Any) -> Subject:
    import torch

    from vit_explore.explain.inputs import ready_labels

    pictures = [np.ascontiguousarray(one) for one in np.asarray(images).transpose(0, 2, 3, 1)]
    x = torch.cat([model.preprocess(one) for one in pictures])
    weight = next(model.model.parameters())
    mean, std = (torch.tensor(one).view(3, 1, 1).to(weight.device) for one in (model.mean, model.std))
    known = ready_labels(labels, len(x)).to(weight.device)
    if masks is not None and len(masks) != len(x):
        raise BadConfig(f"There are {len(masks)} masks for {len(x)} pictures; give one for each.")
    places = None if masks is None else torch.from_numpy(model.seen_masks(masks)).to(weight.device)
    return Subject(model.model, x.to(weight), known, std, -mean / std, (1 - mean) / std, seed, places)


def batch_size(images: Tensor, pixels: int = PIXELS, least: int = 16) -> int:
    """How many images (n, 3, h, w) a pass takes: fewer large ones."""
    return max(least, min(BATCH, pixels // (images.shape[2] * images.shape[3])))


def _pixels(subject: Subject, image: Tensor) -> np.ndarray:
    """A picture as the model sees it, uint8 (h, w, 3)."""
    unit = (image - subject.low) / (subject.high - subject.low)
    pixels: np.ndarray = (unit.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return pixels


def _logits(net: nn.Module, images: Tensor) -> Tensor:
    import torch

    from vit_explore.explain.inputs import check_alone
    from vit_explore.explain.states import plain_pass

    check_alone(net)
    with torch.no_grad():
        return torch.cat([plain_pass(net, part).float() for part in images.split(batch_size(images))])


def _line(model: Any, lab: Lab, subject: Subject, seen: list[Tensor]) -> Line:
    """seen: the logits (n, C) at each level."""
    answers, count = [logits.argmax(1) for logits in seen], len(subject.images)
    right = [int((one == subject.labels).sum()) for one in answers]
    other = subject.kept.get("other")
    ends = [wilson(k, count) for k in right]
    return Line(
        ref=model.ref,
        levels=lab.levels,
        accuracy=tuple(k / count for k in right),
        low=tuple(low for low, _ in ends),
        high=tuple(high for _, high in ends),
        same=tuple(float((one == answers[0]).float().mean()) for one in answers),
        chance=1 / len(model.classes),
        images=count,
        moved=tuple(float((logits - seen[0]).abs().max()) for logits in seen),
        other=() if other is None else tuple(float((one == other).float().mean()) for one in answers),
    )


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    share, z2 = right / count, Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    reach = Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def finding(line: Line) -> str:
    """One sentence about a model, or two."""
    if line.moved and 0 <= max(line.moved[1:]) < UNMOVED:
        most = f"no logit of any picture moves by more than {max(line.moved[1:]):.1g}"
        return f"{line.ref}: {most}, so its answer cannot change: {100 * line.accuracy[0]:.1f} % throughout."
    first, last = 100 * line.accuracy[0], 100 * line.accuracy[-1]
    chance = " (chance)" if line.low[-1] <= line.chance <= line.high[-1] else ""
    known = max(line.accuracy[0] - line.chance, 1e-9)
    left = max(0.0, 100 * (line.accuracy[-1] - line.chance) / known)
    kept = "" if math.isnan(line.kept) else f", {left:.0f} % of what it knows beyond chance"
    taken = f" {100 * line.other[-1]:.1f} % then answer the class of the other picture." if line.other else ""
    return f"{line.ref}: {first:.1f} % at first, {last:.1f} %{chance} at the strongest change{kept}.{taken}"


def verdict(lines: Sequence[Line]) -> str:
    """Which model keeps more of what it knows, over all changes, where that is clear; the strongest leaves little."""
    if len(lines) < 2:
        return finding(lines[0])
    known = [line for line in lines if not math.isnan(line.kept)]
    order = sorted(known, key=lambda line: line.kept, reverse=True)
    if len(order) < 2:
        return "One of them knows nothing to begin with, so there is nothing to lose."
    best, worst = order[0], order[-1]
    reach = [_reach(line) for line in (best, worst)]
    if best.kept - reach[0] <= worst.kept + reach[1]:
        return "Both lose alike here: their shares of what they knew differ by no more than these images can tell."
    shares = [f"{max(0.0, 100 * line.kept):.0f} %" for line in order]
    others = " and ".join(f"{share} of {line.ref}" for share, line in zip(shares[1:], order[1:], strict=True))
    return f"{best.ref} keeps more of what it knows over all changes: {shares[0]} against {others}."


def _reach(line: Line) -> float:
    """Half of the interval of `kept`, at most: as if the changes of one picture were one and the same."""
    halves = [(high - low) / 2 for low, high in zip(line.low[1:], line.high[1:], strict=True)]
    return sum(halves) / len(halves) / max(line.accuracy[0] - line.chance, 1e-9)
