"""On a CUDA device: the run that the CPU makes, compiled, resumed, looked into. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from small_models import KINDS, make, pictures
from test_training import config, of, split

import vit_explore as vx
from vit_explore.cards import cards
from vit_explore.data import Dataset
from vit_explore.errors import TrainingFailed
from vit_explore.explain import EXPLANATIONS
from vit_explore.training import Evaluated, Finished, Snapshot, Step, Trainer
from vit_explore.training.devices import device_name, pick_device, pick_numerics

GPU = "cuda"
LOOKED_INTO = ("ours", "our resnet", "visual transformer")
FITTING = [
    (name, kind)
    for name, card in EXPLANATIONS
    for kind in LOOKED_INTO
    if card.needs in KINDS[kind].fits and name != "cka"  # of features that somebody else has computed
]
if not torch.cuda.is_available():
    pytest.skip("no CUDA device is here: the tests of one are skipped", allow_module_level=True)


@pytest.fixture(autouse=True)
def _exactly() -> Iterator[None]:
    """Convolutions in fp32, too: cuDNN takes TF32 by itself."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        "tints", ("red", "green", "blue", "grey"), split(256, 0), split(64, 1), split(64, 2), (0.3,) * 3, (0.2,) * 3
    )


def run(dataset: Dataset, **changes: Any) -> list[Any]:
    return list(Trainer(config(**{"device": GPU, **changes}), dataset=dataset).events())


def losses(found: list[Any]) -> list[float]:
    """Those of the steps that both devices tell: on a GPU every tenth, and the last."""
    return [event.loss for event in of(Step, found) if event.step % 10 == 0]


def test_auto_takes_the_gpu_and_names_the_card() -> None:
    device = pick_device("auto")
    assert device.type == GPU
    assert torch.cuda.get_device_name(device) in device_name(device)
    assert pick_device("cuda:0") == torch.device("cuda", 0)
    batch = torch.zeros(2, 3, 16, 16, device=device)
    assert pick_numerics(torch.nn.Identity(), batch, "auto").precision in ("bf16", "fp32")


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam", "sgd"])
def test_a_run_has_the_losses_that_the_cpu_has(dataset: Dataset, optimizer: str) -> None:
    options = {"optimizer": optimizer, "augment": "flip+crop", "low_res_fraction": 0.3, "ema": 0.9}
    here, there = run(dataset, **options), run(dataset, device="cpu", **options)
    tolerance = 0.05 if optimizer == "muon" else 1e-3  # orthogonal() is in bf16 where the device has it
    assert losses(here) == pytest.approx(losses(there), rel=tolerance)
    assert here[-1].test_top1 == pytest.approx(there[-1].test_top1, abs=0.1)
    assert here[-1].peak_memory > 1_000_000


@pytest.mark.parametrize("options", [{"mixup": 0.8, "cutmix": 1.0}, {"rand_augment": 5}, {"erasing": 0.5}], ids=str)
def test_the_same_augmentation_falls_on_the_same_images(dataset: Dataset, options: dict[str, Any]) -> None:
    batches = [Trainer(config(device=device, **options), dataset=dataset).batches.at(3) for device in (GPU, "cpu")]
    for here, there in zip(*batches, strict=True):
        torch.testing.assert_close(here.cpu(), there, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("architecture", cards.names())
def test_every_architecture_takes_a_step_and_is_looked_at(dataset: Dataset, architecture: str) -> None:
    try:
        options = config(model=architecture, epochs=0.25, device=GPU, precision="auto")
    except vx.errors.BadConfig:
        options = config(model=architecture, epochs=0.25, device=GPU, precision="auto", input_size=64)
    found = list(Trainer(options, dataset=dataset).events())
    assert isinstance(found[-1], Finished)
    assert all(np.isfinite(step.loss) for step in of(Step, found))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
@pytest.mark.parametrize("options", [{}, {"model": "resnet-slim"}, {"dropout": 0.1}, {"patch_loss": 0.3}], ids=str)
def test_a_compiled_run_gives_the_numbers_of_a_plain_one(
    dataset: Dataset, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    plain = run(dataset, low_res_fraction=0.5, **options)
    trainer = Trainer(config(low_res_fraction=0.5, device=GPU, compiled="on", **options), dataset=dataset)
    compiled = list(trainer.events())
    assert "cannot be compiled" not in caplog.text
    assert trainer.replicas.models[0] is not trainer.model
    if "dropout" not in options:  # a graph draws other numbers
        assert losses(plain) == pytest.approx(losses(compiled), rel=0.05)
    assert compiled[-1].test_top1 == pytest.approx(plain[-1].test_top1, abs=0.15)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compiled", ["off", pytest.param("on", marks=pytest.mark.slow)])
def test_a_resumed_run_ends_as_an_uninterrupted_one(dataset: Dataset, compiled: str) -> None:
    options = {"augment": "flip+crop", "device": GPU, "compiled": compiled, "optimizer": "adamw"}
    whole = run(dataset, **options)
    first = Trainer(config(**options), dataset=dataset, should_stop=lambda: first.step >= 13)
    assert list(first.events())[-1].stopped
    second = Trainer(config(**options), dataset=dataset, state=first.state_dict())
    rest = list(second.events())
    assert rest[0].resumed_at == 13
    a, b = of(Snapshot, whole)[-1].weights, of(Snapshot, rest)[-1].weights
    assert all(torch.allclose(a[k].float(), b[k].float(), atol=5e-3) for k in a)


@pytest.mark.parametrize(("begins", "ends"), [(GPU, "cpu"), ("cpu", GPU)])
def test_a_checkpoint_of_one_device_goes_on_upon_the_other(dataset: Dataset, begins: str, ends: str) -> None:
    first = Trainer(config(device=begins), dataset=dataset, should_stop=lambda: first.step >= 13)
    list(first.events())
    second = Trainer(config(device=ends), dataset=dataset, state=first.state_dict())
    assert list(second.events())[-1].test_top1 > 0.6
    assert second.device.type == ends


def test_spent_memory_is_one_sentence_with_a_batch_that_fits(dataset: Dataset) -> None:
    wide = {"width": 768, "depth": 12, "num_heads": 12, "batch_size": 256, "patch_size": 2, "optimizer": "sgd"}
    trainer = Trainer(config(device=GPU, **wide), dataset=dataset)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved() + 3e9) / total))
    try:
        with pytest.raises(TrainingFailed, match=r"batch size of 256; a batch size of \d+ would fit"):
            list(trainer.events())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def test_a_look_sees_what_the_cpu_sees(dataset: Dataset) -> None:
    found = {device: of(Evaluated, run(dataset, device=device, epochs=0.125)) for device in (GPU, "cpu")}
    assert found[GPU][0].loss == pytest.approx(found["cpu"][0].loss, rel=1e-3)
    assert found[GPU][0].top1 == pytest.approx(found["cpu"][0].top1, abs=0.02)


def arrays(result: Any) -> dict[str, np.ndarray]:
    """What a result holds in numbers, by name."""
    values = {f.name: getattr(result, f.name) for f in fields(result)} if is_dataclass(result) else {"result": result}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray | float)}


@pytest.mark.parametrize(("name", "kind"), FITTING)
@pytest.mark.filterwarnings("ignore::vit_explore.errors.VitExploreWarning")
def test_an_explanation_gives_what_it_gives_on_the_cpu(name: str, kind: str) -> None:
    card = EXPLANATIONS.get(name)
    picture = np.random.default_rng(0).integers(0, 256, (*KINDS[kind].size, 3), dtype=np.uint8)
    found = []
    for device in (GPU, "cpu"):
        model = type("Loaded", (), {"model": make(kind).to(device), "classes": tuple("abcdefg")})()
        names = {"vx": vx, "torch": torch, "model": model, "images": pictures(kind), "picture": picture}
        torch.manual_seed(0)
        exec(card.example, names)
        found.append(arrays(names["result"]))
    for field, value in found[0].items():
        np.testing.assert_allclose(value, found[1][field], atol=1e-2, rtol=1e-2, err_msg=field)


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_methods_are_ranked(precision: str) -> None:
    images = pictures("ours")
    there, here = (
        vx.trust.rank(make("ours").to(device), images, methods=["saliency", "grad_cam"], precision=precision)
        for device in ("cpu", GPU)
    )
    assert {score.method for score in here.scores} == {score.method for score in there.scores}
    for score in here.scores:
        np.testing.assert_allclose(score.deletion, there.score(score.method).deletion, atol=0.05)
