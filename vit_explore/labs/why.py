"""Why 14.81 %? Which of a report's mistakes explains its figure, by runs with one of them changed at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vit_explore.labs.base import Lab, LabResult, labs
from vit_explore.seeds import Spread
from vit_explore.sweeps import sweeps
from vit_explore.sweeps.grids.why import BROKEN, CAUSES, HEAD, NOTHING, REPAIRED
from vit_explore.sweeps.results import Result, of_cell
from vit_explore.sweeps.training import trained
from vit_explore.told import Progress

REPORTED = 0.1481  # top-1 on the test images
SUMS, BATCHES = (1407, 1390), 625  # the losses that the report prints, and its batches in an epoch: 40,000 / 64
GUESSING = math.log(10)
LEAST = 0.01  # of top-1: a smaller difference is none, however well the seeds agree
ENOUGH = 3  # seeds: that all of two beat all of two others happens by chance once in six times, of three in twenty
NEAR = 0.03  # of top-1: so far from the report's figure a run still lands on it

SWEEP = sweeps.get("why")
Word = Literal["explains", "hides", "helps", "against", "nothing", "undecided", "unmeasured"]


@dataclass(frozen=True)
class Cause:
    """A cause that the report's figure may have. name: as in the sweep; code: what is wrong, as it is written."""

    name: str
    title: str
    about: str
    code: str = ""


TOLD = (
    Cause(
        "attention",
        "Attention runs across the batch",
        "torch's TransformerEncoderLayer takes (tokens, batch, width) unless `batch_first=True` is given. Handed "
        "(batch, tokens, width), each token attends to the same place of the other images, and never to its own image.",
        "layer(x)  # x: (batch, tokens, width)",
    ),
    Cause(
        "norm",
        "Post-norm at lr 1e-3, no warm-up",
        "LayerNorm after each residual sum is torch's default and the first Transformer's; deep ones want a warm-up.",
        "norm_first = False; warm_up = 0",
    ),
    Cause(
        "patches",
        "Patches of 16 px on images of 32 px",
        "The paper's 16 px are for images of 224 px. Here they leave 4 tokens.",
        "patch_size = 16  # 4 tokens",
    ),
    Cause(
        "recipe",
        "No augmentation, and 5 epochs",
        "The paper pre-trains for 7 to 300 epochs; small ViTs on CIFAR-10 are trained for 200.",
        "for epoch in range(5):",
    ),
)
LOSS = Cause(
    "loss",
    "The loss is summed over the batches",
    "It fell from 1407 to 1390, which looks like a lot of loss, and says nothing without the number of batches.",
    "total += loss.item()",
)
ALL = (*TOLD[:3], LOSS, *TOLD[3:])


@dataclass(frozen=True)
class Effect:
    """What one cause does: its repair in the report's run, and the cause alone in a sound one. None: not measured."""

    cause: Cause
    report: Spread | None
    repaired: Spread | None
    sound: Spread | None
    broken: Spread | None

    @property
    def gain(self) -> float | None:
        """Points of top-1, in [-1, 1], that its repair gives the report's run."""
        return None if self.report is None or self.repaired is None else self.repaired.mean - self.report.mean

    @property
    def loss(self) -> float | None:
        """Points that it takes from a sound run."""
        return None if self.sound is None or self.broken is None else self.sound.mean - self.broken.mean

    @property
    def word(self) -> Word:
        """What it comes to. explains: repairing it helps and it harms alone; hides: it harms a sound run, but in the
        report's another cause still holds; helps: the other way round; against: a run is better with it."""
        pairs = ((self.report, self.repaired), (self.broken, self.sound))
        if any(one is None or other is None for one, other in pairs):
            return "unmeasured"
        if any(len(one.values) < ENOUGH for pair in pairs for one in pair if one is not None):
            return "undecided"
        gains, harms = (is_clear(*pair) for pair in pairs)
        if gains or harms:
            return "explains" if gains and harms else "hides" if harms else "helps"
        return "against" if any(is_clear(better, worse) for worse, better in pairs) else "nothing"


def is_clear(worse: Spread | None, better: Spread | None) -> bool:
    """Whether one is better for all seeds of both, by LEAST at least on average."""
    if worse is None or better is None:
        return False
    return better.low > worse.high and better.mean - worse.mean >= LEAST


def effects(results: Sequence[Result]) -> list[Effect]:
    """The effect of each cause that is trained, in the order of the list."""

    def of(row: str, column: str) -> Spread | None:
        cell = SWEEP.cell(row, column)
        return None if cell is None else of_cell(results, cell)

    report, sound = of(NOTHING, REPAIRED), of(NOTHING, BROKEN)
    return [Effect(cause, report, of(cause.name, REPAIRED), sound, of(cause.name, BROKEN)) for cause in TOLD]


def finding(effect: Effect) -> str:
    """One sentence about a cause."""
    title, word = effect.cause.title, effect.word
    if word == "unmeasured":
        return f"{title}: not measured yet."
    gain, change = (round(100 * points, 1) + 0.0 for points in (effect.gain or 0.0, -(effect.loss or 0.0)))
    moved = f"its repair moves the report's run by {gain:+.1f} points, and alone it moves a sound run by {change:+.1f}"
    meaning = {
        "explains": "it explains the figure: it harms alone, and repairing it is enough to see it",
        "hides": "it harms, but repairing it alone does not help, since another cause still holds",
        "helps": "repairing it helps the report's run, and a sound run does without the repair",
        "against": "it is not the cause: a run is clearly better with it than without",
        "nothing": "it does not matter here: the seeds differ by more, or the difference is below a point",
        "undecided": "fewer than three seeds each, so it is not decided",
    }[word]
    return f"{title}: {moved}; {meaning}."


def head_finding(results: Sequence[Result]) -> str | None:
    """What the head's choice does to the report's run; None where it is not measured."""
    cells = (SWEEP.cell(NOTHING, REPAIRED), SWEEP.cell(HEAD, REPAIRED))
    report, pooled = (of_cell(results, cell) if cell else None for cell in cells)
    if report is None or pooled is None:
        return None
    moved = f"{100 * pooled.mean:.1f} % in place of {100 * report.mean:.1f} %"
    return f"The same run, every mistake in place, whose head reads the mean of the patches: {moved}."


def verdict(results: Sequence[Result]) -> str:
    """Which causes explain the figure, in a sentence or two, from the runs alone."""
    found = effects(results)
    if all(effect.word == "unmeasured" for effect in found):
        return "Not measured yet."
    report = found[0].report
    if any(effect.word in ("unmeasured", "undecided") for effect in found):
        return f"Not decided yet: each variant needs three seeds at least.{_lands(report)}"
    guilty = [effect.cause.title for effect in found if effect.word == "explains"]
    partly = [effect.cause.title for effect in found if effect.word in ("hides", "helps")]
    against = [effect.cause.title for effect in found if effect.word == "against"]
    innocent = [effect.cause.title for effect in found if effect.word == "nothing"]
    parts = [f"It is explained by: {_listed(guilty)}." if guilty else "No single cause explains it here."]
    parts += [f"With a part in it: {_listed(partly)}."] if partly else []
    parts += [f"Better with it than without: {_listed(against)}."] if against else []
    parts += [f"Without a clear effect here: {_listed(innocent)}."] if innocent else []
    return " ".join(parts) + _lands(report)


def _lands(report: Spread | None) -> str:
    """Where the report's run, made small, ends beside the report's own figure."""
    if report is None:
        return ""
    lands = abs(report.mean - REPORTED) <= NEAR
    how = "which is the report's figure, about" if lands else "so the figure itself is not reproduced"
    return f" The report's run, scaled down, ends at {100 * report.mean:.1f} % (reported: 14.81 %), {how}."


def _listed(titles: Sequence[str]) -> str:
    return "; ".join(title[0].lower() + title[1:] for title in titles)


def run(refs: tuple[str, ...] = (), images: Any = None, seeds: Sequence[int] = (0,)) -> Iterator[Progress | LabResult]:
    """Train every variant with each seed, in this process; nothing is stored. It needs no models and no pictures."""
    results: list[Result] = []
    for share, words, result in trained(SWEEP, seeds):
        results += result
        yield Progress(share, words)
    findings = [finding(effect) for effect in effects(results)] + [arithmetic()]
    yield LabResult("why", SWEEP.question, verdict(results), tuple(findings), tuple(results))


def arithmetic() -> str:
    """What the summed losses say, once they are divided by the batches."""
    first, last = (total / BATCHES for total in SUMS)
    return (
        f"{SUMS[0]} / {BATCHES} = {first:.2f} and {SUMS[1]} / {BATCHES} = {last:.2f}; a model that finds all ten "
        f"classes alike has a loss of ln 10 = {GUESSING:.2f}."
    )


assert set(CAUSES) == {cause.name for cause in TOLD}
labs.register("why")(Lab("why", SWEEP.title, SWEEP.question, run))
