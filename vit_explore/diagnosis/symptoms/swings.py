"""The loss swings to and fro from step to step."""

from __future__ import annotations

import numpy as np

from vit_explore.diagnosis import repairs
from vit_explore.diagnosis.findings import Evidence, Finding, Repair, Severity, symptoms
from vit_explore.diagnosis.trend import trend

SHARE = 0.25  # of the budget that is looked back on
MIN_STEPS = 40
FIRST = 0.05  # of the budget: the fall from the start is no swing
SPREAD = 0.2  # of ln C, around the line; batches of 64 images make 0.06 in a healthy run
TURNS = 0.1  # of the steps on which the loss crosses its line: one jump crosses it twice, chance half the time
SMALL_BATCH = 16  # below it the swings are those of single images, whatever the learning rate
USUAL_BATCH = 64


@symptoms.register("swings")
def swings(evidence: Evidence) -> Finding | None:
    """The spread around the trend, against ln C, with many changes of side."""
    x, y = evidence.since(max(evidence.settled, evidence.now - SHARE, FIRST))
    if len(y) < MIN_STEPS or evidence.failure:
        return None
    line = trend(x, y)
    turns = _turns(x, y)
    if line.spread < SPREAD * evidence.guessing or turns < TURNS or line.mean > 2 * evidence.guessing:
        return None  # a loss far above guessing has grown: that is the word for it
    train = evidence.config.train
    return Finding(
        "swings",
        f"The loss swings: ± {line.spread:.2f} from step to step around {line.mean:.2f}.",
        (
            f"That is {100 * line.spread / evidence.guessing:.0f} % of ln {evidence.classes} = "
            f"{evidence.guessing:.2f}; batches of 64 images make about 6 % in a healthy run.",
            f"It crosses its trend on {100 * turns:.0f} % of the last {len(y):,} steps.",
            f"Batches of {train.batch_size}, learning rate {train.lr:g} at its peak.",
        ),
        Severity.WARNING,
        _repair(evidence),
    )


def _turns(x: np.ndarray, y: np.ndarray) -> float:
    above = y > np.polyval(np.polyfit(x, y, 1), x)
    return float(np.mean(above[1:] != above[:-1]))


def _repair(evidence: Evidence) -> Repair:
    if evidence.config.train.batch_size < SMALL_BATCH:
        return Repair(f"Train anew with batches of {USUAL_BATCH}", {"batch_size": USUAL_BATCH})
    return repairs.gentler(evidence.config)
