"""What a person does to a run on the page Train: change and pause it, fork it, and repair what it suffers from."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import sqlalchemy as sa
import streamlit as st
from conftest import TINY, MakeRun, OpenPage, param
from streamlit.testing.v1 import AppTest

from vit_explore.runs import schema
from vit_explore.runs.records import Claimant
from vit_explore.runs.store import RunStore
from vit_explore.training import fit
from vit_explore.training.events import Changed, Evaluated, Paused, Started, Step
from vit_explore.ui.kit.curves import Curves
from vit_explore.ui.kit.marks import said
from vit_explore.ui.pages.train import playing


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


@pytest.fixture
def running(make_run: MakeRun) -> str:
    """A run that trains, by its row and its heartbeat."""
    return make_run("running")


def test_the_strip_hands_what_is_set_to_the_store(open_page: OpenPage, running: str) -> None:
    at, store = open_page("train", run=running), RunStore()
    at.select_slider(key="live_lr_factor_row").set_value(0.1).run()
    at.selectbox(key="live_augment_row").set_value("none").run()
    at.selectbox(key="live_weight_decay_row").set_value(0.3).run()
    held = store.controls(running)
    assert (held.lr_factor, held.augment, held.weight_decay, held.paused) == (0.1, "none", 0.3, False)
    at.button(key="live_pause").click().run()
    assert store.controls(running).paused
    assert "Go on" in labels(at)
    at.button(key="live_pause").click().run()
    assert not store.controls(running).paused
    assert not at.exception


def test_the_strip_shows_what_another_window_has_set(open_page: OpenPage, running: str) -> None:
    at = open_page("train", run=running)
    RunStore().control(running, lr_factor=5.0, augment="flip")
    at.run()
    assert at.select_slider(key="live_lr_factor_row").value == 5.0
    assert at.selectbox(key="live_augment_row").value == "flip"
    assert at.select_slider(key="live_lr_factor_folded").value == 5.0


def test_a_tick_sees_that_another_window_has_set_something_and_a_whole_run_does_not_repeat_itself(
    open_page: OpenPage, running: str
) -> None:
    def tick(at: AppTest) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(st, "session_state", at.session_state)
            return playing.is_outdated(store, running)

    at, store = open_page("train", run=running), RunStore()
    at.select_slider(key="live_lr_factor_row").set_value(0.1).run()
    assert not tick(at), "what this window sets is what it shows"
    store.control(running, paused=True)
    assert tick(at)
    at.run()
    assert "Go on" in labels(at)
    assert not tick(at)


def test_a_run_that_ended_meanwhile_says_that_it_cannot_be_changed(open_page: OpenPage, running: str) -> None:
    at = open_page("train", run=running)
    store = RunStore()
    with pytest.MonkeyPatch.context() as patch:
        from vit_explore.errors import BadRunState

        def refuse(*_: object, **__: object) -> None:
            raise BadRunState("The run is finished; only a run that runs can be changed")

        patch.setattr(RunStore, "control", refuse)
        at.select_slider(key="live_lr_factor_row").set_value(2.0).run()
    assert any("only a run that runs" in error.value for error in at.error)
    assert store.controls(running).lr_factor == 1.0
    assert at.select_slider(key="live_lr_factor_row").value == 1.0, "the strip shows what holds"


@pytest.mark.parametrize("state", ["queued", "finished", "stopped", "failed"])
def test_there_is_no_strip_where_nothing_trains(open_page: OpenPage, make_run: MakeRun, state: str) -> None:
    at = open_page("train", run=make_run(state))
    assert "Pause" not in labels(at)
    assert not at.exception


def test_marks_say_each_change_against_what_held_before() -> None:
    marks = [Changed(3, 1.0, 0.1, 0.05, "flip+crop"), Paused(5, 2.0, 12.0), Changed(9, 3.0, 0.1, 0.3, "none")]
    first, pause, last = said(marks, TINY)
    assert (first.short, first.text) == ("lr × 0.1", "step 3: learning rate × 0.1 (was × 1)")
    assert (pause.short, pause.text) == ("pause 12 s", "step 5: paused for 12 s")
    assert last.short == "decay 0.3, no augment."
    assert last.text == "step 9: weight decay 0.3 (was 0.05), augmentation none (was flip+crop)"
    assert said([Changed(3, 1.0, 1.0, 0.05, "flip+crop")], TINY) == [], "what holds already is no change"


def test_curves_place_marks_on_every_axis_and_read_what_is_measured_on_training_images(make_run: MakeRun) -> None:
    store, claimant = RunStore(), Claimant.this_process("cpu", "cpu")
    run = store.create(TINY, claimant)
    events = list(fit(TINY))
    begun, steps = next(e for e in events if isinstance(e, Started)), [e for e in events if isinstance(e, Step)]
    look = next(e for e in events if isinstance(e, Evaluated))
    at = steps[2]
    store.record_all(run, [begun, *steps, Changed(at.step, at.elapsed, 0.5, 0.05, "none"), look], claimant.worker)
    curves = Curves(run)
    curves.refresh(store, store.get(run))
    for axis in ("step", "elapsed", "epoch", "images_seen"):
        assert curves.marks_on(axis) == pytest.approx([getattr(at, axis)], rel=1e-6), axis
    store.record(run, dataclasses.replace(look, split="train", top1=0.9), claimant.worker)
    curves.refresh(store, store.get(run))
    curves.refresh(store, store.get(run))
    assert [one.top1 for one in curves.on_training] == [0.9]
    assert len(curves.evaluations) == 1


# ---------------------------------------------------------------------- fork


def fork_form(run: str) -> AppTest:
    """The form alone: AppTest closes a dialog at each touch."""

    def script(run: str) -> None:
        import streamlit as st

        from vit_explore.ui.kit import forking

        st.session_state["new"] = forking.form(run) or st.session_state.get("new")

    return AppTest.from_function(script, args=(run,), default_timeout=60).run()


def test_a_fork_starts_from_a_snapshot_with_what_was_changed(make_run: MakeRun) -> None:
    run, store = make_run(), RunStore()
    at, there = fork_form(run), store.snapshots(run)[-2]
    at.select_slider(key=f"fork_{run}_step").set_value(there.step).run()
    at.number_input(key=f"fork_{run}_lr").set_value(5e-4).run()
    at.number_input(key=f"fork_{run}_more_{there.step}").set_value(3.0).run()
    at.button(key="fork_start").click().run()
    assert not at.exception
    (new,) = [record for record in store.list() if record.parent == run]
    assert (new.id, new.fork_step, new.state) == (at.session_state["new"], there.step, "queued")
    now, was = new.settings().train, store.get(run).settings().train
    assert (now.lr, now.augment, now.weight_decay) == (5e-4, was.augment, was.weight_decay)
    assert now.epochs == pytest.approx(there.epoch + 3)


def test_a_fork_without_any_more_budget_is_one_sentence(make_run: MakeRun) -> None:
    run = make_run()
    at = fork_form(run)
    at.number_input(key=f"fork_{run}_more_{RunStore().snapshots(run)[-1].step}").set_value(0.0).run()
    at.button(key="fork_start").click().run()
    assert any("nothing left to train" in error.value for error in at.error)
    assert len(RunStore().list()) == 1


def test_a_snapshot_that_is_thinned_out_stays_chosen_and_is_refused(make_run: MakeRun) -> None:
    run, store = make_run(), RunStore()
    at, there = fork_form(run), store.snapshots(run)[-2]
    at.select_slider(key=f"fork_{run}_step").set_value(there.step).run()
    with store._writing() as connection:
        table = schema.snapshots
        connection.execute(sa.delete(table).where(table.c.run == run, table.c.step == there.step))
    at.button(key="fork_start").click().run()
    assert len(store.list()) == 1, "no fork of another snapshot is started"
    assert [error.value for error in at.error] == [
        f"The snapshot at step {there.step:,} is not kept any more; choose another one."
    ]
    assert at.button(key="fork_start").disabled
    at.select_slider(key=f"fork_{run}_step").set_value(store.snapshots(run)[-1].step).run()
    assert not at.error
    assert not at.button(key="fork_start").disabled


def test_what_is_left_to_train_goes_with_the_snapshot(make_run: MakeRun) -> None:
    run = make_run()
    at, rows = fork_form(run), RunStore().snapshots(run)
    for row in (rows[0], rows[-2], rows[0]):
        at.select_slider(key=f"fork_{run}_step").set_value(row.step).run()
        left = TINY.train.epochs - row.epoch
        (more,) = [one for one in at.number_input if one.label.startswith("More")]
        assert more.value == pytest.approx(left if left >= 1 else max(1, TINY.train.epochs / 2), abs=0.051)


def test_the_dialog_stays_behind_when_another_page_shows_the_run(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("train", run=make_run())
    at.button(key="live_fork").click().run()
    at.switch_page("pages/train/runs.py")
    at.session_state["runs_selected"] = [RunStore().list()[0].id]
    at.run()
    assert "runs_fork" in [button.key for button in at.button]
    assert "fork_start" not in [button.key for button in at.button]
    at.button(key="runs_fork").click().run()
    assert "fork_start" in [button.key for button in at.button]
    at.button(key="runs_delete").click().run()
    keys = [button.key for button in at.button]
    assert "runs_delete_yes" in keys
    assert "fork_start" not in keys
    assert not at.exception


def chart_names(at: AppTest) -> list[str]:
    """The names of the curves of the loss."""
    protos = [one.proto for one in at.get("bidi_component") if one.proto.component_name.endswith("live_chart")]
    return [one["name"] for one in json.loads(protos[-1].json)["series"]]


def test_the_curve_that_a_fork_goes_on_from_is_there_at_once_and_in_present(
    open_page: OpenPage, make_run: MakeRun
) -> None:
    run, store = make_run(), RunStore()
    store.rename(run, "the parent")
    claimant = Claimant.this_process("cpu", "cpu")
    fork = store.fork(run, store.snapshots(run)[-2].step, claimant, epochs=9)
    begun = store.started(run)
    assert begun is not None
    steps = store.steps(run)
    said = [Step(**{name: column[-1].item() for name, column in steps.items()})]
    store.record_all(fork, [begun, *said], claimant.worker)
    at = open_page("train", run=fork)
    name = store.get(fork).name
    assert chart_names(at) == [name, "the parent"]
    at.button(key="live_present").click().run()
    assert chart_names(at) == [name, "the parent"]
    at.button(key="live_present").click().run()
    at.multiselect(key=f"live_compare_{fork}").set_value([]).run()
    assert chart_names(at) == [name]
    at.button(key="live_present").click().run()
    assert chart_names(at) == [name], "what a person took away stays away"
    assert not at.exception


def test_the_dialog_opens_on_the_run(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("train", run=make_run())
    at.button(key="live_fork").click().run()
    assert "fork_start" in [button.key for button in at.button]
    assert not at.exception


def test_the_list_of_runs_says_what_a_fork_comes_from(make_run: MakeRun) -> None:
    def script(run: str) -> None:
        from vit_explore.runs.store import RunStore
        from vit_explore.ui.pages.runs import view

        store = RunStore()
        view._details(store, store.get(run))

    run, store = make_run(), RunStore()
    fork = store.fork(run, store.snapshots(run)[-2].step, epochs=9)
    store.delete(run)
    at = AppTest.from_function(script, args=(fork,), default_timeout=60).run()
    assert any("Forked at step" in caption.value for caption in at.caption)
    at = AppTest.from_function(script, args=(make_run(),), default_timeout=60).run()
    assert not at.caption


def test_a_fork_says_where_it_comes_from_and_is_laid_over_its_parent(open_page: OpenPage, make_run: MakeRun) -> None:
    run, store = make_run(), RunStore()
    fork = store.fork(run, store.snapshots(run)[-2].step, epochs=9)
    at = open_page("train", run=fork)
    assert at.session_state[f"live_compare_{fork}"] == [run]
    assert any("Forked from" in link.label for link in at.get("page_link"))
    store.delete(run)
    at = open_page("train", run=fork)
    assert any("a run that is deleted" in caption.value for caption in at.caption)


# ---------------------------------------------------------------------- diagnosis


def sick(state: str = "running") -> str:
    """A run whose loss never left guessing."""
    store, claimant = RunStore(), Claimant.this_process("cpu", "cpu")
    config = TINY.update(lr=1e-7, epochs=40)
    run = store.create(config, claimant)
    events = list(fit(TINY))
    begun, one = next(e for e in events if isinstance(e, Started)), next(e for e in events if isinstance(e, Step))
    noise = np.random.default_rng(0).normal(0, 0.005, 100)
    steps = [
        dataclasses.replace(one, step=i + 1, epoch=0.36 * (i + 1), elapsed=0.1 * i, loss=1.1 + noise[i])
        for i in range(100)
    ]
    store.record_all(run, [begun, *steps], claimant.worker)
    if state != "running":
        store.let_go(run, claimant.worker, state)
    return run


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_sick_run_is_told_and_repaired_with_one_click(open_page: OpenPage, home: object, state: str) -> None:
    run, store = sick(state), RunStore()
    at = open_page("train", run=run)
    at.run()
    assert any("The loss has not fallen for" in text.value for text in at.markdown)
    assert any("A line through" in text.value for text in at.markdown), "the evidence stands behind Why?"
    at.button(key="live_diagnosis_repair_flat").click().run()
    assert not at.exception
    (new,) = [record for record in store.list() if record.parent == run]
    assert new.settings().train.lr == 1e-3
    assert param(at, "run") == new.id


def test_a_healthy_run_has_no_diagnosis(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("train", run=make_run("running"))
    assert not [button for button in at.button if (button.key or "").startswith("live_diagnosis")]
