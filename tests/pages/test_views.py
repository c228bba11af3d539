"""Each page from its address, and each choice into it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import PAGES, TINY, MakeRun, OpenPage, param
from PIL import Image
from streamlit.testing.v1 import AppTest

from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import pictures, timm_picker, waiting
from vit_explore.ui.session.jobs import Jobs

RESNET = TINY.update(model="resnet-slim")


def said(at: AppTest, name: str) -> str | None:
    """A field of the URL: AppTest has what a test set as a list and what the app wrote as a string."""
    value = at.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def shown(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def chart_keys(at: AppTest) -> list[str]:
    """The keys of the figures, which end their ids."""
    return [element.proto.id.rpartition("-")[2] for element in at.get("plotly_chart")]


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def click(at: AppTest, page: str) -> AppTest:
    """As a click on the navigation: the browser leaves the query behind."""
    at.query_params.clear()
    return at.switch_page(PAGES[page]).run()


# ---------------------------------------------------------------------- an address gives the view


def test_the_address_of_filters(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("filters", model=f"run:{make_run()}", step="0", tab="raw")
    assert not at.exception
    assert not at.warning
    assert at.select_slider(key="shell_step").value == 0
    assert "each at full contrast" in shown(at)


def test_a_step_alone_is_one_of_the_model_that_is_shown_at_first(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("filters", step="0")
    assert not at.warning
    assert (param(at, "model"), param(at, "step")) == (f"run:{run}", "0")


def test_the_form_has_an_address_too(open_page: OpenPage, make_run: MakeRun) -> None:
    """So that Back leads from a run to the form that started it."""
    run = make_run("running")
    at = open_page("train", run="new")
    assert at.button(key="train_start")
    at.button(key=f"train_watch_{run}").click().run()
    assert said(at, "run") == run
    click(at, "home")
    click(at, "train")
    assert param(at, "run") == run  # the one last looked at


def test_the_address_of_positions(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("positions", model=f"run:{make_run()}", patch="3", compare="off")
    assert not at.exception
    assert at.segmented_control(key="positions_beside").value == "Nothing"
    assert "Step 0, before training" not in shown(at)
    at.segmented_control(key="positions_beside").set_value("Step 0").run()
    assert said(at, "compare") == "on"
    assert said(at, "patch") == "3"


def test_the_address_of_patches(open_page: OpenPage) -> None:
    at = open_page("patches", image_px="64", patch_px="16", patch="6", picture="sample:drawn-star")
    assert not at.exception
    assert at.select_slider(key="image_px").value == 64
    assert at.select_slider(key="patch_px").value == 16
    assert at.button_group(key="sample").value == "drawn star"
    assert "Patch 6" in [image.caption for element in at.get("image") for image in element.proto.imgs]
    at.select_slider(key="patch_px").set_value(32).run()
    assert said(at, "patch_px") == "32"
    assert "no patch 6 here" in at.warning[0].value  # there are only 4 now


def test_the_address_of_attention(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("attention", model=f"run:{run}", step="0", tab="attention_rollout", picture=f"run:{run}:2")
    assert not at.exception
    assert not at.warning
    assert at.segmented_control(key="picture_source").value == "dataset"
    assert at.number_input(key="picture_index").value == 2
    assert at.session_state["picked_picture"][1].truth in TINY.data.classes
    assert "All layers together" in shown(at)
    at.number_input(key="picture_index").set_value(1).run()
    assert said(at, "picture") == f"run:{run}:1"


@pytest.mark.parametrize(("page", "key"), [("train", "live_axis"), ("versus", "race_axis")])
def test_the_axis(open_page: OpenPage, make_run: MakeRun, page: str, key: str) -> None:
    one, other = make_run(), make_run("finished", RESNET)
    runs = {"run": one} if page == "train" else {"one": one, "other": other}
    at = open_page(page, axis="images_seen", **runs)
    assert not at.exception
    assert at.segmented_control(key=key).value == "images_seen"
    at.segmented_control(key=key).set_value("epoch").run()
    assert said(at, "axis") == "epoch"
    assert all(said(at, name) == run for name, run in runs.items())


def test_a_pair_and_its_older_address(open_page: OpenPage, make_run: MakeRun) -> None:
    one, other, third = make_run(), make_run("finished", RESNET), make_run("finished", RESNET)
    at = open_page("versus", vit=one, resnet=other)
    assert not at.warning
    assert (at.selectbox(key="race_one").value, at.selectbox(key="race_other").value) == (one, other)
    at.selectbox(key="race_other").set_value(third).run()
    assert (said(at, "one"), said(at, "other")) == (one, third)
    assert said(at, "vit") is None


# ---------------------------------------------------------------------- what is bad, what is gone


@pytest.mark.parametrize(
    ("page", "query", "sentence"),
    [
        ("filters", {"tab": "nothing"}, "no tab of this page"),
        ("attention", {"layer": "99"}, "no layer 99 here, only 2"),
        ("attention", {"head": "x"}, "no head"),
        ("positions", {"patch": "9999"}, "no patch 9999 here"),
        ("attention", {"picture": "upload:0123456789abcdef"}, "does not have the picture"),
        ("patches", {"picture": "sample:cow"}, "no sample picture"),
        ("patches", {"picture": "dataset:nothing:1"}, "nothing"),
        ("patches", {"picture": "dataset:shapes:99999"}, "no validation image 99999"),
        ("patches", {"picture": "run:ffff:1"}, "ffff"),
        ("patches", {"image_px": "33"}, "no size that is offered"),
        ("train", {"axis": "fortune", "run": "THE RUN"}, "no axis of this page"),
        ("versus", {"one": "new"}, "no run new any more"),  # the word for the form of Train is no run
    ],
)
def test_a_bad_value_is_one_sentence_and_the_default(
    open_page: OpenPage, make_run: MakeRun, page: str, query: dict[str, str], sentence: str
) -> None:
    run, _ = make_run(), make_run()
    at = open_page(page, **{name: run if value == "THE RUN" else value for name, value in query.items()})
    assert not at.exception
    assert not at.error
    (warning,) = at.warning
    assert sentence in warning.value.replace("\\", "")
    (bad,) = [name for name, value in query.items() if value != "THE RUN"]
    assert said(at, bad) != query[bad]
    at.run()
    assert not at.warning  # said once


@pytest.mark.parametrize("name", ["vit\u200b_tiny_patch16_224", "x" * 300, "vit_tiny_patch16_224@99999999999"])
def test_a_name_that_no_address_can_say_is_one_sentence_on_every_page(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(
        timm_picker, "weight_names", lambda: (name,)
    )  # a box that takes any; AppTest takes what is listed
    run = make_run()
    at = open_page("filters", model=f"run:{run}")
    at.selectbox(key="shell_model").set_value("timm:").run()
    at.selectbox(key="shell_timm").set_value(name).run()
    assert not at.exception
    assert "it is left out" in at.warning[0].value
    assert param(at, "model") == f"run:{run}"
    click(at, "home")
    assert not at.exception


# ---------------------------------------------------------------------- from page to page


def test_the_view_of_a_page_does_not_follow_to_another(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("filters", model=f"run:{run}", step="1", tab="raw", compare="off")
    click(at, "attention")
    assert not at.exception
    assert not at.warning
    assert (param(at, "model"), param(at, "step")) == (f"run:{run}", "1")
    assert (param(at, "tab"), param(at, "compare")) == (None, None)
    at.segmented_control(key="picture_source").set_value("sample").run()
    at.button_group(key="sample").set_value("drawn ring").run()
    click(at, "positions")
    assert param(at, "picture") is None
    click(at, "patches")
    assert param(at, "picture") == "sample:drawn-ring"


def test_an_upload_is_in_the_address_and_outlives_the_session(open_page: OpenPage) -> None:
    at = open_page("patches")
    at.segmented_control(key="picture_source").set_value("upload").run()
    at.file_uploader(key="picture_upload").upload("mine.png", png(), "image/png").run()
    name = said(at, "picture")
    assert name is not None
    assert name.startswith("upload:")
    again = open_page("patches", picture=name)  # another session
    assert not again.warning
    assert again.segmented_control(key="picture_source").value == "upload"
    assert again.session_state["picked_picture"][1].key == at.session_state["picked_picture"][1].key


def test_a_deleted_run_takes_its_pictures_along(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("patches", picture=f"run:{run}:0")
    assert not at.warning
    RunStore().delete(run)
    for where in (at.run(), open_page("patches", picture=f"run:{run}:0")):  # also where it is being looked at
        assert not where.error
        assert run in where.warning[-1].value
        assert param(where, "picture") == "sample:cat"


def _forget_a_run() -> None:
    import streamlit as st

    from vit_explore.ui.session import address, choice

    address.arrive("patches")
    choice.forget(["3f2a"])
    st.text(str(address.get("picture")))


@pytest.mark.parametrize(("picture", "left"), [("run:3f2a:0", "None"), ("run:3f2:0", "run:3f2:0")])
def test_who_deletes_a_run_is_not_told_that_its_pictures_went_along(picture: str, left: str) -> None:
    at = AppTest.from_function(_forget_a_run)
    at.query_params["picture"] = picture
    assert at.run().text[0].value == left


def _look_now_and_then() -> None:
    import streamlit as st

    from vit_explore.ui.session import address

    if st.button("look"):  # a fragment, which runs by itself
        address.redraw()
    address.arrive("patches")
    st.text(str(address.get("picture")))
    if st.button("choose"):
        address.choose(picture="sample:dog")


def test_a_look_that_was_asked_for_before_a_choice_does_not_undo_it() -> None:
    at = AppTest.from_function(_look_now_and_then)
    at.query_params["picture"] = "sample:cat"
    at.run()
    at.button[1].click().run()
    at.query_params["picture"] = "sample:cat"  # the browser has not heard of the choice when it asks
    assert at.button[0].click().run().text[0].value == "sample:dog"
    at.query_params["picture"] = "sample:cat"  # Back
    assert at.run().text[0].value == "sample:cat"


@pytest.mark.slow
def test_a_run_whose_data_are_gone_does_not_stand_in_the_way_of_the_datasets(
    open_page: OpenPage, make_run: MakeRun, tmp_path: Path
) -> None:
    pictures_of_a_class = [tmp_path / "mine" / name for name in "ab"]
    for folder in pictures_of_a_class:
        folder.mkdir(parents=True)
        for i in range(12):
            (folder / f"{i}.png").write_bytes(png(i))
    mine = TINY.update(dataset="folder", path=str(tmp_path / "mine"), classes=None, per_class=None)
    run = make_run("finished", mine)
    (tmp_path / "mine").rename(tmp_path / "elsewhere")
    at = open_page("attention", model=f"run:{run}", tab="attention_distance")
    at.segmented_control(key="picture_source").set_value("dataset").run()
    assert not at.warning
    assert not at.error
    assert str(param(at, "picture")).startswith("dataset:")
    assert "one picture" in shown(at)  # and the mean over its data is not offered
    gone = open_page("patches", picture=f"run:{run}:0")
    assert "are gone" in gone.warning[0].value


# ---------------------------------------------------------------------- while data are being read


def reads_slowly(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """The first `looks` at a picture find that its data are still being read."""
    left, peek = iter(range(looks)), pictures.peek
    monkeypatch.setattr(pictures, "peek", lambda job: None if next(left, None) is not None else peek(job))


def test_data_that_arrive_while_the_picker_is_drawn_are_shown(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads_slowly(monkeypatch, 1)
    at = open_page("attention", model=f"run:{make_run()}", picture="dataset:shapes:1")
    assert at.session_state["picked_picture"][0] == param(at, "picture") == "dataset:shapes:1"


def test_data_are_awaited_wherever_the_next_picture_comes_from(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads_slowly(monkeypatch, 1000)
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(Jobs, "ask", lambda *_: None)
    at = open_page("patches", picture="dataset:shapes:1")
    for source in ("dataset", "upload"):
        at.segmented_control(key="picture_source").set_value(source).run()
        assert len([button for button in at.button if str(button.key).startswith("cancel_")]) == 1
        assert "still “cat”" in shown(at)


# ---------------------------------------------------------------------- charts


@pytest.mark.parametrize(
    ("page", "tab"), [("positions", None), ("filters", "components"), ("filters", "raw"), ("attention", "relevance")]
)
def test_charts_of_two_models_share_no_key(open_page: OpenPage, make_run: MakeRun, page: str, tab: str | None) -> None:
    """Also not where both are at the same step."""
    keys = []
    for _ in range(2):
        query = {"model": f"run:{make_run()}", "step": "0"} | ({"tab": tab} if tab else {})
        keys.append(set(chart_keys(open_page(page, **query))))
    assert keys[0]
    assert not keys[0] & keys[1]
