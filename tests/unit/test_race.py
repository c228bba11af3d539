"""The race: other seeds of a side, the band that they draw, and the verdict with what chance alone would do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import run_tools

from vit_explore.runs.store import RunStore
from vit_explore.training.events import Changed
from vit_explore.ui.kit.text import told_apart
from vit_explore.ui.pages.versus import comparison, pair, sides
from vit_explore.ui.pages.versus.sides import Side
from vit_explore.ui.pages.versus.verdict import SEED_NOISE, Score, judge

KINDS = ("vit", "resnet-slim")


@pytest.fixture
def store(home: object) -> RunStore:
    return RunStore()


def queue(store: RunStore, **changes: object) -> str:
    return store.create(run_tools.tiny_config(**changes))


def side(store: RunStore, *runs: str) -> Side:
    return Side("ViT", tuple(store.get(run) for run in runs))


def test_other_seeds_are_runs_that_differ_in_the_training_seed_alone(store: RunStore) -> None:
    run = queue(store, seed=4)
    older, newer, ninth = queue(store, seed=5), queue(store, seed=5, name="newer"), queue(store, seed=9)
    for change in ({"seed": 4}, {"seed": 5, "lr": 0.5}, {"seed": 5, "model": "resnet18"}, {"seed": 5, "data_seed": 3}):
        queue(store, **change)
    found = sides.other_seeds(store.get(run), store.list(), store)
    assert [record.id for record in found] == [newer, ninth]
    assert older not in [record.id for record in found]


def test_names_that_are_alike_are_told_apart() -> None:
    assert told_apart({"a": "test", "b": "other", "c": "test"}) == {"a": "test", "b": "other", "c": "test · 2"}
    assert told_apart({1: "crane", 2: "crane"}, marks={1: "134", 2: "517"}) == {1: "crane", 2: "crane · 517"}


def test_a_run_that_was_stopped_is_no_other_seed(store: RunStore) -> None:
    run, stopped = queue(store, seed=0), queue(store, seed=1)
    store.request_stop(stopped)
    assert sides.other_seeds(store.get(run), store.list(), store) == []


def test_more_seeds_are_queued_in_turn_and_only_those_that_are_missing(store: RunStore) -> None:
    vit, resnet = queue(store, seed=7), queue(store, seed=7, model="resnet-slim")
    again = queue(store, seed=8)
    both = [side(store, vit, again), side(store, resnet)]
    assert sides.missing(both) == 3
    queued = [store.get(run) for run in sides.start_seeds(store, both)]
    assert [(r.config.model.architecture, r.config.train.seed) for r in queued] == [
        ("vit", 9),
        ("resnet-slim", 8),
        ("resnet-slim", 9),
    ]
    assert {record.parent for record in queued} == {vit, resnet}
    assert len({record.group for record in queued}) == 1
    records = store.list()
    found = [Side("", (store.get(run), *sides.other_seeds(store.get(run), records, store))) for run in (vit, resnet)]
    assert sides.missing(found) == 0


def test_a_seed_that_is_taken_is_not_trained_again(store: RunStore) -> None:
    vit, resnet = queue(store, seed=0), queue(store, seed=0, model="resnet-slim")
    both = [side(store, vit, queue(store, seed=2)), side(store, resnet)]
    queued = [store.get(run).settings() for run in sides.start_seeds(store, both)]
    assert [(config.model.architecture, config.train.seed) for config in queued] == [
        ("vit", 1),
        ("resnet-slim", 1),
        ("resnet-slim", 2),
    ]


def test_a_run_that_was_changed_by_hand_is_no_other_seed(store: RunStore) -> None:
    run, touched = queue(store, seed=0), queue(store, seed=1)
    store.record(touched, run_tools.started())
    store.record(touched, Changed(2, 0.1, 0.5, 0.05, "flip"))
    assert sides.other_seeds(store.get(run), store.list(), store) == []


def test_a_band_is_the_mean_and_the_ends_of_curves_with_other_looks() -> None:
    rising = np.array([0.0, 10.0, 20.0]), np.array([0.0, 0.5, 1.0])
    flat = np.array([1.0, 5.0, 18.0]), np.array([0.4, 0.4, 0.4])
    x, mean, low, high = sides.band([rising, flat])
    assert x.tolist() == [1.0, 10.0, 18.0]  # where both are known
    np.testing.assert_allclose(mean, [(0.05 + 0.4) / 2, 0.45, (0.9 + 0.4) / 2])
    np.testing.assert_allclose(low, [0.05, 0.4, 0.4])
    np.testing.assert_allclose(high, [0.4, 0.5, 0.9])


def score(title: str, *top1: float, predictions: np.ndarray | None = None) -> Score:
    return Score(title, top1, np.zeros(10_000, np.int64) if predictions is None else predictions)


def answers(share_that_differs: float, n: int = 10_000) -> np.ndarray:
    out = np.zeros(n, np.int64)
    out[: round(share_that_differs * n)] = 1
    return out


def test_the_better_one_wins_where_chance_cannot_explain_it() -> None:
    verdict = judge(score("ViT", 0.70), score("ResNet", 0.78, predictions=answers(0.2)))
    assert verdict.is_decided
    assert verdict.headline == "ResNet wins by 8.0 points"
    assert verdict.evidence.startswith("78.0 % against 70.0 % on 10,000 test images. With one seed each, up to ")
    # two seeds, and 2,000 images with two answers: 1.96 * sqrt(2 * 0.5² + 100² * 2000 / 10000²) points
    assert verdict.noise == pytest.approx(1.96 * math.sqrt(2 * SEED_NOISE**2 + 2000 / 10_000**2))


def test_a_small_difference_is_too_close_to_call() -> None:
    verdict = judge(score("ViT", 0.781), score("ResNet", 0.780, predictions=answers(0.2)))
    assert not verdict.is_decided
    assert verdict.headline == "Too close to call: ViT is 0.1 points ahead"


def test_few_test_images_leave_more_to_chance() -> None:
    few = judge(score("a", 0.8, predictions=answers(0, 100)), score("b", 0.7, predictions=answers(0.3, 100)))
    many = judge(score("a", 0.8, predictions=answers(0)), score("b", 0.7, predictions=answers(0.3)))
    assert few.noise > 5 * many.noise
    assert many.is_decided
    assert not few.is_decided


def test_one_seed_against_three_says_so_and_so_do_two_sizes_of_tests() -> None:
    verdict = judge(score("a", 0.7, 0.71, 0.7), score("b", 0.7, predictions=answers(0, 100)))
    assert "With one seed on one side" in verdict.evidence
    assert "on 100 and 10,000 test images" in verdict.evidence


def test_three_seeds_speak_for_themselves() -> None:
    same = np.zeros(10_000, np.int64)
    apart = judge(score("a", 0.80, 0.81, 0.80, predictions=same), score("b", 0.70, 0.70, 0.71, predictions=same))
    assert apart.is_decided
    assert "81.0 %) against" in apart.evidence
    assert "By the spread of these seeds" in apart.evidence
    mixed = judge(score("a", 0.70, 0.80, 0.90, predictions=same), score("b", 0.65, 0.75, 0.85, predictions=same))
    assert not mixed.is_decided
    # Student's t with 4 degrees of freedom; each side varies by 10 points
    assert mixed.noise == pytest.approx(2.776 * 0.1 * math.sqrt(2 / 3), rel=1e-3)


def test_tests_of_two_sizes_are_judged_as_two_samples() -> None:
    verdict = judge(score("a", 0.5, predictions=answers(0, 400)), score("b", 0.5, predictions=answers(0, 100)))
    assert verdict.noise == pytest.approx(1.96 * math.sqrt(2 * SEED_NOISE**2 + 0.25 / 400 + 0.25 / 100))


def test_what_a_stopped_race_leaves_behind_is_not_shown_before_a_finished_one(store: RunStore) -> None:
    vit, resnet = (store.create(run_tools.tiny_config(model=name), run_tools.me(), group="race") for name in KINDS)
    for run in (vit, resnet):
        store.record_all(run, [run_tools.started(), run_tools.finished(2)])
    for name in KINDS:
        store.request_stop(queue(store, model=name, seed=1))
    chosen = comparison.latest_pair(pair.telling(pair.comparable(store)))
    assert chosen == (vit, resnet)
