"""The stage of the page Train in every phase of a run, and what fills it: the same places from Start to the end."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from conftest import TINY, MakeRun, OpenPage, param
from streamlit.testing.v1 import AppTest

from vit_explore.runs.store import Claimant, RunStore
from vit_explore.training.events import Started

PHASES = ("queued", "starting", "training", "finished", "failed", "interrupted")
NUMBERS = ["Accuracy (validation)", "Loss", "Images per second", "Time left"]


@pytest.fixture
def run_in(make_run: MakeRun, events_of: Any) -> Any:
    """run_in(phase): a run in that phase; its id."""

    def make(phase: str) -> str:
        if phase != "starting":
            return make_run("running" if phase == "training" else phase)
        store, claimant = RunStore(), Claimant.this_process("cpu", "cpu")
        run = store.create(TINY, claimant)
        store.record_all(run, [event for event in events_of(TINY) if isinstance(event, Started)], claimant.worker)
        return run

    return make


def components(at: AppTest) -> dict[str, Any]:
    """What our own components in the page were given, by their names; of two of a kind the last."""
    elements = [element.proto for element in at.get("bidi_component")]
    return {proto.component_name.rpartition(".")[2]: json.loads(proto.json) for proto in elements if proto.json}


def seen(at: AppTest) -> set[str]:
    return components(at).keys() & {"vit_explore_live_chart", "vit_explore_inside_view"}


def test_the_accuracy_on_training_images_accompanies_that_on_validation_images(
    open_page: OpenPage, run_in: Any
) -> None:
    run = run_in("training")
    store = RunStore()
    known = store.evaluations(run)
    look = next(look for look in known if look.split == "val")
    if not any(one.split == "train" for one in known):
        store.record(run, dataclasses.replace(look, split="train", top1=0.9))
    at = open_page("train", run=run)
    charts = [
        json.loads(one.proto.json) for one in at.get("bidi_component") if "live_chart" in one.proto.component_name
    ]
    by_label = {chart["yLabel"]: chart["series"] for chart in charts if "series" in chart}
    main, beside = by_label["validation accuracy"]
    assert (beside["name"], beside["of"], beside["colour"]) == ("on training images", main["name"], main["colour"])
    assert main["of"] == ""
    assert beside["x"]
    assert len(by_label["training loss"]) == 1


@pytest.mark.parametrize("phase", PHASES)
def test_the_stage_stands_in_every_phase(open_page: OpenPage, run_in: Any, phase: str) -> None:
    at = open_page("train", run=run_in(phase))
    assert not at.exception
    assert seen(at) == {"vit_explore_live_chart", "vit_explore_inside_view"}
    labels = [metric.label for metric in at.metric]
    assert len(labels) == 4
    assert labels == (["Test accuracy", "Macro F1", labels[2], labels[3]] if phase == "finished" else NUMBERS)
    inside = components(at)["vit_explore_inside_view"]
    assert len(inside["attention"]["shots"]) == 1 + TINY.model.depth
    assert len(inside["answers"]["said"]) == (8 if phase == "queued" else 6)  # TINY has six validation images
    known = phase not in ("queued", "starting")
    assert bool(inside["tiles"]["shots"][0]["uri"]) == known
    assert all(bool(shot["alt"]) == known for shot in inside["attention"]["shots"])
    chart = components(at)["vit_explore_live_chart"]
    assert bool(chart["series"][0]["x"]) == known
    assert chart["budget"] == (None if chart["xLabel"] == "seconds" else TINY.train.epochs)


def test_all_classes_are_among_the_answers(open_page: OpenPage, run_in: Any) -> None:
    at = open_page("train", run=run_in("starting"))
    truths = [said["truth"] for said in components(at)["vit_explore_inside_view"]["answers"]["said"]]
    assert set(truths) == set(TINY.data.classes or ())


@pytest.mark.parametrize(
    ("show", "drawn"),
    [
        ("curves", {"vit_explore_live_chart"}),
        ("inside", {"vit_explore_inside_view"}),
        ("both", {"vit_explore_live_chart", "vit_explore_inside_view"}),
    ],
)
def test_what_fills_the_stage_is_in_the_address(
    open_page: OpenPage, make_run: MakeRun, show: str, drawn: set[str]
) -> None:
    run = make_run("running")
    at = open_page("train", run=run, show=show)
    assert seen(at) == drawn
    assert at.segmented_control(key="live_show").value == show
    at = open_page("train", run=run)
    at.segmented_control(key="live_show").set_value(show).run()
    assert seen(at) == drawn
    assert param(at, "show") == (None if show == "both" else show)  # which it was before


def test_present_leaves_nothing_but_the_stage(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("train", run=make_run("finished"))
    everything = {"live_new", "live_change", "live_present"}
    assert everything <= {button.key for button in at.button}
    at.button(key="live_present").click().run()
    assert param(at, "present") == "on"
    assert not at.exception
    assert not everything & {button.key for button in at.button} - {"live_present"}
    assert not at.dataframe
    assert not at.multiselect
    assert not at.get("page_link")
    assert "Behind this page" not in [element.value for element in at.subheader]
    assert at.button(key="live_present").label == "Leave"
    at.button(key="live_present").click().run()
    assert param(at, "present") is None
    assert "Behind this page" in [element.value for element in at.subheader]


def test_a_view_that_there_is_not_is_one_sentence(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("train", run=make_run("running"), show="everything")
    assert not at.exception
    assert ["'everything' in the address is no view of this page" in element.value for element in at.warning] == [True]
    assert at.segmented_control(key="live_show").value == "both"


def test_the_form_knows_no_stage(open_page: OpenPage) -> None:
    at = open_page("train", run="new", present="on", show="curves")
    assert not at.exception
    assert at.button(key="train_start")
    assert "Behind this page" in [element.value for element in at.subheader]
