"""Which pictures, and how many: a dataset of the app, or a person's own folder or zip."""

from __future__ import annotations

import hashlib

import streamlit as st

from vit_explore.config import DataConfig
from vit_explore.data import dataset_status, datasets
from vit_explore.data.members import last_change, located, pictures_of
from vit_explore.ui.kit import waiting
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.kit.uploaded import save_upload
from vit_explore.ui.session import room
from vit_explore.ui.session.jobs import Job, Progress, Work

PER_CLASS = 300  # at first: a few seconds for everything
_FIRST = ("dog", "horse", "ship")  # of CIFAR-10: the smallest bundled ViT has seen none of them
_SHOWN = 8  # classes of a folder that are named
_LEAST = 3  # pictures of a class: one to train on, one to validate, one to test
_KEYS = ("dataset", "classes", "per_class", "path")
_KEY = "tune_{}".format


def fill(config: DataConfig | None = None) -> None:
    """Put a run's images into the form, or at first what is on this machine."""
    if config is None:
        is_here = dataset_status("cifar10").available
        config = DataConfig(
            dataset="cifar10" if is_here else "shapes", classes=_FIRST if is_here else None, per_class=PER_CLASS
        )
    for name in _KEYS:
        value = getattr(config, name)
        st.session_state[_KEY(name)] = list(value or ()) if name == "classes" else value


def is_filled() -> bool:
    """Whether the form holds anything yet."""
    return _KEY("dataset") in st.session_state


def form() -> bool:
    """The widgets; gives whether the pictures can be read, as far as is known."""
    st.markdown("##### :material/photo_library: 1 · Your pictures")
    if (pending := st.session_state.pop(_KEY("path_pending"), None)) is not None:
        st.session_state[_KEY("path")] = pending
    st.selectbox(
        "Dataset", datasets.names(), format_func=lambda name: dataset_status(name).title, key=_KEY("dataset"),
        on_change=_forget, persist_state="session",
    )  # fmt: skip
    status = dataset_status(st.session_state[_KEY("dataset")])
    can_read = True
    if status.name == "folder":
        can_read = _folder()
    elif not status.available:
        st.warning(escaped(status.trouble or f"{status.title} is fetched first, which needs a network."))
    if status.classes:
        st.multiselect(
            "Classes", status.classes, key=_KEY("classes"), placeholder=f"all {len(status.classes)} classes",
            persist_state="session",
        )  # fmt: skip
    st.number_input(
        "Images per class", min_value=2, value=None, step=50, key=_KEY("per_class"), placeholder="all",
        help="For training; validation and test come on top. Few are enough when the features are good.",
        persist_state="session",
    )  # fmt: skip
    return can_read


def read() -> DataConfig:
    """What the form says. Raises BadConfig."""
    asked = {name: st.session_state.get(_KEY(name)) for name in _KEYS}
    classes = tuple(asked["classes"] or ()) if asked["dataset"] != "folder" else ()
    path = str(asked["path"] or "").strip() if asked["dataset"] == "folder" else ""
    return DataConfig(
        dataset=asked["dataset"], classes=classes or None, per_class=asked["per_class"], path=path or None
    )


def group_of(config: DataConfig) -> str:
    """The name of the runs on these images: they are shown together, whatever size their models take."""
    words = config.model_dump_json(exclude={"image_size", "normalize"})
    return f"tune-{hashlib.sha256(words.encode()).hexdigest()[:10]}"


def needs_folder() -> bool:
    """Whether a person's own pictures are chosen, and not named yet."""
    return st.session_state[_KEY("dataset")] == "folder" and not str(st.session_state.get(_KEY("path")) or "").strip()


def _forget() -> None:
    """Another dataset: its own classes, and of one's own pictures all, which may be few."""
    st.session_state[_KEY("classes")] = []
    st.session_state[_KEY("per_class")] = None if st.session_state[_KEY("dataset")] == "folder" else PER_CLASS


def _folder() -> bool:
    """The widgets of a folder or zip; gives whether it holds classes with enough pictures."""
    st.text_input(
        "Folder or zip on this machine", key=_KEY("path"), placeholder="~/pictures/shoes", persist_state="session",
        help="One sub-folder of pictures for each class; train, val and test folders on top are taken as they are.",
    )  # fmt: skip
    upload = st.file_uploader("Or upload a zip of class folders", type=["zip"], key=_KEY("zip"))
    if upload is not None and upload.file_id != st.session_state.get(_KEY("zip_taken")):
        with friendly():
            path = save_upload(upload.getvalue())
            st.session_state[_KEY("zip_taken")] = upload.file_id
            st.session_state[_KEY("path_pending")] = path
            st.rerun()
    if path := str(st.session_state[_KEY("path")] or "").strip():
        with friendly():
            room.check_folder(path)
            return _say_classes(waiting.result(_looking_into(path)))
    return False


def _say_classes(found: dict[str, int]) -> bool:
    """Name the classes, or say what is missing; gives whether they can be trained on."""
    shown = ", ".join(f"{escaped(name)} ({count:,})" for name, count in list(found.items())[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    if few := [name for name, count in found.items() if count < _LEAST]:
        which = f"{escaped(few[0])} has {found[few[0]]}"
        st.error(f"Each class needs at least {_LEAST} pictures; {which}.", icon=":material/error:")
        return False
    st.caption(f":material/check: {len(found)} classes: {shown}{more}.")
    return True


def _looking_into(path: str) -> Job[dict[str, int]]:
    def work() -> Work[dict[str, int]]:
        yield Progress(0.0, "counting its pictures")
        return pictures_of(located(path))

    return Job(("folder", path, str(last_change(path))), "Looking into the folder", work)
