"""The numbers of a figure: what was drawn comes back from its CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
import plotly.graph_objects as go
import pytest
from test_plots import FIGURES

from vit_explore import plots
from vit_explore.explain.results import AttentionMaps
from vit_explore.plots import theme
from vit_explore.plots.table import as_csv, has_numbers

DRAWINGS = {"patch_grid", "token_strip", "vit_anatomy"}  # pictures of pictures, without numbers


def rows(fig: go.Figure) -> tuple[list[str], list[list[str]]]:
    header, *lines = csv.reader(io.StringIO(as_csv(fig)))
    return header, lines


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_figure_gives_its_numbers_or_none(name: str) -> None:
    fig = FIGURES[name]()
    assert has_numbers(fig) == (name not in DRAWINGS)
    if name in DRAWINGS:
        return
    header, lines = rows(fig)
    assert lines
    assert len(set(header)) == len(header)
    assert all(len(line) == len(header) for line in lines)
    assert "&lt;" not in as_csv(fig)
    assert "<br>" not in as_csv(fig)


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x","y")', "+1", "-1", "@x"])
def test_a_name_is_no_formula(name: str) -> None:
    fig = plots.compare_bars([name], {name: [0.5]}, title="accuracy")
    _, lines = rows(fig)
    assert {cell for line in lines for cell in line if not cell[:1].isdigit()} == {f"'{name}"}
    assert all(float(line[-1]) == 0.5 for line in lines)


def test_a_painted_map_gives_the_values_that_it_was_painted_from() -> None:
    values = np.random.default_rng(0).random((4, 6))
    header, lines = rows(plots.attention_rollout(values))
    assert header == ["row", "column", "rollout"]
    assert np.allclose([float(line[2]) for line in lines], values.ravel(), rtol=1e-5)
    assert [line[:2] for line in lines[:2]] == [["1", "1"], ["1", "2"]]


def test_all_heads_come_with_layer_and_head() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(5), (1, 2, 3, 5)).astype(np.float32)
    maps = AttentionMaps(weights, (2, 2), 1, True, np.zeros((1, 3)), ("class token",))
    header, lines = rows(plots.attention_maps(maps))
    assert header == ["layer", "head", "row", "column", "weight"]
    assert float(dict((tuple(line[:4]), line[4]) for line in lines)["2", "3", "1", "2"]) == pytest.approx(
        weights[0, 1, 2, 0, 2], rel=1e-5
    )


def test_intervals_have_their_ends() -> None:
    series = plots.ScalingSeries("ViT", [500, 5000], [0.3, 0.5], [0.2, 0.5], [0.45, 0.5], role="vit")
    header, lines = rows(plots.accuracy_scaling([series], "train_images"))
    assert header == ["series", "training images", "test accuracy (top-1)", "low", "high"]
    assert lines[0] == ["ViT", "500", "0.3", "0.2", "0.45"]


def test_panels_side_by_side_are_told_apart() -> None:
    header, lines = rows(FIGURES["trust_ranking"]())
    assert header[:2] == ["series", "panel"]
    assert {line[1].partition(":")[0] for line in lines} == {"a <b>", "other"}


def test_cells_have_their_names() -> None:
    header, lines = rows(plots.cka(np.array([[0.1, 0.2], [0.3, 0.4]]), ["a", "b"], ["c", "d"]))
    assert header == ["series", "x", "y", "value"]
    found = {(line[1], line[2]): float(line[3]) for line in lines}
    assert len(found) == 4
    assert sorted(found.values()) == [0.1, 0.2, 0.3, 0.4]


def test_numbers_stay_with_the_figure_and_go_to_no_browser() -> None:
    fig = plots.attention_rollout(np.full((4, 6), 0.123456))
    assert "_vit_numbers" not in fig.to_json()
    with pytest.raises(ValueError, match="2 axes of the values, and 1 names"):
        theme.keep(fig, np.ones((2, 2)), "row")
