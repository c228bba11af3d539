"""Replicas give the gradients of the whole batch, share the weights, and are used only where they may be."""

from __future__ import annotations

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.models import create_model
from vit_explore.training import parallel
from vit_explore.training.devices import pick_numerics
from vit_explore.training.parallel import Replicas, pick_replicas


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
