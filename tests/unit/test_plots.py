"""The figures: what they hold, what can be clicked, that they are light, and that they bring no torch along."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import inspect
import io
import pkgutil
import subprocess
import sys
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

import vit_explore as vx
from vit_explore import plots
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.results import (
    AttentionMaps,
    Faithfulness,
    FilterComponents,
    PositionSimilarity,
    ReceptiveFields,
    TokenNorms,
    WeightInNumbers,
)
from vit_explore.plots import theme
from vit_explore.plots.attention import query_grids
from vit_explore.plots.canvas import image_uri, mosaic
from vit_explore.plots.heat import heat_over_image
from vit_explore.reports import paper
from vit_explore.trust.results import Ranking, Score


def _image(side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _names(prefix: int) -> tuple[str, ...]:
    return ("class token", *(f"register {i}" for i in range(1, prefix)))[:prefix]


def _similarity(gh: int = 4, gw: int = 6, prefix: int = 1) -> PositionSimilarity:
    vectors = np.random.default_rng(1).normal(size=(gh * gw + prefix, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = (vectors @ vectors.T).astype(np.float32)
    values = cosine[prefix:, prefix:].reshape(gh, gw, gh, gw)
    tiles = cosine[:prefix, prefix:].reshape(prefix, gh, gw)
    return PositionSimilarity(values, tiles, (gh, gw), 32**-0.5, 0.1, _names(prefix))


def _maps(prefix: int = 1, has_class_token: bool = True, grid: tuple[int, int] = (4, 6)) -> AttentionMaps:
    n = grid[0] * grid[1] + prefix
    weights = np.random.default_rng(2).random((2, 3, 5, n, n)).astype(np.float32)
    weights /= weights.sum(-1, keepdims=True)
    return AttentionMaps(weights, grid, prefix, has_class_token, np.zeros((2, 10), np.float32), _names(prefix))


def _filters(k: int = 28, side: int = 4, width: int = 40) -> FilterComponents:
    rng = np.random.default_rng(3)
    shares = np.sort(rng.random(k))[::-1]
    shares = shares / shares.sum() * 0.9
    images, raw = rng.random((k, side, side, 3)), rng.random((width, side, side, 3))
    return FilterComponents(images, rng.random((k, 3 * side * side)), shares, raw, True)


def _faithfulness() -> Faithfulness:
    t = np.linspace(0, 1, 20)
    return Faithfulness(t, 1 - t, t, 0.5, 0.5, 0, "the dataset mean")


def _curve(role: str | None = "vit") -> plots.Curve:
    return plots.Curve("run", [0.1, 0.5], role, epoch=[0, 1], elapsed=[0, 9], images_seen=[0, 99], flops=[0, 1e12])


def _tuned(model: int, part: str) -> plots.TuningCurve:
    return plots.TuningCurve(f"run {model}", model, part, [0, 1, 2], [0.3, 0.5, 0.6], [1.1, 0.9, 0.8])  # type: ignore[arg-type]


def _touch(fig: go.Figure) -> go.Scatter:
    return next(t for t in fig.data if t.name == "touch")


def _pixels(trace: go.Image) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(trace.source.split(",")[1]))))


def _norms() -> TokenNorms:
    return TokenNorms(np.random.default_rng(5).random((1, 3, 25)), (4, 6), ("class token",))


def _ranking() -> Ranking:
    def score(name: str, is_chance: bool) -> Score:
        values = np.random.default_rng(len(name)).random(12)
        curve = np.linspace(1, 0, 20)
        return Score(
            name, name.title(), is_chance, "random", 0.01, values, values[::-1], curve, curve[::-1], values - 0.5,
            values, np.zeros((4, 6)),
        )  # fmt: skip

    scores = tuple(score(name, name == "random") for name in ("rollout", "saliency", "random"))
    return Ranking(scores, np.linspace(0, 1, 20), 12, "predicted", 0.8, None, 4, "fp32")


_GRID = np.random.default_rng(4).integers(0, 256, (4, 6, 8, 8, 3), dtype=np.uint8)

FIGURES = {
    "guesses": lambda: plots.guesses([0.5, 0.72, 1.0, 0.0], 0.7, ["Ada", "<b>Bob</b>", "", "Cem"]),
    "patch_grid": lambda: plots.patch_grid(_GRID, selected=3, numbers=True),
    "token_strip": lambda: plots.token_strip(_GRID),
    "attention_cost": lambda: plots.attention_cost(32, 4),
    "position_similarity": lambda: plots.position_similarity(_similarity(), selected=(1, 2)),
    "position_tile": lambda: plots.position_tile(_similarity(), 1, 2),
    "position_prefix": lambda: plots.position_prefix(_similarity(prefix=5)),
    "filter_components": lambda: plots.filter_components(_filters()),
    "raw_filters": lambda: plots.raw_filters(_filters()),
    "explained_variance": lambda: plots.explained_variance(_filters()),
    "attention_maps": lambda: plots.attention_maps(_maps(), _image(), selected=(1, 2)),
    "attention_head": lambda: plots.attention_head(_maps(), 1, 2, 7, _image()),
    "attention_rollout": lambda: plots.attention_rollout(np.random.rand(2, 4, 6), _image()),
    "attention_distance": lambda: plots.attention_distance(np.random.rand(3, 5) * 9, uniform=8.0),
    "attention_entropy": lambda: plots.attention_entropy(np.random.rand(3, 5)),
    "relevance": lambda: plots.relevance(np.random.rand(1, 4, 6), _image()),
    "grad_cam": lambda: plots.grad_cam(np.random.rand(1, 32, 32), _image()),
    "attribution": lambda: plots.attribution(np.random.randn(1, 32, 32), _image()),
    "heat_over_image": lambda: plots.heat_over_image(np.random.rand(4, 6)),
    "faithfulness": lambda: plots.faithfulness({"rollout": _faithfulness()}, random=_faithfulness()),
    "accuracy_race": lambda: plots.accuracy_race([_curve(), _curve("resnet")], "flops", chance=0.25),
    "confusion": lambda: plots.confusion(np.arange(16).reshape(4, 4), list("abcd")),
    "compare_bars": lambda: plots.compare_bars(["cat"], {"a": [0.5], "b": [0.7]}, {"a": "vit", "b": "resnet"}),
    "tuning_curves": lambda: plots.tuning_curves([_tuned(0, "head"), _tuned(1, "scratch")], "loss", chance=1.1),
    "cka": lambda: plots.cka(np.random.rand(3, 4), list("abcd"), list("efg")),
    "accuracy_scaling": lambda: plots.accuracy_scaling(
        [plots.ScalingSeries("ViT", [500, 5000], [0.3, 0.5], [0.2, 0.5], [0.4, 0.5], role="vit")], "train_images"
    ),
    "seed_dots": lambda: plots.seed_dots([plots.SeedRow("as it was", [0.1, 0.12])], {"guessing": 0.1}),
    "logit_lens": lambda: plots.logit_lens(np.full((1, 3, 25, 7), 1 / 7), list("abcdefg")),
    "semantic_tokens": lambda: plots.semantic_tokens(np.full((6, 4, 6), 1 / 24), _image()),
    "logit_lens_maps": lambda: plots.logit_lens_maps(np.full((3, 25, 7), 1 / 7), 2, (4, 6), 1),
    "reported_and_measured": lambda: plots.reported_and_measured(
        [plots.ReportedRow("a", "a net", "paper", 0.5, 0.1, {"faithful": [0.6]}, is_chosen=True)]
    ),
    "report_curves": lambda: plots.report_curves([plots.ReportLine("reported", "a", [0, 1], [2.3, 0.7])], "loss", 2.3),
    "paper_benchmarks": lambda: plots.paper_benchmarks(paper.BENCHMARKS, paper.TABLE_2, 0),
    "paper_data": lambda: plots.paper_data(("a", "b"), (1e6, 1e8), {"ViT-H/14": [None, 88.0]}, "ImageNet"),
    "paper_compute": lambda: plots.paper_compute(paper.SCALING, paper.TABLE_6, None),
    "paper_vtab": lambda: plots.paper_vtab(paper.GROUPS, paper.TABLE_9),
    "head_ablation": lambda: plots.head_ablation(np.array([[0.1, np.nan], [0.0, -0.02]], np.float32), ((0, 1),)),
    "attention_on_object": lambda: plots.attention_on_object(np.random.rand(3, 5), 0.2),
    "attention_weight": lambda: plots.attention_weight(
        WeightInNumbers(np.arange(8.0), np.ones(8), 9.9, 0.4, np.zeros(9), (0, 1))
    ),
    "cka_matrix": lambda: plots.cka_matrix(np.random.rand(2, 3), ["blocks.0", "blocks.1"], list("abc"), "a <b>", "c"),
    "lab_lines": lambda: plots.lab_lines(
        [plots.LabCurve("a <b>", "vit", [0.9, 0.5], [0.8, 0.4], [0.95, 0.6], 0.3)], (0, 1), "pixels", 0.1
    ),
    "logit_lens_last": lambda: plots.logit_lens_last(np.random.rand(4, 6), _image(), 5),
    "map_difference": lambda: plots.map_difference(np.random.randn(8, 12), _image()),
    "receptive_field": lambda: plots.receptive_field(
        ReceptiveFields(("a", "b"), np.array([3.0, 99.0]), np.array([2.0, 9.0]), np.random.rand(2, 32, 32)),
        np.random.rand(4, 3) * 16,
    ),
    "reliability": lambda: plots.reliability(vx.trust.reliability([[0.9, 0.1], [0.6, 0.4]], [0, 1])),
    "token_norms": lambda: plots.token_norms(_norms()),
    "token_norms_map": lambda: plots.token_norms_map(_norms(), 1, _image()),
    "trust_curves": lambda: plots.trust_curves(_ranking()),
    "trust_ranking": lambda: plots.trust_ranking([("a <b>", _ranking()), ("other", _ranking())]),
    "vit_anatomy": lambda: plots.vit_anatomy(_image(), 5, answers=[("cat", 0.9)], depth=6),
}


def test_every_exported_figure_is_tried() -> None:
    functions = {name for name in plots.__all__ if inspect.isfunction(getattr(plots, name))}
    assert set(FIGURES) == functions - {"as_csv", "common_limits", "has_numbers", "places_of", "resized", "trust_map"}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_light_and_fits_light_and_dark_pages(name: str) -> None:
    fig = FIGURES[name]()
    assert isinstance(fig, go.Figure)
    assert len(fig.to_json()) < 150_000
    assert fig.layout.paper_bgcolor == fig.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert fig.layout.font.color is None, "the page's theme colours the text"
    assert fig.layout.font.size >= 14
    assert fig.layout.height
    assert not fig.layout.title.text


@pytest.mark.parametrize("name", FIGURES)
def test_figure_says_in_words_what_it_shows(name: str) -> None:
    words = theme.description(FIGURES[name]())
    assert words.endswith(".")
    assert 20 < len(words) < 500
    assert "<" not in words


def test_the_words_of_a_confusion_matrix_name_the_worst_mistake() -> None:
    words = theme.description(plots.confusion(np.array([[9, 1, 0], [0, 6, 4], [0, 0, 10]]), ["cat", "dog", "frog"]))
    assert "most often dog is taken for frog, 40%" in words
    assert "83% of a class are right" in words


def test_the_words_of_a_heat_map_say_where_it_is_strongest() -> None:
    values = np.zeros((9, 9))
    values[0, 8] = 1
    assert "strongest at the top right" in theme.description(heat_over_image(values))
    assert "strongest at the centre" in theme.description(heat_over_image(np.roll(values, (4, -4), (0, 1))))
    assert "the same everywhere" in theme.description(heat_over_image(np.ones((9, 9))))


def test_the_numbers_in_the_cells_stand_out_at_every_value() -> None:
    for share in np.linspace(0, 1, 201):
        cell = theme.colour(share, "share")
        ink = [int(part) for part in theme.ink(cell).removeprefix("rgb(").removesuffix(")").split(",")]
        assert theme.contrast(ink, cell) >= 4.5, share
    fig = plots.confusion(np.array([[55, 45], [0, 100]]), ["a", "b"])
    numbers = next(trace for trace in fig.data if trace.name == "numbers")
    assert list(numbers.text) == ["55", "45", "0", "100"]
    assert list(numbers.textfont.color) == [theme.ink(theme.colour(share, "share")) for share in (0.55, 0.45, 0, 1)]


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert theme.contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)  # WCAG's known borderline
    assert theme.contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("name", ["explained_variance", "attention_distance", "attention_entropy", "accuracy_race"])
def test_charts_have_named_axes(name: str) -> None:
    fig = FIGURES[name]()
    assert fig.layout.xaxis.title.text
    assert fig.layout.yaxis.title.text


def test_names_survive_the_import_of_every_file() -> None:
    """A file called like a function would replace it in the package once it is imported."""
    for name in plots.__all__:
        getattr(plots, name)
    for file in pkgutil.iter_modules(plots.__path__):
        importlib.import_module(f"vit_explore.plots.{file.name}")
    assert all(callable(getattr(plots, name)) for name in FIGURES)


def test_plots_bring_neither_torch_nor_streamlit() -> None:
    code = (
        "import sys; from vit_explore import plots; [getattr(plots, n) for n in plots.__all__];"
        "bad = {'torch', 'streamlit', 'timm', 'captum'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_position_tiles_show_every_patch_and_keep_one_range() -> None:
    result = _similarity()
    fig = plots.position_similarity(result)
    touch = _touch(fig)
    assert list(touch.customdata) == list(range(24))
    scale = next(t for t in fig.data if t.name == "scale").marker
    assert (scale.cmin, scale.cmax) == (-1, 1)
    pixels = _pixels(fig.data[0])
    for r, c in [(0, 0), (3, 5), (2, 1)]:  # the marker lies on its tile, and the tile holds its own row of the matrix
        x, y = touch.x[r * 6 + c], touch.y[r * 6 + c]
        tile = pixels[int(y) - 2 : int(y) + 2, int(x) - 3 : int(x) + 3, :3]
        np.testing.assert_array_equal(tile, theme.colour(result.values[r, c], "similarity", -1, 1))


def test_weak_similarities_get_the_same_colours_in_every_result() -> None:
    weak = _similarity()
    weak = PositionSimilarity(weak.values * 0.1, weak.prefix, weak.grid, 0.1, 0.0, weak.prefix_names)
    strong, faint = (_pixels(plots.position_similarity(r).data[0]) for r in (_similarity(), weak))
    shown = strong[..., 3] > 0
    assert faint[shown].astype(int).std(axis=0).max() < 0.5 * strong[shown].astype(int).std(axis=0).max()


def test_selected_tile_is_framed_by_index_or_by_place() -> None:
    by_index = plots.position_similarity(_similarity(), selected=8).layout.shapes[0]
    by_place = plots.position_similarity(_similarity(), selected=(1, 2)).layout.shapes[0]
    assert by_index == by_place


def test_each_token_in_front_of_the_patches_has_its_own_name() -> None:
    names = ("class token", "distillation token", "register 1")
    result = dataclasses.replace(_similarity(prefix=3), prefix_names=names)
    fig = plots.position_prefix(result)
    assert next(t for t in fig.data if t.name == "labels").text == names
    texts = next(t for t in fig.data if t.name == "touch").hovertext
    assert [text.partition(" against")[0] for text in texts] == list(names)


def test_a_model_without_prefix_tokens_has_no_strip() -> None:
    with pytest.raises(NotApplicable, match="No token before this model's patches has a position embedding"):
        plots.position_prefix(_similarity(prefix=0))


@pytest.mark.parametrize("query", [None, 0, 23])
def test_query_grid_is_the_right_row(query: int | None) -> None:
    maps = _maps(prefix=3)
    row = 0 if query is None else 3 + query
    np.testing.assert_array_equal(query_grids(maps, query, 1)[2, 4].ravel(), maps.weights[1, 2, 4, row, 3:])


def test_without_class_token_the_overview_is_the_mean_over_patches() -> None:
    maps = _maps(prefix=2, has_class_token=False)
    expected = maps.weights[0, :, :, 2:, 2:].mean(axis=2)
    np.testing.assert_allclose(query_grids(maps, None).reshape(3, 5, 24), expected, rtol=1e-6)


def test_a_patch_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadConfig, match="choose one from 0 to 23"):
        plots.attention_head(_maps(), 0, 0, 24)


def test_overview_reports_layer_and_head() -> None:
    touch = _touch(plots.attention_maps(_maps()))
    assert len(touch.customdata) == 15
    assert {tuple(pair) for pair in touch.customdata} == {(la, he) for la in range(3) for he in range(5)}
    rightmost = int(np.argmax(touch.x))
    assert touch.customdata[rightmost][0] == 2, "layers run from left to right"


def test_attention_head_shows_weights_and_rollout_is_scaled() -> None:
    maps = _maps()
    head = plots.attention_head(maps, 1, 2, None, _image())
    top = next(t for t in head.data if t.name == "scale").marker.cmax
    assert top == pytest.approx(maps.weights[0, 1, 2, 0, 1:].max())
    rollout = plots.attention_rollout(np.array([[3.0, 5.0], [4.0, 3.0]]))
    scale = next(t for t in rollout.data if t.name == "scale").marker
    assert (scale.cmin, scale.cmax) == (0, 1)
    np.testing.assert_array_equal(
        _pixels(rollout.data[0])[..., :3], theme.colour(np.array([[0.0, 1.0], [0.5, 0.0]]), "heat")
    )


def _bar_title(fig: go.Figure) -> str:
    return next(t for t in fig.data if t.name == "scale").marker.colorbar.title.text


def test_figures_call_the_tokens_before_the_patches_by_their_names() -> None:
    maps = _maps()
    assert "from the class token" in _bar_title(plots.attention_head(maps, 1, 2))
    assert "from patch 8 (row 2, column 2)" in _bar_title(plots.attention_head(maps, 1, 2, 7))
    pooled = dataclasses.replace(maps, has_class_token=False, prefix_names=("register 1",))
    assert "from all patches (mean)" in _bar_title(plots.attention_head(pooled, 1, 2))
    names = ("class token", "distillation token", "register 1")
    for token, name in ((0, "class token"), (1, "distillation token"), (2, "register 1"), (3, "patch 1")):
        fig = plots.logit_lens(np.full((3, 25, 7), 1 / 7), list("abcdefg"), token, prefix_names=names)
        assert fig.layout.yaxis.title.text == f"probability, read from {name}"
    assert "token 1" in plots.logit_lens(np.full((3, 25, 7), 1 / 7), list("abcdefg")).layout.yaxis.title.text


def test_rounding_is_not_scaled_up_to_a_picture() -> None:
    noise = 0.5 + 1e-8 * np.random.default_rng(0).random((4, 6))
    fig = plots.relevance(noise)
    np.testing.assert_array_equal(_pixels(fig.data[0]), _pixels(plots.relevance(np.zeros((4, 6))).data[0]))
    assert len(np.unique(_pixels(plots.relevance(noise * [[1], [1], [1], [2]]).data[0]).reshape(-1, 4), axis=0)) > 1


def test_mean_head_is_the_mean() -> None:
    maps = _maps()
    fig = plots.attention_head(maps, 1, None, None)
    top = next(t for t in fig.data if t.name == "scale").marker.cmax
    assert top == pytest.approx(maps.weights[0, 1, :, 0, 1:].mean(axis=0).max())


def test_a_signed_map_is_clear_at_zero_and_symmetric() -> None:
    fig = heat_over_image(np.array([[-2.0, 0.0, 2.0]]), _image(), signed=True)
    left, middle, right = _pixels(fig.data[1])[0]
    assert middle[3] == 0
    assert left[3] == right[3] > 200
    assert left[2] > left[0], "blue speaks against"
    assert right[0] > right[2], "orange speaks for"


def test_a_constant_map_and_a_map_of_zeros_are_drawn() -> None:
    for values in (np.zeros((3, 3)), np.full((3, 3), 7.0)):
        for signed in (False, True):
            assert heat_over_image(values, _image(), signed=signed).data


def test_pixel_maps_are_hovered_in_blocks() -> None:
    fig = plots.grad_cam(np.random.rand(224, 224), _image(224))
    assert len(_touch(fig).x) <= 28 * 28


def test_distance_has_a_dot_per_head_and_the_uniform_line() -> None:
    distances = np.arange(15, dtype=float).reshape(3, 5)
    fig = plots.attention_distance(distances, uniform=9.5, max_distance=40)
    dots = next(t for t in fig.data if t.name == "one head")
    assert sorted(dots.y) == sorted(distances.ravel())
    for (layer, head), y in zip(dots.customdata, dots.y, strict=True):
        assert distances[layer - 1, head - 1] == y
    (even,) = (t for t in fig.data if t.name == "spread evenly")
    assert set(even.y) == {9.5}
    assert tuple(fig.layout.yaxis.range) == (0, 40)


def test_cumulative_variance_ends_at_the_sum() -> None:
    result = _filters()
    fig = plots.explained_variance(result)
    assert fig.data[1].y[-1] == pytest.approx(result.explained_variance_ratio.sum())


def test_raw_filters_are_limited() -> None:
    assert len(_touch(plots.raw_filters(_filters(width=100), n=64)).x) == 64
    assert len(_touch(plots.raw_filters(_filters(width=7), n=64)).x) == 7


def test_a_long_token_strip_names_its_last_patch() -> None:
    grid = np.zeros((14, 14, 2, 2, 3), np.uint8)
    labels = next(t for t in plots.token_strip(grid).data if t.name == "labels").text
    assert labels[0] == "class"
    assert labels[-1] == "…196"
    assert len(labels) == 72
    assert "class" not in next(t for t in plots.token_strip(grid, class_token=False).data if t.name == "labels").text


def test_attention_cost_is_the_square_of_the_tokens() -> None:
    bar = plots.attention_cost(32, 4).data[0]
    assert dict(zip(bar.x, bar.y, strict=True))["4"] == 65**2
    assert dict(zip(bar.x, bar.y, strict=True))["8"] == 17**2


def test_models_keep_their_colours() -> None:
    race = plots.accuracy_race([_curve("resnet"), _curve("vit")])
    assert [t.line.color for t in race.data] == [theme.RESNET, theme.VIT]
    bars = plots.compare_bars(["x"], {"r": [1.0], "v": [1.0]}, {"r": "resnet", "v": "vit"})
    assert [t.marker.color for t in bars.data] == [theme.RESNET, theme.VIT]


def test_race_refuses_an_unknown_axis() -> None:
    with pytest.raises(BadConfig, match="epoch, elapsed, images_seen, flops"):
        plots.accuracy_race([_curve()], "steps")  # type: ignore[arg-type]


def test_confusion_rows_are_shares_and_empty_rows_are_zero() -> None:
    z = np.array(plots.confusion(np.array([[3, 1], [0, 0]]), ["a", "b"]).data[0].z, dtype=float)
    np.testing.assert_allclose(z, [[0.75, 0.25], [0, 0]])


def test_names_that_people_typed_are_no_mark_up() -> None:
    name = '<a href="x">cat</a>'
    figs = [
        plots.confusion(np.eye(2), [name, "b"]),
        plots.compare_bars([name], {name: [1.0]}),
        plots.accuracy_race([plots.Curve(name, [0.5], epoch=[1])]),
        plots.vit_anatomy(_image(), 5, answers=[(name, 0.9)]),
        plots.logit_lens(np.full((2, 3, 2), 0.5), [name, "b"]),
        plots.faithfulness({name: _faithfulness()}),
    ]
    for fig in figs:
        fig.update_layout(meta=None)  # what the figure shows, in words: no mark-up is read in it
    assert all("<a href" not in str(fig.to_dict()) for fig in figs)


def test_random_is_drawn_beside_the_methods() -> None:
    fig = plots.faithfulness(_faithfulness(), random=_faithfulness())
    assert [t.name for t in fig.data] == ["this method"] * 2 + ["random"] * 2
    assert {t.line.color for t in fig.data if t.name == "random"} == {theme.GREY}


@pytest.mark.parametrize(("labelled", "said"), [(True, "accuracy lost"), (False, "answers that change")])
def test_what_a_head_is_worth_is_called_accuracy_only_where_the_labels_were_known(labelled: bool, said: str) -> None:
    fig = plots.head_ablation(np.array([[0.1, 0.0]], np.float32), labelled=labelled)
    assert said in fig.data[0].colorbar.title.text
    assert said in str(theme.description(fig)).lower()
    assert ("accuracy" in fig.to_json().lower()) == labelled


def _without_colour(fig: go.Figure) -> list[tuple[object, object]]:
    return [(t.line.dash, t.marker.symbol) for t in fig.data if t.showlegend is not False]


def test_no_two_lines_are_told_apart_by_their_colours_alone() -> None:
    looks = [(look.symbol, look.dash) for look in map(theme.line_of, range(24))]
    assert len(set(looks)) == len(looks)
    assert theme.CHANCE.symbol not in theme.SYMBOLS
    score = _ranking().scores[0]
    many = dataclasses.replace(
        _ranking(), scores=tuple(dataclasses.replace(score, method=f"m{i}", title=f"m{i}") for i in range(9))
    )
    for fig, count in (
        (plots.logit_lens(np.random.rand(4, 3, 6), [f"c{i}" for i in range(6)], top=6), 6),
        (plots.faithfulness({f"m{i}": _faithfulness() for i in range(7)}, random=_faithfulness()), 8),
        (plots.trust_curves(many), 9),
    ):
        found = _without_colour(fig)
        assert len(set(found)) == len(found) == count
        assert all("markers" in trace.mode for trace in fig.data)


def test_a_receptive_field_is_cut_at_its_own_models_picture() -> None:
    fields = ReceptiveFields(("a", "b"), np.array([40.0, 300.0]), np.array([30.0, 90.0]), np.zeros((2, 224, 224)))
    fig = plots.receptive_field(fields, np.ones((2, 2)), 32, names=("Small <CNN>", "My ViT"))
    can, does, heads = fig.data
    assert list(can.y) == [40, 224]
    assert (np.asarray(does.y) <= np.asarray(can.y)).all()
    assert [trace.name.split(":")[0] for trace in (can, heads)] == ["Small &lt;CNN>", "My ViT"]
    assert {shape.y0 for shape in fig.layout.shapes} == {224, 32}
    assert "Small <CNN>" in plots.theme.description(fig)
    assert "ResNet" not in fig.to_json()
    same = plots.receptive_field(fields, np.ones((2, 2)), 224)
    assert [note.text for note in same.layout.annotations] == ["side of the picture"]
    assert "does see" not in str(plots.receptive_field(None, np.ones((2, 2)), 32).to_json())


def test_lens_draws_the_classes_that_win_at_the_end() -> None:
    probs = np.zeros((4, 5, 6))
    probs[-1, 0] = [0.0, 0.5, 0.1, 0.3, 0.06, 0.04]
    fig = plots.logit_lens(probs, list("abcdef"), top=3)
    assert [t.name for t in fig.data] == ["b", "d", "c"]


@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("shape", [(32, 32), (90, 160), (427, 640)])
def test_anatomy_draws_each_step_of_any_picture(step: int, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(5).integers(0, 256, (*shape, 3), dtype=np.uint8)
    fig = plots.vit_anatomy(image, step)
    assert len(fig.to_json()) < 200_000
    assert len(plots.ANATOMY_STEPS) == 6


def test_anatomy_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(BadConfig, match="0 to 5"):
        plots.vit_anatomy(_image(), 6)
    with pytest.raises(BadConfig, match="10 attention weights"):
        plots.vit_anatomy(_image(), 4, attention=[1.0] * 65)


def test_anatomy_cuts_the_picture_in_reading_order() -> None:
    image = np.zeros((96, 96, 3), np.uint8)
    image[:32, 64:, 0] = 255  # top right: patch 3
    pictures = [t for t in plots.vit_anatomy(image, 1).data if t.type == "image"]
    assert [bool(_pixels(t)[..., 0].mean() > 200) for t in pictures] == [False, False, True] + [False] * 6


def test_colours_follow_their_scale() -> None:
    ends = theme.colour(np.array([-5.0, -1.0, 1.0, 5.0, np.nan]), "similarity", -1, 1)
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[2], ends[3])
    assert "rgb({},{},{})".format(*ends[0]) == theme.colour_scale("similarity")[0][1]
    heat = theme.colour(np.linspace(0, 1, 50), "heat").astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(heat) > 0).all(), "more attention is always brighter"


@pytest.mark.parametrize("name", ["heat", "similarity", "signed", "share"])
def test_no_scale_holds_a_colour_that_streamlit_replaces(name: theme.Map) -> None:
    """In a figure's JSON Streamlit takes #000001 to #0000ff and so on for places of its theme's colours."""
    assert not any(str(colour).startswith("#") for _, colour in theme.colour_scale(name))


def test_small_pictures_keep_their_exact_pixels() -> None:
    image = _image(16)
    png = Image.open(io.BytesIO(base64.b64decode(image_uri(image).split(",")[1])))
    np.testing.assert_array_equal(np.asarray(png), image)


def test_mosaic_places_tiles_row_by_row_with_clear_gaps() -> None:
    tiles = np.stack([np.full((2, 3, 3), i + 1, np.uint8) for i in range(5)])
    out = mosaic(tiles, columns=3, gap=1)
    assert out.shape == (5, 11, 4)
    assert out[3, 4, 0] == 5
    assert out[2].max() == 0
    assert out[:, 3].max() == 0
    assert out[3:, 8:, 3].max() == 0, "the sixth place is empty"


def test_maps_side_by_side_share_one_scale() -> None:
    weak, strong = np.linspace(0, 1, 16).reshape(4, 4), np.linspace(0, 4, 16).reshape(4, 4)
    limits = plots.common_limits(weak, strong)
    assert limits == (0.0, 4.0)
    for draw in (plots.attention_rollout, plots.relevance, plots.grad_cam):
        shared, own = (draw(weak, limits=given).data for given in (limits, None))
        assert touches(shared)[-1].endswith("0.25")
        assert touches(own)[-1].endswith(": 1")
        assert touches(draw(strong, limits=limits).data)[-1].endswith(": 1")


def touches(traces: tuple[Any, ...]) -> tuple[str, ...]:
    return next(trace for trace in traces if trace.name == "touch").hovertext


def test_a_large_grid_is_read_in_parts() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((20, 24, 20, 24)).astype(np.float32)
    result = PositionSimilarity(values, np.zeros((0, 20, 24)), (20, 24), 0.1, 0.0, ())
    every = position_touch(plots.position_similarity(result, every=4))
    assert list(every.customdata) == [r * 24 + c for r in range(2, 20, 4) for c in range(2, 24, 4)]
    near = position_touch(plots.position_similarity(result, selected=(19, 0), around=5))  # at a corner: still 5 x 5
    assert list(near.customdata) == [r * 24 + c for r in range(15, 20) for c in range(5)]
    assert near.hovertext[0].startswith("patch 361 (row 16, column 1)")


def position_touch(figure: go.Figure) -> Any:
    return next(trace for trace in figure.data if trace.name == "touch")


@pytest.mark.parametrize("axis", ["train_images", "images_seen", "flops", "params", "seconds"])
def test_scaling_bars_reach_from_the_lowest_to_the_highest_seed(axis: str) -> None:
    line = plots.ScalingSeries("ViT", [10, 1000], [0.3, 0.5], [0.25, 0.4], [0.4, 0.55], ["few", "many"], dash=True)
    fig = plots.accuracy_scaling([line], axis)
    (trace,) = fig.data
    assert np.add(trace.y, trace.error_y.array).tolist() == pytest.approx([0.4, 0.55])
    assert np.subtract(trace.y, trace.error_y.arrayminus).tolist() == pytest.approx([0.25, 0.4])
    assert trace.line.dash == "dot"
    ticks = fig.layout.xaxis.tickvals
    assert len(ticks) == len(fig.layout.xaxis.ticktext) >= 2
    assert all(5 < tick < 2000 for tick in ticks)
    assert "ViT from 30.0% to 50.0%" in (theme.description(fig) or "")


@pytest.mark.parametrize(("low", "is_drawn"), [(0.12, True), (0.6, False)])
def test_guessing_is_drawn_where_a_sweep_comes_near_it(low: float, is_drawn: bool) -> None:
    line = plots.ScalingSeries("ViT", [10, 1000], [0.7, low], [0.7, low], [0.7, low])
    fig = plots.accuracy_scaling([line], "train_images", chance=0.1)
    assert [shape.y0 for shape in fig.layout.shapes] == ([0.1] if is_drawn else [])


def test_the_columns_of_a_grid_are_an_axis_of_words() -> None:
    line = plots.ScalingSeries("class token", ["0.001", "0.01"], [0.3, 0.5], [0.3, 0.5], [0.3, 0.5])
    fig = plots.accuracy_scaling([line], "column", "learning rate")
    assert fig.layout.xaxis.type == "category"
    assert fig.layout.xaxis.title.text == "learning rate"
    assert list(fig.data[0].x) == ["0.001", "0.01"]


def test_an_axis_that_is_none_is_refused() -> None:
    with pytest.raises(BadConfig, match="no axis"):
        plots.accuracy_scaling([], "moons")
