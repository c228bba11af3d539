"""A film: the moments are those of the explanations, all panels keep time, the exports hold every frame."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vit_explore as vx
from vit_explore.cli import main
from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig, BadReference, NotApplicable, RunNotFound
from vit_explore.film.drawing import _dots
from vit_explore.film.panels import Bars, Dots, Pictures, panels
from vit_explore.film.recording import _chosen
from vit_explore.runs.references import snapshot_steps
from vit_explore.runs.store import RunStore

VIT, RESNET = "bundled:vit-minute", "bundled:resnet-cifar10"


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def film(picture: np.ndarray) -> vx.film.Film:
    return vx.film.record(VIT, picture, frames=4)


def test_a_moment_is_what_the_explanations_say_of_that_snapshot(film: vx.film.Film, picture: np.ndarray) -> None:
    model = vx.load_model(f"{VIT}@{film.steps[1]}")
    moment, images = film.moments[1], model.preprocess(picture)
    maps = vx.explain.attention_maps(model, images)
    logits = maps.logits[0].astype(np.float64)
    assert np.allclose(moment.probabilities, np.exp(logits) / np.exp(logits).sum(), atol=1e-5)
    expected = maps.weights[0].mean(axis=1)[:, 0, 1:].reshape(-1, *maps.grid)
    assert moment.attention is not None
    assert np.allclose(moment.attention, expected, atol=1e-6)
    assert moment.positions is not None
    assert np.allclose(moment.positions, vx.explain.position_similarity(model).values)
    assert moment.distances is not None
    assert np.allclose(moment.distances, vx.explain.attention_distance(maps, 4))
    assert moment.lens is not None
    lens = vx.explain.logit_lens(model, images)[0, :, 1:, film.followed]
    assert np.allclose(moment.lens.reshape(lens.shape), lens, atol=1e-6)


def test_the_class_that_is_followed_is_the_last_answer(film: vx.film.Film) -> None:
    assert film.followed == film.last.probabilities.argmax()
    assert film.steps == tuple(sorted(film.steps))
    assert (film.steps[0], film.steps[-1]) == (snapshot_steps(VIT)[0], snapshot_steps(VIT)[-1])


def test_filters_keep_their_place_and_sign(film: vx.film.Film) -> None:
    """A component is more like the next snapshot's one in its place than like the others; else films would flicker."""
    pairs = [(a.filters, b.filters) for a, b in zip(film.moments[1:], film.moments[2:], strict=False)]
    for one, other in pairs:
        assert one is not None
        assert other is not None
        a, b = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(axis=1, keepdims=True) for x in (one, other))
        cosine = (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
        apart = np.abs(cosine)[~np.eye(len(cosine), dtype=bool)]
        assert np.diag(cosine).min() >= 0
        assert np.diag(cosine)[:5].mean() > 2 * apart.mean()


def test_all_panels_have_a_frame_for_each_step(film: vx.film.Film) -> None:
    shown = panels(film)
    names = [panel.name for panel in shown]
    assert names == ["answers", "attention", "lens", "positions", "filters", "distances", "entropies"]
    for panel in shown:
        frames = panel.frames if isinstance(panel, Pictures) else panel.values
        assert len(frames) == len(film.steps)
        if isinstance(panel, Pictures):
            assert len({frame.shape for frame in panel.frames}) == 1
            assert len({frame.tobytes() for frame in panel.frames}) > 1  # something moves
        elif isinstance(panel, Dots):
            assert float(panel.values.max()) <= panel.top
        elif isinstance(panel, Bars):
            assert panel.names[panel.marked] == film.classes[film.followed]


def test_a_colour_is_one_value_from_the_first_frame_to_the_last(film: vx.film.Film) -> None:
    """What is lowest in a block's first map is no brighter than what is highest in any."""
    (attention,) = [p for p in panels(film) if p.name == "attention"]
    assert isinstance(attention, Pictures)
    first, last = (frame[..., :3].astype(float).mean() for frame in (attention.frames[0], attention.frames[-1]))
    start, end = (m.attention.max() for m in (film.moments[0], film.last) if m.attention is not None)
    assert start < end
    assert first != last


def test_a_resnet_has_a_film_of_what_it_has(picture: np.ndarray) -> None:
    film = vx.film.record(RESNET, picture)
    assert [panel.name for panel in panels(film)] == ["answers", "grad_cam", "filters"]
    data = vx.film.exports.as_data(film)
    assert data["missing"] == ["position embeddings", "attention from patch to patch", "a logit lens"]


def test_weights_that_are_no_numbers_leave_a_film_of_the_rest(film: vx.film.Film) -> None:
    blank = replace(
        film.moments[1], attention=None, lens=None, distances=None, probabilities=np.full(4, np.nan, np.float32)
    )
    broken = replace(film, moments=(film.moments[0], blank, *film.moments[2:]))
    assert [panel.name for panel in panels(broken)] == ["answers", "positions", "filters"]
    assert "NaN" not in json.dumps(vx.film.as_data(broken))
    assert vx.film.as_gif(broken)[:3] == b"GIF"


def test_a_page_plays_by_itself(film: vx.film.Film) -> None:
    page = vx.film.as_html(film, "<b>mine</b>")
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert "export default function play(" in page
    assert not re.findall(r'(?:src|href)="http|https?://(?!www\.w3\.org/2000/svg)', page)  # nothing from elsewhere
    data = json.loads(re.search(r"data: (\{.*\}) \}\);", page)[1])  # type: ignore[index]
    assert data["steps"] == list(film.steps)
    assert all(len(p.get("frames", p.get("values"))) == len(film.steps) for p in data["panels"])
    assert "</script>" not in json.dumps(data)


def test_names_that_people_typed_end_no_script(film: vx.film.Film) -> None:
    wicked = "</script><script>alert(1)</script>"
    named = vx.film.Film(**{**vars(film), "classes": (wicked,) * len(film.classes)})
    assert wicked not in vx.film.as_html(named)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_has_all_frames_and_rests_on_the_last(film: vx.film.Film, kind: str, tmp_path: Path) -> None:
    path = vx.film.write(film, tmp_path / f"film.{kind}")
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        assert picture.n_frames == len(film.steps)
        assert picture.info["loop"] == 0
        durations = []
        for i in range(picture.n_frames):
            picture.seek(i)
            picture.load()
            durations.append(picture.info["duration"])
    assert durations == [250.0] * (len(film.steps) - 1) + [2000.0]


def test_frames_are_drawn_as_the_numbers_say(film: vx.film.Film) -> None:
    """The bar of the followed class is as long as its probability."""
    from vit_explore.film.drawing import BANNER, CELL, GAP, HEAD, drawn
    from vit_explore.plots import theme

    *_, last = drawn(film)
    cell = last[BANNER + HEAD : BANNER + HEAD + CELL, GAP : GAP + CELL]
    blue = (cell == np.array(theme.rgb(theme.VIT))).all(axis=-1)
    assert blue.any(axis=0).sum() == pytest.approx(CELL * film.last.probabilities.max(), abs=2)


@pytest.mark.parametrize(("count", "frames", "expected"), [(3, 40, [0, 1, 2]), (9, 3, [0, 4, 8]), (100, 2, [0, 99])])
def test_of_many_snapshots_some_are_taken_from_everywhere(count: int, frames: int, expected: list[int]) -> None:
    assert _chosen("run:ab12", list(range(count)), frames) == expected


@pytest.mark.parametrize(
    ("ref", "error", "words"),
    [
        ("timm:vit_tiny_patch16_224@random", NotApplicable, "and timm:vit_tiny_patch16_224 has none; choose a run"),
        ("bundled:nothing", BadReference, "No bundled model is named 'nothing'; there are: resnet-cifar10"),
        ("run:zzzz", RunNotFound, "zzzz"),
    ],
)
def test_a_model_without_snapshots_is_refused(ref: str, error: type, words: str, picture: np.ndarray) -> None:
    with pytest.raises(error, match=words):
        vx.film.record(ref, picture)


def test_one_frame_is_no_film_and_a_name_says_the_format(film: vx.film.Film, picture: np.ndarray) -> None:
    with pytest.raises(BadConfig, match="A film of 1 frames is not possible: at least 2 are needed"):
        vx.film.record(VIT, picture, frames=1)
    with pytest.raises(BadConfig, match=r"cannot be written as 'film.mp4'; let its name end in .html, .gif or .webp"):
        vx.film.write(film, "film.mp4")


def test_the_command_writes_a_film(tmp_path: Path, picture: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "film.gif"
    Image.fromarray(picture).save(photo)
    assert main(["film", VIT, "--picture", str(photo), "--frames", "3", "--out", str(out)]) == 0
    assert "3 frames from step 0 to" in capsys.readouterr().out
    with Image.open(out) as made:
        assert made.n_frames == 3


def test_mistakes_of_the_command_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["film", VIT, "--out", "film.mp4"], "cannot be written as 'film.mp4'"),
        (["film", "timm:vit_tiny_patch16_224"], "A film needs the snapshots of a training"),
        (["film", VIT, "--picture", str(tmp_path / "no.jpg")], "no.jpg"),
        (["film", VIT, "--out", str(tmp_path / "nowhere" / "film.gif")], "There is no folder"),
    ):
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert words in err
        assert "Traceback" not in err


def test_the_snapshots_are_looked_for_before_the_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunStore().create(RunConfig(train={"epochs": 1}))
    monkeypatch.setattr("vit_explore.film_command._picture", lambda *_: pytest.fail("asked for the data"))
    assert main(["film", f"run:{run}"]) == 2
    assert "snapshot" in capsys.readouterr().err


def test_the_unit_stands_beside_the_axis_that_it_is_of() -> None:
    """Blocks are counted, pixels are not: without a unit nothing is drawn there."""
    values = np.full((1, 2, 3), 40.0)
    cells = [_dots(Dots("far", "How far", "", values, 50.0, unit, None), 0) for unit in ("px", "")]
    rows, columns = np.nonzero((cells[0] != cells[1]).any(axis=-1))
    assert rows.max() < 30  # at the top tick
    assert columns.min() > 36  # right of the axis
    assert columns.max() < 70
    script = (Path(vx.__file__).parent / "film" / "player.js").read_text()
    (line,) = [line for line in script.splitlines() if "panel.unit" in line]
    assert "y(panel.top)" in line
