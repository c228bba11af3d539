"""The baselines on frozen features, held to scikit-learn's."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, f1_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from vit_explore import cli, tuning
from vit_explore.config import DataConfig
from vit_explore.tuning.baselines import (
    Features,
    best,
    logistic_regression,
    nearest_mean,
    nearest_neighbours,
    untrained_heads,
)

CLASSES = 4


def clouds(n: int, seed: int) -> Features:
    """Four overlapping clouds in eight dimensions, some of which hardly vary."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(CLASSES, 8))
    y = rng.integers(0, CLASSES, n)
    x = (centres[y] + rng.normal(size=(n, 8))) * [1, 5, 0.1, 1, 1, 3, 1, 1] + 2
    return Features(torch.tensor(x, dtype=torch.float32), torch.tensor(y))


TRAIN, TEST = clouds(300, 1), clouds(200, 2)


def directions(x: torch.Tensor) -> np.ndarray:
    return (x / x.norm(dim=1, keepdim=True)).numpy()


def test_the_nearest_mean_is_sklearns() -> None:
    theirs = NearestCentroid().fit(directions(TRAIN.x), TRAIN.y).predict(directions(TEST.x))
    assert (nearest_mean(TRAIN, TEST.x, CLASSES) == theirs).all()


def test_the_nearest_neighbours_are_sklearns() -> None:
    counts = (1, 2, 5, 20)
    for k, said in zip(counts, nearest_neighbours(TRAIN, TEST.x, CLASSES, counts), strict=True):
        theirs = KNeighborsClassifier(k).fit(directions(TRAIN.x), TRAIN.y).predict(directions(TEST.x))
        assert (said == theirs).all(), k


def test_the_linear_head_is_sklearns_logistic_regression() -> None:
    mean, std = TRAIN.x.mean(0), TRAIN.x.std(0)
    penalties = (1e-1, 1e-3)
    for penalty, head in zip(penalties, logistic_regression(TRAIN, CLASSES, penalties), strict=True):
        theirs = LogisticRegression(C=1 / (penalty * len(TRAIN.y)), tol=1e-8, max_iter=1000)
        theirs.fit(((TRAIN.x - mean) / std).numpy(), TRAIN.y)
        probs = theirs.predict_proba(((TEST.x - mean) / std).numpy())
        np.testing.assert_allclose(head(TEST.x).softmax(1).numpy(), probs, atol=2e-3)


def test_an_untrained_head_is_at_chance() -> None:
    confusion = untrained_heads(clouds(4000, 3), CLASSES, count=40)
    assert confusion.sum() == 40 * 4000
    assert abs(confusion.trace() / confusion.sum() - 1 / CLASSES) < 0.08


def test_the_first_of_the_best_is_chosen() -> None:
    truth = torch.tensor([0, 1, 1])
    assert best(iter([np.array([1, 1, 0]), np.array([0, 1, 0]), np.array([0, 0, 1])]), truth) == (1, 2 / 3)


def drained(steps: object) -> tuple[list[tuple[str, float]], tuning.Probed]:
    said = []
    while True:
        try:
            said.append(next(steps))  # type: ignore[call-overload]
        except StopIteration as end:
            return said, end.value


def test_a_probe_tells_what_it_does_and_its_second_go_needs_no_features() -> None:
    data = DataConfig(dataset="shapes", classes=("disc", "star", "arrow"), per_class=20)
    said, found = drained(tuning.probe("bundled:vit-shapes", data, "cpu"))
    shares = [share for _, share in said]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] < 1
    assert any(words.startswith("Features of") for words, _ in said)
    assert [row.name for row in found.rows] == ["untrained", "mean", "neighbours", "linear"]
    assert found.rows[3].top1 > 0.6 > found.rows[0].top1  # it was trained on these
    again, same = drained(tuning.probe("bundled:vit-shapes", data, "cpu"))
    assert not any(words.startswith("Features of") for words, _ in again)
    assert [row.confusion.tolist() for row in same.rows] == [row.confusion.tolist() for row in found.rows]


def test_accuracy_and_f1_of_a_row_are_sklearns() -> None:
    said = nearest_mean(TRAIN, TEST.x, CLASSES)
    row = tuning.Baseline("mean", "", "", confusion_matrix(TEST.y, said), 0.0)
    assert row.top1 == pytest.approx((said == TEST.y.numpy()).mean())
    assert row.macro_f1 == pytest.approx(f1_score(TEST.y, said, average="macro"))


def test_the_command_prints_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["probe", "bundled:vit-shapes", "--dataset", "shapes", "--classes", "disc,star", "--per-class", "8"]
    assert cli.main([*asked, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "16 training, 4 validation" in out
    assert "Nearest class mean" in out
    assert cli.main([*asked, "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["width"], found["classes"]) == (96, ["disc", "star"])
    assert {row["name"] for row in found["rows"]} == {"untrained", "mean", "neighbours", "linear"}


@pytest.mark.parametrize("flag", ["--input-size", "--image-size"])
def test_a_probe_takes_any_size_that_its_model_takes(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["probe", "timm:test_resnet@random", "--dataset", "shapes", "--classes", "disc,star", "--per-class", "4"]
    assert cli.main([*asked, "--device", "cpu", "--json", flag, "42"]) == 0  # which a ViT of patches of 4 px does not
    assert json.loads(capsys.readouterr().out)["image_size"] == 42


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["probe", "bundled:nothing"], "No bundled model"),
        (["probe", "vit"], "is no model reference"),
        (["probe", "missing.safetensors"], "There is no file missing.safetensors"),
        (["probe", "bundled:vit-shapes", "--dataset", "folder"], "needs a path"),
        (["probe", "bundled:vit-shapes", "--dataset", "shapes", "--classes", "disc,dog"], "has no class 'dog'"),
    ],
)
def test_a_mistake_is_one_sentence(asked: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(asked) == 2
    err = capsys.readouterr().err.strip()
    assert said in err
    assert err.splitlines()[-1].startswith("error: ")
