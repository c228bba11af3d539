"""Each symptom on curves that have it, and on healthy ones that have not: recorded block by block from real runs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from run_tools import evaluated, finished, me, snapshot, started, step, tiny_config

from vit_explore.cli import main
from vit_explore.config import RunConfig, TrainConfig
from vit_explore.diagnosis import Evidence, Finding, Inside, Look, Repair, Severity, diagnose, repairs, symptoms
from vit_explore.diagnosis.evidence import evidence_of
from vit_explore.presets import presets
from vit_explore.runs.store import RunStore
from vit_explore.training import failures
from vit_explore.training.events import Changed, Paused

MINUTE = presets.get("minute").config
# Real runs on two cores: mean and standard deviation of the loss in each twelfth of the budget.
HEALTHY = ([1.21, 1.12, 1.09, 1.09, 1.02, 0.99, 0.98, 0.95, 0.93, 0.93, 0.92, 0.92], 0.08)  # minute, 4 classes
SHAPES = ([2.32, 2.32, 2.31, 2.30, 2.27, 2.26, 2.21, 2.19, 2.16, 2.13, 2.14, 2.11], 0.04)  # shapes, 10 classes
TINY_LR = ([1.39, 1.43, 1.40, 1.41, 1.41, 1.42, 1.39, 1.38, 1.40, 1.38, 1.40, 1.40], 0.02)  # lr 1e-7
HUGE_LR = ([8714, 7608, 5887, 2604, 512, 192, 133, 132, 131, 116, 116, 102], 5.0)  # lr 10
LARGE_LR = ([1.60, 1.42, 1.68, 2.03, 2.10, 2.15], 0.10)  # lr 0.3, the first half of the budget
SINGLE = ([1.30, 1.30, 1.40, 1.55, 1.49, 1.20, 1.45, 1.40, 1.24, 1.41, 1.34, 1.18], 0.85)  # batches of one image
HEALTHY_LOOKS = [(0.21, 0.23), (0.55, 0.57), (0.60, 0.62), (0.67, 0.68), (0.69, 0.69)]
BY_HEART = [(0.10, 0.19), (0.45, 0.69), (0.40, 0.96), (0.40, 1.00)]  # 160 images, no augmentation


def curve(recorded: tuple[list[float], float], of: int = 12, per_block: int = 40) -> dict[str, np.ndarray]:
    """A loss with these block means and this spread; `of` blocks are the whole budget."""
    means, spread = recorded
    n = len(means) * per_block
    noise = np.random.default_rng(0).normal(0, spread, n)
    return {"progress": (1 + np.arange(n)) / (of * per_block), "loss": np.repeat(means, per_block) + noise}


def evidence(recorded: tuple[list[float], float] = HEALTHY, config: RunConfig = MINUTE, **known: Any) -> Evidence:
    values = {"classes": 4, "steps": 480, **curve(recorded), **known}
    return Evidence(config, **values)


def looks(values: list[tuple[float, float]], images: int = 1000) -> tuple[Look, ...]:
    return tuple(Look((i + 1) / len(values), train, val, images, images) for i, (val, train) in enumerate(values))


def inside(nearness: float = 0.3, entropy: float = 0.96, share: float = 0.02, at: int = 1389) -> Inside:
    return Inside(at, nearness, 96**-0.5, np.full((4, 4), entropy), np.full((4, 4), share))


def names(evidence: Evidence) -> list[str]:
    return [finding.name for finding in diagnose(evidence)]


def only(evidence: Evidence) -> Finding:
    (finding,) = diagnose(evidence)
    return finding


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.38, 0.42, 0.5, 0.75, 1.0])
def test_healthy_runs_are_left_alone_at_any_time(share: float) -> None:
    for recorded, classes in ((HEALTHY, 4), (SHAPES, 10)):
        whole = curve(recorded, per_block=110)
        n = round(share * len(whole["loss"]))
        seen = {name: values[:n] for name, values in whole.items()}
        assert (
            names(evidence(config=MINUTE, classes=classes, inside=inside(), looks=looks(HEALTHY_LOOKS), **seen)) == []
        )


def test_a_loss_that_stays_at_guessing_is_flat_and_a_tiny_rate_is_raised() -> None:
    config = MINUTE.update(lr=1e-7)
    finding = only(evidence(TINY_LR, config))
    assert finding.name == "flat"
    assert finding.severity is Severity.BROKEN
    assert "ln 4 = 1.39 is guessing" in finding.sentence
    assert "% of the budget" in finding.sentence
    assert finding.repair.changes == {"lr": 1e-3}
    assert only(evidence(TINY_LR, MINUTE.update(lr=5e-4))).repair.changes == {"lr": 2.5e-3}
    gentle = only(evidence(TINY_LR, MINUTE.update(lr=0.05))).repair.changes
    assert gentle == {"lr": 0.005, "warmup_fraction": 0.2}
    early = curve(TINY_LR)
    assert names(evidence(config=config, progress=early["progress"][:160], loss=early["loss"][:160])) == []


def test_a_flat_loss_waits_after_a_hand_on_the_settings() -> None:
    assert names(evidence(TINY_LR, touched=0.7)) == []


def test_a_loss_that_rises_or_lies_above_guessing_grows() -> None:
    config = MINUTE.update(lr=0.3, low_res_fraction=0)
    finding = next(f for f in diagnose(evidence(LARGE_LR, config, **curve(LARGE_LR))) if f.name == "grows")
    assert re_numbers(finding.sentence)[0] < re_numbers(finding.sentence)[1]
    assert finding.repair.changes["lr"] == pytest.approx(0.03)
    huge = next(f for f in diagnose(evidence(HUGE_LR, MINUTE.update(lr=10, grad_clip=0))) if f.name == "grows")
    assert "worse than guessing" in huge.sentence
    assert huge.repair.changes == {"lr": 1.0, "warmup_fraction": 0.2, "grad_clip": 1.0}


def re_numbers(text: str) -> list[float]:
    return [float(word.strip(",.")) for word in text.split() if word.strip(",.").replace(".", "", 1).isdigit()]


def test_the_step_at_the_full_size_of_the_images_is_no_growth() -> None:
    jump = ([1.2, 0.9, 0.7, 0.6, 0.55, 1.1, 1.0, 0.9], 0.05)
    assert names(evidence(jump, MINUTE, **curve(jump))) == []
    assert "grows" in names(evidence(jump, MINUTE.update(low_res_fraction=0), **curve(([0.55, 0.55, 1.1, 1.1], 0.05))))


def test_a_loss_that_is_no_number_any_more_says_why() -> None:
    sentence = failures.not_finite(7, math.nan, 3.0)
    finding = only(evidence(progress=np.array([0.01]), loss=np.array([1.4]), failure=sentence))
    assert finding.name == "grows"
    assert sentence in finding.evidence
    assert failures.is_not_finite(sentence)
    assert not failures.is_not_finite(failures.out_of_memory("cpu", 64, 8))
    assert not failures.is_not_finite(None)


def test_a_loss_of_single_images_swings_and_wants_batches() -> None:
    finding = only(evidence(SINGLE, MINUTE.update(batch_size=1)))
    assert finding.name == "swings"
    assert finding.repair.changes == {"batch_size": 64}
    wide = only(evidence(SINGLE, MINUTE))
    assert wide.repair.changes["lr"] == pytest.approx(2e-4)


def test_accuracies_that_part_want_variety_then_decay() -> None:
    config = MINUTE.update(augment="none", weight_decay=0.0)
    finding = only(evidence(config=config, looks=looks(BY_HEART, 160)))
    assert finding.name == "parts"
    assert "100 %" in finding.sentence
    assert "40 %" in finding.sentence
    assert finding.repair.changes == {"augment": "flip+crop", "weight_decay": 0.1}
    full = config.update(augment="flip+crop", weight_decay=0.2)
    assert only(evidence(config=full, looks=looks(BY_HEART, 160))).repair.changes == {
        "weight_decay": pytest.approx(0.6)
    }
    few = only(evidence(config=full.update(per_class=40), looks=looks(BY_HEART, 160)))
    assert few.repair.changes == {"per_class": None}
    assert names(evidence(looks=looks([(0.5, 0.7), (0.5, 0.7)], 30))) == [], "thirty images prove nothing"
    assert names(evidence(looks=looks([*HEALTHY_LOOKS, (0.5, 0.9)]))) == [], "one look is chance"


def test_both_low_at_the_end_is_too_little_learned() -> None:
    low = looks([(0.2, 0.2), (0.43, 0.44)])
    finding = only(evidence(looks=low))
    assert finding.name == "short"
    assert finding.severity is Severity.HINT
    assert finding.repair.changes == {"seconds": 180}
    half = {name: values[:240] for name, values in curve(HEALTHY).items()}
    assert names(evidence(looks=low, **half)) == [], "it may still learn"
    epochs = RunConfig(train=TrainConfig(epochs=2))
    assert only(evidence(config=epochs, looks=low)).repair.changes == {"epochs": 6}


def test_heads_that_stay_uniform_or_see_one_token() -> None:
    assert names(evidence(inside=inside(entropy=0.999))) == ["heads"]
    assert names(evidence(inside=inside(entropy=0.999, at=250))) == [], "healthy runs are uniform after 250 steps"
    assert names(evidence(inside=inside(entropy=0.99))) == []
    finding = only(evidence(inside=inside(entropy=0.1, share=0.95)))
    assert finding.name == "heads"
    assert "one token" in finding.sentence
    assert names(evidence(inside=inside(share=0.2))) == [], "bundled models have up to 0.17"


def test_tiles_that_stay_noise_and_a_model_without_any() -> None:
    finding = only(evidence(inside=inside(nearness=-0.07)))
    assert finding.name == "tiles"
    assert "-0.07" in finding.sentence
    assert names(evidence(inside=inside(nearness=-0.07), steps=200)) == []
    assert names(evidence(config=MINUTE.update(pos_embed="sincos2d"), inside=inside(nearness=-0.07))) == []
    blind = only(evidence(config=presets.get("no-position").config))
    assert blind.repair.changes == {"pos_embed": "learned"}
    assert names(evidence(config=MINUTE.update(model="resnet18"))) == []


def test_the_most_severe_comes_first_and_every_repair_is_a_possible_run() -> None:
    sick = evidence(
        TINY_LR, MINUTE.update(lr=1e-7, augment="none"), looks=looks(BY_HEART, 160), inside=inside(nearness=0.0)
    )
    found = diagnose(sick)
    assert [finding.severity for finding in found] == sorted((f.severity for f in found), reverse=True)
    assert len(found) == 3
    for finding in found:
        assert sick.config.update(**finding.repair.changes) != sick.config
        assert finding.sentence.endswith(".")
        assert finding.evidence


def test_every_symptom_was_tested_here() -> None:
    assert set(symptoms.names()) == {"flat", "grows", "heads", "parts", "short", "swings", "tiles"}


# ---------------------------------------------------------------------- from the store


def sick_run(store: RunStore) -> str:
    """A finished run whose loss never left ln 3, and whose accuracies part."""
    run = store.create(tiny_config(epochs=6, lr=1e-7), claimant := me())
    noise = np.random.default_rng(0).normal(0, 0.005, 97)
    events = [started(), *(step(i, 1.1 + noise[i]) for i in range(1, 97))]
    for at in (48, 96):
        many = {"confusion": np.full((3, 3), 100)}
        events += [
            dataclasses.replace(evaluated(at, "val", 0.3), **many),
            dataclasses.replace(evaluated(at, "train", 0.9), **many),
        ]
    store.record_all(run, [*events, snapshot(96), finished(96)], claimant.worker)
    return run


def test_the_evidence_of_a_stored_run(home: Any) -> None:
    store = RunStore()
    known = evidence_of(store, sick_run(store))
    assert known.now == pytest.approx(1.0)
    assert known.classes == 3
    assert len(known.loss) == 96
    assert [(look.train, look.val, look.val_images) for look in known.looks] == [(0.9, 0.3, 900)] * 2
    assert [finding.name for finding in diagnose(known)] == ["flat", "parts"]


def test_the_evidence_knows_when_a_hand_was_on_the_settings(home: Any) -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(epochs=6), claimant)
    touch = [Changed(48, 4.8, 0.5, 0.05, "flip"), Paused(90, 9.0, 3.0)]
    store.record_all(run, [started(), *(step(i) for i in range(1, 97)), *touch], claimant.worker)
    assert evidence_of(store, run).touched == pytest.approx(0.5, abs=0.02)


def test_the_command_line_diagnoses(
    home: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vit_explore.diagnosis.weights.look_at", lambda *_: None)  # its snapshot is no model's
    run = sick_run(RunStore())
    assert main(["runs", "diagnose", run]) == 0
    said = capsys.readouterr().out
    assert "broken: The loss has not fallen" in said
    assert "Repair: Train anew with lr 0.001 (lr=0.001)." in said
    assert main(["runs", "diagnose", run, "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["flat", "parts"]
    assert main(["runs", "diagnose", "none"]) == 2


@pytest.mark.parametrize(
    ("repair", "settings", "changes"),
    [
        (repairs.longer, {"seconds": 60.0}, {"seconds": 180.0}),
        (repairs.longer, {"seconds": 500_000.0}, {"seconds": 604_800.0}),
        (repairs.longer, {"seconds": 604_800.0}, None),
        (repairs.longer, {"epochs": 4000.0}, {"epochs": 10_000.0}),
        (repairs.longer, {"epochs": 10_000.0}, None),
        (repairs.bolder, {"lr": 5.0}, {"lr": 10.0}),
        (repairs.bolder, {"lr": 10.0}, None),
    ],
)
def test_a_repair_stays_within_bounds_and_changes_something(
    repair: Callable[[RunConfig], Repair | None], settings: dict[str, float], changes: dict[str, float] | None
) -> None:
    found = repair(MINUTE.update(**settings))
    assert (found and found.changes) == changes
    assert found is None or MINUTE.update(**found.changes)


def test_a_finding_without_a_repair_is_told_without_one(
    home: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vit_explore.diagnosis.weights.look_at", lambda *_: None)
    monkeypatch.setattr(repairs, "bolder", lambda _: None)
    monkeypatch.setattr(repairs, "gentler", lambda _: None)
    run = sick_run(RunStore())
    assert main(["runs", "diagnose", run]) == 0
    assert "with lr" not in capsys.readouterr().out
    assert main(["runs", "diagnose", run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["repair"] is None


def test_a_run_without_a_step_is_not_called_healthy(home: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunStore().create(tiny_config())
    assert main(["runs", "diagnose", run]) == 2
    assert "has taken no step yet" in capsys.readouterr().err
    assert main(["runs", "show", run]) == 0
    assert "parameters" not in capsys.readouterr().out
