"""What our own components send to the browser: packed attention, thinned and smoothed curves; what comes back."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from vit_explore.errors import BadConfig
from vit_explore.explain.results import AttentionMaps
from vit_explore.ui.components import attention_explorer as explorer
from vit_explore.ui.components import live_chart as chart
from vit_explore.ui.components.attention_explorer import View, in_one_phrase, pack_attention, query_rows
from vit_explore.ui.components.live_chart import LiveSeries, pack_series, running_mean, thin_indices


def _maps(prefix: int = 1, has_class_token: bool = True) -> AttentionMaps:
    n = 3 * 4 + prefix
    names = ("class token", *(f"register {i}" for i in range(1, prefix)))[:prefix]
    logits = np.random.default_rng(0).normal(size=(2, 4, 3, n, n)) * 3
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return AttentionMaps(
        weights.astype(np.float32), (3, 4), prefix, has_class_token, np.zeros((2, 5), np.float32), names
    )


def _unpack(packed: dict, heads: int = 3, patches: int = 12) -> np.ndarray:
    """What the browser computes: (layers sent, H, P + 1, P)."""
    shape = (packed["sentLayers"], heads, patches + 1)
    weights = np.frombuffer(base64.b64decode(packed["weights"]), np.uint8).reshape(*shape, patches)
    scales = np.frombuffer(base64.b64decode(packed["scales"]), "<f4").reshape(shape)
    return weights * (scales[..., None] / 255)


@pytest.mark.parametrize(("prefix", "has_class_token"), [(1, True), (5, True), (2, False), (0, False)])
def test_packed_attention_is_off_by_half_a_byte_of_the_row_at_most(prefix: int, has_class_token: bool) -> None:
    maps = _maps(prefix, has_class_token)
    rows = _unpack(pack_attention(maps, index=1))
    truth = maps.weights[1, :, :, prefix:, prefix:]
    tolerance = truth.max(-1, keepdims=True) / 255 * 0.5001
    assert (np.abs(rows[:, :, :-1] - truth) <= tolerance).all()
    last = maps.weights[1, :, :, 0, prefix:] if has_class_token else truth.mean(axis=2)
    np.testing.assert_allclose(rows[:, :, -1], last, atol=float(last.max()) / 255)


def test_one_layer_can_be_sent_alone() -> None:
    maps = _maps()
    whole, part = pack_attention(maps), pack_attention(maps, layer=2)
    assert (part["firstLayer"], part["sentLayers"]) == (2, 1)
    np.testing.assert_array_equal(_unpack(part)[0], _unpack(whole)[2])
    assert part["thumbs"] == whole["thumbs"], "the overview always has every layer"
    with pytest.raises(BadConfig, match="0 to 3"):
        pack_attention(maps, layer=4)


def test_thumbs_hold_every_head_and_their_mean() -> None:
    thumbs = np.frombuffer(base64.b64decode(pack_attention(_maps())["thumbs"]), np.uint8).reshape(4, 4, 12)
    assert (thumbs.max(-1) == 255).all()
    mean = _maps().weights[0, :, :, 0, 1:].mean(axis=1)
    np.testing.assert_allclose(thumbs[:, 3] / 255, mean / mean.max(-1, keepdims=True), atol=1 / 255)


def test_rows_of_zeros_stay_zeros() -> None:
    values, scales = explorer.quantise(np.zeros((2, 3), np.float32))
    assert not values.any()
    assert not scales.any()


def test_packed_attention_is_json_and_small() -> None:
    text = json.dumps(pack_attention(_maps()))
    assert len(text) < 4 * 3 * 13 * (12 + 4) * 2 + 1000
    assert not explorer.needs_layer(_maps())


@pytest.mark.parametrize("state", [None, {}, {"layer": "2"}, [1], "x", {"layer": None}])
def test_an_odd_state_from_the_browser_is_the_default(state: object) -> None:
    assert explorer._view(state, View(3, 1)) == View(3, 1)


def test_the_state_of_the_browser_is_read() -> None:
    assert explorer._view({"layer": 2, "head": None, "patch": 7}, View(0)) == View(2, None, 7)
    assert explorer._view({"layer": 2, "head": "<b>", "patch": 1.5}, View(0)) == View(2)


def test_only_what_the_person_chose_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two explorers stand side by side, and one may not know yet where the other has gone."""
    for told, expected in (
        ({"layer": 2, "head": None, "patch": 7, "chosen": ["head", "layer"]}, {"layer": 2, "head": None}),
        ({"layer": 2, "head": None, "patch": 7, "chosen": []}, {}),
        ({"layer": 2, "head": None, "patch": 7, "chosen": ["<b>", 3]}, {}),
        ({"layer": 2, "head": None, "patch": 7}, {}),
        (None, {}),
    ):
        monkeypatch.setattr(explorer.st, "session_state", {"e": {"view": told}})
        assert explorer._chosen("e") == expected


@pytest.mark.parametrize("n", [0, 1, 2, 799, 800, 801, 1600, 5000, 123_457])
def test_thinning_keeps_the_ends_and_the_limit(n: int) -> None:
    kept = thin_indices(n, 800)
    assert len(kept) <= 800
    assert len(kept) >= min(n, 300)
    assert (np.diff(kept) > 0).all()
    if n:
        assert kept[0] == 0
        assert kept[-1] == n - 1


def test_points_stay_while_the_curve_grows() -> None:
    """No shimmer: apart from the last point, what is drawn now is drawn later, until the stride doubles."""
    for n in range(801, 1590):
        before, after = thin_indices(n, 800), thin_indices(n + 1, 800)
        assert set(before[:-1]) <= set(after)


def test_a_limit_below_two_is_refused() -> None:
    with pytest.raises(ValueError, match="two ends"):
        thin_indices(10, 1)


def test_running_mean_starts_at_the_first_point_and_keeps_a_constant() -> None:
    y = np.array([3.0, 1.0, 2.0, 5.0])
    assert running_mean(y, 0.9)[0] == pytest.approx(3.0)
    np.testing.assert_allclose(running_mean(np.full(50, 2.5), 0.97), 2.5)
    np.testing.assert_allclose(running_mean(y, 0.0), y)
    weights = 0.9 ** np.arange(3, -1, -1.0)
    assert running_mean(y, 0.9)[-1] == pytest.approx((weights * y).sum() / weights.sum())


def test_gaps_do_not_spoil_the_running_mean() -> None:
    smooth = running_mean(np.array([np.nan, 1.0, np.nan, 1.0]), 0.5)
    assert np.isnan(smooth[0])
    np.testing.assert_allclose(smooth[1:], 1.0)


def test_smoothing_comes_before_thinning() -> None:
    y = np.random.default_rng(1).normal(size=5000)
    packed = pack_series(LiveSeries("a", np.arange(5000), y, smooth=0.95))
    assert packed["smooth"][-1] == pytest.approx(running_mean(y, 0.95)[-1], rel=1e-4)
    assert len(packed["x"]) == len(packed["y"]) == len(packed["smooth"]) <= 800


def test_values_that_are_not_finite_are_gaps_in_strict_json() -> None:
    packed = pack_series(LiveSeries("a", [0, 1, 2], [1.0, float("nan"), float("inf")]))
    assert packed["y"] == [1.0, None, None]
    json.dumps(packed, allow_nan=False)


def test_an_empty_series_is_packed() -> None:
    assert pack_series(LiveSeries("a", [], [], smooth=0.9))["x"] == []


@pytest.mark.parametrize("name", ["live_chart", "attention_explorer", "inside_view"])
def test_scripts_never_make_html_of_texts_and_never_leave_the_machine(name: str) -> None:
    script = (Path(chart.__file__).parents[1] / name / f"{name}.js").read_text(encoding="utf-8")
    for word in ("innerHTML", "insertAdjacentHTML", "document.write", "http:", "https:", "fetch(", "eval("):
        assert word not in script


def _page() -> None:
    import numpy as np
    import streamlit as st

    from vit_explore.explain.results import AttentionMaps
    from vit_explore.ui.components.attention_explorer import View, attention_explorer, pack_attention
    from vit_explore.ui.components.live_chart import LiveSeries, live_chart

    live_chart([LiveSeries("a", [0, 1], [1.0, 0.5])], key="c", x_label="seconds", y_label="loss", budget=60)
    maps = AttentionMaps(
        np.full((1, 2, 2, 5, 5), 0.2, np.float32), (2, 2), 1, True, np.zeros((1, 3), np.float32), ("class token",)
    )
    view = attention_explorer(pack_attention(maps), np.zeros((8, 8, 3), np.uint8), key="e", view=View(1, 0, 3))
    st.write(f"layer {view.layer} head {view.head} patch {view.patch}")


def test_components_mount_in_a_page_and_start_where_asked() -> None:
    at = AppTest.from_function(_page, default_timeout=20).run()
    assert not at.exception
    assert at.markdown[0].value == "layer 1 head 0 patch 3"


@pytest.mark.parametrize(("names", "phrase"), [
    ((), ""),
    (("class token",), "the class token"),
    (("class token", "distillation token"), "the class token and the distillation token"),
    (("class token", "register 1"), "the class token and the register"),
    (("class token", "register 1", "register 2"), "the class token and the 2 registers"),
    (("register 1", "register 2", "register 3"), "the 3 registers"),
])  # fmt: skip
def test_the_tokens_before_the_patches_are_named_together(names: tuple[str, ...], phrase: str) -> None:
    assert in_one_phrase(names) == phrase
    assert pack_attention(dataclasses.replace(_maps(len(names)), prefix_names=names))["prefix"] == phrase


def test_tops_are_the_largest_weights_of_all_that_stand_side_by_side() -> None:
    maps, other = _maps(), _maps()
    other = dataclasses.replace(other, weights=other.weights[..., ::-1, :] * 2)
    (layers, heads), rows = maps.weights.shape[1:3], maps.grid[0] * maps.grid[1] + 1
    for beside, expected in (((), (maps,)), ((other,), (maps, other))):
        packed = pack_attention(maps, beside=beside)
        tops = np.frombuffer(base64.b64decode(packed["tops"]), "<f4").reshape(layers, heads + 1, rows)
        parts = [query_rows(one, 0, slice(None)) for one in expected]
        assert np.allclose(tops[:, :-1], np.max([part.max(-1) for part in parts], axis=0))
        assert np.allclose(tops[:, -1], np.max([part.mean(1).max(-1) for part in parts], axis=0))
