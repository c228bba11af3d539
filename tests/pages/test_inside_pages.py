"""Which explanation?, Two models, one picture, and the tabs of Attention that ask the pixels, the layers, the heads."""

from __future__ import annotations

import json

import pytest
from conftest import TINY, MakeRun, OpenPage, param
from streamlit.testing.v1 import AppTest
from test_inspection_pages import choose_tab, shown

from vit_explore.cards import card_of
from vit_explore.plots import theme
from vit_explore.ui.kit import closer
from vit_explore.ui.pages.labs import asking
from vit_explore.ui.session.choice import Choice

RESNET = TINY.update(model="resnet-slim")
TABS = ("attribution", "logit_lens", "head_ablation", "token_norms")


def charts(at: AppTest) -> int:
    return len(at.get("plotly_chart"))


@pytest.mark.parametrize("tab", TABS)
def test_a_tab_answers_for_a_vit_and_beside_its_step_0(open_page: OpenPage, make_run: MakeRun, tab: str) -> None:
    run = make_run()
    at = open_page("attention", model=f"run:{run}", tab=tab, compare="off")
    assert not at.exception
    assert not at.error
    alone = charts(at)
    assert alone >= 1
    at = open_page("attention", model=f"run:{run}", tab=tab, compare="on")
    assert not at.exception
    assert charts(at) == 2 * alone


@pytest.mark.parametrize("tab", TABS)
def test_a_resnet_is_answered_or_told_what_fits(open_page: OpenPage, make_run: MakeRun, tab: str) -> None:
    at = open_page("attention", model=f"run:{make_run(config=RESNET)}", tab=tab)
    assert not at.exception
    if tab == "attribution":
        assert charts(at) >= 1
    else:
        assert "choose a plain ViT" in shown(at)


def test_an_attribution_names_its_method_and_its_source(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("attention", model=f"run:{make_run()}", tab="attribution")
    assert "Sundararajan et al. 2017" in shown(at)
    at.selectbox(key="attribution_method").select("occlusion").run()
    assert not at.exception
    assert "Occlusion: How far the logit falls as one patch is covered. Zeiler & Fergus 2014" in shown(at)
    assert "deep_lift" not in at.selectbox(key="attribution_method").options


def test_a_patch_is_followed_through_the_layers_and_left_again(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("attention", model=f"run:{run}", tab="logit_lens", compare="off", patch="3")
    assert not at.exception
    (back,) = [button for button in at.button if button.label == "Follow the class token"]
    back.click().run()
    assert param(at, "patch") is None
    assert "Follow the class token" not in [button.label for button in at.button]


def test_a_head_switched_off_changes_the_answer_and_comes_back(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("attention", model=f"run:{run}", tab="head_ablation", compare="off")
    assert "Every head is on." in shown(at)
    at.session_state["heads_off"] = {f"run:{run}": ((0, 1),)}
    at.run()
    assert not at.exception
    assert "Without head 1.2 (layer.head)" in shown(at)
    assert [metric.label.partition(" ")[0] for metric in at.metric][-3:] == ["Logit", "Its", "The"]
    other = open_page("attention", model=f"run:{make_run()}", tab="head_ablation", compare="off")
    other.session_state["heads_off"] = {f"run:{run}": ((0, 1),)}
    other.run()
    assert "Every head is on." in shown(other)  # of this model
    at.button(key="heads_all_on").click().run()
    assert "Every head is on." in shown(at)


def test_class_and_method_are_in_the_address(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("attention", model=f"run:{run}", tab="attribution", target="2", method="saliency")
    assert not at.warning
    assert "Saliency:" in shown(at)
    assert at.selectbox(key="attention_target").value == 1
    at.selectbox(key="attention_target").select(0).run()
    at.selectbox(key="attribution_method").select("occlusion").run()
    assert (param(at, "target"), param(at, "method")) == ("1", "occlusion")
    at.selectbox(key="attention_target").select(-1).run()
    assert param(at, "target") is None
    at = open_page("attention", model=f"run:{run}", tab="attribution", target="99", method="<b>")
    assert len(at.warning) == 2
    assert not at.exception


def test_the_latest_step_is_one_click_away(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("labs", model=f"run:{run}", step="0")
    at.button(key="model_latest").click().run()
    assert param(at, "step") != "0"
    assert "model_latest" not in [button.key for button in at.button]
    assert not at.exception


def test_every_head_is_measured_over_the_models_own_images(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("attention", model=f"run:{make_run()}", tab="head_ablation", compare="off")
    at.toggle(key="heads_measured").set_value(True).run()
    assert not at.exception
    assert not at.error
    (chart,) = [one for one in at.get("plotly_chart") if "Accuracy lost" in one.proto.alt]
    assert "none yet" not in chart.proto.alt


def test_all_methods_colour_one_picture(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("trust", model=f"run:{make_run()}")
    assert not at.exception
    assert not at.error
    captions = [image.caption for one in at.get("image") for image in one.proto.imgs]
    for title in ("Raw attention", "Class relevance", "Grad-CAM", "Integrated gradients", "Random patches"):
        assert any(caption.startswith(title) for caption in captions), title
    assert charts(at) == 1
    assert "95 %" not in shown(at)  # nothing is ranked before the person asks


def test_the_methods_are_ranked_over_many_and_the_address_says_so(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("trust", model=f"run:{make_run()}")
    at.button(key="trust_rank").click().run()
    assert not at.exception
    assert not at.error
    assert param(at, "over") == "128"
    said = "\n".join(one.value for kind in (at.success, at.warning) for one in kind)
    assert "images" in said
    rows = at.dataframe[0].value
    assert {"on the object", "pointing game", "like shuffled"} <= set(rows.columns)  # shapes know where the object is
    assert "Random patches" in set(rows["method"])


def test_a_number_that_is_not_offered_is_refused(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("trust", model=f"run:{make_run()}", over="7")
    assert not at.exception
    assert "over = 7 in the address is none of 64, 128, 256, 512" in shown(at)


def test_a_resnet_stands_beside_the_vit(open_page: OpenPage, really_bundled: None) -> None:
    at = open_page("trust", model="bundled:vit-cifar10", compare="on", picture="sample:cat")
    assert not at.exception
    assert not at.error
    assert charts(at) == 2
    captions = [image.caption for one in at.get("image") for image in one.proto.imgs]
    assert sum(caption.startswith("Grad-CAM") for caption in captions) == 2
    assert sum(caption.startswith("Guided backprop") for caption in captions) == 1


@pytest.mark.parametrize("tab", ["maps", "layers", "reach"])
def test_two_models_stand_side_by_side(open_page: OpenPage, make_run: MakeRun, tab: str) -> None:
    vit, resnet = make_run(), make_run(config=RESNET)
    at = open_page("pair", model=f"run:{vit}", beside=f"run:{resnet}", tab=tab)
    assert not at.exception
    assert not at.error
    assert not at.warning
    assert charts(at) == {"maps": 3, "layers": 3, "reach": 1}[tab]


def test_step_0_is_what_a_run_is_compared_with_at_first(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("pair", model=f"run:{run}")
    assert not at.exception
    assert at.selectbox(key="pair_second").value == f"run:{run}@0"
    assert [metric.label for metric in at.metric] == ["The two maps correlate by"]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [("run:nowhere", "nowhere"), ("bundled:none", "none"), ("nonsense", "nonsense")],
)
def test_a_second_model_that_is_not_there_is_refused(
    open_page: OpenPage, make_run: MakeRun, said: str, sentence: str
) -> None:
    at = open_page("pair", model=f"run:{make_run()}", beside=said)
    assert not at.exception
    assert any(sentence in warning.value for warning in at.warning)


def test_a_timm_model_is_named_by_its_reference(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("pair", model=f"run:{make_run()}", beside="timm:test_vit@random")
    assert not at.exception
    assert not at.error
    assert charts(at) == 3


def test_the_tabs_are_asked_in_turn(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("attention", model=f"run:{make_run()}")
    for tab in TABS:
        choose_tab(at, tab)
        assert not at.exception
        assert param(at, "tab") == tab


def test_a_guess_comes_before_the_lab_and_stays_on_the_figure(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("labs", model=f"run:{make_run()}", lab="shuffle")
    assert not at.exception
    assert not at.error
    assert charts(at) == 0  # nothing is shown before the guess
    at.slider(key="labs_guess_0").set_value(30)
    at.button(key="labs_fix").click().run()
    assert not at.exception
    assert not at.error
    assert param(at, "marks") == "30"
    assert charts(at) == 1
    assert "What was to be expected" in shown(at)
    assert "30 %" in shown(at)
    at.button(key="labs_again").click().run()
    assert param(at, "marks") is None
    assert charts(at) == 0


def test_a_guess_is_of_the_models_that_it_was_given_for(open_page: OpenPage, make_run: MakeRun) -> None:
    one, other = (make_run() for _ in range(2))
    at = open_page("labs", model=f"run:{one}", lab="shuffle")
    at.button(key="labs_fix").click().run()
    assert charts(at) == 1
    at.query_params["model"] = f"run:{other}"
    at.run()
    assert not at.exception
    assert param(at, "model") == f"run:{other}"
    assert charts(at) == 0  # one guesses first
    assert param(at, "marks") is None
    at.button(key="labs_fix").click().run()
    assert charts(at) == 1
    at.query_params["model"], at.query_params["marks"] = f"run:{one}", "40"  # Back, or a teacher's view, has its own
    at.run()
    assert charts(at) == 1
    assert "40 %" in shown(at)
    at = open_page("labs", model=f"run:{one}", lab="shuffle", marks="40")  # a link brings a guess along
    assert charts(at) == 1


def test_where_the_lines_cross_is_guessed_before_they_are_shown(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("labs", model=f"run:{make_run()}", lab="how-much-data")
    assert not at.exception
    assert charts(at) == 0
    at.select_slider(key="labs_crossing").set_value("500")
    at.button(key="labs_fix").click().run()
    assert param(at, "marks") == "0"
    assert charts(at) == 1
    assert "the ViT is ahead from 500 on" in shown(at)
    assert "On 500 images the ResNet has 40.7 %" in shown(at)
    at.button(key="labs_again").click().run()
    assert charts(at) == 0


def test_a_run_in_training_is_not_held_against_its_images_at_every_step(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closer, "strangeness", lambda *_: pytest.fail("it was asked"))
    at = open_page("attention", model=f"run:{make_run('running')}", picture="sample:cat")
    assert not at.exception
    assert "is asked when its training has ended" in shown(at)


@pytest.mark.parametrize("architecture", ["hybrid", "report-vit", "resnet-slim"])
def test_a_line_has_the_colour_of_its_models_family(open_page: OpenPage, make_run: MakeRun, architecture: str) -> None:
    """A hybrid keeps tokens, and is no ViT all the same; one without a colour of its own takes nobody's."""
    run = make_run(config=TINY.update(model=architecture))
    at = open_page("labs", model=f"run:{run}", lab="shuffle", marks="40", compare="off")
    assert not at.exception
    (line,) = [
        one for one in json.loads(at.get("plotly_chart")[0].proto.spec)["data"] if one.get("mode") == "lines+markers"
    ]
    family = card_of(architecture).family
    if family in theme.FAMILIES:
        assert (line["line"]["color"], line["marker"]["symbol"]) == theme.FAMILIES[family]
    else:
        assert line["line"]["color"] not in {colour for colour, _ in theme.FAMILIES.values()}


def test_the_family_of_a_timm_model_is_known() -> None:
    assert Choice("timm:vit_tiny_patch16_224@random", "vit_tiny_patch16_224").family == "vit"
    assert Choice("run:1", "a run").family == ""


def test_another_lab_asks_for_another_guess(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("labs", model=f"run:{make_run()}", lab="shuffle", marks="40")
    assert charts(at) == 1
    at.pills(key="labs_lab").set_value("Noise").run()
    assert (param(at, "lab"), param(at, "marks")) == ("noise", None)
    assert charts(at) == 0


@pytest.mark.parametrize("lab", ["occlude_looked_at"])
@pytest.mark.usefixtures("really_bundled", "real_data")
def test_a_lab_is_run_on_two_bundled_models(open_page: OpenPage, lab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "IMAGES", 24)
    at = open_page("labs", model="bundled:vit-cifar10", lab=lab, marks="40-60", compare="on")
    assert not at.exception
    assert not at.error
    assert charts(at) == 1
    assert len(at.dataframe) == 1


def test_a_rival_of_other_classes_is_left_out_and_said_to_be(
    open_page: OpenPage, make_run: MakeRun, really_bundled: None
) -> None:
    at = open_page("labs", model=f"run:{make_run()}", lab="shift", compare="on", marks="40")
    assert not at.exception
    assert not at.error
    assert "which was trained on other classes" in shown(at)
    assert charts(at) == 1


def test_an_unknown_lab_and_a_strange_guess_are_refused(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("labs", model=f"run:{make_run()}", lab="sorting", marks="400")
    assert not at.exception
    assert len(at.warning) == 2


def test_a_photo_from_elsewhere_is_held_against_what_was_trained_on(open_page: OpenPage, make_run: MakeRun) -> None:
    wide = TINY.update(per_class=60, val_fraction=0.5)
    at = open_page("attention", model=f"run:{make_run(config=wide)}", picture="sample:cat", compare="off")
    assert not at.exception
    assert not at.error
    assert "% of its validation images" in shown(at)
    captions = [image.caption for one in at.get("image") for image in one.proto.imgs]
    assert sum(caption.split(" ")[0] in ("square", "star", "ring") for caption in captions) == 6
    own = open_page("attention", model=f"run:{make_run(config=wide)}", compare="off")
    assert "% of its validation images" not in shown(own)  # it knows its own kind


def test_too_few_validation_images_are_said_to_be_so(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("attention", model=f"run:{make_run()}", picture="sample:cat", compare="off")
    assert not at.exception
    assert not at.error
    assert "Whether it knows such pictures cannot be told" in shown(at)


def test_a_run_says_how_sure_it_is_when_asked(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run()
    at = open_page("train", run=run)
    before = charts(at)
    at.toggle(key=f"live_sure_{run}").set_value(True).run()
    assert not at.exception
    assert charts(at) == before + 1
    assert "Expected calibration error" in shown(at)


def test_a_weight_is_worked_out_in_numbers(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("attention", model=f"run:{make_run()}", tab="attention_weight", compare="off", layer="1", head="2")
    assert not at.exception
    assert not at.error
    assert charts(at) == 2
    assert [one.value[2:3] for one in at.markdown if one.value.startswith("$$")] == ["q", "s", "A"]


def test_a_drawn_objects_share_of_the_attention_is_shown(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("attention", model=f"run:{make_run()}", tab="attention_distance", compare="off")
    alone = charts(at)
    at.toggle(key="distance_many").set_value(True).run()
    assert not at.exception
    assert charts(at) == alone + 1


def test_two_models_are_compared_by_any_method_that_fits_both(open_page: OpenPage, make_run: MakeRun) -> None:
    vit, resnet = make_run(), make_run(config=RESNET)
    at = open_page("pair", model=f"run:{vit}", beside=f"run:{resnet}")
    assert at.selectbox(key="pair_method").value == "grad_cam"
    options = at.selectbox(key="pair_method").options
    assert "Occlusion" in options
    assert "Attention rollout" not in options  # a ResNet has none
    at.selectbox(key="pair_method").select("occlusion").run()
    assert not at.exception
    assert "Occlusion for the class:" in shown(at)
    at = open_page("pair", model=f"run:{vit}", beside=f"run:{vit}@0")
    assert "Attention rollout" in at.selectbox(key="pair_method").options


def test_texture_or_shape_asks_models_of_shapes(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("labs", model=f"run:{make_run()}", lab="texture", compare="off", marks="50")
    assert not at.exception
    assert not at.error
    assert "answers the other" in str(at.dataframe[0].value.columns.tolist())
