"""Home, Patches, Position embeddings, Filters and Attention, with and without a model to look at."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
import streamlit as st
import throwaway
import timm
from conftest import APP, PAGES, TINY, MakeRun, OpenPage, param
from PIL import Image
from streamlit.testing.v1 import AppTest

from vit_explore import plots
from vit_explore.config import RunConfig
from vit_explore.runs import schema
from vit_explore.runs.store import Claimant, RunStore
from vit_explore.training.events import Event, Snapshot
from vit_explore.ui import explanations
from vit_explore.ui.kit import looking, model_head
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab
from vit_explore.ui.session.choice import Choice

LOOKING = ("positions", "filters", "attention")
ALL = ("home", "patches", *LOOKING)
TIMM = "timm:vit_tiny_patch16_224@random"


def shown(at: AppTest) -> str:
    """Everything that the page says."""
    kinds = (at.title, at.markdown, at.caption, at.info, at.warning, at.error, at.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


def choose_tab(at: AppTest, name: str) -> None:
    """As a click on a tab does; AppTest has none for tabs."""
    at.query_params["tab"] = name
    at.run()


def png(size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("page", ALL)
def test_no_model_at_all(open_page: OpenPage, page: str) -> None:
    at = open_page(page)
    assert not at.exception
    assert not at.error
    if page in LOOKING:
        assert "no model to look at yet" in shown(at)
        assert [button.label for button in at.button] == ["Train a model"]
    assert "Behind this page" in shown(at)


@pytest.mark.parametrize("page", LOOKING)
def test_what_comes_with_the_package_is_shown_first(open_page: OpenPage, really_bundled: None, page: str) -> None:
    at = open_page(page)
    assert not at.exception
    assert not at.error
    assert param(at, "model") == "bundled:vit-cifar10"
    assert "no model to look at yet" not in shown(at)


@pytest.mark.parametrize("state", ["running", "finished", "stopped", "failed", "interrupted"])
@pytest.mark.parametrize("page", ALL)
def test_a_run_in_any_state(open_page: OpenPage, make_run: MakeRun, page: str, state: str) -> None:
    run = make_run(state)
    at = open_page(page)
    assert not at.exception
    assert not at.error
    assert "What to beware of" in shown(at)
    assert param(at, "model") == f"run:{run}"


@pytest.mark.parametrize("page", LOOKING)
def test_a_run_without_weights_is_awaited_and_then_shown(
    open_page: OpenPage, make_run: MakeRun, bundled: str, events_of: Callable[[RunConfig], list[Event]], page: str
) -> None:
    run = make_run("queued")
    at = open_page(page, model=f"run:{run}")
    assert not at.exception
    assert not at.warning
    assert "it has no weights yet; here is **A tiny ViT** until its first step" in shown(at)
    assert param(at, "model") == f"run:{run}"  # it stays the chosen one
    store, claimant = RunStore(), Claimant.this_process("cpu", "cpu")
    store.claim(claimant)
    store.record_all(run, events_of(TINY), claimant.worker)
    at.run()
    assert not at.exception
    assert f"· run {run} · step" in shown(at)


def test_a_run_that_ended_without_weights_is_not_awaited(open_page: OpenPage, make_run: MakeRun) -> None:
    run, store, claimant = make_run("queued"), RunStore(), Claimant.this_process("cpu", "cpu")
    store.claim(claimant)
    store.let_go(run, claimant.worker, "failed", "It failed at once.")
    at = open_page("filters", model=f"run:{run}")
    assert not at.exception
    assert "ended before it had any weights" in at.warning[0].value


def test_the_head_says_name_step_and_accuracy(open_page: OpenPage, make_run: MakeRun) -> None:
    run, store = make_run(), RunStore()
    record, steps = store.get(run), [row.step for row in store.snapshots(run)]
    assert record.test_top1 is not None
    at = open_page("filters")
    line = f"**{record.name}** · run {run} · step {steps[-1]:,} · {100 * record.test_top1:.1f} % test"
    assert line in shown(at).replace("\\", "")
    look = store.evaluations(run)[0]
    assert look.split == "val"
    first = next(step for step in steps if step >= look.step)
    at = open_page("filters", model=f"run:{run}", step=str(first))
    assert f"step {first:,} of {steps[-1]:,} · {100 * look.top1:.1f} % validation" in shown(at)
    assert "training" not in shown(open_page("filters")).partition("Which patterns")[0]


class Rerun(Exception):
    """In place of Streamlit's own way out."""


def test_the_head_outlives_the_snapshots_of_a_run_that_begins_anew(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, store = make_run("running"), RunStore()
    choice = Choice(f"run:{run}", "x", tuple(row.step for row in store.snapshots(run)))
    with store._writing() as connection:  # as its start does, when it is resumed without a checkpoint
        connection.execute(sa.delete(schema.snapshots).where(schema.snapshots.c.run == run))

    def rerun() -> None:
        raise Rerun

    monkeypatch.setattr(st, "rerun", rerun)
    with pytest.raises(Rerun):
        model_head._following(choice)


def test_a_snapshot_that_goes_while_a_page_waits_gives_way_to_another(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, store, model = make_run("running"), RunStore(), looking.model
    *_, newer, newest = [row.step for row in store.snapshots(run)]

    def late(ref: str) -> object:  # a run in training has thinned its snapshots out meanwhile
        table = schema.snapshots.c
        with store._writing() as connection:
            connection.execute(sa.delete(schema.snapshots).where(table.run == run, table.step == newest))
        store.folder(run).snapshot(newest).unlink(missing_ok=True)
        return model(ref)

    monkeypatch.setattr(looking, "model", late)
    at = open_page("positions", model=f"run:{run}")
    assert not at.exception
    assert not at.error
    assert f"step {newer:,}" in shown(at)


def test_a_snapshot_whose_file_is_lost_is_said_and_not_asked_for_without_end(
    open_page: OpenPage, make_run: MakeRun
) -> None:
    run, store = make_run("finished"), RunStore()
    newest = store.snapshots(run)[-1].step
    store.folder(run).snapshot(newest).unlink()
    at = open_page("positions", model=f"run:{run}")
    assert not at.exception
    assert f"no snapshot at step {newest}" in at.error[0].value


def test_the_head_of_a_running_run_keeps_up_with_it(
    open_page: OpenPage, make_run: MakeRun, events_of: Callable[[RunConfig], list[Event]]
) -> None:
    run, store = make_run("running"), RunStore()
    at = open_page("filters")
    assert "· training, now at step" in shown(at)
    assert not [button for button in at.button if button.key == "model_newest"]
    known = {row.step for row in store.snapshots(run)}
    new = next(event for event in events_of(TINY) if isinstance(event, Snapshot) and event.step not in known)
    store.record(run, new)
    at.run()
    assert param(at, "model") == f"run:{run}"
    assert f"step {new.step:,} ·" in shown(at)


def test_the_head_changes_the_model_too(open_page: OpenPage, make_run: MakeRun) -> None:
    older, _ = make_run(), make_run()
    at = open_page("attention")
    at.selectbox(key="head_model").set_value(f"run:{older}").run()
    assert not at.exception
    assert param(at, "model") == f"run:{older}"


def test_a_link_to_a_run_on_train_chooses_its_model(open_page: OpenPage, make_run: MakeRun) -> None:
    older, newer = make_run(), make_run()
    assert param(open_page("train", run=older), "model") == f"run:{older}"
    assert param(open_page("train", run=older, model=f"run:{newer}"), "model") == f"run:{newer}"


@pytest.mark.parametrize("page", LOOKING)
def test_a_timm_model_by_name(open_page: OpenPage, page: str) -> None:
    at = open_page(page, model=TIMM)
    assert not at.exception
    assert not at.error
    assert at.selectbox(key="shell_timm").value == "vit_tiny_patch16_224"
    assert at.toggle(key="shell_timm_random").value
    assert "**vit_tiny_patch16_224** · timm · random weights" in shown(at).replace("\\", "")
    assert "weights are random" in at.info[0].value


@pytest.mark.parametrize("page", LOOKING)
def test_a_bundled_model(open_page: OpenPage, bundled: str, page: str) -> None:
    at = open_page(page)
    assert not at.exception
    assert not at.error
    assert param(at, "model") == bundled
    at.select_slider(key="shell_step").set_value(0).run()
    assert not at.exception
    assert not at.error
    assert param(at, "step") == "0"


@pytest.mark.parametrize("page", LOOKING)
def test_an_unknown_timm_name_is_one_sentence(open_page: OpenPage, page: str) -> None:
    at = open_page(page, model="timm:vit_tniy@random")
    assert not at.exception
    assert len(at.error) == 1
    assert "timm has no model" in at.error[0].value


def test_an_unknown_tag_of_timm_is_one_sentence_whose_advice_works(open_page: OpenPage) -> None:
    at = open_page("positions", model="timm:vit_tiny_patch16_224.nope@random")
    assert not at.exception
    assert "choose another tag, or leave it out" in at.error[0].value
    at = open_page("positions", model="timm:vit_tiny_patch16_224@random")
    assert not at.error


@pytest.mark.parametrize(
    "ref", ["run:ffff", "run:ffff@3", "bundled:nothing", "nonsense", "run:../../etc", "timm:", "<b>x</b>"]
)
def test_a_bad_address_falls_back_and_says_so(open_page: OpenPage, make_run: MakeRun, ref: str) -> None:
    run = make_run()
    at = open_page("positions", model=ref)
    assert not at.exception
    assert len(at.warning) == 1
    assert param(at, "model") == f"run:{run}"


@pytest.mark.parametrize(
    ("step", "said"), [("7777", "no snapshot at step 7777"), ("x", "no training step"), ("-1", "no training step")]
)
def test_a_bad_step_in_the_address(open_page: OpenPage, make_run: MakeRun, step: str, said: str) -> None:
    at = open_page("filters", model=f"run:{make_run()}", step=step)
    assert not at.exception
    assert said in at.warning[0].value


@pytest.mark.parametrize("page", LOOKING)
def test_a_deleted_run_still_open(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    run = make_run()
    at = open_page(page)
    RunStore().delete(run)
    at.run()
    assert not at.exception
    assert "was deleted" in at.warning[0].value
    assert "no model to look at yet" in shown(at)


def test_the_choice_follows_from_page_to_page(open_page: OpenPage, make_run: MakeRun) -> None:
    older, _ = make_run(), make_run()
    at = open_page("positions", model=f"run:{older}", step="1")
    for page in ("filters", "home", "attention"):
        at.query_params.clear()  # as a click on the navigation does
        at.switch_page(PAGES[page]).run()
        assert not at.exception
        assert param(at, "model") == f"run:{older}"
        assert param(at, "step") == "1"


def test_the_picker_changes_the_model(open_page: OpenPage, make_run: MakeRun) -> None:
    older, newer = make_run(), make_run()
    at = open_page("positions")
    assert param(at, "model") == f"run:{newer}"
    at.selectbox(key="shell_model").set_value(f"run:{older}").run()
    assert not at.exception
    assert param(at, "model") == f"run:{older}"


def test_the_picker_opens_a_box_for_timm(open_page: OpenPage) -> None:
    at = open_page("filters")
    at.selectbox(key="shell_model").set_value("timm:").run()
    assert not [caption for caption in at.sidebar.caption if "Snapshot" in caption.value]
    assert at.selectbox(key="shell_timm").options[0].startswith("vit_")  # the plain ones first
    assert at.selectbox(key="shell_timm").options[0].endswith("· vit")
    at.toggle(key="shell_timm_random").set_value(True).run()
    at.selectbox(key="shell_timm").set_value("vit_tiny_patch16_224").run()
    assert not at.exception
    assert param(at, "model") == TIMM
    assert "What to beware of" in shown(at)


@pytest.mark.parametrize("page", LOOKING)
def test_the_slider_goes_through_the_snapshots(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    run = make_run()
    steps = [row.step for row in RunStore().snapshots(run)]
    at = open_page(page)
    slider = at.select_slider(key="shell_step")
    assert [int(option.replace(",", "")) for option in slider.options] == steps
    assert "Step 0, before training" in shown(at)
    slider.set_value(0).run()
    assert not at.exception
    assert param(at, "step") == "0"
    assert "Step 0, before training" not in shown(at)  # it is the one that is looked at


def test_no_position_embedding_is_a_sentence(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run("finished", TINY.update(pos_embed="none"))
    at = open_page("positions")
    assert not at.exception
    assert not at.error
    assert "no position embedding" in at.info[0].value
    assert len(at.info) == 1  # also with step 0 beside it


@pytest.mark.parametrize("page", LOOKING)
def test_a_resnet(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    make_run("finished", TINY.update(model="resnet-slim"))
    at = open_page(page)
    assert not at.exception
    assert not at.error
    if page == "positions":
        assert len(at.info) == 1  # not once more for step 0
    if page == "attention":  # it opens on what a CNN answers
        assert not at.info
        assert at.query_params.get("tab") is None
        assert "Explain the class" in [box.label for box in at.selectbox]


def test_tokens_whose_attention_is_not_told_open_on_grad_cam(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run("finished", TINY.update(model="report-vit"))
    at = open_page("attention")
    assert not at.exception
    assert not at.info
    assert "Explain the class" in [box.label for box in at.selectbox]


@pytest.mark.slow
def test_a_question_that_does_not_fit_leads_to_a_model_that_it_fits(
    open_page: OpenPage, make_run: MakeRun, really_bundled: None
) -> None:
    run = make_run("finished", TINY.update(model="resnet-slim"))
    at = open_page("attention", model=f"run:{run}", tab="attention_maps")
    next(button for button in at.button if "instead" in button.label).click().run()
    assert not at.exception
    assert not at.info
    assert param(at, "model") == "bundled:vit-cifar10"


def test_a_newer_resnet_does_not_take_the_place_of_a_vit(open_page: OpenPage, make_run: MakeRun) -> None:
    vit = make_run()
    make_run("finished", TINY.update(model="resnet-slim"))
    assert param(open_page("attention"), "model") == f"run:{vit}"


OF_A_VIT = [tab for tab in explanations.tabs() if not tab.is_rare]


@pytest.mark.parametrize("view", OF_A_VIT, ids=lambda view: view.title)
def test_each_tab_of_attention(open_page: OpenPage, make_run: MakeRun, view: Tab) -> None:
    make_run()
    at = open_page("attention")
    choose_tab(at, view.name)
    assert [other.title for other in explanations.tabs() if other.about in shown(at)] == [
        view.title
    ]  # the others compute nothing
    assert len(at.latex) == len(view.explanations)  # behind the page: what the tab shows
    assert not at.exception
    assert not at.error
    assert not at.info


def test_semantic_tokens_are_a_tab_of_the_visual_transformer_alone(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run()
    assert "Semantic tokens" not in [tab.label for tab in open_page("attention").tabs]
    run = make_run("finished", TINY.update(model="visual-transformer", depth=2, semantic_tokens=6, width=16))
    at = open_page("attention", model=f"run:{run}")
    assert at.tabs[0].label == "Semantic tokens"
    assert not at.exception
    assert not at.error
    assert not at.info
    assert "Any two maps correlate by" in shown(at)
    assert len(at.get("plotly_chart")) == 2  # before training, and now
    assert '"run:3f2a"' in "".join(code.value for code in at.code)
    at.segmented_control(key="semantic_module").set_value(1).run()
    at.toggle(key="semantic_one_scale").set_value(True).run()
    assert not at.exception
    assert not at.error
    choose_tab(at, "attention_maps")
    assert "keeps no single sequence of patch tokens" in at.info[0].value
    choose_tab(at, "grad_cam")
    assert at.selectbox(key="grad_cam_layer").options[0] == "vt.0.projector"
    assert not at.error


def test_a_new_explanation_is_on_the_page(
    open_page: OpenPage, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file with the function and its card, one with the figure, one with the tab: and no edit."""
    throwaway.add_explanation(tmp_path, monkeypatch)
    make_run()
    at = open_page("attention")
    assert [tab.label for tab in at.tabs][: len(OF_A_VIT) + 1] == [*(tab.title for tab in OF_A_VIT), "Brightness"]
    choose_tab(at, "brightness_of")
    assert not at.exception
    assert not at.error
    assert "Is it bright, or is it dark?" in shown(at)
    assert "It is bright." in shown(at)
    assert len(at.get("plotly_chart")) == 2  # before training, and now
    assert "How bright each image is on the average" in shown(at)  # in the panel
    assert any("vx.explain.brightness_of(model, images)" in code.value for code in at.code)


def test_a_new_tab_that_does_not_fit_the_model_says_so(
    open_page: OpenPage, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    throwaway.add_explanation(tmp_path, monkeypatch, needs="patches")
    make_run("finished", TINY.update(model="resnet-slim"))
    at = open_page("attention")
    choose_tab(at, "brightness_of")
    assert not at.exception
    assert "keeps no single sequence of patch tokens" in at.info[0].value
    assert "It is bright." not in shown(at)


def test_grad_cam_at_another_layer(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run("finished", TINY.update(depth=3))
    at = open_page("attention")
    choose_tab(at, "grad_cam")
    layers = at.selectbox(key="grad_cam_layer").options
    assert layers == ["blocks.2.norm1", "blocks.1", "blocks.0"]
    for layer in layers:
        at.selectbox(key="grad_cam_layer").set_value(layer).run()
        assert not at.exception
        assert not at.error
        assert "For the class" in shown(at)


@pytest.mark.parametrize(("view", "words"), [("relevance", "no signal"), ("grad_cam", "0 everywhere")])
def test_a_map_of_nothing_says_so(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, view: str, words: str
) -> None:
    make_run()
    at = open_page("attention")
    choose_tab(at, view)
    assert words not in shown(at)
    monkeypatch.setattr(looking, "heat", lambda *_: np.zeros((4, 4), np.float32))
    at.run()
    assert not at.exception
    assert words in shown(at)


def test_distances_over_the_runs_data(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run()
    at = open_page("attention")
    choose_tab(at, "attention_distance")
    at.toggle(key="distance_many").set_value(True).run()
    assert not at.exception
    assert not at.error


def test_an_upload_follows_to_the_other_page(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run()
    at = open_page("patches")
    at.segmented_control(key="picture_source").set_value("upload").run()
    at.file_uploader(key="picture_upload").upload("mine.png", png(), "image/png").run()
    assert not at.exception
    picture = at.session_state["picked_picture"][1]
    assert picture.pixels.shape == (30, 40, 3)
    at.switch_page(PAGES["attention"]).run()
    assert not at.exception
    assert at.session_state["picked_picture"][1].key == picture.key


def test_a_bad_upload_is_one_sentence_and_the_last_picture_stays(open_page: OpenPage) -> None:
    at = open_page("patches")
    before = at.session_state["picked_picture"][1].key
    at.segmented_control(key="picture_source").set_value("upload").run()
    at.file_uploader(key="picture_upload").upload("text.png", b"this is no picture", "image/png").run()
    assert not at.exception
    assert len(at.error) == 1
    assert "text.png" in at.error[0].value
    assert "is still" in shown(at)
    assert at.session_state["picked_picture"][1].key == before


def test_attention_opens_on_an_image_of_the_runs_own_data(open_page: OpenPage, make_run: MakeRun) -> None:
    older, newer = make_run(), make_run("finished", TINY.update(seed=1))
    at = open_page("patches")
    assert param(at, "picture") == "sample:cat"
    for run in (newer, older):  # nobody chose the picture, so it goes with the model
        at.query_params.clear()
        at.query_params["model"] = f"run:{run}"
        at.switch_page(PAGES["attention"]).run()
        assert not at.exception
        assert param(at, "picture") == f"run:{run}:0"
    truth = at.session_state["picked_picture"][1].truth
    assert f"truth: **{truth}** · says: **" in shown(at)
    at.segmented_control(key="picture_source").set_value("sample").run()
    at.selectbox(key="shell_model").set_value(f"run:{newer}").run()
    assert param(at, "picture") == "sample:cat"  # chosen: it stays


def test_a_bundled_model_opens_on_an_image_of_its_data(open_page: OpenPage, really_bundled: None) -> None:
    at = open_page("attention", model="bundled:vit-shapes")
    assert not at.exception
    assert not at.error
    assert param(at, "picture") == "bundled:vit-shapes:0"
    assert "truth: **" in shown(at)


def test_a_model_without_its_data_here_opens_on_the_cat(open_page: OpenPage, bundled: str) -> None:
    at = open_page("attention", model=bundled)  # its card does not say what it was trained on
    assert not at.warning
    assert param(at, "picture") == "sample:cat"


def test_filters_after_little_training_are_called_noise_beside_those_of_a_bundled_model(
    open_page: OpenPage, make_run: MakeRun, really_bundled: None
) -> None:
    run = make_run()
    at = open_page("filters", model=f"run:{run}")
    assert not at.exception
    assert "These filters are still" in at.info[0].value
    assert "neighbouring weights correlate by" in at.info[0].value
    assert at.segmented_control(key="filters_beside").value == "ViT on CIFAR-10"
    assert len(at.get("plotly_chart")) == 2
    at.segmented_control(key="filters_beside").set_value("Step 0").run()
    assert not at.exception
    assert param(at, "compare") == "on"
    assert "Step 0, before training" in shown(at)
    at = open_page("filters", model="bundled:vit-cifar10")
    assert not [info for info in at.info if "noise" in info.value]
    assert "In these filters neighbouring weights correlate by **+0.2" in shown(at)


def test_positions_beside_a_model_with_another_grid(
    open_page: OpenPage, make_run: MakeRun, really_bundled: None
) -> None:
    run = make_run()  # 4 x 4 patches, and the bundled one has 8 x 8
    at = open_page("positions", model=f"run:{run}", compare="bundled", patch="16")
    assert not at.exception
    assert not at.error
    assert not at.warning
    assert "ViT on CIFAR-10" in shown(at)


def test_tiles_of_a_large_grid_are_an_overview_and_a_close_view(open_page: OpenPage) -> None:
    at = open_page("positions", model="timm:vit_tiny_patch16_384@random")  # 24 x 24
    assert not at.exception
    control = next(one for one in at.segmented_control if one.label == "Tiles")
    assert control.options == ["Every 3rd patch", "Around the chosen patch"]
    control.set_value("Around the chosen patch").run()
    assert not at.exception
    assert not at.error


def test_tiles_of_a_large_grid_stand_beside_those_of_step_0(open_page: OpenPage, make_run: MakeRun) -> None:
    fine = TINY.update(image_size=36, patch_size=2, depth=1)  # 18 x 18 patches
    at = open_page("positions", model=f"run:{make_run('finished', fine)}", compare="on")
    assert not at.exception
    assert not at.error
    assert "Step 0, before training" in shown(at)
    assert [one.label for one in at.segmented_control].count("Tiles") == 2


@pytest.mark.parametrize("view", ["attention_rollout", "relevance", "grad_cam"])
def test_maps_side_by_side_have_one_scale_until_each_is_given_its_own(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    seen, real = [], plots.common_limits
    monkeypatch.setattr(plots, "common_limits", lambda *maps: seen.append(len(maps)) or real(*maps), raising=False)
    at = open_page("attention", model=f"run:{make_run()}")
    choose_tab(at, view)
    assert seen == [2, 2]
    at.toggle(key="attention_own_scale").set_value(True).run()
    assert not at.exception
    assert seen == [2, 2, 1, 1]


HEADLESS = "timm:test_vit@random"


@pytest.fixture
def headless(monkeypatch: pytest.MonkeyPatch) -> str:
    """A timm model that was published without a head, as DINOv2's are; its reference."""
    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **options: real(name, num_classes=0, **options))
    return HEADLESS


def test_a_model_without_a_head_shows_attention_and_no_classes(open_page: OpenPage, headless: str) -> None:
    at = open_page("attention", model=headless)
    assert not at.exception
    assert not at.error
    assert "timm's test\\_vit has no classes" in shown(at)
    assert not [bar for bar in at.get("progress") if "%" in bar.proto.text]
    assert "class 0" not in shown(at)
    for name, works in (("attention_rollout", True), ("relevance", False), ("grad_cam", False)):
        choose_tab(at, name)
        assert not at.exception
        assert not at.error
        assert len([info for info in at.info if "has no classes" in info.value]) == (1 if works else 2)
        assert bool(at.get("plotly_chart")) == works
    at.session_state["heads_off"] = {HEADLESS.partition("@")[0]: ((0, 1),)}
    choose_tab(at, "head_ablation")
    assert not at.exception
    assert "This model has no classes, so what changes is where it looks." in shown(at)
    assert not [metric for metric in at.metric if "Logit" in metric.label]


@pytest.mark.parametrize("view", ["relevance", "grad_cam"])
def test_both_steps_are_asked_about_the_class_of_the_chosen_one(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    run, asked = make_run(), {}

    def heat(name: str, ref: str, picture: Picture, target: int | None, layer: str | None = None) -> np.ndarray:
        asked[ref] = target
        return np.eye(4, dtype=np.float32)

    monkeypatch.setattr(looking, "heat", heat)
    monkeypatch.setattr(
        looking, "probabilities", lambda ref, _: np.eye(3, dtype=np.float32)[2 if ref.endswith("@0") else 1]
    )
    at = open_page("attention", model=f"run:{run}")
    choose_tab(at, view)
    assert not at.exception
    assert len(asked) == 2
    assert set(asked.values()) == {1}
    assert "For the class: star, which it predicts" in shown(at)
    assert "For the class: star, as beside it" in shown(at)


def test_an_image_of_the_runs_data(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run()
    at = open_page("attention")
    at.segmented_control(key="picture_source").set_value("dataset").run()
    assert not at.exception
    assert at.session_state["picked_picture"][1].truth in TINY.data.classes
    assert at.session_state["picked_picture"][1].pixels.shape == (16, 16, 3)


def test_only_patches_that_divide_the_image_are_on_offer(open_page: OpenPage) -> None:
    at = open_page("patches")
    at.select_slider(key="patch_px").set_value(16).run()
    at.select_slider(key="image_px").set_value(24).run()
    assert not at.exception
    assert all(24 % int(option.split()[0]) == 0 for option in at.select_slider(key="patch_px").options)
    assert "do not divide 24 px" in at.info[0].value


def test_patches_are_cut_as_the_chosen_model_cuts_them(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run("finished", TINY.update(patch_size=8))
    at = open_page("patches")
    assert not at.exception
    assert f"run {run}" in shown(at)
    assert "So the chosen model cuts it: 16 px in patches of 8 px" in shown(at)
    at.select_slider(key="patch_px").set_value(4).run()
    assert "So the chosen model" not in shown(at)
    make_run("finished", TINY.update(model="resnet-slim"))
    assert "So the chosen model" not in shown(open_page("patches", model=f"run:{RunStore().list()[0].id}"))


def test_home_walks_through_the_figure(open_page: OpenPage) -> None:
    at = open_page("home")
    for _ in range(5):
        next(button for button in at.button if button.label == "Next").click().run()
        assert not at.exception
    assert [button.label for button in at.button] == ["Back"]
    assert [link.proto.label for link in at.get("page_link")][:2] == ["Train one now", "Train one"]


def test_home_and_patches_do_without_torch(tmp_path: Path) -> None:
    """The first paint must not wait for torch, timm or captum."""
    code = f"""
import sys
from streamlit.testing.v1 import AppTest
from vit_explore.ui.session import warmup
warmup.WarmUp.__init__ = lambda self: setattr(self, "trouble", None)
at = AppTest.from_file({str(APP)!r}, default_timeout=60).run()
at.switch_page("pages/start/patches.py").run()
assert not at.exception, at.exception
print([name for name in ("torch", "timm", "captum", "sklearn", "pyarrow.parquet") if name in sys.modules])
"""
    environment = {**os.environ, "VIT_EXPLORE_HOME": str(tmp_path), "PYTHONPATH": str(APP.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
