"""Replicas give the gradients of the whole batch, share the weights, and are used only where they may be."""

from __future__ import annotations

import math
import threading

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.models import create_model
from vit_explore.training import parallel
from vit_explore.training.devices import pick_numerics
from vit_explore.training.parallel import Replicas, may_be_shared_out, pick_replicas


def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x), y, reduction="sum")


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return create_model(ModelConfig(width=32, depth=2, num_heads=2, num_classes=5))


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    return torch.randn(7, 3, 32, 32), torch.arange(7) % 5


def gradients(model: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_gradients_and_loss_are_those_of_the_whole_batch(model: nn.Module, batch: tuple, count: int) -> None:
    whole = F.cross_entropy(model(batch[0]), batch[1])
    whole.backward()
    wanted = gradients(model)
    replicas = Replicas(model, count)
    for _ in range(2):  # a second step starts from nothing
        loss = replicas.backward(loss_of, *batch)
    replicas.close()
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    for got, want in zip(gradients(model), wanted, strict=True):
        assert torch.allclose(got, want, atol=1e-6)


def test_a_batch_smaller_than_the_replicas_is_whole_too(model: nn.Module, batch: tuple) -> None:
    x, y = batch[0][:2], batch[1][:2]
    F.cross_entropy(model(x), y).backward()
    wanted = gradients(model)
    replicas = Replicas(model, 4)
    replicas.backward(loss_of, *batch)
    replicas.backward(loss_of, x, y)
    replicas.close()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(gradients(model), wanted, strict=True))


def test_weights_are_shared_and_threads_are_its_own(model: nn.Module, batch: tuple) -> None:
    seen = set()

    def watching(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        seen.add(threading.current_thread().name)
        barrier.wait(10)  # both work at once, or this fails
        return loss_of(model, x, y)

    before = torch.get_num_threads()
    barrier, replicas = threading.Barrier(2), Replicas(model, 2)
    replicas.backward(watching, *batch)
    assert torch.get_num_threads() == 1
    assert replicas.map(lambda n: n * n, range(5)) == [0, 1, 4, 9, 16]
    replicas.close()
    assert len(seen) == 2
    assert threading.current_thread().name not in seen
    assert torch.get_num_threads() == before
    with torch.no_grad():
        model.head.bias.fill_(3.0)
    assert all(torch.equal(m.head.bias, model.head.bias) for m in replicas.models)


def test_an_error_in_a_replica_is_raised(model: nn.Module, batch: tuple) -> None:
    def broken(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("out of memory")

    replicas = Replicas(model, 2)
    with pytest.raises(torch.OutOfMemoryError):
        replicas.backward(broken, *batch)
    replicas.close()


def test_the_choice_leaves_the_model_alone(model: nn.Module, batch: tuple) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert pick_replicas(model, loss_of, *batch) in (1, torch.get_num_threads())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert pick_replicas(model, loss_of, batch[0][:1], batch[1][:1]) == 1  # nothing to share out


@pytest.mark.parametrize(("alone", "together", "picked"), [(1.0, 1.05, 2), (1.0, 0.7, 2), (1.0, 1.3, 1)])
def test_replicas_are_taken_unless_clearly_slower(
    model: nn.Module, batch: tuple, monkeypatch: pytest.MonkeyPatch, alone: float, together: float, picked: int
) -> None:
    clock = iter([0, alone, 0, together] * 2)
    monkeypatch.setattr(parallel.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(parallel.torch, "get_num_threads", lambda: 2)
    assert pick_replicas(model, loss_of, *batch) == picked


def test_a_probe_that_fails_gives_the_threads_back(model: nn.Module, batch: tuple) -> None:
    def broken(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("out of memory")

    class Stingy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("out of memory")

    before = torch.get_num_threads()
    with pytest.raises(torch.OutOfMemoryError):
        pick_numerics(Stingy(), batch[0], "auto")
    assert torch.get_num_threads() == before
    if before > 1:
        with pytest.raises(torch.OutOfMemoryError):
            pick_replicas(model, broken, *batch)
    assert torch.get_num_threads() == before


SWIN = {"img_size": 56, "embed_dim": 24, "depths": (2, 2), "num_heads": (2, 2)}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("swin_tiny_patch4_window7_224", SWIN),  # with stochastic depth of its own
        ("swin_tiny_patch4_window7_224", {**SWIN, "drop_path_rate": 0.0}),
        ("vit_tiny_patch16_224", {"img_size": 32, "depth": 2}),
        ("vit_tiny_patch16_224", {"img_size": 32, "depth": 2, "patch_drop_rate": 0.5}),
        ("resnet18", {"channels": (8, 8, 8, 8)}),
        ("resnet18", {"channels": (8, 8, 8, 8), "drop_rate": 0.1}),
        ("resnet18", {"channels": (8, 8, 8, 8), "drop_block_rate": 0.1}),
    ],
)
def test_a_model_that_draws_random_numbers_is_not_shared_out(name: str, settings: dict) -> None:
    drawing = timm.create_model(name, pretrained=False, num_classes=5, **settings).train()
    side = settings.get("img_size", 64)
    before = torch.get_rng_state()
    drawing(torch.zeros(2, 3, side, side))
    assert may_be_shared_out(drawing) == torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("attend_over", ["tokens", "batch"])
def test_a_model_that_mixes_the_images_of_a_batch_is_not_shared_out(attend_over: str) -> None:
    settings = {"width": 32, "depth": 2, "num_heads": 2, "num_classes": 5, "pool": "avg"}
    mixing = create_model(ModelConfig(architecture="report-vit", attend_over=attend_over, **settings)).eval()
    x = torch.randn(4, 3, 32, 32)
    alone = torch.cat([mixing(part) for part in x.split(2)])
    assert may_be_shared_out(mixing) == torch.allclose(mixing(x), alone, atol=1e-5)


def batch_norms(images: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A ResNet whose last maps are one pixel, and images for it."""
    net = create_model(ModelConfig(architecture="resnet-slim", image_size=8, num_classes=5))
    return net, torch.randn(images, 3, 8, 8), torch.arange(images) % 5


@pytest.mark.parametrize(("images", "picked"), [(2, 1), (3, 1), (4, 2), (5, 2)])
def test_each_replica_with_batchnorm_has_two_images(images: int, picked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(parallel, "CLEARLY", math.inf)  # replicas wherever they can be
    assert pick_replicas(batch_norms(images)[0], loss_of, *batch_norms(images)[1:]) == picked


@pytest.mark.parametrize("images", [6, 7, 8, 9, 10])
def test_no_replica_with_batchnorm_gets_what_is_left_over_alone(images: int) -> None:
    net, x, y = batch_norms(images)
    shares: list[int] = []

    def counted(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        shares.append(len(x))
        return loss_of(model, x, y)

    replicas = Replicas(net, 3)
    replicas.backward(counted, x, y)
    replicas.close()
    assert sum(shares) == images
    assert min(shares) >= 2
