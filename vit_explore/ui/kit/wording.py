"""Numbers and states as people say them."""

from __future__ import annotations

import math

from vit_explore.runs.records import RunRecord, State
from vit_explore.ui.kit.text import escaped

STATE_WORDS = {
    "queued": "waiting",
    "running": "training",
    "finished": "finished",
    "stopped": "stopped",
    "failed": "failed",
    "interrupted": "interrupted",
}
# more than colour: each state has its own sign
STATE_ICONS = {
    "queued": ":material/hourglass_empty:",
    "running": ":material/play_circle:",
    "finished": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "failed": ":material/error:",
    "interrupted": ":material/power_off:",
}
STATE_COLOURS = {
    "queued": "gray",
    "running": "blue",
    "finished": "green",
    "stopped": "orange",
    "failed": "red",
    "interrupted": "orange",
}
_FINE_POINTS = 5.0  # of accuracy: 400 test images
ACTIVE: tuple[State, ...] = ("queued", "running")


def can_race(record: RunRecord) -> bool:
    """Whether a run has begun, waits, or was to run in a race."""
    return record.config is not None and (record.step is not None or record.state in ACTIVE or bool(record.group))


def count(number: float | None) -> str:
    """A count in three figures: 842, 12.3 k, 4.56 M."""
    if number is None:
        return "–"
    number = float(f"{number:.3g}") if abs(number) >= 1e4 else number
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= max(limit, 1e4):
            return f"{number / limit:.3g} {unit}"
    return f"{number:,.0f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage; a dash for None and NaN."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.{digits}f} %"


def tested_on(record: RunRecord) -> str:
    """Such as "10,000 test images", "1,250 of 10,000 test images" or "not tested"; "" before the end."""
    tested = record.test_images
    if tested is None:
        return ""
    if tested == 0:
        return "not tested"
    total = f" of {record.test_size:,}" if record.test_size and tested < record.test_size else ""
    return f"{tested:,}{total} test images"


def part_tested(record: RunRecord) -> str:
    """Such as "on 1,250 of 10,000 test images"; "" where it was tested on all of them, or not at all."""
    words = tested_on(record)
    return f"on {words}" if " of " in words else ""


def few_tests(images: int) -> str:
    """A caution where an accuracy on so few test images is good to a few points only; "" where there are enough.

    Two standard errors of a share of 1/2, which is the largest.
    """
    points = 100 / math.sqrt(images) if images else 0.0
    if points <= _FINE_POINTS:
        return ""
    return (
        f"With {images:,} test images an accuracy is good to about ± {points:.0f} points: less between two is chance."
    )


def duration(seconds: float | None) -> str:
    """Seconds as 45 s, 2 min, 2 min 05 s or 3 h 20 min."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60:02d} s" if whole % 60 else "")
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(number: float) -> str:
    """Bytes as 12 KB, 3.4 MB or 1.2 GB (powers of 1000, as disks are sold)."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number / 1e3:.0f} KB"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, …"""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def sentence(error: Exception) -> str:
    """An error's message as a sentence of its own, safe inside markdown."""
    text = str(error)
    return escaped(text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else "."))


def progress_of(record: RunRecord) -> float:
    """How much of the budget is spent, in [0, 1]."""
    if record.state == "finished":
        return 1.0
    if record.config is None:
        return 0.0
    train = record.config.train
    if train.seconds is not None:
        share = (record.elapsed or 0.0) / train.seconds
    else:
        share = (record.epoch or 0.0) / (train.epochs or 1.0)
    return min(1.0, max(0.0, share))


def state_line(record: RunRecord, ahead: str | None = None) -> str:
    """The run's state in one sentence. `ahead`: the name of the run that it waits for."""
    if record.state == "queued" and record.paused:
        return "Paused: it takes no turn until it is to go on."
    if record.state == "queued":
        place = "next" if (record.place or 1) == 1 else ordinal(record.place or 1)
        behind = f" behind “{escaped(ahead)}”" if ahead else ""
        return f"Waiting: {place} in the queue{behind}."
    if record.state == "running":
        return _running(record)
    untested = " It was not tested." if record.test_images == 0 else ""
    if record.state == "finished":
        early = f" {record.note}" if record.note else ""
        return f"Finished after {duration(record.train_seconds)} of training.{early}{untested}"
    where = f"at step {record.step:,}" if record.step else "before its first step"
    if record.state == "stopped":
        by_force = " by force" if record.error else ""  # the error says from where it can go on
        return f"Stopped{by_force} {where}.{untested}{'' if by_force else ' Resume goes on from there.'}"
    return f"{STATE_WORDS[record.state].capitalize()} {where}."


def _running(record: RunRecord) -> str:
    if record.stop_requested:
        return f"Stopping: {_lowered(record.note) or 'it finishes this step'}."
    if not record.step or record.remaining is None:  # None: resumed, and not a step further yet
        return f"{escaped(record.note or 'Getting ready')}…"
    if progress_of(record) >= 1 or record.remaining == 0:
        return f"Training is over: {_lowered(record.note) or 'it takes the test'}."
    return f"{'Paused' if record.paused else 'Training'}: {duration(record.remaining)} left."


def _lowered(note: str | None) -> str:
    """A note within a sentence."""
    return escaped(note[:1].lower() + note[1:]) if note else ""
