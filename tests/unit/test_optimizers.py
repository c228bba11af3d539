"""Which parameter is learned by which optimiser, and that a checkpoint goes back to where it came from."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.optim import param_groups_weight_decay

from vit_explore.config import ModelConfig, TrainConfig
from vit_explore.errors import TrainingFailed
from vit_explore.models import create_model
from vit_explore.training.muon import Muon, orthogonal
from vit_explore.training.optimizers import GROUPING, Optimizers, make_optimizers

VIT = {"width": 32, "depth": 2, "num_heads": 2, "num_classes": 3}


def build(architecture: str = "vit", **train: Any) -> tuple[torch.nn.Module, Optimizers]:
    torch.manual_seed(0)
    config = ModelConfig(**({"architecture": architecture} | (VIT if architecture == "vit" else {})))
    model = create_model(config)
    return model, make_optimizers(model, config.card, TrainConfig(epochs=1, **train))


def names(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> set[str]:
    ids = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return {name for name, p in model.named_parameters() if id(p) in ids}


def test_muon_learns_the_matrices_of_the_blocks_and_adamw_the_rest() -> None:
    model, optimizers = build()
    muon, adamw = (names(model, optimizers.parts[name]) for name in ("muon", "adamw"))
    layers = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    assert muon == {f"blocks.{i}.{layer}.weight" for i in range(2) for layer in layers}
    assert muon | adamw == {name for name, _ in model.named_parameters()}
    assert not muon & adamw
    assert {"patch_embed.proj.weight", "head.weight", "pos_embed", "cls_token"} <= adamw


@pytest.mark.parametrize(("architecture", "train"), [("resnet-slim", {}), ("vit", {"optimizer": "adamw"})])
def test_adamw_alone_where_asked_for_or_where_there_are_no_blocks(architecture: str, train: dict) -> None:
    model, optimizers = build(architecture, **train)
    assert set(optimizers.parts) == {"adamw"}
    assert names(model, optimizers.parts["adamw"]) == {name for name, _ in model.named_parameters()}


def test_only_matrices_decay() -> None:
    model, optimizers = build(optimizer="adamw", weight_decay=0.1)
    decayed, spared = optimizers.parts["adamw"].param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert "pos_embed" not in {name for name, p in model.named_parameters() if any(p is q for q in decayed["params"])}
    assert all(p.ndim >= 2 for p in decayed["params"])


SMALL = {"img_size": 32, "embed_dim": 48, "depth": 2, "num_heads": 3}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("beit_base_patch16_224", SMALL),
        ("vit_relpos_small_patch16_224", {**SMALL, "rel_pos_type": "bias"}),
        ("deit_tiny_distilled_patch16_224", SMALL),
        ("xcit_nano_12_p16_224", {"img_size": 32, "depth": 2}),
        ("swin_tiny_patch4_window7_224", {"img_size": 56, "embed_dim": 24, "depths": (2, 2), "num_heads": (2, 2)}),
    ],
)
def test_what_timm_spares_weight_decay_is_spared_and_no_table_is_taken_for_a_matrix(name: str, settings: dict) -> None:
    model = timm.create_model(name, pretrained=False, num_classes=3, **settings)
    card = ModelConfig(architecture=f"timm:{name}", image_size=settings["img_size"]).card
    tables = {name for name, _ in model.named_parameters() if name.endswith("relative_position_bias_table")}
    timms, _ = param_groups_weight_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay())
    wanted = tables | {name for name, p in model.named_parameters() if any(p is q for q in timms["params"])}
    _, spared = make_optimizers(model, card, TrainConfig(epochs=1, optimizer="adamw")).parts["adamw"].param_groups
    assert {name for name, p in model.named_parameters() if any(p is q for q in spared["params"])} == wanted
    parts = make_optimizers(model, card, TrainConfig(epochs=1)).parts
    assert not wanted & (names(model, parts["muon"]) if "muon" in parts else set())
    assert wanted <= names(model, parts["adamw"])


def test_buffers_of_an_earlier_release_find_their_parameters() -> None:
    """It asked the card alone what is spared, and its checkpoints hold the buffers in that order."""
    model = timm.create_model("beit_base_patch16_224", pretrained=False, num_classes=3, **SMALL)
    card, train = ModelConfig(architecture="timm:beit_base_patch16_224", image_size=32).card, TrainConfig(epochs=1)
    table = "blocks.0.attn.relative_position_bias_table"
    for grouping, is_matrix in ((1, True), (GROUPING, False)):
        parts = make_optimizers(model, card, train, grouping).parts
        assert (table in names(model, parts["muon"])) is is_matrix


PYTORCHS = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=1e-2, momentum=0.8, nesterov=True),
    "adam": lambda groups: torch.optim.Adam(groups, lr=1e-2),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=1e-2),
}


@pytest.mark.parametrize("optimizer", PYTORCHS)
def test_a_step_is_pytorchs(optimizer: str) -> None:
    """Weight decay on matrices only, as L2 but for AdamW."""
    model, optimizers = build(optimizer=optimizer, weight_decay=0.1, momentum=0.8, nesterov=True)
    twin = copy.deepcopy(model)
    spared = {name for name, p in twin.named_parameters() if p.ndim < 2 or name in ("pos_embed", "cls_token")}
    named = dict(twin.named_parameters())
    groups = [
        {"params": [p for name, p in named.items() if name not in spared], "weight_decay": 0.1},
        {"params": [named[name] for name in spared], "weight_decay": 0.0},
    ]
    reference = Optimizers(one=PYTORCHS[optimizer](groups))
    for _ in range(3):
        for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
            ours.grad = torch.randn_like(ours)
            theirs.grad = ours.grad.clone()
        optimizers.set_lr(1e-2)
        optimizers.step()
        reference.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


GROUPS = json.loads(Path(__file__).with_name("groups_0_1.json").read_text())  # written by release 0.1.0


@pytest.mark.parametrize("case", list(GROUPS))
def test_checkpoints_of_the_first_release_find_their_groups(case: str) -> None:
    """The same parts, groups and order: an optimiser's state knows a parameter by its place alone."""
    architecture, optimizer = case.split(", ")
    config = ModelConfig(architecture=architecture)
    model = create_model(config)
    optimizers = make_optimizers(model, config.card, TrainConfig(epochs=1, optimizer=optimizer))
    called = {id(p): name for name, p in model.named_parameters()}
    assert {
        name: [
            {"weight_decay": group["weight_decay"], "params": [called[id(p)] for p in group["params"]]}
            for group in part.param_groups
        ]
        for name, part in optimizers.parts.items()
    } == GROUPS[case]


def step(model: torch.nn.Module, optimizers: Optimizers, seed: int) -> None:
    torch.manual_seed(seed)
    model.zero_grad()
    F.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.tensor([0, 1, 2, 0])).backward()
    optimizers.set_lr(1e-2)
    optimizers.step()


def test_muons_step_is_orthogonal() -> None:
    """The singular values of Muon's first update are about equal, however far apart those of the gradient are."""
    model, optimizers = build(weight_decay=0.0)
    weight = model.blocks[0].attn.proj.weight
    before = weight.detach().clone()
    left, right = (torch.linalg.qr(torch.randn(32, 32))[0] for _ in range(2))
    weight.grad = left @ torch.logspace(0, 1, 32).diag() @ right
    optimizers.set_lr(1e-2)
    optimizers.parts["muon"].step()
    update = before - weight.detach()
    values = torch.linalg.svdvals(update)
    assert values.max() / values.min() < 2.5  # those of the gradient differ by ten
    assert 0.1 < update.square().mean().sqrt() / 1e-2 < 0.4  # the size of an AdamW step, about 0.2 lr


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam", "sgd"])
def test_a_resumed_optimiser_goes_on_as_if_never_stopped(optimizer: str) -> None:
    model, optimizers = build(optimizer=optimizer)
    step(model, optimizers, 1)
    twin, others = build(optimizer=optimizer)
    twin.load_state_dict(model.state_dict())
    others.load_state_dict(copy.deepcopy(optimizers.state_dict()))
    for m, o in ((model, optimizers), (twin, others)):
        step(m, o, 2)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_a_checkpoint_of_another_optimiser_is_one_sentence() -> None:
    _, optimizers = build(optimizer="adamw")
    with pytest.raises(TrainingFailed, match=r"other optimisers \(adamw\) than this run has \(adamw, muon\)"):
        build()[1].load_state_dict(optimizers.state_dict())


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
@pytest.mark.parametrize("threads", [0, 2])
def test_muon_gives_the_numbers_of_pytorchs(weight_decay: float, threads: int) -> None:
    torch.manual_seed(0)
    shapes = [(24, 8), (8, 24), (8, 8), (24, 8), (16, 8)]
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    muon = Muon(ours, lr=0.1, weight_decay=weight_decay)
    reference = torch.optim.Muon(theirs, lr=0.1, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        with ThreadPoolExecutor(threads) if threads else nullcontext() as pool:
            muon.step(over=pool.map if pool else map)
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        assert a.requires_grad
        assert torch.allclose(a, b, atol=4e-3)  # bf16 inside; a step is 0.1


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_muon_computes_in_bf16_only_where_the_processor_does(
    native: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop that imitates bf16 needed 18 times as long for Muon as in fp32, most of a training step."""
    seen: set[torch.dtype] = set()
    product = torch.baddbmm

    def watched(x: torch.Tensor, *rest: Any, **more: Any) -> torch.Tensor:
        seen.add(x.dtype)
        return product(x, *rest, **more)

    monkeypatch.setattr("vit_explore.training.muon.has_bf16", lambda _: native)
    monkeypatch.setattr(torch, "baddbmm", watched)
    x = torch.randn(2, 8, 24)
    made = orthogonal(x, 5)
    assert seen == {dtype}
    assert made.dtype == torch.float32
    left, _, right = torch.linalg.svd(x, full_matrices=False)
    assert torch.allclose(
        (made * (left @ right)).sum((1, 2)) / 8, torch.ones(2), atol=0.35
    )  # along U Vᵀ: singular values near 1


def test_muon_passes_over_what_has_no_gradient() -> None:
    with_gradient, without = (torch.nn.Parameter(torch.ones(4, 4)) for _ in range(2))
    with_gradient.grad = torch.randn(4, 4)
    Muon([with_gradient, without], lr=0.1, weight_decay=0.1).step()
    assert torch.equal(without, torch.ones(4, 4))
    assert not torch.equal(with_gradient, torch.ones(4, 4))
