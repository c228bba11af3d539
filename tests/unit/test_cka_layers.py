"""CKA of all layers, against the CKA of two and its minibatch form, which are tested against published numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_models import make, pictures

import vit_explore as vx
from vit_explore.errors import BadConfig
from vit_explore.explain import cka_layers
from vit_explore.explain.capture import output_pass
from vit_explore.explain.similarity import MinibatchCKA

PAIRS = [("ours", "our resnet"), ("class token", "class token"), ("resnet", "torchvision")]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_every_pair_of_layers_has_the_cka_of_its_features(one: str, other: str) -> None:
    a, b = make(one), make(other, seed=5)
    images = pictures(one, 24), pictures(other, 24)
    matrix = vx.explain.cka_matrix(a, b, images)
    names, others = vx.explain.compared_layers(a), vx.explain.compared_layers(b)
    assert matrix.shape == (len(names), len(others))
    with torch.no_grad():
        _, mine = output_pass(a, images[0], names)
        _, yours = output_pass(b, images[1], others)
    for i, x in enumerate(mine):
        for j, y in enumerate(yours):
            assert matrix[i, j] == pytest.approx(vx.explain.cka(x.flatten(1), y.flatten(1)), abs=1e-3)


def test_batches_are_averaged_before_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nguyen et al. 2021, eq. 2: and so the order of the batches is of no account."""
    monkeypatch.setattr(cka_layers, "BATCH", 8)
    a, b, images = make("ours"), make("ours", seed=3), pictures("ours", 24)
    matrix = vx.explain.cka_matrix(a, b, images)
    names = vx.explain.compared_layers(a)
    meter = MinibatchCKA()
    with torch.no_grad():
        for part in images.split(8):
            (x,), (y,) = output_pass(a, part, names[:1])[1], output_pass(b, part, names[-1:])[1]
            meter.update(x.flatten(1), y.flatten(1))
    assert matrix[0, -1] == pytest.approx(meter.value(), abs=1e-3)
    turned = vx.explain.cka_matrix(a, b, torch.cat([images[16:], images[:16]]))
    np.testing.assert_allclose(matrix, turned, atol=1e-5)


def test_a_model_beside_itself_is_asked_once_and_large_pictures_come_in_smaller_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, seen = make("our resnet"), []
    net.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    vx.explain.cka_matrix(net, net, torch.randn(128, 3, 32, 32))
    assert seen == [128]
    seen.clear()
    monkeypatch.setattr(cka_layers, "_PIXELS", 2**15)
    vx.explain.cka_matrix(net, net, torch.randn(64, 3, 32, 32))
    assert seen == [32, 32]


def test_a_model_is_like_itself_and_the_matrix_is_symmetric() -> None:
    net, images = make("resnet"), pictures("resnet", 32)
    matrix = vx.explain.cka_matrix(net, net, images)
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-5)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert (matrix < 1.001).all()


def test_turning_the_features_changes_nothing() -> None:
    """Kornblith et al. 2019: CKA is invariant to orthogonal maps and to scale."""
    net, images = make("ours"), pictures("ours", 16)
    twin = make("ours")
    turn = torch.linalg.qr(torch.randn(48, 48, generator=torch.Generator().manual_seed(0)))[0]
    with torch.no_grad():
        twin.blocks[1].register_forward_hook(lambda module, args, out: 3 * out @ turn)
    names = vx.explain.compared_layers(net)
    assert names == ["blocks.0", "blocks.1"]
    assert vx.explain.cka_matrix(net, twin, images)[1, 1] == pytest.approx(1, abs=1e-4)


def test_progress_is_told_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cka_layers, "BATCH", 8)
    from vit_explore.explain import cka_steps

    told = list(cka_steps(make("ours"), make("our resnet"), (pictures("ours", 20), pictures("our resnet", 20))))
    assert [share for share, _ in told] == pytest.approx([0.5, 1.0])


def test_a_mistake_is_one_sentence() -> None:
    net = make("ours")
    with pytest.raises(BadConfig, match="3 and 3 images were given; CKA needs the same pictures for both, at least 4"):
        vx.explain.cka_matrix(net, net, pictures("ours", 3))
    with pytest.raises(BadConfig, match="8 and 9 images were given"):
        vx.explain.cka_matrix(net, net, (pictures("ours", 8), pictures("ours", 9)))
