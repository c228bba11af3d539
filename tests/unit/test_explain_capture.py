"""A model is left as it was found, also after an error and with several threads at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from small_models import make, pictures
from torch import Tensor, nn

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain import states
from vit_explore.explain.attributions import methods


def state_of(net: nn.Module) -> list[object]:
    """All that an explanation could leave behind: modes, switches, hooks, gradients, weights."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    flags = ("training", "fused_attn", "fused", "inplace", "grad_checkpointing", "_is_full_backward_hook")
    modules = [(n, *(len(getattr(m, h)) for h in hooks), *(getattr(m, f, None) for f in flags), sorted(vars(m)))
               for n, m in net.named_modules()]  # fmt: skip
    tensors = [(n, p.requires_grad, None if p.grad is None else p.grad.sum().item(), p.sum().item())
               for n, p in net.named_parameters()]  # fmt: skip
    return [modules, tensors, [b.sum().item() for b in net.buffers()]]


def half_trained(kind: str) -> nn.Module:
    """A model in the middle of something: mixed modes, a frozen layer, gradients, a hook of someone else's."""
    net = make(kind).train()
    first, *_, last = [m for m in net.children() if list(m.parameters())]
    first.eval()
    last.requires_grad_(False)
    last.register_forward_hook(lambda *_: None)
    net(pictures(kind)).sum().backward()
    return net


QUESTIONS = {
    "attention_maps": lambda net, x: vx.explain.attention_maps(net, x),
    "relevance": lambda net, x: vx.explain.relevance(net, x),
    "grad_cam": lambda net, x: vx.explain.grad_cam(net, x),
    "logit_lens": lambda net, x: vx.explain.logit_lens(net, x),
    "faithfulness": lambda net, x: vx.explain.faithfulness(net, x[:1], np.random.default_rng(0).random((4, 4))),
    **{
        method: lambda net, x, method=method: vx.explain.attribution(net, x, method, steps=2)
        for method in methods.names()
    },
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", ["ours", "class token", "resnet"])
def test_the_model_is_left_as_it_was_found(kind: str, question: str) -> None:
    net = half_trained(kind)
    before = state_of(net)
    try:
        QUESTIONS[question](net, pictures(kind))
    except NotApplicable:
        assert kind == "resnet" or question in ("deep_lift", "guided_backprop")
    assert state_of(net) == before


class Broken(nn.Module):
    """A head that fails once the rest of the model has run."""

    def forward(self, x: Tensor) -> Tensor:
        raise FloatingPointError("broken head")


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", ["ours", "class token", "resnet"])
def test_also_after_an_error_in_the_middle_of_the_pass(kind: str, question: str) -> None:
    net = half_trained(kind)
    setattr(net, "fc" if kind == "resnet" else "head", Broken())
    before = state_of(net)
    with pytest.raises((FloatingPointError, NotApplicable)):
        QUESTIONS[question](net, pictures(kind))
    assert state_of(net) == before
    assert states.lock_of(net).acquire(blocking=False)
    states.lock_of(net).release()


@pytest.mark.parametrize("kind", ["ours", "class token"])
def test_frozen_models_and_callers_without_gradients_are_fine(kind: str) -> None:
    net, images = make(kind), pictures(kind)
    expected = vx.explain.relevance(net, images, 1)
    net.requires_grad_(False)
    with torch.no_grad():
        np.testing.assert_array_equal(vx.explain.relevance(net, images, 1), expected)
        vx.explain.grad_cam(net, images)
        vx.explain.attribution(net, images, "integrated_gradients", steps=2)
    with torch.inference_mode():
        np.testing.assert_array_equal(vx.explain.relevance(net, images.clone(), 1), expected)
    assert not images.requires_grad


def test_training_noise_is_off_and_the_maps_are_taken_before_dropout() -> None:
    import timm

    net = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=48, num_heads=3, attn_drop_rate=0.5, drop_path_rate=0.5
    ).train()
    images = torch.randn(2, 3, 32, 32)
    a, b = (vx.explain.attention_maps(net, images) for _ in range(2))
    np.testing.assert_array_equal(a.weights, b.weights)
    assert net.training


def test_gradient_checkpointing_does_not_hide_the_maps() -> None:
    net, images = make("class token"), pictures("class token")
    expected = vx.explain.relevance(net, images)
    net.set_grad_checkpointing(True)
    np.testing.assert_array_equal(vx.explain.relevance(net.train(), images), expected)
    assert net.grad_checkpointing


@pytest.mark.parametrize("kind", ["ours", "class token"])
def test_threads_on_one_shared_model_do_not_mix_their_maps(kind: str) -> None:
    net = make(kind)
    batches = [pictures(kind, seed=seed) for seed in range(8)]
    alone = [vx.explain.attention_maps(net, images) for images in batches]
    relevances = [vx.explain.relevance(net, images) for images in batches]
    start = threading.Barrier(4)

    def ask(worker: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
        start.wait()
        order = [(i + worker) % len(batches) for i in range(len(batches))]
        return [
            (i, vx.explain.attention_maps(net, batches[i]).weights, vx.explain.relevance(net, batches[i]))
            for i in order
        ]

    with ThreadPoolExecutor(4) as pool:
        for answers in pool.map(ask, range(4)):
            for i, weights, relevance in answers:
                np.testing.assert_array_equal(weights, alone[i].weights)
                np.testing.assert_allclose(relevance, relevances[i], atol=1e-6)
    assert state_of(net) == state_of(make(kind))


def test_a_plain_pass_of_another_thread_is_not_recorded() -> None:
    net, images = make("class token"), pictures("class token")
    expected = vx.explain.attention_maps(net, images).weights
    main = threading.current_thread()
    intruded = []

    def intrude(module: nn.Module, args: object, output: Tensor) -> None:
        if threading.current_thread() is main and not intruded:
            intruded.append(True)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(net, images).result()

    net.blocks[0].register_forward_hook(intrude)
    np.testing.assert_array_equal(vx.explain.attention_maps(net, images).weights, expected)
    assert intruded


@pytest.mark.parametrize("kind", ["ours", "ours, pooled, registers, sincos", "ours, conv stem, no positions"])
@pytest.mark.parametrize("question", ["attention_maps", "relevance", "logit_lens"])
def test_our_own_vit_is_read_without_a_hook(kind: str, question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That its taps are what hooks would see is tested with the model."""
    for name in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
        monkeypatch.setattr(nn.Module, name, lambda *_: pytest.fail("a hook"))
    result = getattr(vx.explain, question)(make(kind), pictures(kind))
    assert np.ptp(getattr(result, "weights", result)) > 0


def test_locks_do_not_keep_models_alive() -> None:
    import gc
    import weakref

    net = make("ours")
    states.lock_of(net)
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_a_loaded_model_is_as_good_as_its_module() -> None:
    class Loaded:
        model = make("ours")

    images = pictures("ours")
    np.testing.assert_array_equal(
        vx.explain.attention_maps(Loaded(), images).weights, vx.explain.attention_maps(Loaded.model, images).weights
    )
    with pytest.raises(BadConfig, match="A str is not a model"):
        vx.explain.attention_maps("vit", images)


@pytest.mark.parametrize(("images", "words"), [
    (torch.zeros(3, 64, 64), r"\(3, 64, 64\)"),
    (torch.zeros(1, 1, 64, 64), r"\(1, 1, 64, 64\)"),
    (torch.zeros(0, 3, 64, 64), r"\(0, 3, 64, 64\)"),
    (torch.zeros(1, 3, 32, 64), "64 x 64 px, not 32 x 64"),
    (np.zeros((64, 64, 3), np.uint8), r"NumPy array of shape \(64, 64, 3\) and type uint8.*preprocess\(picture\)"),
    (np.zeros((1, 3, 64, 64), np.float32), r"NumPy array of shape \(1, 3, 64, 64\).*normalised tensor"),
    (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "images are uint8, so they are not normalised"),
    (torch.zeros(1, 3, 64, 64, dtype=torch.int64), "images are int64, so they are not normalised"),
    (torch.full((1, 3, 64, 64), torch.nan), "NaN or infinite"),
    (torch.full((1, 3, 64, 64), torch.inf), "NaN or infinite"),
    ("photo.png", "not str"),
])  # fmt: skip
def test_images_that_do_not_fit_are_refused(images: object, words: str) -> None:
    net = make("class token")
    for question in (
        vx.explain.attention_maps, vx.explain.relevance, vx.explain.grad_cam, vx.explain.logit_lens,
        lambda net, x: vx.explain.attribution(net, x, "saliency"),
        lambda net, x: vx.explain.faithfulness(net, x, np.eye(4)),
    ):  # fmt: skip
        if question.__name__ != "<lambda>" or getattr(images, "shape", None) != (3, 64, 64):  # a single one is fine
            with pytest.raises(BadConfig, match=words):
                question(net, images)


def test_damaged_weights_are_not_drawn() -> None:
    net = make("class token")
    with torch.no_grad():
        net.blocks[0].attn.qkv.weight[3, 3] = torch.nan
    for question in (vx.explain.attention_maps, vx.explain.relevance, vx.explain.grad_cam, vx.explain.logit_lens):
        with pytest.raises(BadConfig, match="logits of this model are not all finite"):
            question(net, pictures("class token"))
    with torch.no_grad():
        net.pos_embed[0, 3, 3] = net.patch_embed.proj.weight[0, 0, 0, 0] = torch.inf
    with pytest.raises(BadConfig, match="position embeddings of this model are not all finite"):
        vx.explain.position_similarity(net)
    with pytest.raises(BadConfig, match="filters of this model are not all finite"):
        vx.explain.filter_components(net)


def test_where_any_size_goes_it_must_still_divide() -> None:
    with pytest.raises(BadConfig, match="patches of 16 x 16 px"):
        vx.explain.attention_maps(make("any size"), torch.zeros(1, 3, 40, 64))


def test_half_precision_models_are_explained_in_their_own_precision() -> None:
    net, images = make("ours"), pictures("ours")
    exact = vx.explain.attention_maps(net, images).weights
    rough = vx.explain.attention_maps(net.to(torch.bfloat16), images).weights
    assert rough.dtype == np.float32
    np.testing.assert_allclose(rough, exact, atol=0.1)
