"""The four parts of the Train page's form: data, model, budget, and what is folded away."""

from __future__ import annotations

import streamlit as st

from vit_explore.data import DatasetStatus, dataset_status, datasets
from vit_explore.ui.kit import forms
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.uploaded import save_upload

_IN_THE_OPEN = {
    "data": ("dataset", "classes", "per_class", "path", "coarse_labels"),
    "train": ("seconds", "epochs"),
}


def data_form() -> None:
    """The dataset, its classes, how many images."""
    st.markdown("##### :material/photo_library: Data")
    fields = forms.widgets()
    st.selectbox(
        "Dataset", datasets.names(), format_func=lambda name: dataset_status(name).title, help=fields["dataset"].help,
        key=fields["dataset"].key, on_change=_forget_classes, persist_state="session",
    )  # fmt: skip
    forms.say_mistake("dataset")
    status = dataset_status(st.session_state[fields["dataset"].key])
    st.caption(status.description)
    if status.name == "folder":
        _folder_form()
    classes = _class_names(status)
    if classes:
        _classes_form(classes)
    forms.draw(fields["per_class"])


def _class_names(status: DatasetStatus) -> tuple[str, ...]:
    """What can be chosen from; a dataset with two kinds of labels asks which first."""
    coarse = datasets.get(status.name).coarse_classes
    if not coarse:
        return status.classes
    field = forms.widgets()["coarse_labels"]
    st.toggle(field.label, key=field.key, help=field.help, on_change=_forget_classes, persist_state="session")
    return coarse if st.session_state[field.key] else status.classes


def _forget_classes() -> None:
    st.session_state[forms.PREFIX + "classes"] = []


def _classes_form(classes: tuple[str, ...]) -> None:
    field = forms.widgets()["classes"]
    kept = [name for name in st.session_state[field.key] if name in classes]
    if kept != list(st.session_state[field.key]):  # another dataset came from a preset or another run
        st.session_state[field.key] = kept
    st.multiselect(
        field.label, classes, key=field.key, help=field.help, persist_state="session",
        placeholder=f"all {len(classes)} classes",
    )  # fmt: skip
    forms.say_mistake("classes")


def _folder_form() -> None:
    forms.draw(forms.widgets()["path"])
    upload = st.file_uploader("Or a zip of class folders", type=["zip"], key="train_zip")
    if upload is not None and upload.file_id != st.session_state.get("train_zip_taken"):
        with friendly():
            path = save_upload(upload.getvalue())
            st.session_state["train_zip_taken"] = upload.file_id
            st.session_state["train_pending"] = {"path": path}
            st.rerun()


def model_form() -> None:
    """The architecture, and what can be chosen for it."""
    st.markdown("##### :material/hub: Model")
    forms.draw(forms.widgets()["model"])
    names = [name for name, widget in forms.widgets().items() if _is_open(widget, "model")]
    forms.draw_many(names)
    if not any(forms.widgets()[name].applies(forms.value_of("model") or "") for name in names):
        st.caption("Nothing else to choose for this architecture.")


def budget_form() -> None:
    """How long: seconds or epochs."""
    st.markdown("##### :material/timer: Budget")
    st.segmented_control(
        "Stop after so many", ["seconds", "epochs"], key=forms.PREFIX + "budget", required=True, width="stretch",
        persist_state="session",
    )  # fmt: skip
    forms.draw(forms.widgets()[st.session_state[forms.PREFIX + "budget"] or "seconds"])
    st.caption(
        "With seconds the learning rate follows the clock, so that the run ends well whatever the machine's speed. "
        "Validation on the way counts; the final test comes on top."
    )


def folded_form() -> None:
    """All other settings."""
    fields = forms.widgets()
    is_wrong = any(_is_folded(fields[name], fields[name].section) for name in forms.marked())
    title = "Everything else: split, optimiser, seeds, device"
    with st.expander(title, icon=":material/tune:", expanded=is_wrong):
        groups: dict[str, list[str]] = {}
        for section, title in (("data", "Data"), ("model", "Model"), ("train", "Training")):
            for name, widget in fields.items():
                if _is_folded(widget, section) and forms.is_of_use(name):
                    groups.setdefault(widget.hints.group or title, []).append(name)
        for title, names in groups.items():
            st.markdown(f"**{title}**")
            forms.draw_many(names, columns=4)


def _is_open(widget: forms.Widget, section: str) -> bool:
    return section == "model" == widget.section and widget.name != "model" and not widget.advanced


def _is_folded(widget: forms.Widget, section: str) -> bool:
    if widget.section != section or widget.name == "model" or _is_open(widget, section):
        return False
    return widget.name not in _IN_THE_OPEN.get(section, ())
