"""Figures as people say them: medians with their range, parts of a run, times, and dashes for what nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

from vit_explore.reports.base import Row
from vit_explore.reports.measured import Record
from vit_explore.runs.records import RunRecord
from vit_explore.seeds import Spread, spread
from vit_explore.ui.kit import wording
from vit_explore.ui.pages.reports.found import Found

NOTHING = "–"
NOT_YET = "not measured yet"

Runs = Sequence[Record] | Sequence[RunRecord]


def printed(value: float | None) -> str:
    """A percentage as it was printed."""
    return NOTHING if value is None else f"{value:.2f} %" if value != round(value, 1) else f"{value:.1f} %"


def over_seeds(found: Spread | None, percent: bool = True) -> str:
    """Such as "69.9 % (69.2 to 70.3)"; one number where there is one."""
    if found is None:
        return NOTHING
    numbers = [100 * number for number in (found.median, found.low, found.high)]
    if not percent:
        return f"{found.median:,.0f}" if found.median >= 100 else f"{found.median:.3g}"
    middle, least, most = (f"{number:.1f}" for number in numbers)
    return f"{middle} %" if least == most else f"{middle} % ({least} to {most})"


def accuracy(records: Sequence[Record]) -> str:
    """Of whole runs their test accuracies; of one that was cut short how far it came, on validation images."""
    whole = [record for record in records if not record.is_partial]
    if whole:
        return over_seeds(spread(record.top1 for record in whole))
    if not records:
        return NOT_YET
    furthest = max(records, key=lambda record: record.done)
    looks = [look for look in furthest.validation if look[0] > 0]
    if not looks:
        return f"cut short at {100 * furthest.done:.0f} % of it: a loss alone"
    return f"{wording.percent(looks[-1][2])} at {100 * looks[-1][0]:.0f} % of it"


def facts(found: Found) -> dict[str, list[str]]:
    """Name of a number -> as reported, with the same settings, scaled, and yours of both."""
    row, reported = found.row, found.row.reported
    records = (found.shipped["faithful"], found.shipped["scaled"])
    own = (found.own["faithful"], found.own["scaled"])
    everyone: tuple[Runs, ...] = (*records, *own)
    params = NOTHING if row.params is None else wording.count(row.params)
    lines = {
        "Top-1": [printed(reported.top1), *map(accuracy, records), *(_over(runs, "test_top1") for runs in own)],
        "Tested on": [NOTHING, *map(_tested, everyone)],
        "Macro F1": [printed(reported.f1), *(_over(_whole(runs), "macro_f1") for runs in everyone)],
        "Epochs": [
            _plain(reported.epochs),
            *(_number(_whole(runs) or runs, "epochs") for runs in records),
            *(_number(runs, "epoch") for runs in own),
        ],
        "Wall time": [wording.duration(reported.seconds), *map(_time, everyone)],
        "Images/s": [NOTHING, *(_number(runs, "images_per_second") for runs in everyone)],
        "Parameters": [params, *map(_count, everyone)],
        "Seeds": [NOTHING, *map(_seeds, everyone)],
        "Device": [NOTHING, *map(_devices, everyone)],
    }
    if reported.before is not None:
        before = f"{printed(reported.before)} (F1 {printed(reported.f1_before)})"
        lines = {"Top-1 before training": [before, *map(_first, records), NOTHING, NOTHING], **lines}
    return lines


def _whole(runs: Runs) -> Runs:
    """Without those that were cut short."""
    return [run for run in runs if not (isinstance(run, Record) and run.is_partial)]  # type: ignore[return-value]


def _first(records: Sequence[Record]) -> str:
    """Before the first step, on the validation images."""
    looks = (record.validation[0] for record in records if record.validation)
    return over_seeds(spread(look[2] for look in looks if look[1] == 0))


def _tested(runs: Runs) -> str:
    """How many images the test had: of a slow run a part of them."""
    counts = sorted({run.test_images for run in runs if run.test_images})
    ends = dict.fromkeys(counts[:1] + counts[-1:])
    return f"{' to '.join(f'{count:,}' for count in ends)} images" if ends else NOTHING


def _plain(value: float | None) -> str:
    return NOTHING if value is None else f"{value:g}"


def _over(runs: Runs, name: str) -> str:
    return over_seeds(spread(getattr(run, name) for run in runs))


def _number(runs: Runs, name: str) -> str:
    return over_seeds(spread(getattr(run, name) for run in runs), percent=False)


def _time(runs: Runs) -> str:
    """Of whole runs; of one that was cut short, so far."""
    whole = _whole(runs)
    name = "seconds" if runs and isinstance(runs[0], Record) else "train_seconds"
    found = spread(getattr(run, name) for run in whole or runs)
    return NOTHING if found is None else f"{wording.duration(found.median)}{'' if whole else ' so far'}"


def _count(runs: Runs) -> str:
    found = spread(run.params for run in runs)
    return NOTHING if found is None else wording.count(found.median)


def _devices(runs: Runs) -> str:
    said = [f"{run.device}, {run.cpu}" if isinstance(run, Record) and run.cpu else run.device or "" for run in runs]
    return "; ".join(dict.fromkeys(filter(None, said))) or NOTHING


def _seeds(runs: Runs) -> str:
    seeds = [run.seed if isinstance(run, Record) else run.settings().train.seed for run in runs]
    return ", ".join(map(str, sorted(seeds))) or NOTHING


def table(everything: Sequence[Found], kind: str) -> dict[str, list[str]]:
    """The comparison of all rows: a column for each number, of the faithful or of the scaled runs."""
    columns: dict[str, list[str]] = {}
    place = 1 if kind == "faithful" else 2
    for found in everything:
        lines = facts(found)
        values = {
            "Row": found.row.short,
            "Reported": lines["Top-1"][0],
            "Here": lines["Top-1"][place],
            "Yours": lines["Top-1"][place + 2],
            "F1": lines["Macro F1"][0],
            "F1 here": lines["Macro F1"][place],
            "Epochs": f"{lines['Epochs'][0]} / {lines['Epochs'][place]}",
            "Time": lines["Wall time"][0],
            "Time here": lines["Wall time"][place],
            "Images/s": lines["Images/s"][place],
            "Parameters": _either(lines["Parameters"][place], lines["Parameters"][0]),
            "Seeds": lines["Seeds"][place],
            "Device": lines["Device"][place],
        }
        for name, value in values.items():
            columns.setdefault(name, []).append(value)
    return columns


def _either(first: str, second: str) -> str:
    return second if first == NOTHING else first


def title_of(row: Row) -> str:
    """A row in a list to choose from."""
    top1 = "" if row.reported.top1 is None else f" · {printed(row.reported.top1)}"
    return f"{row.title}{top1}"
