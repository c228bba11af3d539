"""The accuracies on training and validation images part: it learns its pictures by heart."""

from __future__ import annotations

from typing import Any

from vit_explore.diagnosis.findings import Evidence, Finding, Repair, Severity, symptoms

GAP = 0.12  # healthy runs here have 0.02 in a minute, and 0.06 after forty epochs
SURE = 3.0  # standard errors of the difference
LOOKS = 2  # in a row, so that one look's chance says nothing
WIDE = 0.25
DECAY = 0.1


@symptoms.register("parts")
def parts(evidence: Evidence) -> Finding | None:
    """A gap at the latest looks, larger than chance makes it."""
    last = evidence.looks[-LOOKS:]
    if len(last) < LOOKS or not all(look.gap > max(GAP, SURE * look.noise) for look in last):
        return None
    look, best = last[-1], max(look.val for look in evidence.looks)
    return Finding(
        "parts",
        f"It learns its training images by heart: {100 * look.train:.0f} % of them are right, and "
        f"{100 * look.val:.0f} % of the validation images.",
        (
            f"The gap is {100 * look.gap:.0f} ± {100 * look.noise:.0f} points, on {look.train_images:,} "
            f"training images without augmentation and {look.val_images:,} validation images.",
            f"The best validation accuracy so far is {100 * best:.0f} %.",
        ),
        Severity.WARNING if look.gap > WIDE else Severity.HINT,
        _repair(evidence),
    )


def _repair(evidence: Evidence) -> Repair:
    """More varied images, then heavier decay, then more images."""
    train, data = evidence.config.train, evidence.config.data
    changes: dict[str, Any] = {}
    if train.augment != "flip+crop" and train.tune == "all":
        changes["augment"] = "flip+crop"
    if train.weight_decay < DECAY:
        changes["weight_decay"] = DECAY
    if changes:
        words = {"augment": "flipped and cropped images", "weight_decay": f"weight decay {DECAY:g}"}
        return Repair(f"Train anew with {' and '.join(words[name] for name in changes)}", changes)
    if data.per_class is not None:
        return Repair("Train anew with all images", {"per_class": None})
    heavier = min(10.0, 3 * train.weight_decay)
    return Repair(f"Train anew with weight decay {heavier:g}", {"weight_decay": heavier})
