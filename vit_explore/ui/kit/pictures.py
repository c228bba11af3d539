"""The picture that the pages look at: a sample, a dataset's image, an upload or the camera. It follows the person.

The address names it: `sample:cat`, `dataset:cifar10:17`, `run:3f2a:17` and `bundled:vit-cifar10:17` (of the validation
images of that model), `upload:0f3a…` (kept on this server). A page about one model opens on a validation image of that
model's own data, where they are on this machine, until the person chooses a picture.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from vit_explore.data.images import load_image, sample_images
from vit_explore.errors import BadData, DiskFull, UnknownName, VitExploreError
from vit_explore.ui.kit import picture_data as data
from vit_explore.ui.kit.errors import NotYet, friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.kit.waiting import peek, result, watch
from vit_explore.ui.session import address, caches, uploads
from vit_explore.ui.session.jobs import Job

SOURCES = {
    "sample": ":material/image: Samples",
    "dataset": ":material/dataset: Dataset",
    "upload": ":material/upload: Upload",
    "camera": ":material/photo_camera: Camera",
}
_TYPES = ["jpg", "jpeg", "png", "webp", "avif", "heic", "heif", "gif", "bmp", "tif", "tiff", "jp2"]
_UPLOAD_MB = 20
_PICTURE, _FILE, _SOURCE = "picked_picture", "picked_file", "picked_source"
_OPENED = "picked_default"  # the name of the picture that a page opened on: nobody chose it
_TRUTHS = {"cat": "cat", "drawn star": "star", "drawn heart": "heart", "drawn ring": "ring"}  # of the samples


@dataclass(frozen=True)
class Picture:
    """pixels: uint8 (H, W, 3); key: SHA-256 of them, for caches; truth: the class it shows, where a dataset says so."""

    pixels: np.ndarray
    key: str
    title: str
    truth: str | None = None


def pick_picture(of_model: bool = False) -> Picture:
    """Draw the picker and give the picture; one that cannot be read is refused in a sentence, the last one stays.

    of_model: open on an image of the chosen model's own data, in place of the first sample.
    """
    row = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    name, before, awaited = _settle(of_model)
    source = _source(name)
    st.session_state["picture_source"] = source
    row.segmented_control(
        "Picture", list(SOURCES), format_func=SOURCES.__getitem__, required=True, wrap=True, key="picture_source",
        on_change=_choose_source, label_visibility="collapsed",
    )  # fmt: skip
    with row.container(width={"dataset": 540, "upload": 560}.get(source, "content")):
        picture = None
        with friendly():
            draw = {"sample": _sample, "dataset": _dataset_image, "upload": _upload, "camera": _camera}[source]
            picture = _or_wait(draw(before), before, awaited)
        if picture is None:
            st.caption(f"What you see below is still “{escaped(before.title)}”.")
    return before if picture is None else picture


def _or_wait(picture: Picture, before: Picture, awaited: Job[Any] | None) -> Picture:
    """What the picker gave; while that is the last picture, and the data of the next are being read, their progress."""
    if awaited is None or picture is not before:
        return picture
    watch(awaited)
    raise NotYet


def _settle(of_model: bool) -> tuple[str, Picture, Job[Any] | None]:
    """The picture of the address or the session, by its name; in place of one that is not there the first sample.

    While its data are being read it is the last picture, with the job that reads them.
    """
    name = address.get("picture")
    if name is None or (of_model and name == st.session_state.get(_OPENED)):
        name = st.session_state[_OPENED] = _own_image() if of_model else _first_sample()
        address.settle(picture=name)
    try:
        return name, _open(name), None
    except NotYet:
        return name, _last_seen(), caches.loading(data.config_of(name.rpartition(":")[0]))
    except VitExploreError as error:
        address.refuse("picture", f"{error} Here is the first sample instead.")
    name = _first_sample()
    address.settle(picture=name)
    return name, _open(name), None


def _own_image() -> str:
    """The first validation image of the chosen model's data; the first sample where they are not on this machine."""
    own = data.own_source()
    return f"{own}:0" if own else _first_sample()


def _first_sample() -> str:
    return _named_sample(next(iter(samples())))


def _last_seen() -> Picture:
    """The picture to show until the one of the address is read."""
    kept = st.session_state.get(_PICTURE)
    return _open(_first_sample()) if kept is None else kept[1]


def _open(name: str) -> Picture:
    """The picture of an address; the last one is the session's. Raises VitExploreError for one that is not there."""
    kept = st.session_state.get(_PICTURE)
    if kept is None or kept[0] != name:
        kept = st.session_state[_PICTURE] = (name, _read(name))
    elif name.startswith(data.WITH_DATA):
        data.config_of(name.rpartition(":")[0])  # raises where the run was deleted meanwhile
    return kept[1]


def _read(name: str) -> Picture:
    source, _, which = name.partition(":")
    if source == "sample":
        title = which.replace("-", " ")
        if title not in samples():
            raise UnknownName(f"There is no sample picture {title!r}; there are: {', '.join(samples())}.")
        return picture_of(samples()[title], title, _TRUTHS.get(title))
    if source == "upload":
        return picture_of(uploads.find(which), "your upload")
    source, _, index = name.rpartition(":")
    return _image(source, int(index))


def _image(source: str, index: int) -> Picture:
    """A validation image of `run:3f2a` or `dataset:cifar10`. Raises NotYet while the data are being read."""
    done = peek(caches.loading(data.config_of(source)))
    if done is None:
        raise NotYet  # the picker draws the progress
    there = done.value
    if index >= len(there.val):
        raise BadData(
            f"There is no validation image {index} in these data: they have {len(there.val)}, counted from 0."
        )
    label = there.classes[int(there.val.labels[index])]
    pixels = np.ascontiguousarray(there.val.images[index].transpose(1, 2, 0))
    return picture_of(pixels, f"{data.title_of(source)} {index}", label)


def picture_of(pixels: np.ndarray, title: str, truth: str | None = None) -> Picture:
    """A picture with its key."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Picture(pixels, digest.hexdigest(), title, truth)


@st.cache_resource(show_spinner=False)
def samples() -> dict[str, np.ndarray]:
    """The sample pictures, read once."""
    return sample_images()


def _source(name: str) -> str:
    """Where the picture comes from; what the person is about to send one from, until it is there."""
    begun = st.session_state.get(_SOURCE)
    if begun is not None and begun[1] == name:
        return begun[0]
    kind = name.partition(":")[0]
    return "dataset" if kind in ("run", "bundled") else kind


def _choose_source() -> None:
    """Another source shows its first picture; an upload and the camera show the last one until there is a new one."""
    source, now = st.session_state["picture_source"], address.get("picture")
    st.session_state[_SOURCE] = (source, now)
    if source == "sample":
        address.choose(picture=_first_sample())
    elif source == "dataset" and data.sources():
        address.choose(picture=f"{data.sources()[0]}:0")


def _named_sample(title: str) -> str:
    return f"sample:{title.replace(' ', '-')}"


def _sample(picture: Picture) -> Picture:
    names = list(samples())
    st.session_state["sample"] = picture.title
    st.pills(
        "Sample", names, format_func=str.capitalize, required=True, wrap=True, key="sample",
        label_visibility="collapsed", on_change=_choose_sample,
    )  # fmt: skip
    return picture


def _choose_sample() -> None:
    address.choose(picture=_named_sample(st.session_state["sample"]))


def _dataset_image(picture: Picture) -> Picture:
    chosen, _, index = str(address.get("picture")).rpartition(":")
    if not chosen.startswith(("dataset:", *data.WITH_DATA)):
        st.info("No dataset is on this machine yet; the page Home says how to get one.", icon=":material/info:")
        return picture
    sources = list(dict.fromkeys([*data.sources(), chosen]))
    titles = {source: data.title_of(source) for source in sources}
    st.session_state["picture_dataset"] = chosen
    names, left, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    names.selectbox("Dataset", sources, format_func=titles.__getitem__, key="picture_dataset", on_change=_choose_data)
    last = len(result(caches.loading(data.config_of(chosen))).val) - 1
    right.button("Another", icon=":material/casino:", on_click=_another, args=(chosen, last), width="stretch")
    st.session_state["picture_index"] = int(index)
    left.number_input("Validation image", 0, last, key="picture_index", on_change=_choose_data)
    return picture


def _choose_data() -> None:
    source, index = st.session_state["picture_dataset"], st.session_state["picture_index"]
    same = str(address.get("picture")).startswith(f"{source}:")
    address.choose(picture=f"{source}:{index if same else 0}")


def _another(source: str, last: int) -> None:
    address.choose(picture=f"{source}:{int(np.random.default_rng().integers(last + 1))}")


def _upload(picture: Picture) -> Picture:
    file = st.file_uploader(
        "A picture of your own", type=_TYPES, max_upload_size=_UPLOAD_MB, key="picture_upload",
        help=f"It is kept on this server, its short side at most {uploads.SHORT_SIDE} pixels and without its name or "
        f"metadata, so that a reload shows it again; the oldest of {uploads.MAX_FILES} leaves first. Only who has this "
        "page's address can see it.",
    )  # fmt: skip
    return _received(file, picture)


def _camera(picture: Picture) -> Picture:
    file = st.camera_input("A picture from the camera", key="picture_camera", label_visibility="collapsed")
    return _received(file, picture)


def _received(file: Any, before: Picture) -> Picture:
    """The picture in a file that is new, kept and put into the address; else the one before. Raises BadImage."""
    if file is None or st.session_state.get(_FILE) == file.file_id:
        return before
    pixels = uploads.fitting(load_image(file))
    st.session_state[_FILE] = file.file_id
    name = f"upload:{uploads.name_of(pixels)}"
    st.session_state[_PICTURE] = (name, picture_of(pixels, file.name))
    st.session_state[_SOURCE] = (st.session_state["picture_source"], name)
    address.choose(picture=name)
    try:
        uploads.keep(pixels)
    except DiskFull as error:
        st.warning(escaped(str(error)), icon=":material/info:")
    return st.session_state[_PICTURE][1]
