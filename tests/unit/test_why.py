"""The lab "Why 14.81 %?": its net against torch's own, its grid, and a verdict that can go either way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import vit_explore as vx
from vit_explore.errors import NotApplicable
from vit_explore.labs import why
from vit_explore.models import create_model, summarise
from vit_explore.sweeps.grids.why import BROKEN, CAUSES, NOTHING, REPAIRED, REPORT, SOUND
from vit_explore.sweeps.results import Result

NAMES = [cause.name for cause in why.TOLD]


def net(**changes: Any) -> nn.Module:
    torch.manual_seed(0)
    config = vx.ModelConfig(architecture="report-vit", patch_size=16, width=32, depth=2, num_heads=4, **changes)
    return create_model(config).eval()


def images(count: int = 5) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


# ---------------------------------------------------------------------- the net


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("pool", ["cls", "avg"])
def test_an_image_is_answered_alone_when_its_tokens_attend_to_each_other(norm: str, pool: str) -> None:
    model, x = net(norm=norm, pool=pool), images()
    assert torch.allclose(model(x)[:2], model(x[:2]), atol=1e-5)


def test_across_the_batch_the_answer_depends_on_the_other_images() -> None:
    model, x = net(attend_over="batch", pool="avg"), images()
    assert not torch.allclose(model(x)[:2], model(x[:2]), atol=1e-3)


def test_across_the_batch_a_class_token_sees_no_image() -> None:
    logits = net(attend_over="batch")(images())
    assert torch.allclose(logits, logits[:1].expand_as(logits), atol=1e-6)
    logits = net()(images())
    assert not torch.allclose(logits, logits[:1].expand_as(logits), atol=1e-3)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_over_the_tokens_it_is_torchs_encoder_told_of_the_batch(norm: str) -> None:
    model, x = net(norm=norm, pool="avg"), images()
    layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True, norm_first=norm == "pre")
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    encoder.layers.load_state_dict(model.blocks.state_dict())
    tokens = encoder(model.patch_embed(x) + model.pos_embed)
    assert torch.allclose(model.head(model.norm(tokens).mean(1)), model(x), atol=1e-5)


def test_it_has_the_parameters_and_flops_of_the_papers_vit() -> None:
    sizes = {"patch_size": 16, "width": 256, "depth": 4, "num_heads": 4, "mlp_ratio": 4.0}
    report, vit = (summarise(vx.ModelConfig(architecture=name, **sizes)) for name in ("report-vit", "vit"))
    assert report == vit  # which is held to timm's


@pytest.mark.parametrize("changes", [{}, {"pool": "avg"}, {"norm": "post"}, {"attend_over": "batch", "pool": "avg"}])
def test_the_pages_that_its_card_offers_fit_it(changes: dict[str, Any]) -> None:
    model = net(**changes)
    assert vx.explain.position_similarity(model).values.shape == (2, 2, 2, 2)
    assert vx.explain.filter_components(model, k=4).images.shape == (4, 16, 16, 3)
    assert vx.explain.grad_cam(model, images(1)).shape == (1, 32, 32)
    with pytest.raises(NotApplicable, match="attention layer"):
        vx.explain.attention_maps(model, images(2))


# ---------------------------------------------------------------------- the grid


def test_each_cell_changes_one_cause_alone() -> None:
    for cause, (broken, sound) in CAUSES.items():
        repaired, alone = why.SWEEP.cell(cause, REPAIRED), why.SWEEP.cell(cause, BROKEN)
        assert repaired is not None
        assert alone is not None
        assert repaired.config == REPORT.update(**sound)
        assert alone.config == SOUND.update(**broken)
        assert repaired.config != REPORT
        assert alone.config != SOUND


# ---------------------------------------------------------------------- the verdict


def results(
    report: list[float], sound: list[float], repaired: dict[str, list[float]], broken: dict[str, list[float]]
) -> list[Result]:
    """Made-up runs; a cause that is not named changes nothing."""
    cells = {(NOTHING, REPAIRED): report, (NOTHING, BROKEN): sound}
    cells |= {(name, REPAIRED): repaired.get(name, report) for name in NAMES}
    cells |= {(name, BROKEN): broken.get(name, sound) for name in NAMES}
    return [
        Result(row, column, seed, top1, None, 10_000, 8000, 40_000, 1.0, 1, 1.0, "cpu", "fp32", "2026-01-01", "", {})
        for (row, column), values in cells.items()
        for seed, top1 in enumerate(values)
    ]


def words(found: list[Result]) -> dict[str, str]:
    return {effect.cause.name: effect.word for effect in why.effects(found)}


FAILS, LEARNS, WELL = [0.10, 0.11, 0.10], [0.39, 0.40, 0.38], [0.60, 0.61, 0.62]


@pytest.mark.parametrize("guilty", NAMES)
def test_a_cause_that_harms_alone_and_whose_repair_helps_explains_it(guilty: str) -> None:
    found = results(FAILS, WELL, {guilty: LEARNS}, {guilty: FAILS})
    assert words(found) == {name: "explains" if name == guilty else "nothing" for name in NAMES}
    said = why.verdict(found)
    title = next(cause.title for cause in why.TOLD if cause.name == guilty)
    assert said.startswith(f"It is explained by: {title[0].lower()}{title[1:]}.")
    assert "does not matter" in why.finding(why.effects(found)[(NAMES.index(guilty) + 1) % 4])


def test_two_causes_that_hide_each_other_are_both_seen() -> None:
    found = results(FAILS, WELL, {}, {"attention": FAILS, "norm": FAILS})
    assert words(found) == {"attention": "hides", "norm": "hides", "patches": "nothing", "recipe": "nothing"}
    assert why.verdict(found).startswith("No single cause explains it here.")


@pytest.mark.parametrize("side", [REPAIRED, BROKEN])
def test_a_mistake_that_a_run_is_better_with_is_not_called_without_effect(side: str) -> None:
    changed = {"patches": FAILS if side == REPAIRED else WELL}
    found = results(LEARNS, LEARNS, changed if side == REPAIRED else {}, changed if side == BROKEN else {})
    assert words(found) == {"attention": "nothing", "norm": "nothing", "patches": "against", "recipe": "nothing"}
    assert "clearly better with it" in why.finding(why.effects(found)[2])
    assert "Better with it than without: patches of 16 px on images of 32 px." in why.verdict(found)


def test_nothing_matters_where_nothing_differs() -> None:
    found = results(FAILS, FAILS, {}, {})
    assert set(words(found).values()) == {"nothing"}
    assert "With a part in it" not in why.verdict(found)


def test_seeds_that_overlap_decide_nothing() -> None:
    found = results([0.10, 0.20, 0.30], WELL, {"norm": [0.29, 0.50, 0.50]}, {})
    assert words(found)["norm"] == "nothing"


def test_less_than_a_point_is_no_difference() -> None:
    found = results([0.100, 0.101, 0.100], WELL, {"norm": [0.102, 0.103, 0.104]}, {})
    assert words(found)["norm"] == "nothing"


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(seeds: int) -> None:
    """By chance alone all of two beat all of two others once in C(4, 2) = 6 times."""
    found = results(FAILS[:seeds], WELL[:seeds], {"attention": LEARNS[:seeds]}, {"attention": FAILS[:seeds]})
    assert set(words(found).values()) == {"undecided"}
    assert why.verdict(found).startswith("Not decided yet")


def test_without_runs_it_says_so() -> None:
    assert why.verdict([]) == "Not measured yet."
    assert set(words([])) == set(NAMES)
    assert all("not measured" in why.finding(effect) for effect in why.effects([]))


@pytest.mark.parametrize(("top1", "said"), [(0.10, "not reproduced"), (0.15, "is the report's figure")])
def test_it_says_whether_the_figure_itself_came_out(top1: float, said: str) -> None:
    assert said in why.verdict(results([top1] * 3, WELL, {}, {}))


def test_the_arithmetic_of_the_summed_loss() -> None:
    assert "1407 / 625 = 2.25" in why.arithmetic()
    assert "ln 10 = 2.30" in why.arithmetic()


# ---------------------------------------------------------------------- the API


def test_a_lab_yields_progress_and_ends_in_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    made = results(FAILS[:1], WELL[:1], {}, {})[0]
    monkeypatch.setattr(why, "trained", lambda *_: iter([(0.5, "run 1 of 2", [made]), (1.0, "run 2 of 2", [])]))
    assert "why" in vx.labs.names()
    *progress, result = vx.labs.run("why", seeds=(0,))
    assert [one.share for one in progress] == [0.5, 1.0]
    assert isinstance(result, vx.labs.LabResult)
    assert result.results == (made,)
    assert result.verdict == why.verdict([made])


def test_a_sweep_is_trained_in_this_process_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from run_tools import tiny_config, tiny_dataset

    from vit_explore.sweeps import Cell
    from vit_explore.sweeps.training import trained

    monkeypatch.setattr("vit_explore.training.state.load_dataset", lambda *_: tiny_dataset())
    config = tiny_config(epochs=1)
    sweep = type(why.SWEEP)(**{**vars(why.SWEEP), "cells": (Cell("a", "1", config), Cell("b", "1", config))})
    *_, (share, words, found) = trained(sweep, (0,))
    assert share == 1.0
    assert words.startswith("run 1 of 1")
    assert [result.row for result in found] == ["a", "b"]
    assert found[0].images_seen == 96
    assert len(found[0].curve) >= 2
