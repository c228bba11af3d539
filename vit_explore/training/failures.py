"""Why a run cannot go on, each in one sentence with what to try."""

from __future__ import annotations

_NOT_FINITE = "The loss became"


def not_finite(step: int, loss: float, lr: float) -> str:
    """The loss is inf or NaN."""
    return (
        f"{_NOT_FINITE} {loss} at step {step} with lr = {lr:g}; "
        "try a learning rate a third as large, a longer warm-up, or gradient clipping at 1."
    )


def is_not_finite(sentence: str | None) -> bool:
    """Whether a failed run says that its loss was no number any more."""
    return (sentence or "").startswith(_NOT_FINITE)


def out_of_memory(device: str, batch_size: int, fits: int) -> str:
    """The memory is spent; `fits` is the largest batch that would do, 0 when none does."""
    advice = f"a batch size of {fits} would fit" if fits else "not even one image fits: choose a smaller model"
    return f"The memory of {device} is spent at a batch size of {batch_size}; {advice}."
