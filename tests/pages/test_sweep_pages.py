"""Scaling labs and Why 14.81 %?: without records, while a sweep trains, with records, and what the buttons do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import TINY, OpenPage
from streamlit.testing.v1 import AppTest

from vit_explore.config import RunConfig
from vit_explore.runs.store import Claimant, RunStore
from vit_explore.sweeps import group as groups
from vit_explore.sweeps import results, sweeps
from vit_explore.sweeps.results import Result, as_json, changed
from vit_explore.training.advice import Memory, Preflight
from vit_explore.training.events import Event
from vit_explore.ui.kit import sweeping

SHAPES = sweeps.get("shapes")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried out for an estimate."""
    found = Preflight(0.03, 1.0, 2000.0, 100, Memory(1, 1, 1, 1, 1), 10**9, 10**9, "probe")
    monkeypatch.setattr("vit_explore.sweeps.estimate.foresee", lambda *_: found)


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, float], None]]:
    """records(name, top1) ships made-up records of a sweep; without it none are there."""
    folder = tmp_path / "records"
    folder.mkdir()
    monkeypatch.setattr(results, "RECORDS", folder)
    results.shipped.cache_clear()

    def make(name: str, top1: float) -> None:
        made = [
            Result(
                cell.row, cell.column, seed, top1 + 0.01 * seed, top1, 10_000, 8000, 40_000, 1e12, 311_000, 30.0, "cpu",
                "fp32", "2026-01-01", "", changed(cell.config.update(seed=seed)), ((0, 2.3, 0.1), (1, 2.0, top1)),
            )
            for cell in sweeps.get(name).cells
            for seed in (0, 1, 2)
        ]  # fmt: skip
        (folder / f"{name}.json").write_text(as_json(made, "a machine", "a command"), encoding="utf-8")
        results.shipped.cache_clear()

    yield make
    results.shipped.cache_clear()  # nobody else is to meet what was made up


def finish(group: str, events: list[Event], count: int) -> None:
    """Let the first runs of a group finish."""
    store, claimant = RunStore(), Claimant.this_process("cpu", "cpu")
    for _ in range(count):
        record = store.claim(claimant, group)
        assert record is not None
        store.record_all(record.id, events, claimant.worker)
        store.let_go(record.id, claimant.worker, "finished")


def shown(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error)
    tables = [table.value.to_string() for table in at.table]
    return "\n".join([*(str(element.value) for kind in kinds for element in kind), *tables])


def charts(at: AppTest) -> int:
    return len(at.get("plotly_chart"))


# ---------------------------------------------------------------------- scaling


@pytest.mark.parametrize("name", [sweep.name for _, sweep in sweeps if sweep.place is not None])
def test_a_sweep_that_is_not_measured_says_so_and_what_it_would_take(open_page: OpenPage, name: str) -> None:
    at = open_page("scaling", sweep=name)
    assert not at.exception
    assert not at.error
    said = shown(at)
    assert sweeps.get(name).question in said
    assert "Not measured yet" in said
    assert f"**{len(sweeps.get(name).runs())} runs**" in said
    assert "one after another" in said
    assert charts(at) == 0


def test_start_queues_the_grid_and_stop_and_go_on_follow(open_page: OpenPage) -> None:
    at = open_page("scaling", sweep="shapes")
    at.number_input(key="sweep_seeds_shapes").set_value(2).run()
    at.button(key="sweep_start_shapes").click().run()
    assert not at.exception
    (name,) = groups.groups_of(RunStore(), SHAPES)
    assert len(groups.find(RunStore(), name).active) == 8
    assert at.button(key="sweep_start_shapes").disabled
    at.button(key="sweep_stop").click().run()
    assert {record.state for record in RunStore().list(group=name)} == {"stopped"}
    at.button(key="sweep_resume").click().run()
    assert {record.state for record in RunStore().list(group=name)} == {"queued"}
    assert not at.exception


def test_the_time_is_estimated_anew_when_a_run_has_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    states: dict[str, int] = {}
    monkeypatch.setattr(sweeping.caches, "store", lambda: SimpleNamespace(states=lambda: states))
    first = sweeping._estimating(SHAPES, (0,)).key
    assert sweeping._estimating(SHAPES, (0,)).key == first
    states["finished"] = 1
    assert sweeping._estimating(SHAPES, (0,)).key != first


def test_the_grid_fills_with_what_has_finished(
    open_page: OpenPage, events_of: Callable[[RunConfig], list[Event]]
) -> None:
    name = groups.start(RunStore(), SHAPES, (0, 1))
    finish(name, events_of(TINY), 3)
    at = open_page("scaling", sweep="shapes")
    assert not at.exception
    assert "3 of 8 runs finished" in "\n".join(bar.text for bar in at.get("progress")) or "3 of 8" in shown(at)
    assert charts(at) == 1
    assert "1 of 2 done" in shown(at)
    finish(name, events_of(TINY), 5)
    at.run()
    assert "all finished" in shown(at)
    assert not at.exception


def test_shipped_records_are_named_as_such(
    open_page: OpenPage, records: Callable[[str, float], None], events_of: Callable[[RunConfig], list[Event]]
) -> None:
    records("shapes", 0.4)
    at = open_page("scaling", sweep="shapes")
    assert "come with the app, measured on a machine" in shown(at)
    assert charts(at) == 1
    finish(groups.start(RunStore(), SHAPES, (0,)), events_of(TINY), 4)
    at = open_page("scaling", sweep="shapes")
    assert "Solid and black: yours" in shown(at)
    assert [one.label for one in at.get("download_button")][:2] == ["Yours as CSV", "The shipped records as CSV"]


def test_an_address_that_names_no_sweep_is_said(open_page: OpenPage) -> None:
    at = open_page("scaling", sweep="nonsense")
    assert not at.exception
    assert "no sweep" in shown(at)


def test_damaged_records_are_one_sentence(open_page: OpenPage, records: Callable[[str, float], None]) -> None:
    records("shapes", 0.4)
    (results.RECORDS / "shapes.json").write_text("{", encoding="utf-8")
    results.shipped.cache_clear()
    at = open_page("scaling", sweep="shapes")
    assert not at.exception
    assert "no records of a sweep" in shown(at)


# ---------------------------------------------------------------------- why


def test_the_guess_comes_first(open_page: OpenPage, records: Callable[[str, float], None]) -> None:
    records("why", 0.3)
    at = open_page("why")
    assert not at.exception
    assert len(at.checkbox) == 5
    assert "What the runs say" not in shown(at)
    at.checkbox(key="why_cause_norm").check().run()
    at.button(key="why_fix").click().run()
    said = shown(at)
    assert not at.exception
    assert "**Your guess:** Post-norm" in said
    assert "your guess" in said
    assert "No single cause explains it" in said  # the made-up runs are all alike
    assert "-0.0" not in said
    assert charts(at) == 3
    at.button(key="why_again").click().run()
    assert "What the runs say" not in shown(at)


def test_the_guess_is_in_the_address(open_page: OpenPage) -> None:
    assert "**Your guess:** Attention runs across the batch; Post-norm" in shown(
        open_page("why", guess="norm,attention")
    )
    assert "**Your guess:** none of the five" in shown(open_page("why", guess="none"))
    at = open_page("why", guess="norm,rain")
    assert "'rain' in the address is none of the suspects" in at.warning[0].value
    assert len(at.checkbox) == 5


def test_without_records_only_the_arithmetic_is_told(open_page: OpenPage) -> None:
    at = open_page("why")
    at.button(key="why_fix").click().run()
    assert not at.exception
    said = shown(at)
    assert "Not measured yet" in said
    assert "1407 / 625 = 2.25" in said
    assert "33 runs" in said
    assert charts(at) == 0


def test_the_variants_are_run_from_the_page(open_page: OpenPage, events_of: Callable[[RunConfig], list[Event]]) -> None:
    at = open_page("why")
    at.button(key="why_fix").click().run()
    at.number_input(key="sweep_seeds_why").set_value(1).run()
    at.button(key="sweep_start_why").click().run()
    (name,) = groups.groups_of(RunStore(), sweeps.get("why"))
    finish(name, events_of(TINY), 11)
    at.run()
    assert not at.exception
    assert "Not decided yet" in shown(at)
    assert "From your runs, 1 seed" in shown(at)


def test_the_shipped_verdict_stays_until_all_of_ones_own_runs_are_there(
    open_page: OpenPage, records: Callable[[str, float], None], events_of: Callable[[RunConfig], list[Event]]
) -> None:
    records("why", 0.3)
    at = open_page("why")
    at.button(key="why_fix").click().run()
    at.number_input(key="sweep_seeds_why").set_value(1).run()
    at.button(key="sweep_start_why").click().run()
    (name,) = groups.groups_of(RunStore(), sweeps.get("why"))
    for count, whose, verdict in ((5, "From the records", "No single cause"), (6, "From your runs", "Not decided yet")):
        finish(name, events_of(TINY), count)
        at.run()
        assert not at.exception
        assert whose in shown(at)
        assert verdict in shown(at)
