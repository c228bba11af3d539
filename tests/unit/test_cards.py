"""What a card says is true of its net, of timm's registry, and is all that decides what is offered."""

from __future__ import annotations

import subprocess
import sys

import pytest
import timm
import torch
from timm.models import is_model, model_entrypoint

import vit_explore as vx
from vit_explore.cards import QUESTIONS, Card, Knob, answers_all, card_of, cards, offered, rivals
from vit_explore.config import ModelConfig
from vit_explore.errors import BadConfig, NotApplicable, UnknownName
from vit_explore.models import create_model
from vit_explore.models.timm_models import timm_modules
from vit_explore.plots import theme
from vit_explore.ui import site


def test_timms_files_say_what_its_registry_says() -> None:
    modules = timm_modules()
    current = timm.list_models()
    assert {name: modules.get(name) for name in current} == {
        name: model_entrypoint(name).__module__.rpartition(".")[2] for name in current
    }
    assert len(modules) > len(current)  # old names, too
    assert all(is_model(name) for name in modules)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("vit", "vit"),
        ("resnet-slim", "resnet"),
        ("timm:vit_tiny_patch16_224", "vit"),
        ("timm:vit_tiny_patch16_224.augreg_in21k", "vit"),
        ("vit_tiny_patch16_224_in21k", "vit"),
        ("timm:deit3_small_patch16_224", "vit"),
        ("timm:eva02_tiny_patch14_224", "vit"),
        ("timm:resnet18.a1_in1k", "resnet"),
        ("timm:mobilevit_xxs", "mobilevit"),
        ("timm:efficientvit_b0", "efficientvit_mit"),
        ("timm:inception_resnet_v2", "inception_resnet_v2"),
        ("timm:swin_tiny_patch4_window7_224", "swin_transformer"),
        ("timm:no_such_model", ""),
        ("vitt", ""),
    ],
)
def test_the_family_is_that_of_the_file_not_of_the_name(name: str, family: str) -> None:
    assert card_of(name).family == family


def test_an_unknown_architecture_is_refused_when_it_is_built() -> None:
    config = ModelConfig(architecture="vitt")
    assert not any(offered(question, config.card) for question in QUESTIONS)
    with pytest.raises(UnknownName, match=r"no model named 'vitt'; choose one of .*resnet18, .*or timm:NAME"):
        create_model(config)


def test_offers_follow_the_card() -> None:
    assert answers_all(card_of("vit"))
    assert answers_all(card_of("timm:deit_tiny_patch16_224"))
    for name in ("resnet18", "timm:resnet18", "timm:mobilevit_xxs", "timm:vgg11", "timm:swin_tiny_patch4_window7_224"):
        assert not any(offered(question, card_of(name)) for question in ("patches", "positions", "attention"))
        maps = ["film", "trust"] if offered("grad_cam", card_of(name)) else []
        assert [page.name for page in site.offered(card_of(name))] == [*maps, "filters"]
    assert [page.name for page in site.offered(card_of("vit"))] == [
        "attention",
        "film",
        "trust",
        "filters",
        "positions",
    ]


ASKED = {
    "positions": lambda model, x: vx.explain.position_similarity(model),
    "filters": lambda model, x: vx.explain.filter_components(model, k=3),
    "attention": vx.explain.attention_maps,
    "grad_cam": vx.explain.grad_cam,
}
SMALL: dict[str, dict] = {
    "vit": {"width": 32, "depth": 2, "num_heads": 2},
    "resnet-slim": {},
    "hybrid": {"width": 32, "depth": 2, "num_heads": 2, "patch_size": 8},
    "keras-vit": {"width": 16, "depth": 2, "num_heads": 2, "patch_size": 8},
    "visual-transformer": {"depth": 2},
    "alexnet": {},
    "cnn-small": {},
    "timm:resnet18": {},
    "timm:vit_tiny_patch16_224": {},
    "timm:deit_tiny_distilled_patch16_224": {},
    "timm:vit_tiny_r_s16_p8_224": {},
    "timm:vit_relpos_small_patch16_224": {},
    "timm:mobilevit_xxs": {},
    "timm:vgg11": {},
}


@pytest.mark.parametrize("name", SMALL)
def test_what_a_card_answers_is_answered_and_attention_is_refused_elsewhere(name: str) -> None:
    config = ModelConfig(architecture=name, num_classes=3, image_size=64, **SMALL[name])
    model = create_model(config).eval()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for question, ask in ASKED.items():
        if offered(question, config.card):
            ask(model, x)
        elif question != "grad_cam":
            with pytest.raises(NotApplicable):
                ask(model, x)


def test_a_card_may_narrow_a_knob() -> None:
    narrow = Card(
        "narrow", "Narrow", "narrow", "A test.", "", lambda config: None,  # type: ignore[arg-type, return-value]
        knobs=(Knob("depth", ge=2, le=8), Knob("pool", choices=("avg",)), Knob("width", ge=16)),
    )  # fmt: skip
    narrow.validate(ModelConfig(pool="avg"))
    for changes, words in (
        ({"depth": 9}, "depth = 9 is not possible: narrow takes 2 to 8."),
        ({"pool": "cls"}, "pool = 'cls' is not possible: narrow takes avg."),
        ({"width": 8}, "width = 8 is not possible: narrow takes 16 or more."),
    ):
        with pytest.raises(BadConfig) as caught:
            narrow.validate(ModelConfig(**{"pool": "avg", **changes}))
        assert str(caught.value) == words


def test_colours_tell_families_apart() -> None:
    assert theme.role_colour(card_of("vit").family) == theme.VIT
    assert theme.role_colour(card_of("resnet50").family, 1) == theme.RESNET
    for name in ("timm:mobilevit_xxs", "vitt"):
        for index in range(5):
            assert theme.role_colour(card_of(name).family, index) not in (theme.VIT, theme.RESNET)
    assert theme.role_marker("vit") != theme.role_marker("resnet") != theme.role_marker("mobilevit")


def test_everything_else_is_a_rival() -> None:
    assert set(rivals("vit")) == set(cards.names()) - {"vit"}


def test_a_card_says_whether_building_its_model_imports_timm() -> None:
    """Two threads that import it at once may deadlock, so who builds a model in a thread has to know."""
    script = """
import sys
import torch
from vit_explore.cards import cards
from vit_explore.config import ModelConfig
from vit_explore.models import create_model
for needs in ("", "timm"):
    for name in cards.names():
        if cards.get(name).imports == needs:
            with torch.device("meta"):
                create_model(ModelConfig(architecture=name, image_size=64))
            assert ("timm" in sys.modules) == bool(needs), name
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
