"""The training loop: what it says, that it learns, that a resumed run is the same run, that failures are sentences."""

from __future__ import annotations

import copy
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import confusion_matrix as sk_confusion
from sklearn.metrics import f1_score, recall_score
from torch import nn

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.data import Dataset, Split
from vit_explore.data.augment import take_batch, to_input
from vit_explore.errors import BadConfig, DeviceUnavailable, TrainingFailed
from vit_explore.training import Evaluated, Finished, Snapshot, Started, Step, Trainer, devices, fastest, looks
from vit_explore.training.devices import largest_batch, pick_device, pick_numerics
from vit_explore.training.metrics import confusion_matrix, macro_f1, recall
from vit_explore.training.schedule import Budget, is_snapshot_step, lr_factor


def split(n: int, seed: int) -> Split:
    """Noise images 16 px wide, reddish, greenish, bluish or grey: learned in a few steps."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % 4
    images = rng.integers(0, 90, (n, 3, 16, 16), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label : label + 1] += 90
    return Split(images, labels, None)


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        "tints", ("red", "green", "blue", "grey"), split(256, 0), split(64, 1), split(64, 2), (0.3,) * 3, (0.2,) * 3
    )


def config(**changes: Any) -> RunConfig:
    base = RunConfig(
        data=DataConfig(image_size=16),
        model=ModelConfig(width=32, depth=2, num_heads=2),
        train=TrainConfig(epochs=4, batch_size=32, augment="none", precision="fp32", device="cpu", evaluations=4),
    )
    return base.update(**changes)


def events(dataset: Dataset, **changes: Any) -> list:
    return list(Trainer(config(**changes), dataset=dataset).events())


def of(kind: type, found: list) -> list:
    return [event for event in found if isinstance(event, kind)]


def test_a_run_tells_its_story_in_order_and_learns(dataset: Dataset) -> None:
    found = events(dataset)
    assert isinstance(found[0], Started)
    assert isinstance(found[-1], Finished)
    steps = of(Step, found)
    assert [e.step for e in steps] == list(range(1, 33))
    assert [e.images_seen for e in steps] == [32 * e.step for e in steps]
    assert [e.step for e in of(Snapshot, found)] == [0, 1, 2, 4, 8, 16, 24, 32]
    assert [e.split for e in of(Evaluated, found)][-3:] == ["val", "train", "test"]
    assert found[-1].test_top1 > 0.6 > of(Evaluated, found)[0].top1
    assert not found[-1].stopped
    assert all(a.elapsed <= b.elapsed for a, b in pairwise(steps))


def test_started_gives_the_facts(dataset: Dataset) -> None:
    started = events(dataset, epochs=0.125)[0]
    assert (started.train_size, started.val_size, started.test_size, started.steps_per_epoch) == (256, 64, 64, 8)
    assert started.classes == dataset.classes
    assert (started.model.num_classes, started.model.image_size) == (4, 16)
    assert started.params > 0
    assert started.flops > started.params


def test_the_sample_shows_every_class_and_is_answered_at_each_look(dataset: Dataset) -> None:
    order = np.argsort(dataset.val.labels, kind="stable")  # all of the first class come first
    val = Split(dataset.val.images[order], dataset.val.labels[order], None)
    trainer = Trainer(config(epochs=0.125), replace(dataset, val=val))
    images = trainer.dataset.val.images[[0, 16, 32, 48]]
    with torch.no_grad():
        x = to_input(torch.from_numpy(images), trainer.batches.mean, trainer.batches.std)
        probs = trainer.model.eval()(x).softmax(-1).numpy()
    trainer.model.train()
    found = list(trainer.events())
    started, look = of(Started, found)[0], of(Evaluated, found)[0]
    assert started.sample_labels.tolist() == [0, 1, 2, 3] * 4
    assert np.array_equal(started.sample_images[:4], images)
    np.testing.assert_allclose(look.sample_probs[:4], probs, atol=1e-5)


def test_finished_agrees_with_scikit_learn(dataset: Dataset) -> None:
    end = events(dataset, epochs=1)[-1]
    truth = dataset.test.labels
    assert end.test_top1 == pytest.approx((end.predictions == truth).mean())
    assert end.macro_f1 == pytest.approx(f1_score(truth, end.predictions, average="macro"))
    assert np.array_equal(end.confusion, sk_confusion(truth, end.predictions))


def test_metrics_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 5, 500), rng.integers(0, 5, 500)
    confusion = confusion_matrix(truth, said, 5)
    assert np.array_equal(confusion, sk_confusion(truth, said))
    assert macro_f1(confusion) == pytest.approx(f1_score(truth, said, average="macro"))
    assert recall(confusion) == pytest.approx(recall_score(truth, said, average=None))


def test_the_same_seed_is_the_same_run_another_is_not(dataset: Dataset) -> None:
    state = torch.get_rng_state()
    a, b, c = (of(Snapshot, events(dataset, epochs=1, seed=s, augment="flip+crop"))[-1] for s in (0, 0, 1))
    assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)
    assert not torch.equal(a.weights["head.weight"], c.weights["head.weight"])
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are left alone


@pytest.mark.parametrize("drop_path", [0.0, 0.2])
def test_a_resumed_run_ends_as_an_uninterrupted_one(dataset: Dataset, drop_path: float) -> None:
    options = {"augment": "flip+crop", "drop_path": drop_path}
    whole = events(dataset, **options)
    first = Trainer(config(**options), dataset=dataset, should_stop=lambda: first.step >= 13)
    assert list(first.events())[-1].stopped
    second = Trainer(config(**options), dataset=dataset, state=first.state_dict())
    rest = list(second.events())
    assert rest[0].resumed_at == 13
    assert of(Step, rest)[0].step == 14
    a, b = of(Snapshot, whole)[-1].weights, of(Snapshot, rest)[-1].weights
    assert all(torch.allclose(a[k].float(), b[k].float(), atol=1e-3) for k in a)
    assert of(Step, rest)[-1].elapsed > of(Step, rest)[0].elapsed > 0


def test_a_budget_in_seconds_ends_annealed_and_in_time(dataset: Dataset) -> None:
    found = events(dataset, seconds=1.0)
    steps, end = of(Step, found), found[-1]
    assert 1.0 <= end.train_seconds < 2.0
    assert steps[-1].lr < 0.05 * max(e.lr for e in steps)
    assert steps[-1].remaining == 0


@pytest.mark.parametrize("budget", [{"epochs": 2}, {"seconds": 0.5}])
def test_a_step_says_the_learning_rate_that_the_optimiser_took(dataset: Dataset, budget: dict[str, float]) -> None:
    trainer = Trainer(config(**budget, warmup_fraction=0.25), dataset=dataset)
    taken, step = [], trainer.optimizer.step

    def watched(*args: Any) -> None:
        taken.append(trainer.optimizer.state_dict()["adamw"]["param_groups"][0]["lr"])
        step(*args)

    trainer.optimizer.step = watched
    said = [event.lr for event in of(Step, list(trainer.events()))]
    assert said == taken
    if "epochs" in budget:  # 16 steps: the schedule at 0/16, 1/16, ... of the budget
        assert said == pytest.approx([trainer.train.lr * lr_factor(i / 16, 0.25) for i in range(16)])
        assert said[4] == trainer.train.lr


def interrupted(dataset: Dataset) -> None:
    found = Trainer(config(threads=1), dataset=dataset).events()
    assert next(found).threads == 1
    found.close()


def failing(dataset: Dataset) -> None:
    trainer = Trainer(config(threads=1), dataset=dataset)
    torch.nn.init.constant_(trainer.model.head.weight, torch.nan)
    with pytest.raises(TrainingFailed):
        list(trainer.events())


@pytest.mark.parametrize("run", [lambda data: events(data, threads=1, epochs=1), interrupted, failing])
def test_the_callers_threads_come_back(dataset: Dataset, run: Callable[[Dataset], Any]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        Trainer(config(threads=1), dataset=dataset)
        assert torch.get_num_threads() == 2
        run(dataset)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_validation_does_not_eat_up_a_budget_in_seconds(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    real = looks.evaluate

    def slow(*args: Any) -> Any:
        time.sleep(0.2)
        return replace(real(*args), seconds=0.2)

    monkeypatch.setattr(looks, "evaluate", slow)
    during = [e for e in events(dataset, seconds=2.0, evaluations=100) if isinstance(e, Evaluated)][:-2]
    assert 1 <= len(during) <= 1 + 2.0 * looks.EVAL_SHARE / 0.2 + 2  # the last is at two splits


def test_a_loss_that_is_not_finite_names_the_step_and_what_to_try(dataset: Dataset) -> None:
    trainer = Trainer(config(), dataset=dataset)
    seen = []
    with pytest.raises(TrainingFailed, match=r"nan at step 4 .*learning rate"):  # noqa: PT012
        for event in trainer.events():
            seen.append(event)
            if isinstance(event, Step) and event.step == 3:
                trainer.model.head.weight.data.fill_(float("nan"))
    assert of(Step, seen)[-1].step == 3


def test_out_of_memory_suggests_a_batch_that_fits(dataset: Dataset) -> None:
    trainer = Trainer(config(), dataset=dataset)
    forward = trainer.model.forward

    def stingy(x: torch.Tensor) -> torch.Tensor:
        if len(x) > 10:
            raise torch.OutOfMemoryError("out of memory")
        return forward(x)

    trainer.model.forward = stingy
    trainer.train = trainer.train.replace(precision="fp32")
    with pytest.raises(TrainingFailed, match=r"batch size of 32; a batch size of 8 would fit"):
        list(trainer.events())


@pytest.mark.parametrize("part", ["Batches", "create_model", "load_dataset", "Average"])
def test_images_or_a_model_that_do_not_fit_are_one_sentence(
    dataset: Dataset, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, whose in ((torch.OutOfMemoryError("CUDA out of memory"), "cpu"), (MemoryError(), "this machine")):

        def spent(*_: Any, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(f"vit_explore.training.state.{part}", spent)
        with pytest.raises(TrainingFailed, match=f"memory of {whose} is spent by the images .* choose a smaller"):
            Trainer(config(ema=0.9), dataset=None if "load" in part else dataset)


def test_what_the_failed_step_had_in_hand_is_let_go_before_smaller_batches_are_tried(dataset: Dataset) -> None:
    trainer = Trainer(config(), dataset=dataset)
    forward = trainer.model.forward
    held: list[weakref.ref[torch.Tensor]] = []

    def stingy(x: torch.Tensor) -> torch.Tensor:
        activations = forward(x)
        if any(of_before() is not None for of_before in held):
            raise torch.OutOfMemoryError("out of memory: two steps at once")
        if len(x) > 20 and trainer.step == 2:
            held.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("out of memory")
        return activations

    trainer.model.forward = stingy
    with pytest.raises(TrainingFailed, match=r"batch size of 32; a batch size of 16 would fit"):
        list(trainer.events())


def test_a_batch_that_batchnorm_cannot_learn_from_is_one_sentence(dataset: Dataset) -> None:
    small = replace(dataset, train=replace(dataset.train, images=dataset.train.images[..., :8, :8]))
    with pytest.raises(TrainingFailed, match=r"single value .* a batch of one image of 8 px; choose a larger batch"):
        events(small, model="resnet-slim", image_size=8, batch_size=1, epochs=0.1)


@pytest.mark.parametrize(
    ("seed", "precision", "near"), [(3, "auto", 0.02), (3, "fp32", 1e-6), (2**63 - 1, "fp32", 1e-6)]
)
def test_what_a_model_drops_follows_from_the_seed_and_the_callers_numbers_stay(
    dataset: Dataset, seed: int, precision: str, near: float
) -> None:
    trainer = Trainer(config(dropout=0.5, epochs=0.5, precision=precision, seed=seed), dataset=dataset)
    x, y = trainer.batches.at(0, 0.0)
    with torch.random.fork_rng():
        torch.manual_seed(seed * 1_000_003 % 2**64)
        first = F.cross_entropy(copy.deepcopy(trainer.model)(F.avg_pool2d(x, 2)), y, label_smoothing=0.1).item()
    before, told = torch.get_rng_state(), []
    for event in trainer.events():
        assert torch.equal(torch.get_rng_state(), before)
        told.append(event)
    assert of(Step, told)[0].loss == pytest.approx(first, rel=near)  # auto may have been bf16


def test_other_runtime_errors_are_not_called_memory() -> None:
    def broken(size: int) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        largest_batch(broken, 8)


def test_a_wrong_number_of_outputs_is_refused(dataset: Dataset) -> None:
    wrong = RunConfig(data=DataConfig(image_size=16), model=ModelConfig(num_classes=7), train=TrainConfig(epochs=1))
    with pytest.raises(BadConfig, match="7 outputs and the data 4 classes"):
        Trainer(wrong, dataset=dataset)


def test_an_absent_device_lists_those_there_are() -> None:
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(DeviceUnavailable, match=r"cuda:99.*choose auto or one of: cpu"):
        pick_device("cuda:99")


def test_the_probe_reads_the_clock_when_the_device_has_done_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device like mps: it notes what it is given, and does it when it is waited for."""
    clock, queued = [0.0], [1000.0]  # seconds; something is still to be done at first

    class Queueing(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            queued[0] += 2.0
            return super().forward(x)

    def wait_for(_device: torch.device) -> None:
        clock[0], queued[0] = clock[0] + queued[0], 0.0

    monkeypatch.setattr(devices, "wait_for", wait_for)
    monkeypatch.setattr(devices.time, "perf_counter", lambda: clock[0])
    assert devices.seconds_of_an_image(Queueing(4, 4), torch.zeros(2, 4)) == 1.0


def test_the_probe_leaves_the_model_alone(dataset: Dataset) -> None:
    trainer = Trainer(config(stem="conv"), dataset=dataset)
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    numerics = pick_numerics(trainer.model, torch.randn(8, 3, 16, 16), "auto")
    assert numerics.precision in ("fp32", "bf16")
    assert all(torch.equal(before[k], v) for k, v in trainer.model.state_dict().items())
    assert all(p.grad is None for p in trainer.model.parameters())


@pytest.mark.parametrize(
    ("options", "expected"), [({}, 0.5), ({"patch_size": 16}, 0.0), ({"model": "resnet-slim"}, 0.5)]
)
def test_the_first_part_of_the_budget_sees_images_of_half_the_side(
    dataset: Dataset, options: dict[str, Any], expected: float
) -> None:
    trainer, sides = Trainer(config(low_res_fraction=0.5, epochs=1, **options), dataset=dataset), []
    trainer.model.register_forward_pre_hook(
        lambda model, args: sides.append(args[0].shape[-1]) if model.training and torch.is_grad_enabled() else None
    )
    list(trainer.events())
    assert sides == [8] * round(8 * expected) + [16] * round(8 * (1 - expected))


@pytest.mark.parametrize(
    ("options", "answers"),
    [({}, 2), ({"model": "hybrid"}, 2), ({"pool": "avg"}, 1), ({"model": "resnet-slim"}, 1)],
)
def test_a_share_of_the_loss_goes_by_the_patches_where_there_is_a_class_token(
    dataset: Dataset, options: dict[str, Any], answers: int
) -> None:
    """The loss of the first step, and so its gradient, is the mean of both answers' losses with these weights."""
    trainer = Trainer(config(patch_loss=0.25, label_smoothing=0.0, low_res_fraction=0, **options), dataset=dataset)
    given: list[torch.Tensor] = []
    trainer.model.register_forward_hook(lambda model, args, out: given.append(out) if model.training else None)
    labels = trainer.batches.at(0, 0.0)[1]
    loss = next(event.loss for event in trainer.events() if isinstance(event, Step))
    logits = next(out for out in given if len(out) == answers or answers == 1).detach().float()
    each = [F.nll_loss(one.log_softmax(-1), labels).item() for one in (logits if answers == 2 else [logits])]
    assert loss == pytest.approx(0.75 * each[0] + 0.25 * each[1] if answers == 2 else each[0], rel=1e-4)


def test_auto_may_train_with_replicas_and_still_learns(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastest, "pick_replicas", lambda *_: 2)
    trainer = Trainer(config(precision="auto"), dataset=dataset)
    found = list(trainer.events())
    assert len(trainer.replicas.models) == 2
    assert found[-1].test_top1 > 0.6
    dropping = Trainer(config(precision="auto", dropout=0.1, epochs=0.125), dataset=dataset)
    list(dropping.events())
    assert len(dropping.replicas.models) == 1  # threads would share one generator


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vit", "resnet-slim"])
def test_a_compiled_run_gives_the_numbers_of_a_plain_one(
    dataset: Dataset, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, mode, dynamic: real(model, backend="aot_eager"))
    notes: list[str] = []
    plain = events(dataset, model=model, epochs=1, low_res_fraction=0.5)
    options = config(model=model, epochs=1, low_res_fraction=0.5, compiled="on")
    trainer = Trainer(options, dataset=dataset, progress=lambda what, share: notes.append(what))
    compiled = list(trainer.events())
    assert trainer.replicas.models[0] is not trainer.model
    assert any("Compiling" in note for note in notes)
    losses = [[step.loss for step in of(Step, found)] for found in (plain, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_where_compiling_fails_the_run_goes_on_and_says_so(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", lambda model, mode, dynamic: broken)
    found = events(dataset, epochs=0.5, compiled="on")
    assert isinstance(found[-1], Finished)
    assert "cannot be compiled here" in caplog.text
    assert "no compiler here" in caplog.text


def test_no_gradient_is_added_to_that_of_a_compiled_pass(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a CUDA graph lie in its own memory, which its next pass overwrites."""
    without: list[bool] = []

    class Compiled(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            without.append(all(parameter.grad is None for parameter in self.parameters()))
            return self.model(x)

    monkeypatch.setattr(torch, "compile", lambda model, mode, dynamic: Compiled(model))
    events(dataset, epochs=0.5, compiled="on", low_res_fraction=0.5)
    assert len(without) == 2 * 3 + 4  # three passes at each size, and the steps
    assert all(without)


def test_compiling_is_for_long_runs_on_a_gpu() -> None:
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    minute, second = TrainConfig(seconds=60), TrainConfig(seconds=1)
    assert fastest.wants_compiling(minute, gpu)
    assert not fastest.wants_compiling(second, gpu)
    assert not fastest.wants_compiling(minute, cpu)
    assert fastest.wants_compiling(second.replace(compiled="on"), cpu)
    assert not fastest.wants_compiling(minute.replace(compiled="off"), gpu)


def test_learning_rate_warms_up_then_falls_to_zero() -> None:
    values = [lr_factor(i / 1000, 0.1) for i in range(1001)]
    peak = int(np.argmax(values))
    assert peak == 100
    assert np.all(np.diff(values[: peak + 1]) >= 0)
    assert np.all(np.diff(values[peak:]) <= 0)
    assert values[-1] == pytest.approx(0, abs=1e-9)
    assert lr_factor(0.0, 0.0) == 1


def test_snapshots_are_dense_early_and_once_an_epoch_later() -> None:
    assert [s for s in range(60) if is_snapshot_step(s, 20)] == [0, 1, 2, 4, 8, 16, 20, 40]


def test_budget_in_steps_does_not_look_at_the_clock() -> None:
    budget = Budget(10, None)
    assert [budget.progress(s) for s in (0, 5, 10, 12)] == [0, 0.5, 1, 1]


def test_flip_and_crop_move_pixels_and_invent_none() -> None:
    image = torch.arange(3 * 16 * 16).view(1, 3, 16, 16).remainder(251).to(torch.uint8)
    index = torch.zeros(64, dtype=torch.long)
    out = take_batch(image, index, "flip+crop", torch.Generator().manual_seed(0))
    assert out.shape == (64, 3, 16, 16)
    assert len({o.numpy().tobytes() for o in out}) > 20
    for channel in range(3):
        assert set(out[:, channel].unique().tolist()) <= set(image[0, channel].unique().tolist())
    flips = take_batch(image, index, "flip", torch.Generator().manual_seed(0))
    same = (flips == image).flatten(1).all(1)
    mirrored = (flips == image.flip(-1)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 10 < same.sum() < 54
    assert torch.equal(take_batch(image, index, "none", torch.Generator())[3], image[0])
