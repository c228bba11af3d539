"""Ranking explanations: on a model where the truth is known the exact one wins, and chance can win, too."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from small_models import make, pictures
from torch import Tensor, nn

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable, UnknownName
from vit_explore.explain.heatmaps import CHANCE, heat_methods, methods_for
from vit_explore.told import Progress
from vit_explore.trust.ranking import CHUNK
from vit_explore.trust.results import Ranking, mean_interval
from vit_explore.trust.sanity import likeness, shuffled

SIDE = 16


class Linear(nn.Module):
    """Two classes, of which the second has the logit 0: input x gradient is exact."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        weights = torch.randn(3 * SIDE * SIDE, generator=torch.Generator().manual_seed(seed)) / SIDE
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        logit = x.flatten(1) @ self.weights
        return torch.stack([logit, torch.zeros_like(logit)], dim=1)


def images(count: int = 24, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def test_where_the_truth_is_known_the_exact_attribution_wins_and_random_loses() -> None:
    labels = torch.zeros(24, dtype=torch.long)
    ranking = vx.trust.rank(Linear(), images(), labels, ["input_x_gradient", "saliency"], explained="label")
    best, *_, worst = ranking.scores
    assert best.method == "input_x_gradient"
    assert best.verdict == "better"
    assert best.interval[0] > 0.2
    assert worst.gain <= 0
    assert ranking.score("saliency").gain < best.gain / 2  # large weights may speak against the class
    assert ranking.sentence.startswith("Best over 24 images: Input × gradient. Clearly better than chance: 1 of")


def test_no_order_of_the_pixels_beats_the_exact_one() -> None:
    """Of a linear model's logit: what is deleted first is what adds most."""
    ranking = vx.trust.rank(Linear(), images(), torch.zeros(24).long(), explained="label")
    exact = ranking.score("input_x_gradient")
    for score in ranking.scores:
        assert (exact.deletion <= score.deletion + 1e-6).all(), score.method
        assert (exact.insertion >= score.insertion - 1e-6).all(), score.method


def test_chance_can_win_and_then_it_is_said() -> None:
    """A model that looks at nothing: no method can say more than chance."""

    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            return (0 * x.mean((1, 2, 3)) * self.weight)[:, None] + torch.tensor([1.0, 0.0])

    ranking = vx.trust.rank(Blind(), images(), methods=["saliency", "input_x_gradient", "occlusion"])
    assert ranking.sentence == "Random wins: over 24 images no method is clearly better than a random map."
    assert all(score.verdict == "level" for score in ranking.scores)


def test_each_method_is_held_against_a_random_map_as_fine_as_itself() -> None:
    ranking = vx.trust.rank(make("class token"), pictures("class token", 8), methods=["attention", "saliency"])
    assert {score.method for score in ranking.scores} == {"attention", "saliency", *CHANCE}
    for name, chance in (("attention", "random"), ("saliency", "random_pixels")):
        score, lot = ranking.score(name), ranking.score(chance)
        apart = (score.insertion - score.deletion) - (lot.insertion - lot.deletion)
        np.testing.assert_allclose(score.beside_chance, apart)
        assert score.gain == pytest.approx(score.apart - lot.apart)
    assert not ranking.score("random").beside_chance.any()


def test_the_curves_are_those_of_faithfulness() -> None:
    net, batch = make("class token"), pictures("class token", 3)
    ranking = vx.trust.rank(net, batch, methods=["relevance"])
    heat = vx.explain.relevance(net, batch)
    single = [vx.explain.faithfulness(net, batch[i], heat[i]) for i in range(3)]
    score = ranking.score("relevance")
    np.testing.assert_allclose(score.deletion, [one.deletion_auc for one in single], atol=1e-5)
    np.testing.assert_allclose(score.insertion, [one.insertion_auc for one in single], atol=1e-5)
    np.testing.assert_allclose(score.deletion_curve, np.mean([one.deletion for one in single], axis=0), atol=1e-5)


def test_the_interval_is_students_t() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 40)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(mean_interval(values), expected)
    assert mean_interval(values[:1]) == (-np.inf, np.inf)


def test_masks_give_the_share_on_the_object_and_the_pointing_game() -> None:
    batch, masks = images(4), np.zeros((4, SIDE, SIDE), bool)
    masks[:, :8] = True
    net = Linear()
    with torch.no_grad():
        net.weights.view(3, SIDE, SIDE)[:, 8:] = 0  # it looks at the upper half alone
    labels = torch.zeros(4).long()
    ranking = vx.trust.rank(net, batch, labels, ["saliency", "occlusion"], masks=masks, explained="label")
    assert ranking.object_share == 0.5
    seen = ranking.score("saliency")
    assert seen.on_object == pytest.approx(np.ones(4))
    assert seen.pointing.all()
    assert ranking.score("random_pixels").on_object == pytest.approx(np.full(4, 0.5), abs=0.08)


def test_a_map_of_shuffled_weights_is_unlike_unless_the_method_ignores_the_weights() -> None:
    net, batch = make("class token"), pictures("class token", 6)
    ranking = vx.trust.rank(net, batch, methods=["relevance"], sanity_images=4)
    assert ranking.sanity_images == 4
    assert len(ranking.score("relevance").likeness) == 4
    assert vx.trust.rank(net, batch, methods=["relevance"], sanity_images=0).score("relevance").likeness.size == 0


def test_shuffling_keeps_each_weights_numbers_and_the_model_as_it_was() -> None:
    net = make("class token")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    twin = shuffled(net, 0)
    moved = 0
    for name, value in twin.named_parameters():
        assert torch.equal(value.flatten().sort().values, before[name].flatten().sort().values)
        moved += not torch.equal(value, before[name])
    assert moved > 10
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_likeness_is_spearmans_rank_correlation() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, (6, 6)), rng.integers(0, 9, (6, 6))
    assert likeness(one, other) == pytest.approx(stats.spearmanr(one.ravel(), other.ravel()).statistic)
    assert likeness(one, 3 * one + 1) == pytest.approx(1)
    assert np.isnan(likeness(one, np.ones((6, 6))))


def test_progress_is_told_and_never_falls() -> None:
    from vit_explore.trust.ranking import rank_steps

    *told, result = rank_steps(Linear(), images(CHUNK + 4), methods=["saliency"])
    assert isinstance(result, Ranking)
    assert result.images == CHUNK + 4
    shares = [step.share for step in told if isinstance(step, Progress)]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 1
    assert "Saliency: images 17 to 20" in [step.words for step in told if isinstance(step, Progress)]


def test_what_fits_is_asked_and_nothing_else() -> None:
    vit, cnn = make("ours"), make("our resnet")
    on_vit, on_cnn = methods_for(vit, pictures("ours")), methods_for(cnn, pictures("our resnet"))
    assert {"attention", "rollout", "relevance"} <= set(on_vit)
    assert not {"attention", "rollout", "relevance"} & set(on_cnn)
    assert {"deep_lift", "guided_backprop"} <= set(on_cnn) - set(on_vit)
    assert set(CHANCE) <= set(on_vit) & set(on_cnn)


@pytest.mark.parametrize("kind", ["ours", "ours, pooled, registers, sincos", "distilled", "torchvision", "our resnet"])
def test_every_method_gives_a_map_that_fits_the_picture(kind: str) -> None:
    net, batch = make(kind), pictures(kind, 2)
    ranking = vx.trust.rank(net, batch, torch.tensor([0, 1]), steps=4, sanity_images=1)
    assert {score.method for score in ranking.scores} == set(methods_for(net, batch))
    assert ranking.accuracy in (0.0, 0.5, 1.0)
    for score in ranking.scores:
        assert np.isfinite(score.deletion).all()
        assert score.title == heat_methods.get(score.method).title
    assert ranking.sentence == "2 images can tell no method from chance; ask over more."


def test_in_bf16_the_areas_are_the_same_to_rounding_and_the_maps_exactly() -> None:
    net, batch = make("class token"), pictures("class token", 4)
    exact, fast = (vx.trust.rank(net, batch, methods=["saliency"], precision=one) for one in ("fp32", "bf16"))
    assert (exact.precision, fast.precision) == ("fp32", "bf16")
    one, other = exact.score("saliency"), fast.score("saliency")
    assert np.array_equal(one.first, other.first)
    assert not np.array_equal(one.deletion, other.deletion)
    np.testing.assert_allclose(other.deletion, one.deletion, atol=2**-7)  # of a probability: bf16 has 8 bits
    np.testing.assert_allclose(other.insertion, one.insertion, atol=2**-7)
    assert all(block.attn.fused_attn for block in net.blocks)  # the explicit attention of these passes is put back


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists(),
    reason="the flags of an x86 processor are read from Linux",
)
def test_auto_takes_bf16_only_of_a_processor_that_multiplies_in_it() -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    native = bool(flags & {"avx512_bf16", "amx_bf16"})
    ranking = vx.trust.rank(Linear(), images(2), methods=["saliency"], precision="auto", sanity_images=0)
    assert ranking.precision == ("bf16" if native else "fp32")


def test_a_mistake_is_one_sentence() -> None:
    net = Linear()
    with pytest.raises(BadConfig, match="precision = 'fp16' is not possible; choose auto, fp32, bf16"):
        vx.trust.rank(net, images(4), precision="fp16")
    with pytest.raises(UnknownName, match=r"no heatmap method named 'salience'.*did you mean 'saliency'"):
        vx.trust.rank(net, images(4), methods=["salience"])
    with pytest.raises(NotApplicable, match="Attention rollout does not fit this Linear; choose of"):
        vx.trust.rank(net, images(4), methods=["rollout"])
    with pytest.raises(BadConfig, match=r"labels have shape \(3,\)"):
        vx.trust.rank(net, images(4), [0, 1, 0])
    with pytest.raises(BadConfig, match="masks have shape"):
        vx.trust.rank(net, images(4), masks=np.zeros((4, 8, 8), bool))
    with pytest.raises(BadConfig, match="explained = 'truth'"):
        vx.trust.rank(net, images(4), explained="truth")
    with pytest.raises(BadConfig, match="needs the labels"):
        vx.trust.rank(net, images(4), explained="label")
