"""Train, ViT vs ResNet and Runs: every page in every state of a run, and what their buttons do."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import TINY, MakeRun, OpenPage, param
from streamlit.testing.v1 import AppTest

from vit_explore.cards import Knob, card_of, cards
from vit_explore.config import RunConfig
from vit_explore.data import sizes
from vit_explore.data.base import DatasetStatus
from vit_explore.errors import BadData
from vit_explore.presets import DEFAULT, presets
from vit_explore.runs import schema
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import background, forms, uploaded

STATES = ("queued", "running", "finished", "stopped", "failed", "interrupted")
TRAINING = ("train", "versus", "runs")
RESNET = TINY.update(model="resnet-slim")


def shown(at: AppTest) -> str:
    """Everything that the page says."""
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.mark.parametrize("page", TRAINING)
def test_without_any_run(open_page: OpenPage, page: str) -> None:
    at = open_page(page)
    assert not at.exception
    assert not at.error
    assert "Behind this page" in shown(at)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("page", TRAINING)
def test_a_run_in_any_state(open_page: OpenPage, make_run: MakeRun, page: str, state: str) -> None:
    run = make_run(state)
    at = open_page(page, run=run) if page == "train" else open_page(page)
    assert not at.exception
    assert "Behind this page" in shown(at)


@pytest.mark.parametrize(
    ("state", "keys", "absent"),
    [
        ("queued", {"live_stop"}, {"live_resume"}),
        ("running", {"live_stop"}, {"live_resume"}),
        ("finished", {"live_change"}, {"live_stop", "live_resume"}),
        ("stopped", {"live_resume", "live_change"}, {"live_stop"}),
        ("interrupted", {"live_resume"}, {"live_stop"}),
        ("failed", {"live_change"}, {"live_stop", "live_resume"}),
    ],
)
def test_the_buttons_fit_the_state(
    open_page: OpenPage, make_run: MakeRun, state: str, keys: set[str], absent: set[str]
) -> None:
    at = open_page("train", run=make_run(state))
    there = {element.key for element in at.button}
    assert keys <= there
    assert not absent & there


def test_start_queues_the_run_of_the_form_and_puts_it_into_the_address(open_page: OpenPage) -> None:
    at = open_page("train")
    at.pills(key="train_preset").set_value("shapes").run()
    at.number_input(key="form_width").set_value(32).run()
    at.number_input(key="form_seconds").set_value(5.0).run()
    at.button(key="train_start").click().run()
    (record,) = RunStore().list()
    assert not at.exception
    assert param(at, "run") == record.id
    assert param(at, "model") == f"run:{record.id}"  # and its model is what the other pages show
    assert (record.config.data.dataset, record.config.model.width, record.config.train.seconds) == ("shapes", 32, 5.0)
    assert "Waiting: next in the queue" in at.get("progress")[0].proto.text


def test_a_mistake_is_one_sentence_start_is_off_and_nothing_is_lost(open_page: OpenPage) -> None:
    at = open_page("train")
    at.number_input(key="form_patch_size").set_value(5).run()
    assert [element.value for element in at.error] == [
        "Mend one of the marked settings: **Patch size (px)**, **Image size (px)**.",
        "A patch size of 5 does not divide the image size 32; choose one of 1, 2, 4, 8, 16, 32.",
    ]
    assert at.button(key="train_start").disabled
    assert at.number_input(key="form_patch_size").value == 5
    at.number_input(key="form_patch_size").set_value(8).run()
    assert not at.error
    assert not at.button(key="train_start").disabled


@pytest.mark.parametrize(
    ("field", "value", "label"),
    [("width", 0, "Width D"), ("depth", 0, "Depth"), ("mlp_ratio", 0.0, "MLP ratio"), ("seconds", -5.0, "Seconds")],
)
def test_a_number_beyond_its_bounds_is_named_as_the_form_names_it(
    open_page: OpenPage, field: str, value: float, label: str
) -> None:
    at = open_page("train")
    at.number_input(key=f"form_{field}").set_value(value).run()
    above, error = at.error
    assert above.value.startswith(f"Mend the marked setting: **{label}")
    assert error.value.startswith(label)
    assert "it takes a" in error.value
    assert "input" not in error.value
    assert at.button(key="train_start").disabled


def test_the_sentence_stands_below_the_setting_that_is_wrong(open_page: OpenPage) -> None:
    at = open_page("train")
    at.number_input(key="form_num_heads").set_value(5).run()
    drawn = [element for element in at.main if element.type in ("number_input", "error")]
    place = [getattr(element, "key", None) for element in drawn].index("form_width")
    sentence = "The width 96 does not divide into 5 heads; choose a width that is a multiple of 5."
    assert drawn[place + 1].value == sentence


def test_a_mistake_in_what_is_folded_away_opens_it(open_page: OpenPage) -> None:
    at = open_page("train")
    assert not at.expander[0].proto.expanded
    at.number_input(key="form_lr").set_value(0.0).run()
    folded = next(one for one in at.expander if one.label.startswith("Everything else"))
    assert folded.proto.expanded
    assert "Learning rate = 0 is not possible" in folded.error[0].value


def test_a_setting_that_goes_with_another_shows_with_it(open_page: OpenPage) -> None:
    at = open_page("train")
    shown = {box.key for box in at.number_input}
    assert {"form_lr", "form_ema", "form_mixup"} <= shown
    assert not {"form_momentum", "form_lr_decay"} & shown
    at.selectbox(key="form_optimizer").set_value("sgd").run()
    assert "form_momentum" in {box.key for box in at.number_input}
    at.selectbox(key="form_schedule").set_value("exponential").run()
    assert {"form_momentum", "form_lr_decay"} <= {box.key for box in at.number_input}


def test_an_unknown_architecture_is_one_sentence(open_page: OpenPage) -> None:
    at = open_page("train")
    at.session_state["train_pending"] = TINY.update(model="timm:nosuchnet")
    for _ in range(40):  # PyTorch answers in a thread
        at.run()
        if at.error:
            break
    assert "nosuchnet" in at.error[0].value
    assert at.button(key="train_start").disabled


def test_what_was_typed_survives_another_page(open_page: OpenPage) -> None:
    at = open_page("train")
    at.number_input(key="form_depth").set_value(3).run()
    at.switch_page("pages/train/runs.py").run()
    at.switch_page("pages/train/train.py").run()
    assert at.number_input(key="form_depth").value == 3


def test_presets_fill_the_form(open_page: OpenPage) -> None:
    at = open_page("train")
    for name, preset in presets:
        if preset.is_everyday:
            at.pills(key="train_preset").set_value(name).run()
        else:
            at.selectbox(key="train_repeated").set_value(name).run()
        assert not at.exception
        assert at.session_state["form_model"] == preset.config.model.architecture
        assert at.session_state["form_classes"] == list(preset.config.data.classes or ())
        assert not [line for line in at.markdown if "Your settings" in line.value], name


def test_missing_data_are_said_before_start_and_shapes_is_one_click_away(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sizes.dataset_status

    def status(name: str) -> DatasetStatus:
        found = real(name)
        return DatasetStatus(name, found.title, found.description, found.classes, name == "shapes", "nowhere")

    monkeypatch.setattr(sizes, "dataset_status", status)
    at = open_page("train")
    assert "CIFAR-10 is not on this machine" in at.warning[0].value
    at.button(key="train_use_shapes").click().run()
    assert not at.warning
    assert at.selectbox(key="form_dataset").value == "shapes"
    assert not at.button(key="train_start").disabled


def test_without_an_address_the_active_run_is_shown(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run("finished")
    active = make_run("running")
    at = open_page("train")
    assert param(at, "run") == active
    at.button(key="live_new").click().run()
    assert not at.exception
    assert param(at, "run") == "new"
    assert at.button(key="train_start")
    at.button(key=f"train_watch_{active}").click().run()
    assert param(at, "run") == active


def test_a_finished_run_shows_its_results_and_where_to_go_next(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run("finished")
    at = open_page("train", run=run)
    labels = {metric.label for metric in at.metric}
    assert {"Test accuracy", "Macro F1"} <= labels
    links = [element.proto for element in at.get("page_link")]
    assert any("Attention" in link.label and run in link.query_string for link in links)
    assert at.get("plotly_chart")
    assert len(at.dataframe[0].value) == 3


def test_a_deleted_run_that_is_still_open_is_one_sentence(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run("finished")
    at = open_page("train", run=run)
    RunStore().delete(run)
    at.run()
    assert not at.exception
    assert len(at.error) == 1
    assert "was deleted" in at.error[0].value
    at.button(key="train_after_lost").click().run()
    assert at.button(key="train_start")


@pytest.mark.parametrize("page", TRAINING)
def test_an_address_with_nonsense(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    make_run("finished")
    at = open_page(page, run="../../etc", one="<b>", other="?", model="run:zzzz", step="-1")
    assert not at.exception


def test_stop_and_resume(open_page: OpenPage, make_run: MakeRun) -> None:
    store = RunStore()
    running = make_run("running")
    at = open_page("train", run=running)
    at.button(key="live_stop").click().run()
    assert store.get(running).stop_requested
    assert at.button(key="live_stop").disabled
    stopped = make_run("stopped")
    at = open_page("train", run=stopped)
    at.button(key="live_resume").click().run()
    assert store.get(stopped).state == "queued"


def test_a_second_button_leaves_out_the_test(open_page: OpenPage, make_run: MakeRun) -> None:
    store, running = RunStore(), make_run("running")
    at = open_page("train", run=running)
    assert "live_stop_untested" not in {element.key for element in at.button}
    at.button(key="live_stop").click().run()
    assert not store.get(running).skip_test
    at.button(key="live_stop_untested").click().run()
    assert store.get(running).skip_test
    assert at.button(key="live_stop_untested").disabled


def test_what_goes_on_while_it_stops_is_said(open_page: OpenPage, make_run: MakeRun) -> None:
    store, running = RunStore(), make_run("running")
    store.request_stop(running)
    store.set_note(running, "Finishing the step, or ending it by force in 3 s")
    at = open_page("train", run=running)
    assert "Stopping: finishing the step, or ending it by force in 3 s." in progress_words(at)


def progress_words(at: AppTest) -> str:
    return " ".join(element.proto.text for element in at.get("progress"))


# ---------------------------------------------------------------------- what it will cost


def test_what_a_run_costs_is_said_before_start(open_page: OpenPage) -> None:
    at = open_page("train")
    until(at, lambda: any("On this machine about 30 ms a step" in element.value for element in at.caption))
    assert not at.button(key="train_start").disabled


def until(at: AppTest, said: Callable[[], bool]) -> None:
    """Run the page again until it says so: an estimate is a job, and its first waits for torch."""
    end = time.monotonic() + 30
    while not said():
        assert time.monotonic() < end, "it was not said"
        at.run()


def test_a_slow_run_gets_a_warning_and_something_smaller(open_page: OpenPage, foreseen: dict[str, object]) -> None:
    foreseen |= {"step_seconds": 40.0, "steps": 1.5, "test_seconds": 3600.0, "smaller": {"width": 48, "patch_size": 8}}
    at = open_page("train")
    until(at, lambda: any("About 40 s a step here" in element.value for element in at.warning))
    assert not at.button(key="train_start").disabled
    assert at.button(key="train_smaller").label == "Make it smaller: width D 48, patch size 8"
    foreseen |= {"step_seconds": 0.03, "steps": 2000.0, "test_seconds": 2.0}
    at.button(key="train_smaller").click().run()
    assert at.number_input(key="form_width").value == 48
    assert at.number_input(key="form_patch_size").value == 8
    assert not any("a step here" in element.value for element in at.warning)


def test_an_estimate_that_ends_in_a_bug_keeps_nobody_from_starting(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, bugs: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(background, "foresee", lambda *_: 1 // 0)
    at = open_page("train")
    until(at, lambda: any("could not be estimated" in element.value for element in at.caption))
    assert not at.error
    at.button(key="train_start").click().run()
    assert len(RunStore().list()) == 1
    assert "ZeroDivisionError" in bugs()[0]


def test_what_cannot_fit_cannot_be_started(open_page: OpenPage, foreseen: dict[str, object]) -> None:
    foreseen |= {"machine": 10**8, "free": 10**7}
    at = open_page("train")
    until(at, lambda: any("of memory and the device has 0.1 GB in all" in element.value for element in at.error))
    assert at.button(key="train_start").disabled


def test_a_failed_run_gives_its_sentence_and_fills_the_form(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run("failed")
    at = open_page("train", run=run)
    assert [element.value for element in at.error] == [
        "The loss became infinite at step 3; try a smaller learning rate."
    ]
    assert at.button(key="live_change").label == "Try again with changes"
    at.button(key="live_change").click().run()
    assert at.number_input(key="form_width").value == TINY.model.width
    assert at.multiselect(key="form_classes").value == ["square", "star", "ring"]
    assert at.session_state["form_budget"] == "epochs"


def test_a_run_repeated_with_changes_knows_what_it_repeats(open_page: OpenPage, make_run: MakeRun) -> None:
    first, store = make_run("finished"), RunStore()
    at = open_page("train", run=first)
    at.button(key="live_change").click().run()
    at.number_input(key="form_width").set_value(32).run()
    at.button(key="train_start").click().run()
    (queued,) = store.list(states=["queued"])
    assert (queued.parent, queued.settings().model.width) == (first, 32)
    at.button(key="live_new").click().run()
    at.button(key="train_start").click().run()
    assert [record.parent for record in store.list(states=["queued"])] == [None, first]


def test_the_queue_names_the_run_ahead(open_page: OpenPage, make_run: MakeRun) -> None:
    store = RunStore()
    first = make_run("running")
    store.rename(first, "the *first* one")
    make_run("queued")
    last = make_run("queued")
    at = open_page("train", run=last)
    text = at.get("progress")[0].proto.text
    assert "2nd in the queue" in text


def test_comparing_with_an_earlier_run(open_page: OpenPage, make_run: MakeRun) -> None:
    earlier, now = make_run("finished"), make_run("running")
    at = open_page("train", run=now)
    at.multiselect(key=f"live_compare_{now}").set_value([earlier]).run()
    assert not at.exception
    RunStore().delete(earlier)
    at.run()
    assert not at.exception


def test_a_pinned_image_beyond_the_images_of_another_run(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run("finished")
    at = open_page("train", run=run)
    at.session_state["live_pinned"] = 99
    at.run()
    assert not at.exception


@pytest.mark.parametrize("config", [RESNET, TINY.update(pos_embed="none"), TINY.update(pool="avg", stem="conv")])
def test_other_architectures(open_page: OpenPage, make_run: MakeRun, config: object) -> None:
    at = open_page("train", run=make_run("finished", config))
    assert not at.exception
    assert not at.error


@pytest.mark.parametrize(
    ("config", "pages"), [(TINY, {"attention", "positions", "filters"}), (RESNET, {"filters"})], ids=["vit", "resnet"]
)
def test_only_pages_that_fit_the_model_are_offered(
    open_page: OpenPage, make_run: MakeRun, config: RunConfig, pages: set[str]
) -> None:
    at = open_page("train", run=make_run("finished", config))
    links = {link.proto.page.rpartition("/")[2].removesuffix(".py") for link in at.get("page_link")}
    assert links & {"attention", "positions", "filters"} == pages


def test_the_form_shows_what_an_architecture_uses(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = replace(card_of("vit"), name="narrow", knobs=(Knob("width", le=128), Knob("pool", choices=("avg",))))
    monkeypatch.setitem(cards._members, "narrow", narrow)
    at = open_page("train")
    assert "narrow" in at.selectbox(key="form_model").options
    at.selectbox(key="form_model").set_value("narrow").run()
    assert not at.exception
    assert not at.error
    assert (at.selectbox(key="form_pool").options, at.selectbox(key="form_pool").value) == (["avg"], "avg")
    assert "form_patch_size" not in {widget.key for widget in at.number_input}
    at.number_input(key="form_width").set_value(256).run()
    assert at.error[1].value.replace("\\", "").startswith("Width D = 256 is not possible: narrow takes 128 at most")
    at.selectbox(key="form_model").set_value("resnet18").run()
    assert "Nothing else to choose" in shown(at)
    assert not at.error


# ---------------------------------------------------------------------- ViT vs ResNet


def test_the_race_starts_two_runs_that_differ_in_the_model_alone(open_page: OpenPage) -> None:
    at = open_page("versus")
    at.selectbox(key="race_preset").set_value("shapes").run()
    at.number_input(key="race_budget_shapes").set_value(7.0).run()
    at.button(key="race_start").click().run()
    assert not at.exception
    resnet, vit = RunStore().list()
    assert (vit.config.model.architecture, resnet.config.model.architecture) == ("vit", "resnet-slim")
    assert (vit.config.data, vit.config.train) == (resnet.config.data, resnet.config.train)
    assert vit.config.train.seconds == 7.0
    assert vit.group == resnet.group is not None
    assert (param(at, "one"), param(at, "other"), param(at, "model")) == (vit.id, resnet.id, f"run:{vit.id}")


def test_a_race_with_an_impossible_budget_does_not_start(open_page: OpenPage) -> None:
    at = open_page("versus")
    at.selectbox(key="race_preset").set_value("shapes").run()
    at.number_input(key="race_budget_shapes").set_value(-5.0).run()
    assert not at.exception
    assert at.error[0].value.startswith("Seconds = -5 is not possible")
    assert at.button(key="race_start").disabled


@pytest.mark.parametrize("state", ["queued", "running", "finished", "stopped", "failed"])
def test_a_race_in_any_state(open_page: OpenPage, make_run: MakeRun, state: str) -> None:
    vit, resnet = make_run("finished"), make_run(state, RESNET)
    at = open_page("versus", one=vit, other=resnet)
    assert not at.exception
    assert not at.warning
    text = shown(at)
    assert ("disagree" in text) == (state == "finished")


def test_a_race_draws_no_confusion_of_a_run_that_was_not_tested(open_page: OpenPage, make_run: MakeRun) -> None:
    vit, resnet = make_run("finished"), make_run("finished", RESNET)
    with RunStore()._writing() as connection:
        found = connection.execute(sa.select(schema.finishes.c.scalars).where(schema.finishes.c.run == resnet)).scalar()
        scalars = json.dumps({**json.loads(found or "{}"), "test_images": 0})
        connection.execute(sa.update(schema.finishes).where(schema.finishes.c.run == resnet).values(scalars=scalars))
    at = open_page("versus", one=vit, other=resnet)
    assert not at.exception
    keys = " ".join(element.proto.id for element in at.get("plotly_chart"))
    assert f"race_confusion_{vit}" in keys
    assert f"race_confusion_{resnet}" not in keys
    assert "disagree" not in shown(at)


def test_a_race_ends_with_a_verdict_and_the_way_to_more_seeds(open_page: OpenPage, make_run: MakeRun) -> None:
    vit, resnet = make_run("finished"), make_run("finished", RESNET)
    at = open_page("versus", one=vit, other=resnet)
    assert "could be chance" in shown(at)
    at.button(key="race_seeds").click().run()
    assert not at.exception
    queued = RunStore().list(states=["queued"])
    assert [(r.config.model.architecture, r.config.train.seed) for r in reversed(queued)] == [
        ("vit", 1),
        ("resnet-slim", 1),
        ("vit", 2),
        ("resnet-slim", 2),
    ]
    assert (param(at, "one"), param(at, "other")) == (vit, resnet)
    at.button(key="race_stop").click().run()
    assert not at.exception
    assert RunStore().list(states=["queued"]) == []


def test_a_race_of_three_seeds_tells_their_spread(open_page: OpenPage, make_run: MakeRun) -> None:
    shown_pair = make_run("finished"), make_run("finished", RESNET)
    for seed in (1, 2):
        make_run("finished", TINY.update(seed=seed))
        make_run("finished", RESNET.update(seed=seed))
    at = open_page("versus", one=shown_pair[0], other=shown_pair[1])
    assert not at.exception
    assert "By the spread of these seeds" in shown(at)
    assert "race_seeds" not in {button.key for button in at.button}


def test_a_race_on_different_data_has_no_verdict(open_page: OpenPage, make_run: MakeRun) -> None:
    vit, resnet = make_run("finished"), make_run("finished", RESNET.update(per_class=9))
    at = open_page("versus", one=vit, other=resnet)
    assert "The two had different data" in shown(at)
    assert "could be chance" not in shown(at)


def test_stopping_a_race_asks_what_trains_and_takes_back_what_waits(open_page: OpenPage, make_run: MakeRun) -> None:
    vit, resnet = make_run("running"), make_run("queued", RESNET)
    at = open_page("versus", one=vit, other=resnet)
    assert "to go" in shown(at)
    at.button(key="race_stop").click().run()
    assert RunStore().get(vit).stop_requested
    assert RunStore().get(resnet).state == "stopped"


def test_a_race_that_was_stopped_before_the_rival_began_has_no_verdict(open_page: OpenPage) -> None:
    store = RunStore()
    vit, resnet = (store.create(config, group="race-1") for config in (TINY, RESNET))
    for run in (vit, resnet):
        store.request_stop(run)
    at = open_page("versus", one=vit, other=resnet)
    assert not at.exception
    assert not at.warning
    assert "No verdict" in shown(at)


def test_names_of_runs_are_no_markdown_in_the_choice_of_disagreements(open_page: OpenPage, make_run: MakeRun) -> None:
    one, other = (make_run("finished", TINY.update(name=f"*bold* {i}")) for i in range(2))
    at = open_page("versus", one=one, other=other)
    labels = [option.content for option in at.button_group(key="race_kind").proto.options]
    assert sum("only \\*bold\\*" in label for label in labels) == 2


@pytest.mark.parametrize("side", ["one", "other"])
@pytest.mark.parametrize("config", [TINY, RESNET])
def test_a_run_that_is_named_alone_gets_a_rival(
    open_page: OpenPage, make_run: MakeRun, side: str, config: RunConfig
) -> None:
    vit, resnet = make_run("finished"), make_run("finished", RESNET)
    run = vit if config == TINY else resnet
    at = open_page("versus", **{side: run})
    assert not at.exception
    assert param(at, side) == run
    assert {param(at, "one"), param(at, "other")} == {vit, resnet}


def test_an_unfair_race_warns(open_page: OpenPage, make_run: MakeRun) -> None:
    vit, resnet = make_run("finished"), make_run("finished", RESNET.update(seed=1, epochs=1))
    at = open_page("versus", one=vit, other=resnet)
    (warning,) = at.warning
    assert "budget in epochs" in warning.value
    assert "training seed" in warning.value


@pytest.mark.parametrize("axis", ["epoch", "elapsed", "images_seen", "flops"])
def test_every_axis_of_the_race(open_page: OpenPage, make_run: MakeRun, axis: str) -> None:
    at = open_page("versus", one=make_run("finished"), other=make_run("finished", RESNET))
    at.segmented_control(key="race_axis").set_value(axis).run()
    assert not at.exception


# ---------------------------------------------------------------------- Runs


def test_no_run_invites_to_train(open_page: OpenPage) -> None:
    assert "No run yet" in shown(open_page("runs"))


def test_the_table_lists_and_filters(open_page: OpenPage, make_run: MakeRun) -> None:
    kept, _ = make_run("finished"), make_run("failed")
    RunStore().rename(kept, "needle <b>")
    at = open_page("runs")
    assert len(at.dataframe[0].value) == 2
    at.text_input(key="runs_filter").set_value("NEEDLE").run()
    assert list(at.dataframe[0].value["Name"]) == ["needle <b>"]
    at.text_input(key="runs_filter").set_value("nothing like it").run()
    assert "No run fits" in at.info[0].value


def test_a_filter_on_a_state_that_no_run_is_in_any_more(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run("finished")
    stopped = make_run("stopped")
    at = open_page("runs")
    at.button_group(key="runs_states").set_value(["stopped"]).run()
    assert len(at.dataframe[0].value) == 1
    RunStore().delete(stopped)
    at.run()
    assert not at.exception
    assert len(at.dataframe[0].value) == 1


# ---------------------------------------------------------------------- uploads


def test_an_upload_is_kept_by_its_content_alone(home: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../evil.png", b"x")
    path = Path(uploaded.save_upload(buffer.getvalue()))
    assert path.parent == home / "data" / "uploads"
    assert path.read_bytes() == buffer.getvalue()
    assert uploaded.save_upload(buffer.getvalue()) == str(path)
    with pytest.raises(BadData, match="not a zip"):
        uploaded.save_upload(b"plain text")


def test_the_default_preset_is_what_the_page_starts_with(open_page: OpenPage) -> None:
    at = open_page("train")
    assert at.pills(key="train_preset").value == DEFAULT
    assert at.number_input(key="form_lr").value == pytest.approx(presets.get(DEFAULT).config.train.lr)
    assert np.all([forms.PREFIX + name in at.session_state for name in forms.widgets()])


def test_a_run_from_other_weights_takes_their_architecture(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("train", run="new")
    at.session_state[f"{forms.PREFIX}init_from"] = f"run:{make_run()}"
    at.session_state[f"{forms.PREFIX}dataset"] = "shapes"
    at.session_state[f"{forms.PREFIX}classes"] = []
    at = at.run()
    assert not at.exception
    at.button(key="train_start").click().run()
    newest = RunStore().list()[0].settings()
    assert (newest.model.width, newest.model.depth, newest.model.init_from is None) == (16, 2, False)
    at = open_page("train", run="new")
    at.session_state[f"{forms.PREFIX}init_from"] = "bundled:none"
    at = at.run()
    assert any("No bundled model" in error.value for error in at.error)
    assert at.button(key="train_start").disabled


def test_two_runs_that_differ_in_the_seed_alone_race_as_themselves(open_page: OpenPage, make_run: MakeRun) -> None:
    """Each is the other's other seed: both sides would be the same runs."""
    one, other = (make_run("finished", TINY.update(seed=seed)) for seed in (0, 1))
    at = open_page("versus", one=one, other=other)
    assert not at.exception
    assert "race_seeds" not in {button.key for button in at.button}
    assert "By the spread of these seeds" not in shown(at)
