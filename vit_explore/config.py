"""Frozen, validated settings. One field here is a CLI flag, a form widget and a column of the stored run.

Bounds and help texts live here once. `field_extra(field)` gives the hints for a form: `advanced` (folded away by
default) and `architectures` (the field means something only there).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from vit_explore.errors import BadConfig

_VIT: Any = ["vit"]
Family = Literal["vit", "resnet"]


def family_of(architecture: str) -> Family | None:
    """What kind of model a name of ours or of timm stands for; None for a third kind, such as a Swin."""
    name = architecture.lower()
    if "resnet" in name:
        return "resnet"
    return "vit" if "vit" in name.removeprefix("timm:").split("_")[0] else None


def field_extra(field: FieldInfo, key: str, default: Any = None) -> Any:
    """The form hint `key` of a config field, or `default`."""
    extra = field.json_schema_extra
    return extra.get(key, default) if isinstance(extra, dict) else default


class Config(BaseModel):
    """Base of every config: frozen, unknown fields refused, errors as one sentence (BadConfig)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise BadConfig(_sentence(type(self), error)) from None

    def replace(self, **changes: Any) -> Any:
        """A copy with `changes`, validated again; what was not set explicitly stays a default."""
        return type(self)(**{**self.model_dump(exclude_unset=True), **changes})


def _sentence(cls: type[Config], error: ValidationError) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{cls.__name__} has no field {path!r}; it has: {', '.join(cls.model_fields)}."
    if not path or isinstance(first.get("ctx", {}).get("error"), BadConfig):  # already a whole sentence
        names_a_field = message.split(" ")[1] == "="
        return f"{message[0] if names_a_field else message[0].upper()}{message[1:].rstrip('.')}."
    given = first.get("input")
    return f"{path} = {given!r} is not possible: {message[0].lower() + message[1:].rstrip('.')}."


class DataConfig(Config):
    """Which images, how many, at which size, split how."""

    dataset: str = Field("cifar10", description="Dataset by name: cifar10, cifar100, shapes or folder.")
    classes: tuple[str, ...] | None = Field(
        None, description="Class names to keep, in label order; all of them when not given."
    )
    per_class: int | None = Field(
        None, ge=2, description="Training images of each class, after validation is split off; all when not given."
    )
    image_size: int = Field(32, ge=8, le=512, description="Side of the square images in pixels.")
    val_fraction: float = Field(
        0.2, gt=0.0, lt=0.9, description="Share of the training images held out for validation."
    )
    seed: int = Field(0, ge=0, description="Seed of the split, of the choice of images and of drawn datasets.")
    path: str | None = Field(None, description="Folder or zip of class folders, for the dataset 'folder'.")
    coarse_labels: bool = Field(
        False, description="CIFAR-100: the 20 super-classes in place of the 100.", json_schema_extra={"advanced": True}
    )

    @model_validator(mode="after")
    def _check(self) -> DataConfig:
        if self.classes is not None and len(set(self.classes)) < 2:
            raise ValueError(
                f"a classifier needs at least two different classes, {len(set(self.classes))} given; name two or more"
            )
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice; name each class once")
        if self.dataset == "folder" and not self.path:
            raise ValueError("the dataset 'folder' needs a path; name a folder or a zip of class folders")
        return self


class ModelConfig(Config):
    """The architecture. Fields that an architecture has no use for are ignored by it."""

    architecture: str = Field(
        "vit", description="vit, a ResNet (resnet18, resnet34, resnet50, resnet-slim) or timm:NAME for any timm model."
    )
    image_size: int = Field(32, ge=8, le=512, description="Side of the input in pixels; follows the data.")
    num_classes: int = Field(10, ge=1, description="Outputs; follows the data.")
    patch_size: int = Field(
        4,
        ge=1,
        le=64,
        description="Side of a patch in pixels; must divide the image size.",
        json_schema_extra={"architectures": _VIT},
    )
    width: int = Field(
        96,
        ge=8,
        le=1536,
        description="Embedding width D; a multiple of the heads.",
        json_schema_extra={"architectures": _VIT},
    )
    depth: int = Field(4, ge=1, le=48, description="Transformer blocks L.", json_schema_extra={"architectures": _VIT})
    num_heads: int = Field(
        4, ge=1, le=32, description="Attention heads H per block.", json_schema_extra={"architectures": _VIT}
    )
    mlp_ratio: float = Field(
        2.0, gt=0, le=8, description="Hidden width of the MLP divided by D.", json_schema_extra={"architectures": _VIT}
    )
    pos_embed: Literal["none", "learned", "sincos2d"] = Field(
        "learned",
        description="Position embedding added to the patch tokens.",
        json_schema_extra={"architectures": _VIT},
    )
    pool: Literal["cls", "avg"] = Field(
        "cls",
        description="What the head reads: the class token, or the mean of the patch tokens.",
        json_schema_extra={"architectures": _VIT},
    )
    stem: Literal["patch", "conv"] = Field(
        "patch",
        description="patch: the paper's linear projection of each patch; conv: small convolutions first (its hybrid).",
        json_schema_extra={"architectures": _VIT},
    )
    num_registers: int = Field(
        0,
        ge=0,
        le=16,
        description="Extra learned tokens (Darcet et al. 2024).",
        json_schema_extra={"architectures": _VIT, "advanced": True},
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Dropout after the embedding, the attention projection and in the MLP.",
        json_schema_extra={"architectures": _VIT, "advanced": True},
    )
    drop_path: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Stochastic depth of the last block, growing linearly from 0.",
        json_schema_extra={"architectures": _VIT, "advanced": True},
    )
    pretrained: bool = Field(
        False,
        description="Start a timm model from its published weights (needs a network or a filled cache).",
        json_schema_extra={"architectures": ["timm"], "advanced": True},
    )

    @property
    def family(self) -> Family | None:
        """The kind of model: see `family_of`."""
        return family_of(self.architecture)

    @property
    def takes_half_size(self) -> bool:
        """Whether the model can also be trained on images of half its side: a ResNet, or a ViT with an even grid."""
        if self.architecture == "vit":
            return (self.image_size // self.patch_size) % 2 == 0
        return self.architecture.startswith("resnet")

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        if self.architecture != "vit":
            return self
        if self.image_size % self.patch_size:
            fits = [p for p in range(2, self.image_size // 2 + 1) if self.image_size % p == 0]
            raise ValueError(
                f"a patch size of {self.patch_size} does not divide the image size {self.image_size}; "
                f"choose one of {', '.join(map(str, fits)) or self.image_size}"
            )
        if self.width % self.num_heads:
            raise ValueError(
                f"the width {self.width} does not divide into {self.num_heads} heads; "
                f"choose a width that is a multiple of {self.num_heads}"
            )
        if self.pos_embed == "sincos2d" and self.width % 4:
            raise ValueError(
                f"a sincos2d position embedding needs a width that is a multiple of 4, {self.width} given; "
                "change the width or use pos_embed = learned"
            )
        if self.stem == "conv" and self.patch_size & (self.patch_size - 1):
            raise ValueError(
                f"the conv stem halves the image step by step: its patch size is a power of 2, not {self.patch_size}; "
                "choose 2, 4, 8 or 16"
            )
        return self


class TrainConfig(Config):
    """The budget and the optimiser."""

    epochs: float | None = Field(None, gt=0, le=10_000, description="Budget in passes over the training images.")
    seconds: float | None = Field(None, gt=0, le=604_800, description="Budget in seconds of training.")
    batch_size: int = Field(64, ge=1, le=8192, description="Images per step.")
    optimizer: Literal["muon", "adamw"] = Field(
        "muon",
        description="muon: orthogonal updates for the matrices of the transformer blocks, AdamW for the rest; "
        "adamw: AdamW for everything (a ResNet always).",
    )
    lr: float = Field(1e-3, gt=0, le=10, description="Peak learning rate.")
    weight_decay: float = Field(0.05, ge=0, le=10, description="Decoupled weight decay, on matrices only.")
    warmup_fraction: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the budget in which the learning rate rises; then a cosine to 0.",
    )
    low_res_fraction: float = Field(
        0.4,
        ge=0,
        lt=1,
        description="Share of the budget, from its start, with images of half the side: a quarter of the tokens. "
        "0 turns it off; models that take one size only (timm's) never do it.",
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target spread over all classes.")
    augment: Literal["none", "flip", "flip+crop"] = Field(
        "flip+crop", description="Random horizontal flip, and a shift by up to an eighth of the side."
    )
    grad_clip: float = Field(
        1.0,
        ge=0,
        description="Largest norm of the gradient; 0 turns clipping off.",
        json_schema_extra={"advanced": True},
    )
    evaluations: int = Field(
        12,
        ge=1,
        le=1000,
        description="Validations over the whole budget, equally spaced.",
        json_schema_extra={"advanced": True},
    )
    val_images: int = Field(
        1000,
        ge=16,
        description="Most validation images looked at each time before the end (the last time: all).",
        json_schema_extra={"advanced": True},
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto times a few steps and keeps the faster.", json_schema_extra={"advanced": True}
    )
    compiled: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Compile the step before the clock starts (seconds to a minute); auto: on a GPU, when the budget "
        "is a minute or five epochs at least.",
        json_schema_extra={"advanced": True},
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="CPU threads of torch; all cores when not given.",
        json_schema_extra={"advanced": True},
    )
    seed: int = Field(0, ge=0, description="Seed of the weights, the order of images and the augmentation.")

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if (self.epochs is None) == (self.seconds is None):
            came = "neither is" if self.epochs is None else "both are"
            raise ValueError(f"exactly one of epochs and seconds gives the budget, and {came} set; set one of them")
        return self


class RunConfig(Config):
    """All of one training run. The model's image size and number of classes follow the data unless set."""

    name: str = Field("", max_length=120, description="A name for people; made from the settings when empty.")
    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=lambda: TrainConfig(seconds=60))

    @model_validator(mode="after")
    def _fit_together(self) -> RunConfig:
        given = self.model.model_fields_set
        changes: dict[str, int] = {}
        if "image_size" not in given:
            changes["image_size"] = self.data.image_size
        elif self.model.image_size != self.data.image_size:
            raise ValueError(
                f"the model takes images of {self.model.image_size} px and the data has {self.data.image_size} px; "
                "set one image size for both"
            )
        if self.data.classes is not None:
            if "num_classes" not in given:
                changes["num_classes"] = len(self.data.classes)
            elif self.model.num_classes != len(self.data.classes):
                raise ValueError(
                    f"the model has {self.model.num_classes} outputs and the data {len(self.data.classes)} classes; "
                    "leave num_classes out, and it follows the data"
                )
        if changes and any(getattr(self.model, key) != value for key, value in changes.items()):
            object.__setattr__(self, "model", self.model.replace(**changes))
        return self

    def update(self, **changes: Any) -> RunConfig:
        """A copy with flat field names changed (see `flat_fields`); the model follows the data again."""
        flat = flat_fields()
        values: dict[str, Any] = {key: getattr(self, key).model_dump(exclude_unset=True) for key in _SECTIONS}
        values["name"] = self.name
        model = values["model"]
        model.pop("image_size", None)
        model.pop("num_classes", None)
        for name, value in changes.items():
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
_RENAMED = {("model", "architecture"): "model", ("data", "seed"): "data_seed"}
_FOLLOWS_DATA = {("model", "image_size"), ("model", "num_classes")}


def flat_fields() -> dict[str, tuple[str, str, FieldInfo]]:
    """Every setting of a run: flat name -> (section, field, FieldInfo). CLI flags and forms come from it."""
    return {
        _RENAMED.get((section, field), field): (section, field, info)
        for section, cls in _SECTIONS.items()
        for field, info in cls.model_fields.items()
        if (section, field) not in _FOLLOWS_DATA
    }


def _keep_one_budget(train: dict[str, Any], changes: dict[str, Any]) -> None:
    """A budget of one kind that is set anew replaces the other kind, unless both are asked for."""
    for new, old in (("epochs", "seconds"), ("seconds", "epochs")):
        if changes.get(new) is not None and changes.get(old) is None:
            train[old] = None
