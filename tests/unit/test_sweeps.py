"""Sweeps: grids that hold what they say, one group in the store, resumed without repeating, and what comes out."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import run_tools
from run_tools import FakeTrainer, me, tiny_config

from vit_explore import cli
from vit_explore.errors import BadData, BadReference
from vit_explore.runs.store import RunStore
from vit_explore.sweeps import Cell, Sweep, definition, sweeps
from vit_explore.sweeps import group as groups
from vit_explore.sweeps.bases import CLASSES, TRAIN_IMAGES
from vit_explore.sweeps.definition import key_of, on_page
from vit_explore.sweeps.estimate import estimate, seconds_of
from vit_explore.sweeps.results import (
    RECORDS,
    Result,
    as_csv,
    as_json,
    changed,
    of_cell,
    read_json,
    results_of,
    shipped,
)  # fmt: skip
from vit_explore.training.advice import Memory, Preflight

NAMES = sweeps.names()
TINY = Sweep(
    name="tiny", title="Tiny", question="Is it tiny?", rows="width", columns="depth",
    cells=tuple(
        Cell(f"{width} wide", f"{depth} deep", tiny_config(width=width, depth=depth))
        for width in (8, 16)
        for depth in (1, 2)
    ),
    source="", scaled="All of it.", look_for="Nothing.",
)  # fmt: skip


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep of four cells, beside those of the package."""
    monkeypatch.setitem(sweeps._members, "tiny", TINY)


@pytest.fixture(autouse=True)
def foreseen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every model learns on 1,000 images a second; what was asked for."""
    asked: list[Any] = []

    def foresee(config: Any, *_: Any) -> Preflight:
        asked.append(config)
        return Preflight(0.06, 1.0, 1000.0, 100, Memory(1, 1, 1, 1, 1), 10**9, 10**9, "probe")

    monkeypatch.setattr("vit_explore.sweeps.estimate.foresee", foresee)
    return asked


class Trained:
    """In place of the trainer: counts which runs begin, and from which step."""

    def __init__(self, at: Callable[[int], object] = lambda _: None) -> None:
        self.begun: list[tuple[str, int]] = []
        self.at = at  # called with the number of the run, at its third step

    def __call__(self, config: Any, *arguments: Any, state: Any = None, **options: Any) -> Any:
        self.begun.append((config.name, state["step"] if state else 0))
        trainer, number = FakeTrainer()(config, *arguments, state=state, **options), len(self.begun)
        plain = trainer.events

        def events() -> Iterator[Any]:
            for event in plain():
                if isinstance(event, run_tools.Step) and event.step == 3:
                    self.at(number)
                yield event

        trainer.events = events  # type: ignore[method-assign]
        return trainer


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    known = Trained()
    monkeypatch.setattr("vit_explore.runs.recorder.the_trainer", known)
    return known


def interrupt(_: int) -> None:
    os.kill(os.getpid(), signal.SIGINT)


# ---------------------------------------------------------------------- the grids


@pytest.mark.parametrize("name", NAMES)
def test_a_grid_is_whole(name: str) -> None:
    sweep = sweeps.get(name)
    assert sweep.name == name
    assert sweep.question.endswith("?") or "?" in sweep.question
    assert sweep.title
    assert sweep.scaled
    assert sweep.look_for
    assert len({(cell.row, cell.column) for cell in sweep.cells}) == len(sweep.cells)
    assert all(cell.row and cell.column for cell in sweep.cells)
    runs = sweep.runs((0, 1))
    assert len({run.name for run in runs}) == len(runs)
    assert len({key_of(run) for run in runs}) == len(runs)
    assert {key_of(run) for run in runs} == {key_of(cell.config, seed) for cell in sweep.cells for seed in (0, 1)}
    assert [run.train.seed for run in runs] == sorted(run.train.seed for run in runs)  # a whole grid first


@pytest.mark.parametrize("name", [sweep.name for sweep in on_page(sweeps)])
def test_the_cells_of_a_grid_compare_fairly(name: str) -> None:
    """Beside the model, they differ only in what the grid is about: images, passes over them, or the learning rate."""
    cells = sweeps.get(name).cells
    alike = {cell.config.update(**{**_model_of(cells[0]), "per_class": 9, "epochs": 1, "lr": 1e-3}) for cell in cells}
    assert len({key_of(config) for config in alike} if alike else ()) == 1


def _model_of(cell: Cell) -> dict[str, Any]:
    from vit_explore.config import settings

    return {name: one.value(cell.config) for name, one in settings().items() if one.section == "model"}


def test_every_run_of_the_data_grid_takes_as_many_steps() -> None:
    steps = set()
    for cell in sweeps.get("data").cells:
        train, per_class = cell.config.train, cell.config.data.per_class or 0
        steps.add(round((train.epochs or 0) * (CLASSES * per_class // train.batch_size)))
        assert CLASSES * per_class <= TRAIN_IMAGES
    assert len(steps) == 1


def test_what_cells_share_is_trained_once() -> None:
    shape = sweeps.get("shape")
    assert len(shape.runs((0,))) == len(shape.cells) - len(shape.row_names) + 1


# ---------------------------------------------------------------------- the estimate


def test_each_kind_of_model_is_tried_once(foreseen: list[Any]) -> None:
    found = estimate(sweeps.get("data").runs(), RunStore())
    assert found.runs == 45
    assert len(foreseen) == 3
    assert found.longest < found.seconds / 40
    assert found.disk > 0


def test_the_estimate_is_that_of_the_steps_and_the_looks() -> None:
    config = sweeps.get("data").cells[-1].config
    assert seconds_of(config, 1000.0) == pytest.approx(40 + 20_000 / 3000 + 2, abs=6)
    assert seconds_of(config.update(seconds=10), 1000.0) < seconds_of(config, 1000.0) - 29


def test_a_dry_run_says_count_and_time_and_trains_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "tiny", "--seeds", "0,1", "--dry-run"]) == 0
    assert "4 cells × 2 seeds: 8 runs, about" in capsys.readouterr().out
    assert cli.main(["sweep", "tiny", "--seeds", "0", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == 4
    assert found["seconds"] > 0
    assert RunStore().list() == []


# ---------------------------------------------------------------------- the group


def test_a_sweep_may_be_left_to_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "tiny", "--seeds", "0,1", "--queue"]) == 0
    (group,) = groups.groups_of(RunStore(), TINY)
    assert f"8 runs are queued as the group {group}" in capsys.readouterr().out
    assert RunStore().states() == {"queued": 8}
    for record in RunStore().list()[:3]:
        RunStore().request_stop(record.id)
    assert cli.main(["sweep", "--resume", group, "--queue", "--json"]) == 0  # nothing is trained here
    assert json.loads(capsys.readouterr().out) == {"group": group, "queued": 8}
    assert RunStore().states() == {"queued": 8}
    assert cli.main(["sweep", "tiny", "--seeds", "0", "--queue", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["queued"] == 4


def test_seeds_that_were_not_asked_for_are_not_missed(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "tiny", "--seeds", "0"]) == 0
    (name,) = groups.groups_of(RunStore(), TINY)
    assert cli.main(["sweep", "--resume", name, "--seeds", "1", "--queue"]) == 0
    for record in RunStore().list(states=("queued",)):
        RunStore().request_stop(record.id)
    capsys.readouterr()
    assert cli.main(["sweep", "--resume", name, "--seeds", "0"]) == 0
    assert "did not finish" not in capsys.readouterr().err
    assert cli.main(["sweep", "--resume", name, "--seeds", "0,1"]) == 0
    assert groups.find(RunStore(), name).is_whole


def test_all_runs_are_queued_as_one_group() -> None:
    store = RunStore()
    store.create(tiny_config(), group="race-1234")
    name = groups.start(store, TINY, (0, 1))
    found = groups.find(store, name)
    assert len(found.records) == len(found.active) == 8
    assert found.seeds == [0, 1]
    assert found.sweep is TINY
    assert [record.settings().train.seed for record in found.of(TINY.cells[0])] == [0, 1]
    assert groups.groups_of(store, TINY) == [name]
    later = groups.start(store, TINY, (0,))
    assert groups.groups_of(store, TINY) == [later, name]


def test_groups_of_a_sweep_are_not_those_of_one_whose_name_begins_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = definition.Sweep(**{**vars(TINY), "name": "tiny-er"})
    monkeypatch.setitem(sweeps._members, "tiny-er", longer)
    store = RunStore()
    one, other = groups.start(store, TINY, (0,)), groups.start(store, longer, (0,))
    assert groups.groups_of(store, TINY) == [one]
    assert groups.groups_of(store, longer) == [other]
    assert groups.find(store, other).sweep is longer


@pytest.mark.parametrize("name", ["sweep-tiny-00000000", "race-1234", "sweep", "nothing", "sweep-"])
def test_a_group_that_is_none_is_said(name: str) -> None:
    with pytest.raises(BadReference, match="no sweep"):
        groups.find(RunStore(), name)


def test_a_run_of_another_grid_is_none_of_a_cell() -> None:
    store = RunStore()
    name = groups.start(store, TINY, (0,))
    store.create(tiny_config(width=32), group=name)
    found = groups.find(store, name)
    assert (len(found.records), found.others) == (4, 1)


def test_a_claim_for_a_group_takes_no_other_run() -> None:
    store = RunStore()
    other = store.create(tiny_config())
    name = groups.start(store, TINY, (0,))
    claimed = store.claim(me(), name)
    assert claimed is not None
    assert claimed.group == name
    assert store.get(other).state == "queued"


# ---------------------------------------------------------------------- the command


def test_a_sweep_trains_each_cell_and_ends_with_a_table(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = RunStore().create(tiny_config())
    assert cli.main(["sweep", "tiny", "--seeds", "0,1", "--csv", str(tmp_path / "tiny.csv")]) == 0
    out, err = capsys.readouterr()
    assert len(trained.begun) == 8
    assert "8 runs, about" in err
    assert "60.0 %" in out  # what the trainer that trains nothing says
    assert len(out.splitlines()) == 1 + len(TINY.cells)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tiny.csv").read_text())))
    assert [(row["row"], row["seed"]) for row in rows][:2] == [("8 wide", "0"), ("8 wide", "1")]
    assert len(rows) == 8
    assert json.loads(rows[0]["settings"])["width"] == 8
    assert RunStore().get(waiting).state == "queued"  # not of the group


def test_resume_skips_what_has_finished_and_goes_on_from_checkpoints(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.at = lambda number: interrupt(number) if number == 2 else None
    assert cli.main(["sweep", "tiny", "--seeds", "0"]) == 130
    (name,) = groups.groups_of(RunStore(), TINY)
    err = capsys.readouterr().err
    assert f"sweep --resume {name}" in err
    assert "Traceback" not in err
    before = groups.find(RunStore(), name)
    assert sorted(record.state for record in before.records.values()) == ["finished", "stopped", "stopped", "stopped"]
    (first,) = before.finished

    assert cli.main(["sweep", "--resume", name, "--dry-run"]) == 0
    assert "3 of 4" in capsys.readouterr().out
    assert cli.main(["sweep", "--resume", name, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"group": name, "lacking": 3, "runs": 4}
    trained.at = lambda _: None
    assert cli.main(["sweep", "--resume", name, "--json"]) == 0
    out = capsys.readouterr().out
    assert len(read_json(out).results) == 4
    assert len(trained.begun) == 5
    assert [step for _, step in trained.begun] == [0, 0, 3, 0, 0]
    after = groups.find(RunStore(), name)
    assert after.is_whole
    assert RunStore().get(first.id).ended == first.ended
    assert len(RunStore().list(group=name)) == 4


def test_resume_may_add_seeds_and_repeats_what_failed_before_a_checkpoint(trained: Trained) -> None:
    def fail(number: int) -> None:
        if number == 1:
            raise BadData("Broken.")

    trained.at = fail
    assert cli.main(["sweep", "tiny", "--seeds", "0", "--quiet"]) == 1
    (name,) = groups.groups_of(RunStore(), TINY)
    assert len(groups.find(RunStore(), name).finished) == 3
    assert cli.main(["sweep", "--resume", name, "--seeds", "0,5", "--quiet"]) == 0
    found = groups.find(RunStore(), name)
    assert found.seeds == [0, 5]
    assert found.is_whole
    assert len(trained.begun) == 4 + 1 + 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tinny"], "did you mean 'tiny'"),
        ([], "Which sweep?"),
        (["tiny", "--seeds", "a"], "whole numbers"),
        (["tiny", "--seeds", ","], "whole numbers"),
        (["--resume", "sweep-tiny-12345678"], "no sweep"),
        (["tiny", "--csv", "no/such/folder/tiny.csv"], "a folder that there is"),  # before hours of training
        (["tiny", "--csv", "."], "it takes a file"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert RunStore().list() == []


def test_the_list_says_what_each_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in NAMES)
    assert cli.main(["sweep", "--list", "--json"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert len(listed["data"]["cells"]) == 15


# ---------------------------------------------------------------------- results and records


def test_results_are_read_back_as_they_were_written(trained: Trained) -> None:
    cli.main(["sweep", "tiny", "--seeds", "0,1", "--quiet"])
    store = RunStore()
    found = groups.find(store, groups.groups_of(store, TINY)[0])
    results = results_of(store, found)
    again = read_json(as_json(results, "a machine", "a command"))
    assert list(again.results) == results
    assert again.machine == "a machine"
    assert {result.key for result in results} == set(found.records)
    one = results[0]
    assert one.flops == 3 * 20 * one.images_seen  # 20 FLOPs an image, says the trainer
    assert one.curve[-1][2] == 0.5
    assert as_csv(results).count("\n") == 9


def test_what_is_no_record_is_refused() -> None:
    for text in ("", "{}", '{"machine": "", "command": "", "results": [{"row": "a"}]}', "[1]"):
        with pytest.raises(BadData, match="no records"):
            read_json(text)


def test_the_spread_is_over_the_seeds_of_one_cell() -> None:
    def result(row: str, seed: int, top1: float) -> Result:
        return Result(row, "1", seed, top1, None, 1, 1, 1, 1.0, 1, 1.0, "cpu", "fp32", "2026-01-01", "", {})

    results = [result("a", 0, 0.2), result("a", 1, 0.4), result("b", 0, 0.9)]
    found = of_cell(results, Cell("a", "1", tiny_config()))
    assert found is not None
    assert (found.low, found.high) == (0.2, 0.4)
    assert found.mean == pytest.approx(0.3)
    assert of_cell(results, Cell("c", "1", tiny_config())) is None


def test_settings_that_are_not_the_defaults_make_the_run_again() -> None:
    for name in NAMES:
        for cell in sweeps.get(name).cells:
            again = type(cell.config)().update(**json.loads(json.dumps(changed(cell.config))))
            assert key_of(again) == key_of(cell.config)


def test_shipped_records_are_of_todays_grid() -> None:
    for file in RECORDS.glob("*.json"):
        known, sweep = shipped(file.stem), sweeps.get(file.stem)
        assert known is not None
        seeds = {result.seed for result in known.results}
        wanted = {key_of(cell.config, seed) for cell in sweep.cells for seed in seeds}
        assert {result.key for result in known.results} == wanted
        assert all(0 <= result.top1 <= 1 and result.date and result.device for result in known.results)
        assert known.machine
        assert known.command.startswith("python -m vit_explore sweep")


def test_what_is_said_of_shapes_is_what_was_measured() -> None:
    known, sweep = shipped("shape"), sweeps.get("shape")
    assert known is not None
    means = {}
    for row in ("patch size", "width", "depth"):
        cell = sweep.cell(row, "larger")
        found = of_cell(known.results, cell) if cell else None
        assert found is not None
        means[row] = found.mean
    assert means["patch size"] > means["width"] + 0.02  # "smaller patches are worth most"
    assert means["width"] > means["depth"] + 0.01  # "width more than depth"
