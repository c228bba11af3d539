"""The rows of the paper and the reports: figures as printed, runs that can be made, records that agree with them."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from pathlib import Path

import pytest

from vit_explore import plots
from vit_explore.config import RunConfig, settings
from vit_explore.errors import UnknownName
from vit_explore.models import summarise
from vit_explore.plots import theme
from vit_explore.presets import preset, presets
from vit_explore.reports import measured, paper
from vit_explore.reports.base import KINDS, SCALED, Row, in_order, row_of, rows
from vit_explore.reports.from_run import own_preset, record_of
from vit_explore.reports.matching import FREE, preset_of
from vit_explore.reports.measured import Record, read, shipped
from vit_explore.runs.store import Claimant, RunStore
from vit_explore.seeds import spread
from vit_explore.training import fit
from vit_explore.training.events import Changed

ROWS = in_order()
PRINTED = {  # the table: top-1, F1, epochs
    "report-vit-small": (14.81, None, 5),
    "report-vit-base-4": (51.1, None, 10),
    "report-alexnet": (76.56, None, 5),
    "report-resnet18": (80.16, None, 5),
    "report-cnn": (69.37, None, 10),
    "report-keras-vit": (70.45, None, 10),
    "visual-transformer": (None, None, 400),
    "finetune-3class": (99.33, 99.33, 3),
    "finetune-3class-resnet50": (80.03, 79.62, 3),
    "finetune-3class-resnet152": (92.76, 92.77, 3),
}


def named(row: Row) -> str:
    return row.name


# ---------------------------------------------------------------------- rows and presets


@pytest.mark.parametrize("name", PRINTED)
def test_figures_are_as_printed(name: str) -> None:
    reported = rows.get(name).reported
    assert (reported.top1, reported.f1, reported.epochs) == PRINTED[name]


def test_printed_curves_are_whole() -> None:
    (validation,) = [c for c in rows.get("report-vit-base-4").reported.curves if c.measure == "accuracy"]
    assert [value for _, value in validation.points] == [37.4, 44.9, 44.7, 48.0, 47.5, 43.9, 46.7, 49.8, 48.3, 50.3]
    (summed,) = rows.get("report-vit-small").reported.curves
    assert all(2.2 < value < math.log(10) for value in summed.values)  # close to guessing, a little below
    for name, printed in (("report-alexnet", (2.298, 0.651)), ("report-resnet18", (2.086, 0.502))):
        (loss,) = rows.get(name).reported.curves
        assert tuple(loss.values) == printed
        assert loss.shares[-1] == 1.0


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_a_row_is_whole(row: Row) -> None:
    for text in (row.what, row.choices, row.scaled, row.differs):
        assert text.endswith(".")
        assert text[0].isupper() or text[0].isdigit()
    for curve in row.reported.curves:
        assert curve.shares == sorted(curve.shares)
        assert all(0 <= share <= 1 for share in curve.shares)
        assert curve.measure == "loss" or all(0 <= value <= 1 for value in curve.values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS, ids=named)
def test_both_runs_can_be_made(row: Row, kind: str) -> None:
    one = row.preset(kind)  # type: ignore[arg-type]
    assert one.name == row.name + (SCALED if kind == "scaled" else "")
    assert isinstance(one.config, RunConfig)
    assert row_of(one.name) == (row, kind)
    assert not one.is_everyday
    assert preset_of(one.config) == one.name


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_what_a_source_leaves_out_is_named_as_our_choice(row: Row) -> None:
    """Augmentation and the images held out are nobody's recipe here, but ours."""
    config = row.preset("faithful").config
    assert ("flip" in row.choices) == (config.train.augment != "none")
    assert ("held out" in row.choices) == (config.data.val_fraction == 0.02)


def test_what_is_scaled_is_smaller_and_takes_minutes() -> None:
    for row in ROWS:
        assert row.preset("scaled").takes == ""
        faithful, small = row.preset("faithful").config, row.preset("scaled").config
        assert small.train.seconds is not None or small.train.epochs <= faithful.train.epochs
        assert small.train.seconds is None or small.train.seconds <= 300


def test_the_rows_are_in_the_order_of_the_table() -> None:
    assert [row.name for row in ROWS][:6] == list(PRINTED)[:6]
    assert len({row.order for row in ROWS}) == len(ROWS) == 14
    assert [row.is_of_the_paper for row in ROWS] == [False] * 9 + [True] * 5


def test_the_everyday_presets_come_first() -> None:
    names = presets.names()
    everyday = [name for name in names if presets.get(name).is_everyday]
    assert names[: len(everyday)] == everyday
    assert row_of("minute") is None


def test_the_papers_spelling_is_understood() -> None:
    assert preset("vit-b/16") is presets.get("vit-b-16")
    with pytest.raises(UnknownName, match="did you mean 'report-cnn'"):
        preset("report-cn")


@pytest.mark.parametrize("name", ["report-vit-small", "report-vit-base-4", "report-cnn", "report-resnet18"])
def test_parameters_follow_from_what_is_printed(name: str) -> None:
    """Of ViTs from width, depth, MLP and patch; the CNN's as its tutorial prints them; ResNet-18's as torchvision's."""
    config = presets.get(name).config
    params = summarise(config.model).params
    if config.model.architecture != "vit":
        printed = {"report-cnn": 122_570, "report-resnet18": 11_689_512 - 513 * 1000 + 513 * 10}[name]
        assert params == printed
        return
    d, mlp, tokens, classes = config.model.width, 4 * config.model.width, 64, config.model.num_classes
    block = 4 * d * d + 4 * d + 2 * d * mlp + d + mlp + 4 * d
    assert params == 48 * d + d + d + (tokens + 1) * d + config.model.depth * block + 2 * d + d * classes + classes


@pytest.mark.parametrize("name", ["vit-b-16", "vit-l-16", "vit-h-14"])
def test_the_papers_sizes_have_its_parameters(name: str) -> None:
    """Table 1 counts in millions, at 1,000 classes or none: within 2 %."""
    row = rows.get(name)
    assert summarise(row.preset("faithful").config.model.replace(pretrained=False)).params == pytest.approx(
        row.params, rel=0.02
    )


# ---------------------------------------------------------------------- whose run it is


def test_seeds_and_the_machine_may_differ_and_nothing_else() -> None:
    config = presets.get("report-cnn-scaled").config
    same = {
        "seed": 7,
        "data_seed": 3,
        "device": "cpu",
        "threads": 1,
        "precision": "fp32",
        "evaluations": 3,
        "name": "x",
    }
    assert preset_of(config.update(**same)) == "report-cnn-scaled"
    assert same.keys() - FREE == {"name"}
    for changes in ({"lr": 2e-3}, {"batch_size": 32}, {"per_class": 999}, {"augment": "flip"}, {"epochs": 9}):
        assert preset_of(config.update(**changes)) is None


def test_settings_that_the_model_does_not_use_make_no_difference() -> None:
    config = presets.get("report-resnet18-scaled").config
    assert not settings()["depth"].applies("resnet18")
    assert preset_of(config.update(depth=7)) == "report-resnet18-scaled"


TINY = RunConfig().update(
    dataset="shapes", per_class=4, image_size=16, classes=("star", "ring"), width=16, depth=1, num_heads=2, epochs=1,
    batch_size=4, device="cpu", precision="fp32", threads=1, low_res_fraction=0,
)  # fmt: skip


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A finished run of a preset with few images."""
    monkeypatch.setattr("vit_explore.reports.from_run.preset_of", lambda config: "report-cnn-scaled")
    store, claimant = RunStore(), Claimant.this_process("cpu", "cpu")
    id_ = store.create(TINY, claimant)
    store.record_all(id_, fit(TINY), claimant.worker)
    return id_


def test_a_run_as_a_record(run: str) -> None:
    store = RunStore()
    found = store.get(run)
    assert own_preset(found, store) == "report-cnn-scaled"
    record = record_of(found, store, "report-cnn-scaled", "python …", "a processor", "2.15")
    assert not record.is_partial
    assert record.steps == record.total_steps == found.step
    assert record.top1 == found.test_top1
    assert record.test_images == found.test_images > 0
    assert record.validation[-1][:2] == (1.0, 1.0)
    assert len(record.loss) == min(60, record.steps)
    check(record)


def test_a_changed_a_forked_or_an_unfinished_run_is_nobodys(run: str) -> None:
    store = RunStore()
    found = store.get(run)
    for changes in ({"fork_step": 3}, {"state": "stopped"}, {"config": None}):
        assert own_preset(dataclasses.replace(found, **changes), store) is None
    store.marks = lambda run: [Changed(1, 0.1, 0.5, 0.0, "none")]  # type: ignore[method-assign]
    assert own_preset(found, store) is None


def test_own_pictures_of_other_classes_are_another_question(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore()
    monkeypatch.setattr("vit_explore.reports.from_run.preset_of", lambda config: "finetune-3class")
    monkeypatch.setattr("vit_explore.reports.from_run._starts_alike", lambda *_: True)
    own = dataclasses.replace(store.get(run), config=TINY.update(dataset="folder", path="mine"))
    for classes, joins in ((("shoe", "sandal", "boot"), True), (("cat", "dog"), False), (None, False)):
        found = own_preset(dataclasses.replace(own, classes=classes), store)
        assert found == ("finetune-3class" if joins else None)


def test_a_run_that_was_cut_short_says_how_far_it_came(run: str) -> None:
    store = RunStore()
    found = dataclasses.replace(store.get(run), state="stopped", epoch=0.5, test_top1=None)
    record = record_of(found, store, "report-cnn-scaled")
    assert record.is_partial
    assert record.done == 0.5


def test_a_run_that_failed_is_measured_as_nothing(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(__file__).parents[2] / "scripts" / "measure_reports.py"
    spec = importlib.util.spec_from_file_location("measure_reports", file)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    store, name = RunStore(), "report-cnn-scaled"
    monkeypatch.setattr(script, "preset_of", lambda config: name)
    monkeypatch.setattr(script, "run_for", lambda *_: None)
    assert script.trained(name, 0, store, None) == store.get(run)
    for found in ([dataclasses.replace(store.get(run), state="failed")], []):
        monkeypatch.setattr(script, "runs_of", lambda *_, found=found: found)
        assert script.trained(name, 0, store, None) is None


def test_a_record_survives_its_file(run: str, tmp_path: Path) -> None:
    store = RunStore()
    record = record_of(store.get(run), store, "report-cnn-scaled", "python …", "a processor", "2.15")
    file = tmp_path / "record.json"
    file.write_text(record.as_json(), encoding="utf-8")
    assert read(file) == record
    assert json.loads(record.as_json())["settings"]["train"]["batch_size"] == 4


# ---------------------------------------------------------------------- what was measured


def check(record: Record) -> None:
    """What holds for any record."""
    for value in (record.top1, record.macro_f1, record.done, *(point[2] for point in record.validation)):
        assert value is None or 0 <= value <= 1
    for curve in (record.validation, record.loss):
        shares = [point[0] for point in curve]
        assert shares == sorted(shares)
        assert not shares or 0 <= shares[0] <= shares[-1] <= 1
    assert record.params > 0
    assert record.seconds >= 0
    assert record.total_steps is None or record.steps <= record.total_steps
    assert record.device
    assert record.cpu
    assert record.torch
    assert record.command.startswith("python ")


@pytest.mark.parametrize("record", shipped(), ids=lambda record: record.file.stem)
def test_a_shipped_record_is_of_a_preset_as_it_is_now(record: Record) -> None:
    check(record)
    config = presets.get(record.preset).config
    assert record.file.name == f"{record.preset}-{record.seed}.json"
    assert f"--preset {record.preset} --seed {record.seed}" in record.command
    stored = RunConfig(**{name: record.settings[name] for name in ("data", "model", "train")})
    assert preset_of(stored) == record.preset
    assert stored.train.seed == record.seed
    assert record.is_partial or config.train.epochs is None or record.epochs == pytest.approx(config.train.epochs)


def test_a_spread_is_of_what_is_there() -> None:
    found = spread([None, 0.3, 0.1, 0.2])
    assert found is not None
    assert (found.median, found.low, found.high, found.mean) == (0.2, 0.1, 0.3, pytest.approx(0.2))
    assert spread([None]) is None


# ---------------------------------------------------------------------- the paper's tables


def test_table_9_has_the_means_that_it_and_table_2_print() -> None:
    by_name = {best.model: best.top1[paper.BENCHMARKS.index("VTAB (19 tasks)")] for best in paper.TABLE_2}
    assert len(paper.TASKS) == 19
    for name, values in paper.TABLE_9.items():
        mean = sum(values) / len(values)
        assert round(mean, 1) == paper.MEANS[name]
        assert mean == pytest.approx(by_name[name], abs=0.02)


def test_tables_5_and_6_agree_where_they_print_the_same_model() -> None:
    jft = paper.PRE_TRAINED_ON.index("JFT-300M")
    longest = {one.model: one for one in paper.TABLE_6 if one.family == "vit"}  # of two, the longer training
    for name in ("ViT-B/32", "ViT-B/16", "ViT-L/16"):
        values = dict(zip(paper.TRANSFER, paper.TABLE_5[name][jft] or (), strict=True))
        assert tuple(values[on] for on in paper.SCALING) == longest[name].top1


def test_the_tables_are_whole() -> None:
    for best in paper.TABLE_2:
        assert len(best.top1) == len(best.spread) == len(paper.BENCHMARKS)
    assert len(paper.TABLE_6) == 18  # 6 Vision Transformers, 7 ResNets, 5 hybrids (section 4.4)
    for name, tables in paper.TABLE_5.items():
        assert [values is None for values in tables] == [name == "ViT-H/14", False, False]


def test_the_rows_of_the_paper_quote_its_tables() -> None:
    i21k, cifar10 = paper.PRE_TRAINED_ON.index("ImageNet-21k"), paper.TRANSFER.index("CIFAR-10")
    for name, model in (("vit-b-16", "ViT-B/16"), ("vit-l-16", "ViT-L/16"), ("vit-h-14", "ViT-H/14")):
        assert rows.get(name).reported.top1 == (paper.TABLE_5[model][i21k] or ())[cifar10]
    hybrid = next(one for one in paper.TABLE_6 if one.model == "R50x1+ViT-B/16")
    assert rows.get("hybrid").reported.top1 == hybrid.top1[paper.SCALING.index("CIFAR-10")]


def measured_top1(preset_name: str) -> float:
    found = spread(record.top1 for record in measured.of_preset(preset_name))
    assert found is not None
    return found.median


def test_every_scaled_preset_has_three_seeds() -> None:
    for row in ROWS:
        assert {record.seed for record in measured.of_preset(row.name + SCALED)} == {0, 1, 2}, row.name


def test_what_the_rows_conclude_is_what_was_measured() -> None:
    base, large, huge = (measured_top1(f"vit-{size}-scaled") for size in ("b-16", "l-16", "h-14"))
    assert base > large > huge  # "the larger the model the worse it is"
    hybrid = measured_top1("hybrid-scaled")
    assert abs(hybrid - base) < 0.02  # "level with the smallest"
    assert hybrid > large + 0.02  # "ahead of the two larger ones"
    assert measured_top1("report-vit-base-4-scaled") > 0.511 + 0.1  # "far ahead of the printed figure"


# ---------------------------------------------------------------------- figures


def reported_rows() -> list[plots.ReportedRow]:
    first = plots.ReportedRow("a", "a <b>net</b>", "reports", 0.5, 0.1, {"faithful": [0.6, 0.7, 0.65]}, is_chosen=True)
    return [first, plots.ReportedRow("b", "another", "paper", None, 0.25, {"yours": [0.3]})]


def test_the_overview_has_a_mark_for_each_figure() -> None:
    fig = plots.reported_and_measured(reported_rows())
    marks = {trace.name: list(trace.x) for trace in fig.data if trace.showlegend is not False}
    assert marks["reported"] == [0.5]
    assert marks["measured here, same settings"] == [0.6, 0.7, 0.65]
    assert marks["yours"] == [0.3]
    assert list(fig.layout.yaxis.ticktext) == ["a &lt;b>net&lt;/b>", "another"]
    (line,) = [shape for shape in fig.layout.shapes if shape.type == "line" and shape.y0 == shape.y1 == 0]
    assert fig.layout.annotations[0].text == "50 %"  # no digit that was not printed
    assert (line.x0, line.x1) == (0.5, 0.65)  # from the printed figure to the median
    assert "reported 50.0%" in str(theme.description(fig))


def test_no_line_leads_to_an_accuracy_on_other_pictures() -> None:
    row = plots.ReportedRow("a", "a net", "reports", 0.99, 1 / 3, {"scaled": [0.6]}, is_on_others=True)
    fig = plots.reported_and_measured([row])
    assert not fig.layout.shapes
    (mark,) = [trace for trace in fig.data if trace.name == "measured here, scaled"]
    assert "on other pictures" in mark.text[0]
    compared = plots.reported_and_measured([dataclasses.replace(row, is_on_others=False)])
    assert len(compared.layout.shapes) == 1


def test_scaled_runs_on_other_pictures_are_the_fine_tuned_ones() -> None:
    assert {row.name for row in ROWS if row.is_scaled_to_others} == {n for n in PRINTED if n.startswith("finetune")}


def test_what_is_clicked_is_the_row() -> None:
    fig = plots.reported_and_measured(reported_rows())
    assert {key for trace in fig.data for key in trace.customdata or ()} == {"a", "b"}


def test_curves_lie_along_the_share_of_the_training() -> None:
    reported = plots.ReportLine("reported", "reported", [0.1, 1.0], [0.37, 0.5], [1, 10])
    cut = plots.ReportLine("faithful", "seed 0", [0.0, 0.2], [0.1, 0.3], is_partial=True)
    fig = plots.report_curves([reported, cut], "accuracy", 0.25, [("scaled", "scaled, test", 0.61)])
    assert [trace.name for trace in fig.data] == ["reported", "seed 0 (cut short)", "scaled, test"]
    assert fig.data[0].line.dash == "dash"
    assert fig.data[2].x == (1.0,)
    assert any(shape.y0 == 0.25 for shape in fig.layout.shapes)
    assert "reported: 37.0% to 50.0%" in str(theme.description(fig))
    assert "Nothing was printed" in str(theme.description(plots.report_curves([], "loss")))


def test_the_papers_figures_hold_its_numbers() -> None:
    cost = plots.paper_benchmarks(paper.BENCHMARKS, paper.TABLE_2, 0)
    assert {trace.name: (trace.x[0], trace.y[0]) for trace in cost.data}["ViT-H/14 (JFT)"] == (2500, 88.55)
    assert len(plots.paper_benchmarks(paper.BENCHMARKS, paper.TABLE_2, 2).data) == 4  # Noisy Student has no CIFAR-10
    compute = plots.paper_compute(paper.SCALING, paper.TABLE_6, 0)
    assert [len(trace.x) for trace in compute.data] == [6, 7, 5]
    assert max(compute.data[0].y) == 88.08
    on = paper.TRANSFER.index("ImageNet")
    values = {name: [row and row[on] for row in rows_] for name, rows_ in paper.TABLE_5.items()}
    data = plots.paper_data(paper.PRE_TRAINED_ON, paper.IMAGES, values, "ImageNet")
    assert list(data.data[-1].y) == [None, 85.13, 88.04]
    vtab = plots.paper_vtab(paper.GROUPS, paper.TABLE_9)
    assert sum(len(trace.x) for trace in vtab.data) == 3 * 19
    assert "sNORB-Azim, 30.5 %" in str(theme.description(vtab))
