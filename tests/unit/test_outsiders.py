"""What a model does not know: the signs against their formulas, the AUROC against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from small_models import make, pictures
from torch import nn

import vit_explore as vx
from vit_explore.errors import BadConfig

N, D, C = 120, 6, 3


def clouds(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, features and labels of three clouds."""
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % C
    features = 4 * np.eye(C, D)[labels] + rng.normal(size=(N, D))
    return features[:, :C] * 2, features, labels


class Reads(nn.Module):
    """A head on the means of six stripes of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(D, C)
        with torch.no_grad():
            self.fc.weight.copy_(2 * torch.eye(C, D))
            self.fc.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.mean((1, 2)).unflatten(1, (D, -1)).mean(2))


def as_images(features: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(features).float().repeat_interleave(2, 1)[:, None, None].expand(-1, 3, 4, -1).contiguous()


def test_the_features_are_what_the_head_reads() -> None:
    logits, features, _ = clouds()
    found, read = vx.trust.features_of(Reads(), as_images(features))
    np.testing.assert_allclose(read, features, atol=1e-5)
    np.testing.assert_allclose(found, logits, atol=1e-5)


@pytest.mark.parametrize("kind", ["ours", "ours, pooled, registers, sincos", "our resnet", "torchvision", "deit3"])
def test_the_logits_are_a_linear_map_of_the_features(kind: str) -> None:
    net, images = make(kind), pictures(kind, 3)
    logits, features = vx.trust.features_of(net, images)
    last = [m for m in net.modules() if isinstance(m, nn.Linear) and m.out_features == 7][-1]
    with torch.no_grad():
        np.testing.assert_allclose(last(torch.from_numpy(features)).numpy(), logits, atol=1e-4)
        np.testing.assert_allclose(net(images).numpy(), logits, atol=1e-4)


def test_the_signs_are_their_formulas() -> None:
    logits, features, labels = clouds()
    meter = vx.trust.meter_of(Reads(), as_images(features), labels)
    signs = meter.signs(logits, features)
    tensor = torch.from_numpy(logits)
    np.testing.assert_allclose(signs["softmax"], 1 - tensor.softmax(1).max(1).values.numpy(), atol=1e-6)
    np.testing.assert_allclose(signs["energy"], -tensor.logsumexp(1).numpy(), atol=1e-6)
    scaled = (features - meter.centre) / meter.spread
    away = torch.cdist(torch.from_numpy(scaled), torch.from_numpy(meter.means).double()).min(1).values.numpy()
    np.testing.assert_allclose(signs["distance"], away / np.sqrt(D), atol=1e-6)


def test_what_is_usual_is_rarely_strange_and_noise_from_elsewhere_is() -> None:
    _, features, labels = clouds()
    meter = vx.trust.meter_of(Reads(), as_images(features), labels)
    fresh_logits, fresh, _ = clouds(seed=1)
    inside = meter.of(fresh_logits, fresh)
    assert inside.is_strange.mean() < 0.15
    rng = np.random.default_rng(2)
    far = np.concatenate([rng.normal(size=(N, C)) * 0.2, rng.normal(size=(N, D - C)) * 6], axis=1)
    outside = meter.of(far[:, :C] * 2, far)
    assert outside.is_strange.mean() > 0.9
    assert vx.trust.auroc(inside.together, outside.together) > 0.97


def test_ranks_are_shares_of_the_validation_images() -> None:
    logits, features, labels = clouds()
    meter = vx.trust.meter_of(Reads(), as_images(features), labels)
    again = meter.of(logits[N // 2 :], features[N // 2 :])
    for name, ranks in again.ranks.items():
        assert ranks.mean() == pytest.approx(0.5, abs=0.01), name
    assert again.together.mean() == pytest.approx(0.5, abs=0.01)
    assert again.is_strange.mean() == pytest.approx(0.05, abs=0.02)


def test_the_auroc_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 9, 50).astype(float), rng.integers(2, 12, 40).astype(float)
    truth = np.r_[np.zeros(50), np.ones(40)]
    assert vx.trust.auroc(inside, outside) == pytest.approx(roc_auc_score(truth, np.r_[inside, outside]))


def test_the_nearest_are_those_of_the_largest_cosine() -> None:
    _, features, _ = clouds()
    places, cosines = vx.trust.nearest(features[7], features, 4)
    assert places[0] == 7
    assert cosines[0] == pytest.approx(1)
    every = torch.cosine_similarity(torch.from_numpy(features), torch.from_numpy(features[7:8]))
    np.testing.assert_allclose(cosines, every.sort(descending=True).values[:4].numpy(), atol=1e-9)


def test_too_few_are_refused() -> None:
    with pytest.raises(BadConfig, match="20 images are too few to know what is usual; give 64 at least"):
        vx.trust.meter_of(make("ours"), pictures("ours", 20), np.zeros(20, int))
