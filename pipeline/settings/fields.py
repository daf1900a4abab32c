"""The settings: every one typed and range-checked."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.data.competition import competition_names
from pipeline.data.folds import ALL_DATA, NUM_FOLDS
from pipeline.errors import UserError

EXECUTION_FIELDS = frozenset(
    {"folds", "jobs", "device", "num_workers", "predict_batch_size"}
    | {"cluster", "task_cpus", "gpu_share"}
)
"""Fields that say where and how much is computed, not what; they do not tell runs apart."""

_LATER_FIELDS = frozenset(
    {"views", "optimizer", "momentum", "schedule", "drop_every", "drop_factor"}
)
"""Fields that came when there were runs already: at their defaults these keep their names."""


class Settings(BaseModel):
    """All settings of one run. Every field can be given by a preset or by `SET="name=value"`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    competition: str = Field("digit-recognizer", description="Which competition.")
    model: str = Field("dropout_cnn", description="Which network, by its name in the registry.")
    augment: str = Field("affine", description="Which recipe of pipeline/augment/recipes.py.")
    augment_engine: Literal["auto", "batched", "albumentations"] = Field(
        "auto",
        description="What runs the recipe; auto: batched on the training device if it compiles.",
    )
    fuse: bool = Field(
        True, description="Resample once for geometric transforms in a row; false: once for each."
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        0, description="Seed of the weights, the order, the augmentation and dropout."
    )
    valid: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.1, description="Share of the images held out for validation; a whole number of tenths."
    )
    folds: str = Field(
        "0",
        description="Which validation folds to train: one (0), several (0,1), all; or all-data.",
    )
    jobs: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        "auto", description="Folds trained at once; auto: one per CPU core or CUDA device."
    )
    epochs: int = Field(12, ge=1, le=10_000, description="Passes over the training images.")
    batch_size: int = Field(128, ge=1, le=65_536, description="Images per optimiser step.")
    optimizer: Literal["adamw", "adam", "sgd"] = Field(
        "adamw", description="What moves the weights; sgd: with momentum."
    )
    learning_rate: float = Field(2e-3, gt=0, le=10, description="Peak learning rate.")
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="Decay of the weights; apart from the gradient in adamw."
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="Momentum of sgd.")
    schedule: Literal["one-cycle", "steps"] = Field(
        "one-cycle", description="How the learning rate goes: up and down, or down in steps."
    )
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="one-cycle: share of all steps in which it climbs; then it falls to zero."
    )
    drop_every: int = Field(
        20, ge=1, le=10_000, description="steps: epochs after which the rate is divided."
    )
    drop_factor: Annotated[float, Field(gt=1, le=1000)] = Field(
        3.0, description="steps: what it is divided by."
    )
    dropout: float = Field(0.25, ge=0, lt=1, description="Probability of dropping an activation.")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of each label that is spread evenly over all classes."
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Decay per step of the moving average of weights that predicts; 0: off."
    )
    views: Literal["one", "mirrored", "seven"] = Field(
        "one",
        description="Views of an image that predict; seven: also turned, zoomed, sheared a bit.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Arithmetic of the network; auto: the fastest of the device's own."
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        "auto", description="Where to compute; auto: CUDA, then MPS, then CPU."
    )
    cluster: str = Field(
        "", description="Ray cluster that trains: auto or ray://host:10001; empty: this machine."
    )
    task_cpus: int = Field(
        1, ge=1, le=256, description="CPUs and threads of each network on a cluster."
    )
    gpu_share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Share of a GPU of each network on a cluster that has some."
    )
    num_workers: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = Field(
        "auto",
        description="Processes for the albumentations engine; auto: one per core, at most 16.",
    )
    predict_batch_size: Annotated[int, Field(ge=1, le=65_536)] = Field(
        1024, description="Images per prediction batch; halved while the device has no memory."
    )

    @field_validator("competition")
    @classmethod
    def _known_competition(cls, slug: str) -> str:
        if slug not in competition_names():
            raise ValueError(f"must be one of: {', '.join(competition_names())}")
        return slug

    @field_validator("valid")
    @classmethod
    def _whole_folds(cls, share: float) -> float:
        if abs(share * NUM_FOLDS - round(share * NUM_FOLDS)) > 1e-9:
            raise ValueError(
                f"must be a whole number of the {NUM_FOLDS} folds: 0.1, 0.2, 0.3, 0.4 or 0.5"
            )
        return round(share * NUM_FOLDS) / NUM_FOLDS

    @field_validator("folds")
    @classmethod
    def _well_formed_folds(cls, folds: str) -> str:
        if folds in ("all", "all-data"):
            return folds
        parts = folds.replace(" ", "").split(",")
        if not all(part.isdecimal() for part in parts):
            raise ValueError("must be a number, numbers with commas between them, all or all-data")
        return ",".join(map(str, sorted({int(part) for part in parts})))

    @property
    def num_valid_folds(self) -> int:
        """How many of the ten folds one training holds out."""
        return round(self.valid * NUM_FOLDS)

    @property
    def all_data(self) -> bool:
        """Whether one network is trained on all rows, with none left to validate on."""
        return self.folds == "all-data"

    @property
    def fold_numbers(self) -> list[int]:
        """The trainings asked for; number k holds out folds k·v, …, k·v + v - 1 of v together.

        `ALL_DATA` alone if nothing is held out.

        Raises:
            UserError: There is no such fold at this validation share.
        """
        if self.all_data:
            return [ALL_DATA]
        available = list(range(NUM_FOLDS // self.num_valid_folds))
        if self.folds == "all":
            return available
        asked = [int(part) for part in self.folds.split(",")]
        if unknown := sorted(set(asked) - set(available)):
            raise UserError(
                f"FOLDS={self.folds} asks for fold {unknown[0]}, but with VALID={self.valid:g} "
                f"the folds are 0 to {available[-1]}."
            )
        return asked

    def held_out(self, fold: int) -> list[int]:
        """The folds of the split that training number `fold` validates on."""
        if fold == ALL_DATA:
            return []
        return list(range(fold * self.num_valid_folds, (fold + 1) * self.num_valid_folds))

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is trained: all but `EXECUTION_FIELDS`.

        One of these counts in one case: all data are another run than folds of them.
        """
        counts = {"folds"} if self.all_data else set()
        identity = self.model_dump(exclude=set(EXECUTION_FIELDS - counts))
        defaults = {name: type(self).model_fields[name].default for name in _LATER_FIELDS}
        return {
            name: value
            for name, value in identity.items()
            if name not in defaults or value != defaults[name]
        }


def parse_settings(values: Mapping[str, object], source: str) -> Settings:
    """Check plain values and return them as settings.

    Raises:
        UserError: A name is not known, or a value has the wrong type or is out of its range.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_describe(dict(e)) for e in error.errors())
        raise UserError(f"{source}: {problems}.") from None


def _describe(problem: Mapping[str, Any]) -> str:
    """One pydantic problem in the user's words."""
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return f"there is no setting {name!r}; the settings are: {', '.join(Settings.model_fields)}"
    said = problem["msg"].removeprefix("Value error, ")
    expected = said[:1].lower() + said[1:]
    return f"setting {name} = {problem['input']!r}: {expected}"
