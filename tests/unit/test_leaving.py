"""Work that somebody waits for the end of: evaluations and probes can be left, and are bounded in time."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vit_explore.config import ModelConfig, TrainConfig
from vit_explore.models import create_model
from vit_explore.training import fastest, preflight
from vit_explore.training.devices import FEWEST, Numerics, pick_numerics
from vit_explore.training.evaluate import BATCH_SECONDS, Evaluation, Pace, evaluate

PLAIN = Numerics("fp32", fused=True)


class Slow(nn.Module):
    """Takes `each` seconds an image; says the class of an image by its first pixel."""

    def __init__(self, each: float = 0.0) -> None:
        super().__init__()
        self.weight, self.each, self.batches = nn.Parameter(torch.eye(3)), each, []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(len(x))
        time.sleep(self.each * len(x))
        return self.weight[(x[:, 0, 0, 0] * 255).round().long()]


def looked(model: nn.Module, n: int = 100, **options: object) -> Evaluation | None:
    labels = np.arange(n) % 3
    images = np.tile(labels.astype(np.uint8)[:, None, None, None], (1, 3, 4, 4))
    zero, one = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    return evaluate(model, images, labels, zero, one, PLAIN, **options)  # type: ignore[arg-type]


# ------------------------------------------------------------------ evaluations


def test_batches_of_a_fast_model_grow_to_full_size_and_give_every_image() -> None:
    model = Slow()
    result = looked(model, 1000)
    assert result is not None
    assert (len(result.predictions), result.top1) == (1000, 1.0)
    assert model.batches[:3] == [4, 32, 125]
    assert sum(model.batches) == 1000
    assert len(model.batches) <= 1000 / 125 + 3


def test_what_was_learnt_of_the_speed_holds_for_the_next_time() -> None:
    model, pace = Slow(), Pace(125)
    looked(model, 300, pace=pace)
    model.batches.clear()
    looked(model, 300, pace=pace)
    assert model.batches == [125, 125, 50]


def test_a_batch_of_a_slow_model_takes_well_under_a_second() -> None:
    model, pace = Slow(each=0.02), Pace(125)
    looked(model, 60, pace=pace)
    assert max(model.batches) * 0.02 <= 1.2 * BATCH_SECONDS
    assert 10 < pace.rate < 60


def test_an_evaluation_can_be_left_between_batches() -> None:
    model = Slow().train()
    result = looked(model, 1000, leave=lambda: len(model.batches) == 3)
    assert result is None
    assert len(model.batches) == 3
    assert model.training


def test_a_bounded_evaluation_is_one_of_the_first_images() -> None:
    model = Slow(each=0.01)
    result = looked(model, 1000, seconds=0.5, least=16)
    assert result is not None
    assert 16 <= len(result.predictions) < 150
    assert result.predictions.tolist() == [i % 3 for i in range(len(result.predictions))]
    assert result.confusion.sum() == len(result.predictions)
    few = looked(Slow(each=0.01), 1000, seconds=0.0, least=16)
    assert few is not None
    assert 16 <= len(few.predictions) <= 16 + 32


def test_a_part_is_taken_in_the_order_given_and_all_come_back_in_their_own() -> None:
    order = np.random.default_rng(1).permutation(200)
    whole = looked(Slow(), 200, order=order)
    assert whole is not None
    assert whole.predictions.tolist() == [i % 3 for i in range(200)]
    part = looked(Slow(each=0.01), 200, seconds=0.3, order=order)
    assert part is not None
    assert part.top1 == 1.0
    assert part.predictions.tolist() == (order % 3)[: len(part.predictions)].tolist()
    assert 4 <= len(part.predictions) < 100


def test_a_failing_model_is_left_in_its_mode() -> None:
    class Broken(Slow):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("broken")

    model = Broken().train()
    with pytest.raises(RuntimeError, match="broken"):
        looked(model)
    assert model.training


# ------------------------------------------------------------------ probes


def small() -> nn.Module:
    return create_model(ModelConfig(width=8, depth=1, num_heads=2))


def settled(
    each: float, monkeypatch: pytest.MonkeyPatch, native: bool = True, **options: object
) -> tuple[list[int], list[int]]:
    """The images of the passes that settle() makes, and of the steps with replicas, for a model of that speed."""
    passes: list[int] = []
    steps: list[int] = []

    def pick(_model: nn.Module, _loss: object, x: Tensor, *_: object) -> int:
        steps.append(len(x))
        return 1

    model = small()
    model.register_forward_pre_hook(lambda _, args: passes.append(len(args[0])))
    monkeypatch.setattr(fastest, "seconds_of_an_image", lambda *_: each)
    monkeypatch.setattr(fastest, "pick_replicas", pick)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr("vit_explore.training.devices.has_bf16", lambda _: native)
    x, y = torch.randn(64, 3, 32, 32), torch.zeros(64, dtype=torch.long)
    train = TrainConfig(seconds=1, device="cpu")
    numerics, _ = fastest.settle(model, train, lambda _: lambda m, x, y: m(x).sum(), x, y, False, **options)  # type: ignore[arg-type]
    assert numerics.precision in ("fp32", "bf16")
    return passes, steps


@pytest.mark.parametrize("native", [True, False])
def test_a_fast_model_is_probed_as_ever(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """bf16 is tried only by a processor that has it: one that imitates it is never faster by it."""
    passes, steps = settled(0.001, monkeypatch, native)
    assert passes == [16] * (16 if native else 8)
    assert steps == [64]


@pytest.mark.parametrize("native", [True, False])
def test_a_slow_model_is_probed_on_few_images(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    passes, steps = settled(0.5, monkeypatch, native)
    assert passes == [FEWEST] * (4 if native else 2)
    assert steps == []


def test_a_model_that_is_slower_still_is_not_probed_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    passes, steps = settled(5.0, monkeypatch)
    assert passes == steps == []
    assert "An image takes 5.0 s here" in caplog.text


def test_probes_are_left_when_somebody_asks() -> None:
    model, asked = small(), []
    passes: list[int] = []
    model.register_forward_pre_hook(lambda _, args: passes.append(len(args[0])))

    def leave() -> bool:
        asked.append(len(passes))
        return len(asked) > 3

    assert pick_numerics(model, torch.randn(8, 3, 32, 32), "auto", leave=leave) == Numerics("fp32", True)
    assert len(passes) == 3


@pytest.mark.parametrize(
    ("device", "waits"), [("cuda", ["torch.cuda.synchronize"]), ("mps", ["torch.mps.synchronize"]), ("cpu", [])]
)
def test_a_time_is_taken_when_the_device_has_computed(
    device: str, waits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []
    for name in ("torch.cuda.synchronize", "torch.mps.synchronize"):
        monkeypatch.setattr(name, lambda *_, name=name: waited.append(name))
    preflight._seconds(lambda: None, torch.device(device))
    assert waited == waits
