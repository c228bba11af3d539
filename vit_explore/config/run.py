"""All of one training run, and its settings by flat names."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from vit_explore.config.data import DataConfig
from vit_explore.config.fields import Config, Setting, hints_of
from vit_explore.config.model import ModelConfig
from vit_explore.config.train import TrainConfig
from vit_explore.errors import BadConfig
from vit_explore.text import printable


class RunConfig(Config):
    """All of one training run. The model's image size and number of classes follow the data unless set.

    A model whose image size is that of the data follows it in `update`, too.
    """

    name: str = Field("", max_length=120, description="A name for people; made from the settings when empty.")
    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=lambda: TrainConfig(seconds=60))

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except BadConfig as error:
            model = values.get("model")
            if not isinstance(model, dict) or "image_size" not in model or "image_size" not in error.fields[1:]:
                raise
            # what does not go with the model's size is about the setting where that was given
            names = ("input_size" if name == "image_size" else name for name in error.fields)
            raise BadConfig(str(error), *names) from None

    @field_validator("name", mode="before")
    @classmethod
    def _clean(cls, name: Any) -> Any:
        return " ".join(printable(name).split()) if isinstance(name, str) else name

    @model_validator(mode="before")
    @classmethod
    def _size_follows(cls, values: Any) -> Any:
        """So that the model's own sizes are checked against the size that it will have."""
        model, data = values.get("model"), values.get("data")
        if not isinstance(model, dict) or "image_size" in model:
            return values
        size = data.get("image_size") if isinstance(data, dict) else getattr(data, "image_size", None)
        return values if size is None else {**values, "model": {**model, "image_size": size}}

    @model_validator(mode="after")
    def _fit_together(self) -> RunConfig:
        given = self.model.model_fields_set
        changes = {} if "image_size" in given else {"image_size": self.data.image_size}
        if self.data.classes is not None:
            if "num_classes" not in given:
                changes["num_classes"] = len(self.data.classes)
            elif self.model.num_classes != len(self.data.classes):
                raise BadConfig(
                    f"The model has {self.model.num_classes} outputs and the data {len(self.data.classes)} classes; "
                    "leave num_classes out, and it follows the data.",
                    "classes",
                )
        if changes and any(getattr(self.model, key) != value for key, value in changes.items()):
            object.__setattr__(self, "model", self.model.replace(**changes))
        return self

    @property
    def model_follows(self) -> bool:
        """Whether the model's input is as large as the data's images."""
        return self.model.image_size == self.data.image_size

    def update(self, **changes: Any) -> RunConfig:
        """A copy with flat field names changed (see `flat_fields`); the model follows the data again."""
        flat = flat_fields()
        values: dict[str, Any] = {key: getattr(self, key).model_dump(exclude_unset=True) for key in _SECTIONS}
        values["name"] = self.name
        model = values["model"]
        model.pop("num_classes", None)
        if self.model_follows or changes.get("input_size", 0) is None:
            model.pop("image_size", None)
        for name, value in changes.items():
            if name == "input_size" and value is None:
                continue
            if name == "name":
                values["name"] = value
                continue
            if name not in flat:
                raise BadConfig(f"A run has no setting {name!r}; it has: name, {', '.join(flat)}.")
            section, field, _ = flat[name]
            values[section][field] = value
        _keep_one_budget(values["train"], changes)
        return RunConfig(**values)


_SECTIONS: dict[str, type[Config]] = {"data": DataConfig, "model": ModelConfig, "train": TrainConfig}


def flat_fields() -> dict[str, tuple[str, str, FieldInfo]]:
    """Every setting of a run: flat name -> (section, field, FieldInfo)."""
    return {
        hints_of(info).flat or field: (section, field, info)
        for section, cls in _SECTIONS.items()
        for field, info in cls.model_fields.items()
        if not hints_of(info).follows_data
    }


@cache
def settings() -> dict[str, Setting]:
    """Every setting of a run by its flat name: what flags, forms, names and comparisons read."""
    return {name: Setting(name, *place) for name, place in flat_fields().items()}


def _keep_one_budget(train: dict[str, Any], changes: dict[str, Any]) -> None:
    """A budget of one kind that is set anew replaces the other kind, unless both are asked for."""
    for new, old in (("epochs", "seconds"), ("seconds", "epochs")):
        if changes.get(new) is not None and changes.get(old) is None:
            train[old] = None
