"""Paper & reports: figures, table, one row from its address, and the button that queues its run."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from conftest import TINY, MakeRun, OpenPage, param
from streamlit.testing.v1 import AppTest

from vit_explore.reports import measured
from vit_explore.reports.base import Row, in_order, rows
from vit_explore.reports.from_run import record_of
from vit_explore.runs.store import RunStore
from vit_explore.ui import site
from vit_explore.ui.kit import wording
from vit_explore.ui.pages.reports import detail, found, words

ROWS = [row.name for row in in_order()]


def said(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error)
    tables = [frame.value.to_csv() for frame in at.dataframe]
    return "\n".join([*(str(element.value) for kind in kinds for element in kind), *tables])


def until(at: AppTest, words: str) -> None:
    """Run the page until it says this: an estimate comes when it is there."""
    for _ in range(20):
        if words in said(at):
            return
        time.sleep(0.05)
        at.run()
    raise AssertionError(f"{words!r} is not on the page")


@pytest.mark.parametrize("name", ["report-vit-small", "report-vit-base-4", "visual-transformer", "finetune-3class"])
def test_a_row_from_its_address(open_page: OpenPage, name: str) -> None:
    at = open_page("reports", report=name)
    assert not at.exception
    assert not at.error
    row = rows.get(name)
    assert at.selectbox(key="reports_row").value == name
    for text in (row.title, row.what, row.differs, row.choices, row.scaled):
        assert text in said(at)
    assert "not measured yet" in said(at) or measured.of_preset(name)


@pytest.mark.parametrize("row", [row for row in in_order() if row.page], ids=lambda row: row.name)
def test_a_row_leads_on_to_a_page_that_there_is(row: Row) -> None:
    assert site.page(row.page).title


def test_a_row_whose_folder_is_not_here_is_changed_first(open_page: OpenPage) -> None:
    at = open_page("reports", report="finetune-3class")
    at.segmented_control(key="reports_kind").set_value("faithful").run()
    assert not at.exception
    assert at.button(key="reports_run").disabled
    assert not at.button(key="reports_change").disabled


def test_another_row_goes_into_the_address(open_page: OpenPage) -> None:
    at = open_page("reports")
    assert at.selectbox(key="reports_row").value == ROWS[0]
    at.selectbox(key="reports_row").set_value("report-cnn").run()
    assert not at.exception
    assert param(at, "report") == "report-cnn"
    at = open_page("reports", report="report-gpt")
    assert any("'report-gpt' in the address is no row of this page" in line.value for line in at.warning)


def test_the_row_is_still_there_when_one_comes_back_from_another_page(open_page: OpenPage) -> None:
    """As by Back after a button that leads to Train: Streamlit has emptied the entry of the page that was left."""
    at = open_page("reports", report="report-alexnet")
    at.query_params.clear()
    at.switch_page("pages/train/train.py").run()
    at.switch_page("pages/compare/reports.py").run()
    assert not at.exception
    assert param(at, "report") == "report-alexnet"
    assert at.selectbox(key="reports_row").value == "report-alexnet"


def test_the_table_has_a_line_for_each_row(open_page: OpenPage) -> None:
    at = open_page("reports")
    table = next(frame.value for frame in at.dataframe if "Reported" in frame.value.columns)
    assert list(table["Row"]) == [row.short for row in in_order()]
    assert next(iter(table["Reported"])) == "14.81 %"
    at.segmented_control(key="reports_table_kind").set_value("scaled").run()
    assert not at.exception


@pytest.mark.parametrize("tab", ["cost", "data", "compute", "tasks"])
def test_the_papers_figures(open_page: OpenPage, tab: str) -> None:
    at = open_page("reports", tab=tab)
    assert not at.exception
    assert "2010.11929" in said(at)


def test_run_it_queues_the_preset_and_leads_to_train(open_page: OpenPage) -> None:
    at = open_page("reports", report="report-vit-small")
    at.button(key="reports_run").click().run()
    assert not at.exception
    (run,) = RunStore().list()
    wanted = rows.get("report-vit-small").preset("scaled").config
    assert (run.settings().data, run.settings().train) == (wanted.data, wanted.train)
    assert run.state == "queued"


def test_change_it_first_fills_the_form(open_page: OpenPage) -> None:
    at = open_page("reports", report="report-vit-small")
    at.segmented_control(key="reports_kind").set_value("faithful").run()
    at.button(key="reports_change").click().run()
    assert not at.exception
    assert at.selectbox(key="train_repeated").value == "report-vit-small"
    assert at.session_state["form_width"] == 256
    assert not [line for line in at.markdown if "Your settings" in line.value]
    assert not RunStore().list()


def test_a_run_of_hours_says_so_before_it_starts(open_page: OpenPage, foreseen: dict[str, object]) -> None:
    foreseen.update(step_seconds=1.0, steps=20_000.0)
    at = open_page("reports", report="report-vit-small")
    until(at, "about 5.6 h: 20,000 steps of 1 s")
    assert "resumed" in said(at)
    at.switch_page("pages/train/train.py").run()
    at.selectbox(key="train_repeated").set_value("report-alexnet").run()
    until(at, "about 5.6 h")


def test_a_run_that_cannot_fit_is_not_started(open_page: OpenPage, foreseen: dict[str, object]) -> None:
    foreseen.update(free=1, machine=2)
    at = open_page("reports", report="report-vit-small")
    until(at, "of memory and the device has")
    assert at.button(key="reports_run").disabled


def test_a_run_whose_pictures_are_not_here_is_not_started(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    at = open_page("reports", report="finetune-3class")
    at.segmented_control(key="reports_kind").set_value("faithful").run()
    until(at, "There is no shoe-sandal-boot here")
    assert at.button(key="reports_run").disabled
    assert not at.button(key="reports_change").disabled
    for name in ("shoe", "boot"):
        (tmp_path / "shoe-sandal-boot" / name).mkdir(parents=True)
        for number in range(10):
            (tmp_path / "shoe-sandal-boot" / name / f"{number}.png").touch()
    at.run()
    until(at, "On this machine")
    assert not at.error
    assert not at.button(key="reports_run").disabled


def test_own_runs_and_records_join_their_row(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run = RunStore(), make_run("finished")
    name = "report-cnn-scaled"
    monkeypatch.setattr("vit_explore.reports.from_run.preset_of", lambda config: name)
    record = record_of(store.get(run), store, name, "python …", "a processor", "2.15")
    looks = ((0.0, 0.0, 0.2), (0.24, 2.4, 0.375))
    cut = dataclasses.replace(record, preset="report-cnn", done=0.25, top1=None, validation=looks)
    monkeypatch.setattr(found, "of_preset", lambda wanted: {name: [record], "report-cnn": [cut]}.get(wanted, []))
    at = open_page("reports", report="report-cnn")
    assert not at.exception
    assert "37.5 % at 24 % of it" in said(at)
    unseen = dataclasses.replace(cut, validation=looks[:1])  # before the first step alone
    assert words.accuracy([unseen]) == "cut short at 25 % of it: a loss alone"
    assert f"{100 * (record.top1 or 0):.1f} %" in said(at)
    rows_found = found.found_of(rows.get("report-cnn"), found.own_runs(store))
    assert [one.id for one in rows_found.own["scaled"]] == [run]
    assert rows_found.own_top1() == [store.get(run).test_top1]
    lines = detail._measured(rows_found, store, "accuracy")
    assert [line.kind for line in lines] == ["faithful", "scaled", "yours"]
    assert lines[0].is_partial
    store.delete(run)
    assert [line.kind for line in detail._measured(rows_found, store, "accuracy")] == ["faithful", "scaled"]
    on_all = f"{record.test_images} images"
    assert words.facts(rows_found)["Tested on"] == ["–", on_all, on_all, "–", on_all]
    slow = dataclasses.replace(record, test_images=3)
    few = dataclasses.replace(rows_found, shipped={"faithful": [], "scaled": [record, slow]})
    assert words.facts(few)["Tested on"][2] == f"3 to {on_all}"
    times = words.facts(rows_found)["Wall time"]
    assert times[1].endswith(" so far")  # of the run that was cut short
    assert times[2] == times[1].removesuffix(" so far")
    whole = dataclasses.replace(cut, done=1.0, seconds=7200.0)
    both = dataclasses.replace(rows_found, shipped={"faithful": [cut, whole], "scaled": []})
    assert words.facts(both)["Wall time"][1] == wording.duration(7200)


def test_a_run_of_nothing_printed_joins_nothing(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run("finished", TINY)
    assert not found.own_runs(RunStore())
