"""The picture that the pages look at: a sample, a dataset's image, an upload or the camera. It follows the person."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from vit_explore.config import DataConfig
from vit_explore.data import dataset_status, datasets
from vit_explore.data.images import load_image, sample_images
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.session import caches
from vit_explore.ui.session.choice import chosen_model

SOURCES = {
    "sample": ":material/image: Samples",
    "dataset": ":material/dataset: Dataset",
    "upload": ":material/upload: Upload",
    "camera": ":material/photo_camera: Camera",
}
_TYPES = ["jpg", "jpeg", "png", "webp", "avif", "heic", "heif", "gif", "bmp", "tif", "tiff", "jp2"]
_UPLOAD_MB = 20
OF_THIS_RUN = " (of this run)"
_PICTURE, _FILE, _SOURCE = "picked_picture", "picked_file", "picked_source"


@dataclass(frozen=True)
class Picture:
    """pixels: uint8 (H, W, 3); key: SHA-256 of them, for caches; truth: the class it shows, where a dataset says so."""

    pixels: np.ndarray
    key: str
    title: str
    truth: str | None = None


def pick_picture() -> Picture:
    """Draw the picker and give the picture; one that cannot be read is refused in a sentence, the last one stays."""
    row = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    last = st.session_state.get(_SOURCE, "sample")  # the widget's own state ends with its page
    st.session_state.setdefault("picture_source", last)
    chosen = row.segmented_control(
        "Picture", list(SOURCES), format_func=SOURCES.__getitem__, required=True, wrap=True, key="picture_source",
        label_visibility="collapsed",
    )  # fmt: skip
    source = st.session_state[_SOURCE] = chosen or last
    if _PICTURE not in st.session_state:
        title, pixels = next(iter(samples().items()))
        st.session_state[_PICTURE] = picture_of(pixels, title)
    with row.container(width=560 if source in ("dataset", "upload") else "content"):
        answered = False
        with friendly():
            picture = {"sample": _sample, "dataset": _dataset_image, "upload": _upload, "camera": _camera}[source]()
            st.session_state[_PICTURE] = picture or st.session_state[_PICTURE]
            answered = True
        if not answered:
            st.caption(f"What you see below is still “{escaped(st.session_state[_PICTURE].title)}”.")
    return st.session_state[_PICTURE]


def picture_of(pixels: np.ndarray, title: str, truth: str | None = None) -> Picture:
    """A picture with its key."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Picture(pixels, digest.hexdigest(), title, truth)


@st.cache_resource(show_spinner=False)
def samples() -> dict[str, np.ndarray]:
    """The sample pictures, read once."""
    return sample_images()


def _sample() -> Picture:
    pictures = samples()
    name = st.pills(
        "Sample", list(pictures), format_func=str.capitalize, default=next(iter(pictures)), required=True, wrap=True,
        key="sample", bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    return picture_of(pictures[name], name)


def _dataset_image() -> Picture | None:
    configs = dataset_configs()
    name = st.selectbox("Dataset", list(configs), key="picture_dataset", persist_state="session")
    if name is None:
        st.info("No dataset is on this machine yet; the page Home says how to get one.", icon=":material/info:")
        return None
    data = result(caches.loading(configs[name]))
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    last = len(data.val) - 1
    key = "picture_index"
    if st.session_state.get(key, 0) > last:
        st.session_state[key] = 0
    right.button("Another", icon=":material/casino:", on_click=_another, args=(key, last), width="stretch")
    index = left.number_input("Validation image", 0, last, key=key, persist_state="session")
    label = data.classes[int(data.val.labels[index])]
    return picture_of(np.ascontiguousarray(data.val.images[index].transpose(1, 2, 0)), f"{name} {index}", label)


def dataset_configs() -> dict[str, DataConfig]:
    """What can be shown without a download: the data of the chosen run first, then the datasets on this machine."""
    configs: dict[str, DataConfig] = {}
    choice = chosen_model()
    if choice is not None and choice.base.startswith("run:"):
        config = caches.store().get(choice.base.removeprefix("run:")).config
        if config is not None:
            configs[config.data.dataset + OF_THIS_RUN] = config.data
    for name in datasets.names():
        if name != "folder" and dataset_status(name).available:
            # a drawn dataset is drawn anew: a few images suffice to look at
            configs[name] = DataConfig(dataset=name, per_class=40 if name == "shapes" else None)
    return configs


def _another(key: str, last: int) -> None:
    st.session_state[key] = int(np.random.default_rng().integers(last + 1))


def _upload() -> Picture | None:
    file = st.file_uploader(
        "A picture of your own", type=_TYPES, max_upload_size=_UPLOAD_MB, key="picture_upload",
        help="It stays on this machine: nothing is stored or sent anywhere.",
    )  # fmt: skip
    return _read(file)


def _camera() -> Picture | None:
    return _read(st.camera_input("A picture from the camera", key="picture_camera", label_visibility="collapsed"))


def _read(file: Any) -> Picture | None:
    """The picture in an uploaded file, decoded when it is new. Raises BadImage."""
    if file is None or st.session_state.get(_FILE) == file.file_id:
        return None
    picture = picture_of(load_image(file), file.name)
    st.session_state[_FILE] = file.file_id
    return picture
