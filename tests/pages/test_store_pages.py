"""The pages over a store that is of another version, lost, or holds runs that cannot be read."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from conftest import PAGES, MakeRun, OpenPage
from streamlit.testing.v1 import AppTest

from vit_explore.runs import database, migrations
from vit_explore.runs.store import RunStore
from vit_explore.ui import site
from vit_explore.ui.kit.text import escaped


def warnings(at: AppTest) -> str:
    return "\n".join(str(element.value) for element in at.warning)


def button(at: AppTest, label: str) -> bool:
    return any(item.label == label for item in at.button)


def make_unreadable(run: str) -> None:
    with sqlite3.connect(RunStore().path) as connection:
        for column in ("config", "facts"):
            values = json.loads(connection.execute(f"SELECT {column} FROM runs WHERE id = ?", (run,)).fetchone()[0])
            values["model"]["rope"] = True
            connection.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (json.dumps(values), run))


def set_version(version: int) -> None:
    with sqlite3.connect(RunStore().path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    database._open.clear()


@pytest.mark.parametrize("page", list(PAGES))
def test_a_run_that_cannot_be_read_breaks_no_page(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    sound, odd = make_run(), make_run("stopped")
    make_unreadable(odd)
    assert {record.id for record in RunStore().list()} == {sound, odd}
    at = open_page(page)
    assert not at.exception
    assert not at.error


def test_the_table_shows_it_and_its_page_gives_the_sentence(open_page: OpenPage, make_run: MakeRun) -> None:
    sound, odd = make_run(), make_run("stopped")
    make_unreadable(odd)
    at = open_page("runs")
    table = at.dataframe[0].value
    assert dict(zip(table["Id"], table["Model"], strict=True)) == {odd: "not readable", sound: "vit"}
    at = open_page("train", run=odd)
    assert "cannot be read here (ModelConfig has no field 'rope')" in warnings(at).replace("\\", "")
    assert not button(at, "Resume")
    assert not button(at, "Change and train again")


def test_looking_inside_one_gives_the_sentence(open_page: OpenPage, make_run: MakeRun) -> None:
    odd = make_run("stopped")
    make_unreadable(odd)
    at = open_page("filters", model=f"run:{odd}")
    assert not at.exception
    assert any("cannot be read here" in str(element.value) for element in at.error)


@pytest.mark.parametrize("page", list(PAGES))
def test_a_newer_store_can_be_looked_at(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    run = make_run()
    set_version(migrations.VERSION + 1)
    at = open_page(page, run=run) if page == "train" else open_page(page)
    assert not at.exception
    assert not at.error
    assert "update this program" in warnings(at)


def test_a_lost_database_is_said_and_rebuilt(open_page: OpenPage, make_run: MakeRun, home: Path) -> None:
    run = make_run()
    database._open.clear()
    for path in home.glob("runs.db*"):
        path.unlink()
    (home / "runs.db").touch()
    at = open_page("runs")
    assert "was lost or cut off" in warnings(at)
    at.button(key="store_rebuild").click().run()
    assert not at.exception
    assert at.success[0].value == "1 run came back, without their curves."
    assert "was lost" not in warnings(at)
    assert list(at.dataframe[0].value["Id"]) == [run]
    assert RunStore().get(run).state == "finished"


def test_what_cannot_be_rebuilt_is_named_with_a_way_on(open_page: OpenPage, make_run: MakeRun, home: Path) -> None:
    run = make_run()
    (home / "runs" / run / "config.json").unlink()
    database._open.clear()
    for path in home.glob("runs.db*"):
        path.unlink()
    at = open_page("runs")
    at.button(key="store_rebuild").click().run()
    assert not at.exception
    assert "0 runs came back" in at.success[0].value
    assert f"{run}; move them out of {escaped(str(home / 'runs'))}" in at.success[0].value


def test_a_database_that_was_replaced_is_opened_anew(open_page: OpenPage, make_run: MakeRun, home: Path) -> None:
    make_run()
    at = open_page("runs")
    assert len(at.dataframe[0].value) == 1
    for path in home.glob("runs.db*"):
        path.unlink()
    at.run()
    assert "was lost or cut off" in warnings(at)


def _deletion(runs: list[str]) -> None:
    from vit_explore.ui.pages.runs.view import _confirm_deletion

    _confirm_deletion(runs)


def test_what_runs_stays_when_several_are_deleted(make_run: MakeRun) -> None:
    old, running, new = make_run(), make_run("running"), make_run()
    at = AppTest.from_function(_deletion, default_timeout=60, kwargs={"runs": [old, running, new]}).run()
    assert any(running in warning.value and "not deleted" in warning.value for warning in at.warning)
    at.button(key="runs_delete_yes").click().run()
    assert not at.exception
    assert not at.error
    assert [record.id for record in RunStore().list()] == [running]


def test_only_what_began_can_race(open_page: OpenPage, make_run: MakeRun) -> None:
    one, other, never = make_run(), make_run(), make_run("queued")
    RunStore().request_stop(never)
    for chosen, offered in (([one, other], True), ([one, never], False)):
        at = open_page("home")
        at.session_state["runs_selected"] = chosen
        at.switch_page(site.path("runs")).run()
        assert any(link.proto.label == "Race them" for link in at.get("page_link")) is offered
    at = open_page("versus", one=one, other=never)
    assert any(f"The run {never} never began" in warning.value for warning in at.warning)
