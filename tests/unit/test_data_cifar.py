"""CIFAR from every place it may come from, and what is said when a file is broken. Servers are this machine's own."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import pickle
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_data import encoded, picture, write_fake_cifar, write_parquet

from vit_explore.config import DataConfig
from vit_explore.data import cache, data_home, dataset_status, hub, load_dataset, prepare
from vit_explore.data.sources import cifar
from vit_explore.errors import BadData, DataUnavailable

CONFIG = DataConfig()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small CIFAR-10 under VIT_EXPLORE_DATA; the folder of its parquet files."""
    monkeypatch.setenv("VIT_EXPLORE_DATA", str(tmp_path / "shared"))
    return write_fake_cifar(tmp_path / "shared", "cifar10", train=10, test=4)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data on this machine."""
    monkeypatch.delenv("VIT_EXPLORE_DATA", raising=False)
    monkeypatch.setattr(hub, "cached_file", lambda repo, name: None)


def test_pixels_and_labels_are_those_of_the_file(folder: Path) -> None:
    dataset = load_dataset(CONFIG)
    table = pq.read_table(folder / "test-00000-of-00001.parquet")
    assert dataset.test.labels.tolist() == table.column("label").to_pylist()
    from PIL import Image

    for image, cell in zip(dataset.test.images, table.column("img").to_pylist(), strict=True):
        np.testing.assert_array_equal(image.transpose(1, 2, 0), np.asarray(Image.open(io.BytesIO(cell["bytes"]))))


def test_files_directly_in_the_folder_and_in_parts(folder: Path) -> None:
    target = folder.parent
    for path in folder.iterdir():
        path.rename(target / path.name)
    folder.rmdir()
    whole = load_dataset(CONFIG)
    table = pq.read_table(target / "train-00000-of-00001.parquet")
    (target / "train-00000-of-00001.parquet").unlink()
    pq.write_table(table.slice(0, 30), target / "train-00000-of-00002.parquet")
    pq.write_table(table.slice(30), target / "train-00001-of-00002.parquet")
    np.testing.assert_array_equal(load_dataset(CONFIG).train.images, whole.train.images)


def test_cifar100_has_fine_and_coarse_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake_cifar(tmp_path, "cifar100", train=5, test=2)
    monkeypatch.setenv("VIT_EXPLORE_DATA", str(tmp_path))
    fine = load_dataset(DataConfig(dataset="cifar100"))
    coarse = load_dataset(DataConfig(dataset="cifar100", coarse_labels=True))
    assert (len(fine.classes), len(coarse.classes)) == (100, 20)
    np.testing.assert_array_equal(coarse.test.labels, fine.test.labels // 5)
    assert dataset_status("cifar100").classes == fine.classes


def test_a_changed_file_is_decoded_again(folder: Path, tmp_path: Path) -> None:
    before = load_dataset(CONFIG)
    write_fake_cifar(tmp_path / "shared", "cifar10", train=10, test=4, seed=1)
    after = load_dataset(CONFIG)
    assert not np.array_equal(before.test.images, after.test.images)


def test_the_second_load_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_dataset(CONFIG)
    monkeypatch.setattr(cifar, "read_parquet", None)
    load_dataset(CONFIG)


def test_a_damaged_cache_is_made_anew(folder: Path) -> None:
    first = load_dataset(CONFIG)
    for path in data_home().glob("*-images.npy"):
        path.write_bytes(path.read_bytes()[:1000])
    np.testing.assert_array_equal(load_dataset(CONFIG).train.images, first.train.images)


def test_a_full_disk_costs_a_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: object, array: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "save", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert len(load_dataset(CONFIG).test) == 40
    assert list(data_home().iterdir()) == []


def test_a_home_that_cannot_be_made_costs_a_warning(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VIT_EXPLORE_HOME", str(tmp_path / "file" / "home"))
    with pytest.warns(UserWarning, match="could not be cached"):
        load_dataset(CONFIG)


def test_the_cache_is_bounded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_dataset(CONFIG)
    old = set(data_home().iterdir())
    for path in old:
        os.utime(path, (1, 1))
    abandoned = data_home() / "x.npy.1-1.part"
    abandoned.write_bytes(b"half")
    os.utime(abandoned, (1, 1))
    monkeypatch.setattr(cache, "LIMIT", 100)
    write_fake_cifar(tmp_path / "shared", "cifar10", train=10, test=4, seed=1)
    load_dataset(CONFIG)
    left = set(data_home().iterdir())
    assert len(left) == 4
    assert not left & old


def test_a_set_goes_as_a_whole_and_is_not_said_to_be_there(folder: Path) -> None:
    load_dataset(CONFIG)
    sets = {path.name.rsplit("-", 2)[0] for path in data_home().iterdir()}
    (key,) = sets
    splits = tuple({path.name.rsplit("-", 2)[1] for path in data_home().iterdir()})
    assert cache.has(key, splits)
    limit = sum(path.stat().st_size for path in data_home().iterdir()) - 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "LIMIT", limit)
        cache._trim(data_home(), keep="another")
    assert not list(data_home().glob("*.npy"))
    load_dataset(CONFIG)
    next(data_home().glob("*-images.npy")).unlink()
    assert not cache.has(key, splits)


def spoil_garbage(path: Path) -> None:
    path.write_bytes(os.urandom(5000))


def spoil_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def spoil_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[2000:3000] = bytes(1000)
    path.write_bytes(data)


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_column(path: Path) -> None:
    pq.write_table(pa.table({"img": pq.read_table(path).column("img")}), path)


def spoil_image(path: Path) -> None:
    good = encoded(picture(np.random.default_rng(0)))
    write_parquet(path, [good, b"no picture", good], {"label": np.array([0, 1, 2])})


def spoil_null_image(path: Path) -> None:
    write_parquet(path, [None], {"label": np.array([0])})


def spoil_size(path: Path) -> None:
    write_parquet(path, [encoded(picture(np.random.default_rng(0), 31, 33))], {"label": np.array([0])})


def spoil_no_rows(path: Path) -> None:
    write_parquet(path, [], {"label": np.array([], np.int64)})


def spoil_text_labels(path: Path) -> None:
    write_parquet(path, [encoded(picture(np.random.default_rng(0)))], {"label": np.array(["cat"])})


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_garbage, spoil_cut, spoil_middle, spoil_empty, spoil_column, spoil_image, spoil_null_image, spoil_size,
        spoil_no_rows, spoil_text_labels,
    ],
)  # fmt: skip
def test_a_corrupt_parquet_is_named_in_one_sentence(folder: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    path = folder / "train-00000-of-00001.parquet"
    spoil(path)
    with pytest.raises(BadData) as caught:
        load_dataset(CONFIG)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    assert "\n" not in message
    assert not data_home().exists() or not list(data_home().iterdir())  # nothing of it was cached


def test_labels_out_of_range(folder: Path) -> None:
    write_parquet(
        folder / "test-00000-of-00001.parquet", [encoded(picture(np.random.default_rng(0)))], {"label": np.array([10])}
    )
    with pytest.raises(BadData, match="10 where 0 to 9"):
        load_dataset(CONFIG)


def test_one_split_missing(folder: Path) -> None:
    (folder / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(BadData, match=r"no test\*\.parquet"):
        load_dataset(CONFIG)
    assert not dataset_status("cifar10").available


@pytest.mark.usefixtures("nowhere")
def test_offline_fails_at_once_and_names_three_ways() -> None:
    start = time.perf_counter()
    with pytest.raises(DataUnavailable) as caught:
        load_dataset(CONFIG)
    assert time.perf_counter() - start < 2
    for way in ("python -m vit_explore data get cifar10", "cifar-10-python.tar.gz", "VIT_EXPLORE_DATA"):
        assert way in str(caught.value)
    assert not dataset_status("cifar10").available


def no_way(*args: object, **kwargs: object) -> None:
    raise OSError("no way to the network")


@pytest.mark.usefixtures("nowhere")
def test_without_a_network_both_sources_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "is_offline", lambda: False)
    monkeypatch.setattr("urllib.request.urlopen", no_way)
    said: list[str] = []
    with pytest.raises(DataUnavailable, match="no way to the network"):
        prepare("cifar100", lambda message, share: said.append(message))
    assert any("torchvision" in message for message in said)


def python2_pickle(content: dict[str, object]) -> bytes:
    """As the author's archive is pickled: protocol 2, and NumPy's core under its old name."""
    return pickle.dumps(content, protocol=2).replace(b"numpy._core", b"numpy.core")


def write_archive(path: Path, members: dict[str, bytes]) -> str:
    """Returns the checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return hashlib.md5(path.read_bytes()).hexdigest()


def fake_batches(archive: cifar.Archive, images: np.ndarray) -> dict[str, bytes]:
    labels = [row % 10 for row in range(len(images))]
    batch = python2_pickle({"data": images.reshape(len(images), -1), "labels": labels})
    return dict.fromkeys((*archive.train, *archive.test), batch)


@pytest.fixture
def archived(nowhere: None, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """torchvision's archive lies in home()/data; the images of each batch."""
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), np.uint8)
    archive = cifar.Cifar10.archive
    md5 = write_archive(data_home() / archive.filename, fake_batches(archive, images))
    monkeypatch.setattr(cifar.Cifar10, "archive", replace(archive, md5=md5))
    return images


def test_the_archive_is_read_where_a_user_put_it(archived: np.ndarray) -> None:
    dataset = load_dataset(CONFIG)
    np.testing.assert_array_equal(dataset.test.images, archived)
    assert (len(dataset.train), len(dataset.val)) == (80, 20)
    assert "cifar-10-python.tar.gz" in dataset_status("cifar10").where


@pytest.mark.usefixtures("archived")
def test_an_archive_with_a_wrong_checksum() -> None:
    path = data_home() / cifar.Cifar10.archive.filename
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BadData, match="checksum"):
        load_dataset(CONFIG)


@pytest.mark.usefixtures("nowhere")
def test_a_pickle_may_build_nothing_but_arrays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "hacked"),)

    archive = cifar.Cifar10.archive
    md5 = write_archive(data_home() / archive.filename, dict.fromkeys(archive.train, pickle.dumps(Evil(), protocol=2)))
    monkeypatch.setattr(cifar.Cifar10, "archive", replace(archive, md5=md5))
    with pytest.raises(BadData, match="not allowed"):
        load_dataset(CONFIG)
    assert not (tmp_path / "hacked").exists()


def test_the_archives_are_torchvisions() -> None:
    from torchvision.datasets import CIFAR10, CIFAR100

    for ours, theirs in ((cifar.Cifar10, CIFAR10), (cifar.Cifar100, CIFAR100)):
        assert (ours.archive.url, ours.archive.md5) == (theirs.url, theirs.tgz_md5)
        members = [f"{theirs.base_folder}/{name}" for name, _ in theirs.train_list]
        assert list(ours.archive.train) == members


class Files(http.server.BaseHTTPRequestHandler):
    """The few answers of the hub that its client needs, and plain files."""

    files: dict[str, bytes]
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        data = next((data for name, data in self.files.items() if self.path.endswith(name)), None)
        self.send_response(200 if data is not None else 404)
        body = data or b""
        for name, value in (
            ("Content-Length", str(len(body))),
            ("ETag", f'"{hashlib.md5(body).hexdigest()}"'),
            ("X-Repo-Commit", "a" * 40),
        ):
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Files]]]:
    handler = type("Handler", (Files,), {"files": {}, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", handler
        running.shutdown()


@pytest.mark.usefixtures("nowhere")
def test_the_second_source_is_downloaded_and_only_its_decoded_form_kept(
    server: tuple[str, type[Files]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, handler = server
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), np.uint8)
    archive = cifar.Cifar10.archive
    md5 = write_archive(tmp_path / "made.tar.gz", fake_batches(archive, images))
    handler.files[archive.filename] = (tmp_path / "made.tar.gz").read_bytes()
    monkeypatch.setattr(cifar.Cifar10, "archive", replace(archive, md5=md5, url=f"{address}/{archive.filename}"))
    monkeypatch.setattr(hub, "is_offline", lambda: False)
    monkeypatch.setattr(hub, "probe", lambda: (_ for _ in ()).throw(hub.HubUnavailable("the hub is away")))
    said: list[str] = []
    where = prepare("cifar10", lambda message, share: said.append(message))
    assert "decoded" in where
    assert any("the hub is away" in message for message in said)
    assert any("Downloading cifar-10-python.tar.gz" in message for message in said)
    assert not list(data_home().rglob("*.tar.gz*"))
    np.testing.assert_array_equal(load_dataset(CONFIG).test.images, images)  # the server is not needed again
    assert len(handler.asked) == 1


def test_the_hub_is_asked_at_its_endpoint_once(server: tuple[str, type[Files]], tmp_path: Path) -> None:
    """In a process of its own, because the hub's client reads its settings when it is imported."""
    address, handler = server
    folder = write_fake_cifar(tmp_path / "origin", "cifar10", train=4, test=2)
    handler.files |= {f"plain_text/{path.name}": path.read_bytes() for path in folder.iterdir()}
    script = (
        "import sys; from vit_explore.data import prepare, load_dataset; from vit_explore.config import DataConfig\n"
        "said = []; where = prepare('cifar10', lambda message, share: said.append((message, share)))\n"
        "assert any('Downloading uoft-cs/cifar10' in m and s == 1 for m, s in said), said\n"
        "assert 'torch' not in sys.modules\n"
        "print(where, len(load_dataset(DataConfig()).test))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "VIT_EXPLORE_DATA" and "proxy" not in k.lower()}
    environment |= {
        "HF_ENDPOINT": address,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
    }
    run = lambda: subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)  # noqa: E731
    first = run()
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip().endswith("20")
    assert "|" not in first.stderr  # no bar of its own
    asked = len(handler.asked)
    # decoded already: nothing is asked; then, without that, the hub's own cache serves, still without the network
    offline = "import vit_explore as vx; vx.load_dataset(vx.DataConfig())"
    for home in (environment["VIT_EXPLORE_HOME"], str(tmp_path / "another home")):
        again = subprocess.run(
            [sys.executable, "-c", offline],
            env={**environment, "VIT_EXPLORE_HOME": home},
            capture_output=True,
            text=True,
        )
        assert again.returncode == 0, again.stderr
    assert len(handler.asked) == asked


@pytest.mark.slow
def test_the_real_thing(real_data: Path) -> None:
    dataset = load_dataset(CONFIG)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (40_000, 10_000, 10_000)
    assert np.bincount(dataset.train.labels).tolist() == [4000] * 10
    np.testing.assert_allclose(dataset.mean, (0.4914, 0.4822, 0.4465), atol=0.005)  # the published ones
    start = time.perf_counter()
    load_dataset(CONFIG)
    assert time.perf_counter() - start < 5  # a fraction of a second on an idle machine; decoding takes far longer
    assert len(load_dataset(DataConfig(classes=("ship", "cat"), per_class=4000)).val) == 2000
