"""What is read from the weights alone, or from no model: position similarity, filter components, patches, CKA."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ortho_group, pearsonr
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity
from small_models import make, ours
from torch import nn

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable

# --- position similarity --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "grid", "n_prefix"), [
    ("ours", (8, 8), 1),
    ("ours, pooled, registers, sincos", (8, 8), 2),
    ("class token", (4, 4), 1),
    ("not square", (2, 3), 1),
    ("distilled", (4, 4), 2),
    ("deit3", (4, 4), 0),  # no_embed_class: the class token has none
    ("registers and class token", (4, 4), 0),
    ("pooled", (4, 4), 0),
])  # fmt: skip
def test_similarity_equals_scikit_learns_of_the_patches_only(kind: str, grid: tuple[int, int], n_prefix: int) -> None:
    net = make(kind)
    result = vx.explain.position_similarity(net)
    table = net.pos_embed.detach().numpy()[0].astype(np.float64)
    patches = table[len(table) - grid[0] * grid[1] :]
    assert result.grid == grid
    assert result.values.shape == (*grid, *grid)
    assert result.prefix.shape == (n_prefix, *grid)
    assert result.values.dtype == result.prefix.dtype == np.float32
    np.testing.assert_allclose(result.values.reshape(len(patches), -1), cosine_similarity(patches), atol=1e-6)
    np.testing.assert_allclose(result.values.reshape(len(patches), -1).diagonal(), 1, atol=1e-6)
    if n_prefix:
        expected = cosine_similarity(table[:n_prefix], patches)
        np.testing.assert_allclose(result.prefix.reshape(n_prefix, -1), expected, atol=1e-6)
    assert result.noise_floor == pytest.approx(table.shape[1] ** -0.5)


def test_distance_correlation_is_pearsons_over_different_patches() -> None:
    net = make("not square")
    result = vx.explain.position_similarity(net)
    cells = list(itertools.product(range(2), range(3)))
    pairs = [(a, b) for a in cells for b in cells if a != b]
    expected = pearsonr(
        [result.values[a + b] for a, b in pairs], [-np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in pairs]
    )
    assert result.distance_correlation == pytest.approx(expected.statistic, abs=1e-6)


def test_fixed_positions_know_the_distance_and_random_ones_do_not() -> None:
    assert vx.explain.position_similarity(make("ours, pooled, registers, sincos")).distance_correlation > 0.6
    assert abs(vx.explain.position_similarity(make("ours")).distance_correlation) < 0.1


def test_embeddings_of_zeros_give_zeros_not_nan() -> None:
    net = make("class token")
    nn.init.zeros_(net.pos_embed)
    result = vx.explain.position_similarity(net)
    assert not result.values.any()
    assert np.isnan(result.distance_correlation)


@pytest.mark.parametrize("kind", ["ours, conv stem, no positions", "resnet"])
def test_a_model_without_positions_is_refused(kind: str) -> None:
    with pytest.raises(NotApplicable, match="choose"):
        vx.explain.position_similarity(make(kind))


# --- filter components ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ours", "class token", "patches not square"])
def test_components_equal_scikit_learns_up_to_sign(kind: str) -> None:
    net = make(kind)
    result = vx.explain.filter_components(net, k=10)
    weight = net.patch_embed.proj.weight.detach().numpy()
    reference = PCA(10, svd_solver="full").fit(weight.reshape(len(weight), -1))
    cosines = (result.components * reference.components_).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-4)
    np.testing.assert_allclose(result.explained_variance_ratio, reference.explained_variance_ratio_, atol=1e-5)
    largest = np.abs(result.components).argmax(axis=1)
    assert (result.components[np.arange(10), largest] > 0).all()
    assert result.is_projection


def test_pictures_are_the_components_and_filters_channels_last_scaled_jointly() -> None:
    net = make("ours")
    result = vx.explain.filter_components(net, k=5)
    for pictures, raw in (
        (result.images, result.components.reshape(-1, 3, 4, 4)),
        (result.filters, net.patch_embed.proj.weight.detach().numpy()),
    ):
        assert pictures.dtype == np.float32
        assert pictures.shape == (len(raw), 4, 4, 3)
        for picture, one in zip(pictures, raw, strict=True):
            assert (picture.min(), picture.max()) == pytest.approx((0, 1))
            r = np.corrcoef(picture.ravel(), one.transpose(1, 2, 0).ravel())[0, 1]
            assert r == pytest.approx(1, abs=1e-5)


def test_k_is_cut_to_what_there_is() -> None:
    small = ours(width=16, patch_size=2, num_heads=2)()  # 3 P² = 12 features, D - 1 = 15
    assert len(vx.explain.filter_components(small).components) == 12
    assert len(vx.explain.filter_components(ours(width=8, num_heads=2)()).components) == 7
    with pytest.raises(BadConfig, match="k = 0"):
        vx.explain.filter_components(small, k=0)


def test_between_snapshots_signs_and_order_stay() -> None:
    net = make("ours")
    weight = net.patch_embed.proj.weight
    before = vx.explain.filter_components(net, k=6)
    with torch.no_grad():  # reflect all filters, and make the third component the strongest
        third = torch.tensor(before.components[2])
        rows = weight.reshape(len(weight), -1)
        rows = rows + 4 * (rows @ third)[:, None] * third
        weight.copy_(-rows.reshape(weight.shape))
    loose = vx.explain.filter_components(net, k=6)
    assert (loose.components[0] * before.components[2]).sum() > 0.99  # strongest first, without `previous`
    after = vx.explain.filter_components(net, k=6, previous=before)
    cosines = (after.components * before.components).sum(axis=1)
    assert (cosines > 0.9).all(), cosines
    upside_down = dataclasses.replace(before, components=-before.components)
    np.testing.assert_allclose(
        vx.explain.filter_components(net, k=6, previous=upside_down).components, -after.components
    )
    assert after.explained_variance_ratio.argmax() == 2
    assert sorted(after.explained_variance_ratio) == pytest.approx(sorted(loose.explained_variance_ratio))


def test_components_of_another_patch_size_do_not_match() -> None:
    previous = vx.explain.filter_components(make("ours"))
    with pytest.raises(BadConfig, match="one model"):
        vx.explain.filter_components(make("class token"), previous=previous)


@pytest.mark.parametrize(("kind", "side"), [("resnet", 7), ("our resnet", 3), ("ours, conv stem, no positions", 3)])
def test_without_a_projection_the_first_layer_is_shown(kind: str, side: int) -> None:
    result = vx.explain.filter_components(make(kind))
    assert not result.is_projection
    assert result.filters.shape[1:] == (side, side, 3)


def test_a_model_that_sees_no_rgb_is_refused() -> None:
    with pytest.raises(NotApplicable, match="RGB"):
        vx.explain.filter_components(nn.Linear(3, 3))


# --- patches --------------------------------------------------------------------------------------------------------


def test_patches_are_the_cells_of_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    patches = vx.explain.patch_grid(image, 3)
    assert patches.shape == (2, 3, 3, 3, 3)
    assert patches.dtype == np.uint8
    for r, c in itertools.product(range(2), range(3)):
        np.testing.assert_array_equal(patches[r, c], image[3 * r : 3 * r + 3, 3 * c : 3 * c + 3])
    np.testing.assert_array_equal(vx.explain.patch_grid(Image.fromarray(image), 3), patches)
    patches[:] = 0
    assert image.any()  # a copy


@pytest.mark.parametrize("patch_size", [5, 0, -3, 2.0, True, 12])
def test_a_patch_size_that_does_not_divide_names_those_that_do(patch_size: object) -> None:
    with pytest.raises(BadConfig, match=r"6 x 12 px; choose one of 1, 2, 3, 6\."):
        vx.explain.patch_grid(np.zeros((6, 12, 3), np.uint8), patch_size)


# --- CKA ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def features() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6)) * [5, 3, 1, 1, 0.5, 0.1] + 20
    return x, np.tanh(x[:, :4] - 20) + 0.3 * rng.normal(size=(40, 4))


@pytest.mark.parametrize("debiased", [True, False])
def test_cka_is_1_with_itself_turned_scaled_or_shifted(features: tuple[np.ndarray, np.ndarray], debiased: bool) -> None:
    x, y = features
    turned = 3 * (x @ ortho_group.rvs(6, random_state=0)) - 100
    assert vx.explain.cka(x, x, debiased) == pytest.approx(1)
    assert vx.explain.cka(x, turned, debiased) == pytest.approx(1)
    assert vx.explain.cka(x, y, debiased) == pytest.approx(vx.explain.cka(turned, y, debiased))
    assert vx.explain.cka(x, y, debiased) == pytest.approx(vx.explain.cka(y, x, debiased))
    assert 0.1 < vx.explain.cka(x, y, debiased) < 0.99


def test_biased_cka_equals_the_feature_space_formula(features: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (f - f.mean(0) for f in features)
    expected = np.linalg.norm(y.T @ x) ** 2 / (
        np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    )  # Kornblith et al., eq. 5
    assert vx.explain.cka(*features, debiased=False) == pytest.approx(expected)


def test_debiased_hsic_is_the_u_statistic_over_quadruples() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))

    def u_statistic(a: np.ndarray, b: np.ndarray) -> float:  # Song et al. 2012: mean of K_ij (L_ij + L_qr - 2 L_iq)
        k, m = a @ a.T, b @ b.T
        quads = itertools.permutations(range(6), 4)
        return float(np.mean([k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in quads]))

    expected = u_statistic(x, y) / np.sqrt(u_statistic(x, x) * u_statistic(y, y))
    assert vx.explain.cka(x, y) == pytest.approx(expected)


def test_only_the_debiased_cka_of_unrelated_wide_features_is_near_0() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, 400)), rng.normal(size=(50, 400))
    assert abs(vx.explain.cka(x, y)) < 0.05
    assert vx.explain.cka(x, y, debiased=False) > 0.8


def test_minibatches_average_the_terms_before_the_ratio() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(800, 5))
    y = x @ rng.normal(size=(5, 3)) + rng.normal(size=(800, 3))
    meter = vx.explain.MinibatchCKA()
    for start in range(0, 800, 40):
        meter.update(torch.tensor(x[start : start + 40]), torch.tensor(y[start : start + 40], requires_grad=True))
    assert meter.value() == pytest.approx(vx.explain.cka(x, y), abs=0.02)
    with pytest.raises(BadConfig, match="No batch"):
        vx.explain.MinibatchCKA().value()


def hsic_by_hand(x: np.ndarray, y: np.ndarray, debiased: bool) -> float:
    """Biased: Gretton et al. 2005, in feature space. Unbiased: Song et al. 2012, eq. 5, with vectors of ones."""
    n = len(x)
    if not debiased:
        return float(np.linalg.norm((x - x.mean(0)).T @ (y - y.mean(0))) ** 2 / (n - 1) ** 2)
    k, m, one = x @ x.T * (1 - np.eye(n)), y @ y.T * (1 - np.eye(n)), np.ones(n)
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
    return float((np.trace(k @ m) + middle) / (n * (n - 3)))


@pytest.mark.parametrize("debiased", [True, False])
def test_minibatches_of_unequal_size_count_by_their_images(debiased: bool) -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(70, 5))
    y = np.concatenate([x[:60, :3] + 0.3 * rng.normal(size=(60, 3)), rng.normal(size=(10, 3))])  # the rest is unlike
    meter, terms = vx.explain.MinibatchCKA(debiased), np.zeros(3)
    for part in (slice(0, 60), slice(60, 70)):
        meter.update(x[part], y[part])
        pairs = (x[part], y[part]), (x[part], x[part]), (y[part], y[part])
        terms += len(x[part]) / 70 * np.array([hsic_by_hand(a, b, debiased) for a, b in pairs])
    assert meter.value() == pytest.approx(terms[0] / np.sqrt(terms[1] * terms[2]))


def test_cka_of_what_does_not_vary_is_undefined() -> None:
    same = np.repeat(np.random.default_rng(4).normal(size=(1, 5)), 10, axis=0).astype(np.float32)
    assert np.isnan(vx.explain.cka(same, np.random.default_rng(5).normal(size=(10, 3))))


@pytest.mark.parametrize(("x", "y", "words"), [
    (np.zeros((5, 2)), np.zeros((6, 2)), "same images"),
    (np.zeros((3, 2)), np.zeros((3, 2)), "at least four"),
    (np.zeros((5, 2, 2)), np.zeros((5, 2)), "features"),
    (np.full((5, 2), np.nan), np.zeros((5, 2)), "not finite"),
])  # fmt: skip
def test_cka_refuses_what_does_not_fit_together(x: np.ndarray, y: np.ndarray, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        vx.explain.cka(x, y)


def test_noise_has_no_smoothness_and_a_wave_has() -> None:
    net = nn.Sequential(nn.Conv2d(3, 64, 8, stride=8))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        net[0].weight.copy_(torch.randn(net[0].weight.shape, generator=generator))
    noise = vx.explain.filter_components(net)
    assert abs(noise.smoothness) < 4 * noise.smoothness_noise
    assert noise.smoothness_noise == pytest.approx((64 * 3 * 2 * 56) ** -0.5)
    wave = torch.sin(torch.linspace(0, 2 * torch.pi, 8))
    with torch.no_grad():
        net[0].weight.copy_((wave[:, None] * torch.ones(8)).expand_as(net[0].weight))
    assert vx.explain.filter_components(net).smoothness > 0.75
    with torch.no_grad():
        net[0].weight.copy_(((torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1).expand_as(net[0].weight))
    assert vx.explain.filter_components(net).smoothness == pytest.approx(-1, abs=1e-6)
