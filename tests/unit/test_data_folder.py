"""A user's own folder or zip: every layout, and every attack."""

from __future__ import annotations

import io
import os
import threading
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fake_data import encoded, picture, write_class_folders
from PIL import Image

from vit_explore.config import DataConfig
from vit_explore.data import Dataset, load_dataset, members, prepare
from vit_explore.data.sources import folder
from vit_explore.errors import BadConfig, BadData

RNG = np.random.default_rng(0)
PNG = encoded(picture(RNG))


def load(path: Path, **options: object) -> Dataset:
    return load_dataset(DataConfig(dataset="folder", path=str(path), **options))


def sizes(dataset: Dataset) -> tuple[int, int, int]:
    return len(dataset.train), len(dataset.val), len(dataset.test)


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tree(count: int, *prefixes: str) -> dict[str, bytes]:
    """`count` different pictures under each prefix."""
    return {f"{prefix}/{number}.png": encoded(picture(RNG)) for prefix in prefixes for number in range(count)}


def unpack(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


@pytest.fixture(params=["folder", "zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Puts files where the dataset can be loaded from: a folder, or a zip."""
    if request.param == "folder":
        return lambda files: unpack(tmp_path / "pictures", files)
    return lambda files: make_zip(tmp_path / "pictures.zip", files)


def test_class_folders(place) -> None:  # type: ignore[no-untyped-def]
    dataset = load(place(tree(10, "owl", "fox")), image_size=16)
    assert dataset.classes == ("fox", "owl")
    assert sizes(dataset) == (12, 4, 4)  # a fifth for testing, a fifth of the rest for validation


def test_splits_on_top(place) -> None:  # type: ignore[no-untyped-def]
    assert sizes(load(place(tree(5, "train/a", "train/b") | tree(3, "test/a", "test/b")))) == (8, 2, 6)


def test_all_three_splits_on_top(place) -> None:  # type: ignore[no-untyped-def]
    files = tree(5, "Train/a", "Train/b") | tree(2, "val/a", "val/b") | tree(3, "test/a", "test/b")
    assert sizes(load(place(files))) == (10, 4, 6)


def test_one_folder_around_everything(place) -> None:  # type: ignore[no-untyped-def]
    assert load(place(tree(5, "my pictures/a", "my pictures/b"))).classes == ("a", "b")
    assert load(place(tree(5, "zoo/a", "zoo/b"))).train.images.shape[1:] == (3, 32, 32)


def test_rubbish_is_left_out(place) -> None:  # type: ignore[no-untyped-def]
    rubbish = ("__MACOSX/a/._0.png", "a/.hidden.png", "a/Thumbs.db", "README.txt", ".git/x/y.png")
    files = tree(5, "a", "b") | dict.fromkeys(rubbish, b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = load(place(files))
    assert dataset.classes == ("a", "b")
    assert sum(sizes(dataset)) == 10


def test_mixed_formats(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    root = write_class_folders(tmp_path / "x", 8, ("a", "b"))
    (root / "a" / "phone.heic").write_bytes(encoded(picture(RNG, 64, 48), "HEIF"))
    animated = io.BytesIO()
    picture(RNG).save(animated, "GIF", save_all=True, append_images=[picture(RNG)])
    (root / "b" / "moving.gif").write_bytes(animated.getvalue())
    assert sum(sizes(load(root, image_size=24))) == 18


def test_pictures_are_cropped_to_the_centre(tmp_path: Path) -> None:
    wide = np.zeros((30, 90, 3), np.uint8)
    wide[:, 30:60] = 255
    files = {f"{c}/{i}.png": encoded(Image.fromarray(wide)) for c in "ab" for i in range(4)}
    images = load(unpack(tmp_path / "x", files), image_size=10).train.images
    assert (images[:, :, 1:-1, 2:-2] == 255).all()  # the filter mixes neighbours into the outermost columns


def test_pictures_that_cannot_be_read_are_counted_and_named(place) -> None:  # type: ignore[no-untyped-def]
    files = tree(6, "a", "b") | {"a/text.png": b"no picture", "b/cut.jpg": encoded(picture(RNG), "JPEG")[:200]}
    path = place(files)
    for _ in range(2):  # the cache must not swallow the warning
        with pytest.warns(UserWarning, match=r"2 of the pictures.*a/text\.png") as caught:
            dataset = load(path)
        assert len(caught) == 1
    assert sum(sizes(dataset)) == 12


def test_pictures_beside_the_class_folders_are_mentioned(place) -> None:  # type: ignore[no-untyped-def]
    with pytest.warns(UserWarning, match="cover.png .in no class folder"):
        load(place(tree(5, "a", "b") | {"cover.png": PNG}))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no class folders"),
        ({"1.png": PNG, "2.png": PNG}, "no class folders"),
        (tree(5, "only"), "only the class folder 'only'"),
        (tree(5, "top/only"), "only the class folder"),
        (tree(5, "a", "b") | {"c/notes.txt": b"x"}, "class 'c' .* no readable pictures"),
        (tree(5, "a", "b") | tree(2, "c"), "class 'c' .* 2 readable pictures .* at least 3"),
        ({f"{c}/{i}.png": b"broken" for c in "ab" for i in range(4)}, "no readable pictures"),
        (tree(5, "train/a", "train/b") | tree(3, "test/a"), "class 'b' .* for test"),
    ],
    ids=["empty", "flat", "one", "one in a top folder", "without pictures", "too few", "all broken", "not in test"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_unusable(place, files: dict[str, bytes], words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "pictures").mkdir()
    with pytest.raises(BadData, match=words):
        load(place(files))


def test_an_empty_class_folder(tmp_path: Path) -> None:
    root = unpack(tmp_path / "x", tree(5, "a", "b"))
    (root / "empty").mkdir()
    with pytest.raises(BadData, match="class 'empty'"):
        load(root)


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:\\evil.png"])
def test_paths_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    path = make_zip(tmp_path / "bad.zip", tree(5, "a", "b") | {name: PNG})
    with pytest.raises(BadData, match="leads out of its folder"):
        load(path)


def test_a_zip_with_an_entry_for_the_folder_itself(tmp_path: Path) -> None:
    """As some archivers write it when they pack "."."""
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("./"), b"")
        for name, data in tree(5, "a", "b").items():
            archive.writestr(f"./{name}", data)
    assert load(path).classes == ("a", "b")


def test_nothing_is_unpacked(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "only"
    folder.mkdir()
    load(make_zip(folder / "a.zip", tree(5, "a", "b")))
    assert [path.name for path in folder.iterdir()] == ["a.zip"]
    assert {path.suffix for path in home.rglob("*") if path.is_file()} == {".npy"}


def test_zip_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "a.zip", tree(5, "a", "b"))
    monkeypatch.setattr(members, "MAX_TOTAL", 1000)
    with pytest.raises(BadData, match="the most allowed"):
        load(path)
    monkeypatch.undo()
    monkeypatch.setattr(members, "MAX_MEMBERS", 9)
    with pytest.raises(BadData, match="more than 9 files"):
        load(path)


def test_a_bomb_among_the_pictures_is_skipped(tmp_path: Path) -> None:
    bomb = encoded(Image.new("1", (9000, 9000)))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (tree(5, "a", "b") | {"a/bomb.png": bomb}).items():
            archive.writestr(name, data)
    with pytest.warns(UserWarning, match=r"bomb\.png .*megapixels"):
        assert sum(sizes(load(path))) == 10


def test_a_zip_with_damaged_bytes(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", tree(6, "a", "b"))
    data = bytearray(path.read_bytes())
    data[100:140] = b"\xff" * 40  # in the first picture; the directory at the end still reads
    path.write_bytes(data)
    with pytest.warns(UserWarning, match="1 of the pictures"):
        assert sum(sizes(load(path))) == 11


def test_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 but no more")
    with pytest.raises(BadData, match="not a zip"):
        load(tmp_path / "a.zip")
    with pytest.raises(BadData, match="There is no folder or zip"):
        load(tmp_path / "nowhere")


def test_a_locked_zip(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", tree(5, "a", "b"))
    data = path.read_bytes()
    head = data.index(b"PK\x01\x02")
    path.write_bytes(data[: head + 8] + b"\x01" + data[head + 9 :])  # the flag in the directory
    with pytest.raises(BadData, match="password"):
        load(path)


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    root = unpack(tmp_path / "x", tree(5, "a", "b"))
    before = load(root)
    unpack(root, tree(6, "a", "b"))
    after = load(root)
    assert sum(sizes(before)) == 10
    assert sum(sizes(after)) == 12


def test_progress_is_told_while_pictures_are_read_and_whoever_leaves_there_does_not_wait_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, read = threading.Event(), []

    def read_one(*_: object) -> None:
        if len(read) >= folder._CHUNK:
            assert told.wait(10), "nothing was told while the first part was long read"
        read.append(1)

    def leave(message: str, share: float) -> None:
        told.set()
        assert (message, share) == ("Reading pictures", 1 / count)
        raise InterruptedError

    monkeypatch.setattr(folder, "_read_one", read_one)
    monkeypatch.setattr(folder.os, "cpu_count", lambda: 1)
    count = 8 * folder._CHUNK
    root = unpack(tmp_path / "x", {f"{label}/{n}.png": PNG for label in "ab" for n in range(count // 2)})
    with pytest.raises(InterruptedError):
        load_dataset(DataConfig(dataset="folder", path=str(root)), leave)
    assert len(read) <= 3 * folder._CHUNK


def test_there_is_nothing_to_get() -> None:
    with pytest.raises(BadConfig, match="your own pictures"):
        prepare("folder")


def test_a_picture_that_comes_or_goes_is_noticed(tmp_path: Path) -> None:
    """In a class folder, and in one of a split."""
    for prefix in ("", "train/", "top/train/"):
        root = unpack(tmp_path / f"own{len(prefix)}", tree(2, f"{prefix}fox", f"{prefix}owl"))
        for place in (root, *root.rglob("*")):
            os.utime(place, ns=(10**18, 10**18))
        before = members.last_change(str(root))
        (root / f"{prefix}owl" / "new.png").write_bytes(PNG)
        assert members.last_change(str(root)) > before
    for nowhere in (str(tmp_path / "nowhere"), "~nobody-of-that-name/pictures", "a\0b"):
        assert members.last_change(nowhere) == 0


def test_classes_are_counted_by_the_names_that_a_run_has(place) -> None:  # type: ignore[no-untyped-def]
    root = place(tree(5, "fox\u202e", "fox", "owl"))
    assert tuple(members.pictures_of(root)) == load(root).classes
    assert set(members.pictures_of(root).values()) == {5}


def test_the_home_of_nobody_is_one_sentence() -> None:
    with pytest.raises(BadData, match="not known here"):
        load(Path("~nobody-of-that-name/pictures"))
