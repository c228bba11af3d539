"""Both accuracies are low at the end: it has learned too little (underfitting)."""

from __future__ import annotations

from vit_explore.diagnosis import repairs
from vit_explore.diagnosis.findings import Evidence, Finding, Severity, symptoms

END = 0.95  # of the budget: before that it may still learn
LOW = 0.5  # of the way from guessing to all right, on the training images themselves
TOGETHER = 0.05  # a larger gap is another symptom
LEARNED = 0.1  # of the way: with less, the loss is flat or has grown, which says more


@symptoms.register("short")
def short(evidence: Evidence) -> Finding | None:
    """Low on the images of the training, and hardly lower on others."""
    if not evidence.looks or evidence.now < END:
        return None
    look, guess = evidence.looks[-1], 1 / max(2, evidence.classes)
    way = (look.train - guess) / (1 - guess)
    if not LEARNED < way < LOW or look.gap > TOGETHER + 2 * look.noise:
        return None
    return Finding(
        "short",
        f"It has learned too little for its own training images: {100 * look.train:.0f} % of them are right, and "
        f"{100 * look.val:.0f} % of the validation images.",
        (
            f"Guessing gives {100 * guess:.0f} %; the two differ by {round(100 * look.gap):d} ± {100 * look.noise:.0f} "
            "points, so it does not learn by heart: more steps, or a larger model, can still gain.",
            f"It took {evidence.steps:,} steps.",
        ),
        Severity.HINT,
        repairs.longer(evidence.config),
    )
