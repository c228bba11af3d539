"""A run, and a class's runs, to take home: whole, without a network, and harmless whatever names people chose."""

from __future__ import annotations

import csv
import io
import re
import shlex
import xml.etree.ElementTree as ET
import zipfile
from html.parser import HTMLParser

import numpy as np
import pytest
from run_tools import evaluated, finished, me, snapshot, started, step, tiny_config, tiny_trainer

from vit_explore import cli, takehome
from vit_explore.config import settings
from vit_explore.flags import command_of, config_from
from vit_explore.presets import presets
from vit_explore.runs.store import RunStore
from vit_explore.takehome.again import command_of_run
from vit_explore.takehome.curves import _ticks, chart
from vit_explore.told import told
from vit_explore.training.events import Changed

WICKED = "<script>alert(1)</script>\"&'=1+1"


class Page(HTMLParser):
    """Tags, what they point to, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def store() -> RunStore:
    return RunStore()


def trained(store: RunStore, name: str = "mine", owner: str | None = None) -> str:
    """A run of a true, tiny model with its snapshots."""
    claimant = me()
    config = tiny_config(name=name)
    run = store.create(config, claimant, owner=owner)
    store.guess(run, 0.6, ("red", "blue"), person=owner or "")
    store.record_all(run, list(tiny_trainer(store.get(run).settings()).events()))
    store.let_go(run, claimant.worker, "finished")
    return run


def test_the_page_of_a_run_is_whole_and_needs_no_network(store: RunStore) -> None:
    run = trained(store)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    html = takehome.sheet(store, run, picture, "Ada", store.guess_of(run))
    page = Page(html)
    record, result = store.get(run), store.finished(run)
    assert result is not None
    for words in (
        "mine",
        "Ada",
        f"{100 * (result.test_top1 or 0):.1f} %",
        f"{record.params:,}",
        "Guessed before the end",
    ):
        assert words in page.text
    assert page.tags.count("svg") == 2
    assert page.tags.count("img") >= 5  # the picture, and pairs of position tiles, attention, lens, filters
    assert all(target.startswith("data:image/") for target in page.targets)
    assert "http" not in re.sub(r"data:[^\"]*", "", html)
    assert command_of(record.settings()) in page.text


def test_names_are_only_ever_text(store: RunStore) -> None:
    run = trained(store, WICKED)
    html = takehome.sheet(store, run, None, WICKED)
    page = Page(html)
    assert "script" not in page.tags
    assert WICKED in page.text


def test_a_run_without_results_says_what_it_has(store: RunStore) -> None:
    waiting = store.create(tiny_config())
    page = Page(takehome.sheet(store, waiting, np.zeros((8, 8, 3), np.uint8)))
    assert "queued" in page.text
    assert "nothing was measured" in page.text
    stopped = store.create(tiny_config(), claimant := me())
    store.record_all(stopped, [started(), snapshot(0), step(1), evaluated(1)])
    store.record(stopped, finished(1, stopped=True))
    store.let_go(stopped, claimant.worker, "stopped")
    assert "Do it again" in Page(takehome.sheet(store, stopped, np.zeros((8, 8, 3), np.uint8))).text


def test_the_command_of_a_fork_goes_on_from_its_parent(store: RunStore) -> None:
    parent = trained(store)
    step_ = store.snapshots(parent)[1].step
    fork = store.fork(parent, step_, me(), lr=0.01)
    said = Page(takehome.sheet(store, fork)).text
    assert f"A fork: it went on from step {step_} of the run {parent} (mine)" in said
    command = command_of_run(store, store.get(fork))
    assert command in said
    arguments = cli._parser().parse_args(shlex.split(command)[3:])
    assert arguments.fork == f"{parent}@{step_}"
    changes = {name: value for name, value in vars(arguments).items() if name in settings()}
    assert store.fork_config(parent, step_, **changes) == store.get(fork).settings()
    store.delete(parent)
    said = Page(takehome.sheet(store, fork)).text
    assert "of a run, which is not kept" in said
    assert command_of(store.get(fork).settings()) in said


def test_what_was_changed_while_it_trained_is_said(store: RunStore) -> None:
    run = store.create(tiny_config(), claimant := me())
    store.record_all(run, [started(), snapshot(0), step(1), Changed(1, 0.5, 0.1, 0.05, "none"), step(2)])
    store.let_go(run, claimant.worker, "stopped")
    said = Page(takehome.sheet(store, run)).text
    assert "which the command does not repeat: at step 1: lr × 0.1" in said


@pytest.mark.parametrize("name", presets.names())
def test_the_command_trains_the_same_run(name: str) -> None:
    config = presets.get(name).config
    words = shlex.split(command_of(config))
    assert words[:4] == ["python", "-m", "vit_explore", "train"]
    assert config_from(cli._parser().parse_args(words[3:])) == config


def test_a_class_is_one_file_with_its_tables(store: RunStore) -> None:
    runs = [trained(store, "mine", "ada"), trained(store, "../=cmd", "bob")]
    names = {"ada": "Ada", "bob": "=HYPERLINK(1)"}
    packed = told(takehome.bundle_steps(store, runs, names), lambda _: None)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = archive.namelist()
        assert sorted(name for name in files if name.endswith(".csv")) == ["guesses.csv", "runs.csv"]
        pages = [name for name in files if name.endswith(".html")]
        assert len(pages) == 2
        assert all(re.fullmatch(r"[A-Za-z0-9-]+\.html", name) for name in pages)
        table = list(csv.DictReader(io.StringIO(archive.read("runs.csv").decode())))
        guesses = list(csv.DictReader(io.StringIO(archive.read("guesses.csv").decode())))
    assert [row["who"] for row in table] == ["Ada", "'=HYPERLINK(1)"]
    assert [float(row["test_top1"]) for row in table] == [pytest.approx(store.get(run).test_top1) for run in runs]
    first = guesses[0]
    assert (first["who"], float(first["guessed_top1"]), first["one_class"]) == ("Ada", 0.6, "red")


def test_a_chart_goes_through_its_points() -> None:
    x, y = np.array([0.0, 5.0, 10.0]), np.array([0.0, 0.5, 1.0])
    svg = ET.fromstring(chart("accuracy", "seconds", {"a": (x, y)}, ("<guess>", 0.5), is_share=True))
    (line,) = [node for node in svg if node.tag == "polyline"]
    points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert points[1] == pytest.approx(((points[0][0] + points[2][0]) / 2, (points[0][1] + points[2][1]) / 2), abs=0.1)
    assert points[0][1] > points[2][1]
    (level,) = [node for node in svg if node.attrib.get("class") == "level"]
    assert float(level.attrib["y1"]) == pytest.approx(points[1][1], abs=0.1)
    assert "<guess>" in [node.text for node in svg]


def test_a_chart_of_nothing_and_of_no_numbers() -> None:
    empty = np.zeros(0)
    assert chart("loss", "s", {"a": (empty, empty)}) == "<p>loss: nothing was measured.</p>"
    svg = chart("loss", "s", {"a": (np.arange(3.0), np.array([np.nan, 2.0, 2.0]))})
    assert "nan" not in svg
    many = chart("loss", "s", {"a": (np.arange(9999.0), np.arange(9999.0))})
    assert len(many) < 12_000


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 15.1), (1.047, 1.402), (0.0, 3e-4), (2.0, 12_345.0)])
def test_ticks_are_round_and_few_and_within(low: float, high: float) -> None:
    ticks = _ticks(low, high)
    assert 3 <= len(ticks) <= 10
    assert ticks[0] >= low - 1e-9
    assert ticks[-1] <= high + 1e-9
    assert all(len(f"{value:.4g}".replace(".", "").lstrip("0")) <= 6 for value in ticks)


def test_a_run_that_goes_or_cannot_be_read_loses_nobody_elses(store: RunStore) -> None:
    runs = [trained(store) for _ in range(3)]
    with store._writing() as connection:
        connection.exec_driver_sql(f"UPDATE evaluations SET per_class = 'junk' WHERE run = '{runs[1]}'")
    steps = takehome.bundle_steps(store, runs, {})
    next(steps)
    store.delete(runs[2])
    with zipfile.ZipFile(io.BytesIO(told(steps, lambda _: None))) as archive:
        names = archive.namelist()
        assert sum(name.endswith(".html") for name in names) == 2
        (page,) = (archive.read(name).decode() for name in names if runs[1] in name)
        assert [run in archive.read("runs.csv").decode() for run in runs] == [True, True, False]
    assert "damaged" in page or "cannot be read" in page
