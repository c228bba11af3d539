"""The ViT against timm's, and against what the paper says it is."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F

from vit_explore.config import ModelConfig
from vit_explore.errors import BadConfig
from vit_explore.models import create_model
from vit_explore.models.vit import sincos2d

SHARED = [
    {},
    {"pool": "avg"},
    {"num_registers": 3},
    {"pool": "avg", "num_registers": 2},
    {"pos_embed": "none"},
    {"pos_embed": "sincos2d"},
    {"patch_size": 8, "image_size": 48, "mlp_ratio": 4.0, "num_heads": 2},
]


def timm_twin(config: ModelConfig) -> torch.nn.Module:
    return timm.models.VisionTransformer(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.num_heads,
        mlp_ratio=config.mlp_ratio,
        num_classes=config.num_classes,
        global_pool="token" if config.pool == "cls" else "avg",
        class_token=config.pool == "cls",
        reg_tokens=config.num_registers,
        pos_embed="none" if config.pos_embed == "none" else "learn",
    ).eval()


def small(**options: object) -> ModelConfig:
    return ModelConfig(**{"width": 32, "depth": 3, "num_heads": 4, "num_classes": 7, **options})


@pytest.mark.parametrize("options", SHARED, ids=str)
@pytest.mark.parametrize("fused", [True, False])
def test_logits_equal_timms_both_ways(options: dict, fused: bool) -> None:
    config = small(**options)
    ours, theirs = create_model(config).eval(), timm_twin(config)
    ours.set_fused_attention(fused)
    x = torch.randn(3, 3, config.image_size, config.image_size)
    with torch.no_grad():
        assert not torch.allclose(ours(x), theirs(x), atol=1e-5)  # different weights: the test can fail
        theirs.load_state_dict(ours.state_dict())
        assert torch.allclose(ours(x), theirs(x), atol=1e-5)
        other = timm_twin(config)
        ours.load_state_dict(other.state_dict())
        assert torch.allclose(ours(x), other(x), atol=1e-5)


@pytest.mark.parametrize(
    "options", [*SHARED, {"stem": "conv"}, {"stem": "conv", "patch_size": 8}, {"mlp": "local"}], ids=str
)
def test_taps_agree_with_the_plain_pass(options: dict) -> None:
    config = small(**options)
    model = create_model(config).eval()
    x = torch.randn(2, 3, config.image_size, config.image_size)
    taps: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        logits = model(x, taps)
        assert torch.allclose(logits, model(x), atol=1e-5)
    n = model.num_prefix_tokens + model.grid[0] * model.grid[1]
    blocks = {f"block.{i}.{kind}" for i in range(config.depth) for kind in ("attn", "out")}
    assert set(taps) == {"embed", "norm", "logits", *blocks}
    for name, value in taps.items():
        attends = name.endswith("attn")
        wanted = (config.num_heads, n, n) if attends else (7,) if name == "logits" else (n, config.width)
        assert value.shape == (2, *wanted)
        assert not attends or torch.allclose(value.sum(-1), torch.ones(()), atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"num_registers": 3}], ids=str)
def test_the_second_answer_is_that_of_timms_mean_of_the_patches(options: dict) -> None:
    config = small(**options)
    ours, theirs = create_model(config), timm_twin(config)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 3, config.image_size, config.image_size)
    first, second = ours(x, both=True)
    assert torch.equal(first, ours(x))
    theirs.global_pool = "avg"
    assert torch.allclose(second, theirs(x), atol=1e-5)
    assert not torch.allclose(first, second, atol=1e-5)


def test_taps_are_what_hooks_on_timms_twin_see() -> None:
    config = small(num_registers=2)
    ours, twin = create_model(config).eval(), timm_twin(config)
    twin.load_state_dict(ours.state_dict())
    seen: dict[str, torch.Tensor] = {}
    for i, block in enumerate(twin.blocks):
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_pre_hook(lambda m, a, i=i: seen.update({f"block.{i}.attn": a[0]}))
        block.register_forward_hook(lambda m, a, out, i=i: seen.update({f"block.{i}.out": out}))
    twin.norm_pre.register_forward_hook(lambda m, a, out: seen.update(embed=out))
    twin.norm.register_forward_hook(lambda m, a, out: seen.update(norm=out))
    x, taps = torch.randn(2, 3, 32, 32), {}
    ours(x, taps)
    seen["logits"] = twin(x)
    assert set(taps) == set(seen)
    for name, value in seen.items():
        torch.testing.assert_close(taps[name], value, atol=1e-5, rtol=1e-4)


def test_every_tap_lies_on_the_path_to_the_logits() -> None:
    model, taps = create_model(small()).eval(), {}
    model(torch.randn(1, 3, 32, 32), taps)
    for gradient in torch.autograd.grad(taps["logits"].sum(), [v for k, v in taps.items() if k != "logits"]):
        assert gradient.abs().max() > 0


def test_without_position_embedding_patches_may_be_shuffled() -> None:
    """A ViT without position embedding is permutation equivariant; with one it is not."""
    x = torch.randn(1, 3, 32, 32)
    cut = x.unfold(2, 8, 8).unfold(3, 8, 8).reshape(1, 3, 16, 8, 8)[:, :, torch.randperm(16)]
    shuffled = cut.view(1, 3, 4, 4, 8, 8).permute(0, 1, 2, 4, 3, 5).reshape(1, 3, 32, 32)
    for kind, same in (("none", True), ("learned", False), ("sincos2d", False)):
        model = create_model(small(patch_size=8, pos_embed=kind)).eval()
        with torch.no_grad():
            assert torch.allclose(model(x), model(shuffled), atol=1e-6) is same


def test_sincos_similarity_depends_on_the_displacement_alone() -> None:
    """sum_k cos(omega_k dx) + cos(omega_k dy), whatever the place; every embedding has the same length."""
    table = sincos2d(5, 6, 32).double()
    omega = 1e4 ** -(torch.arange(8) / 7).double()
    y, x = torch.meshgrid(torch.arange(5), torch.arange(6), indexing="ij")
    dy, dx = (v.flatten()[:, None] - v.flatten()[None] for v in (y, x))
    expected = (torch.cos(dy[..., None] * omega) + torch.cos(dx[..., None] * omega)).sum(-1)
    assert torch.allclose(table @ table.T, expected, atol=1e-4)


def test_drop_path_only_acts_in_training() -> None:
    model = create_model(small(drop_path=0.9))
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        assert not torch.equal(model.train()(x), model(x))
        assert torch.equal(model.eval()(x), model(x))


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 1, 32, 32), (3, 32, 32)])
def test_a_wrong_input_is_one_sentence(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadConfig, match=r"takes images \(B, 3, 32, 32\)"):
        create_model(small()).eval()(torch.zeros(shape))


@pytest.mark.parametrize(
    "options", [{}, {"pool": "avg"}, {"num_registers": 2}, {"pos_embed": "none"}, {"stem": "conv"}, {"mlp": "local"}]
)
def test_training_takes_images_of_half_the_side(options: dict) -> None:
    model = create_model(small(**options)).train()
    half = torch.randn(2, 3, 16, 16)
    assert model.embed(half).shape == (2, model.num_prefix_tokens + 16, 32)
    assert model(half).shape == (2, 7)
    with pytest.raises(BadConfig, match=r"takes images \(B, 3, 32, 32\)"):
        model(torch.randn(2, 3, 8, 8))


def test_a_half_size_patch_has_a_smooth_mean_of_the_positions_around_it() -> None:
    model = create_model(small()).train()
    with torch.no_grad():
        model.pos_embed[0, 1:] = torch.arange(8.0).repeat_interleave(8)[:, None]  # the row of the 8 x 8 grid
        model.patch_embed.proj.weight.zero_()
        model.patch_embed.proj.bias.zero_()
    tokens = model.embed(torch.zeros(1, 3, 16, 16))
    rows = tokens.detach()[0, 1:, 0].view(4, 4)
    assert torch.allclose(rows, rows[:, :1].expand(4, 4))
    assert rows[1:3, 0].tolist() == pytest.approx([2.5, 4.5])  # between rows 2 and 3, and between 4 and 5
    assert rows[0, 0] + rows[3, 0] == pytest.approx(7.0)
    assert torch.equal(tokens[0, 0], (model.cls_token + model.pos_embed[:, :1])[0, 0])


def test_half_size_training_moves_neighbours_alike_within_and_across_the_patches_that_it_sees() -> None:
    """The plain mean of four gives 1 within such a patch and 0 across: the tiles become a quilt."""
    torch.manual_seed(0)
    model = create_model(small(width=512)).train()
    (model.embed(torch.zeros(1, 3, 16, 16)) * torch.randn(1, 17, 512)).sum().backward()
    moved = F.normalize(model.pos_embed.grad[0, 1:].view(8, 8, -1), dim=-1)
    alike = (moved[:, :-1] * moved[:, 1:]).sum(-1)  # (8, 7): each with its right neighbour
    within, across = alike[:, ::2].mean(), alike[:, 1::2].mean()
    assert 0.75 < across < within < 1
    assert within - across < 0.15


def test_an_odd_grid_takes_one_size_only() -> None:
    model = create_model(small(image_size=36, patch_size=12)).train()
    assert not model.takes_half_size
    with pytest.raises(BadConfig):
        model(torch.randn(1, 3, 18, 18))


def test_a_local_mlp_begins_as_a_plain_one() -> None:
    plain, local = create_model(small()).eval(), create_model(small(mlp="local")).eval()
    missing, unexpected = local.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert set(missing) == {f"blocks.{i}.mlp.local.weight" for i in range(3)}
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(local(x), plain(x), atol=1e-6)


@pytest.mark.parametrize("side", [32, 16])
def test_a_local_mlp_looks_at_the_neighbours_of_a_patch_and_no_further(side: int) -> None:
    model = create_model(small(mlp="local", num_registers=2)).train()
    mlp, prefix = model.blocks[0].mlp, model.num_prefix_tokens
    torch.nn.init.normal_(mlp.local.weight)
    grid = side // model.patch_size
    x = torch.randn(1, prefix + grid * grid, 32, requires_grad=True)
    row, col = 1, 2
    mlp(x)[0, prefix + row * grid + col].sum().backward()
    seen = x.grad[0].abs().sum(dim=1) > 0
    assert not seen[:prefix].any()
    near = torch.zeros(grid, grid, dtype=torch.bool)
    near[row - 1 : row + 2, col - 1 : col + 2] = True
    assert torch.equal(seen[prefix:].view(grid, grid), near)
    x.grad = None
    mlp(x)[0, 0].sum().backward()
    assert (x.grad[0].abs().sum(dim=1) > 0).nonzero().flatten().tolist() == [0]  # a class token is no patch
