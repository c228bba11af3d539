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


def single_value(batch_size: int, side: int) -> str:
    """BatchNorm has nothing to take a variance of."""
    images = f"a batch of {batch_size} images" if batch_size > 1 else "a batch of one image"
    return (
        f"The model's BatchNorm has a single value per channel to learn from, with {images} of {side} px; "
        "choose a larger batch size or image size."
    )


def is_single_value(error: BaseException) -> bool:
    """Whether `error` is BatchNorm saying that it has a single value per channel."""
    return "more than 1 value per channel" in str(error)


def no_room(device: str) -> str:
    """The memory is spent before a step is taken."""
    return (
        f"The memory of {device} is spent by the images and the model alone; "
        "choose a smaller image size, fewer images per class or a smaller model."
    )


def out_of_memory(device: str, batch_size: int, fits: int) -> str:
    """The memory is spent; `fits` is the largest batch that would do, 0 when none does."""
    advice = f"a batch size of {fits} would fit" if fits else "not even one image fits: choose a smaller model"
    return f"The memory of {device} is spent at a batch size of {batch_size}; {advice}."
