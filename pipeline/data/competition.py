"""What a competition is: its name, files, columns and sizes, read from `competitions/*.toml`."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from pipeline.console import make_command
from pipeline.errors import UserError

FOLDER = Path(__file__).parents[1] / "competitions"
"""A TOML file for each competition, named after it."""

_Label = Annotated[int, Field(ge=0, le=255)]
_Side = Annotated[int, Field(ge=1, le=256)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Competition:
    """One competition, as its data page describes it; `competitions/README.md` has the entries."""

    slug: str  # its name in addresses and in `input/<slug>/`
    num_train: PositiveInt  # rows of the training file
    num_test: PositiveInt  # rows of the test file
    num_scored: PositiveInt | None = None  # of these, if not all count for the score
    source: Literal["kaggle", "zip", "practice"] = "kaggle"  # zip: a data set without leaderboard
    page: str = ""  # its address, if it is not that of a competition on Kaggle
    preset: str = "standard"  # the one used when none is named
    image_shape: tuple[_Side, _Side, _Side] = (1, 28, 28)  # (C, H, W)
    most_plausible: Annotated[float, Field(gt=0, le=1)] | None = None  # accuracy; more is a leak
    transposed: bool = False  # whether the pixels come column by column
    class_names: tuple[str, ...] = tuple("0123456789")  # K of them, in label order
    labels: tuple[_Label, ...] = ()  # as the files write the K classes; none: 0..K-1

    train_file: str = "train.csv"
    test_file: str = "test.csv"
    sample_csv: str = "sample_submission.csv"
    labels_csv: str = ""  # of pictures in 7z archives: `id,label` with the classes' names
    header: bool = True  # whether the first line of both has the names of the columns
    label_column: str = "label"  # first in the training file
    pixel_column: str = "pixel{n}"  # or of {row} and {column}
    count_from: Literal[0, 1] = 0  # where these start
    test_starts_with: Literal["pixels", "id", "label"] = "pixels"  # a label there is not read
    id_column: str = "ImageId"
    prediction_column: str = "Label"
    first_id: NonNegativeInt = 1  # of the test images, counted upwards

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Refuse what contradicts itself; `get_competition` makes a sentence of it."""
        kind = "7z" if self.labels_csv else "csv"
        files = {"train_file": kind, "test_file": kind, "sample_csv": "csv"}
        if self.labels_csv:
            files["labels_csv"] = "csv"
            if self.labels or self.image_shape[0] == 2 or self.image_shape[0] > 3:
                raise ValueError("pictures have 1 or 3 channels, and labels that are class_names")
        for entry, ending in files.items():
            if not re.fullmatch(rf"[^/\\]+\.{ending}", getattr(self, entry)):
                raise ValueError(f"{entry} = {getattr(self, entry)!r} must be a name in .{ending}")
        if len({getattr(self, entry) for entry in files}) < len(files):
            raise ValueError(f"{', '.join(files)} must be different files")
        if not 2 <= len(set(self.class_names)) == len(self.class_names) <= 256:
            raise ValueError("class_names must be 2 to 256 names, each another")
        if self.labels and not len(set(self.labels)) == len(self.labels) == self.num_classes:
            raise ValueError(
                f"labels must be {self.num_classes} numbers, each another, one for each of the "
                f"class_names; there are {len(self.labels)}"
            )
        try:
            names = self.pixel_columns
        except (KeyError, IndexError, ValueError):
            names = []
        if len({*names, self.label_column}) <= len(names) or len(set(names)) < self.num_pixels:
            raise ValueError(
                f"pixel_column = {self.pixel_column!r} must name each pixel by {{n}}, or by "
                "{row} and {column}"
            )
        if self.made_here and not self.slug.startswith("practice"):
            raise ValueError("source must be kaggle or zip: practice data are made by the code")
        if self.id_column == self.prediction_column:
            raise ValueError("id_column and prediction_column must be two names")
        return self

    @property
    def num_pixels(self) -> int:
        """C·H·W."""
        channels, height, width = self.image_shape
        return channels * height * width

    @property
    def pixel_columns(self) -> list[str]:
        """Names of the C·H·W pixel columns, in the order of the file."""
        _, height, width = self.image_shape
        places = (divmod(n, height if self.transposed else width) for n in range(self.num_pixels))
        first, name = self.count_from, self.pixel_column.format
        return [
            name(n=n + first, row=row + first, column=column + first)
            for n, (row, column) in enumerate(places)
        ]

    def count_scored(self, num_test: int) -> int:
        """Return how many of so many test images count for the score."""
        return min(num_test, self.num_scored or num_test)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def written_labels(self) -> npt.NDArray[Any]:
        """How the files write each class, (K,): uint8, or text where they write names."""
        if self.labels_csv:
            return np.array(self.class_names)
        return np.array(self.labels or range(self.num_classes), np.uint8)

    @property
    def needed_files(self) -> list[str]:
        """Names of the files without which there is nothing to train on or to predict."""
        return [self.train_file, self.test_file, *([self.labels_csv] if self.labels_csv else [])]

    @property
    def on_kaggle(self) -> bool:
        """Whether Kaggle serves the files and takes submissions."""
        return self.source == "kaggle"

    @property
    def made_here(self) -> bool:
        """Whether files and grader are our own."""
        return self.source == "practice"

    @property
    def url(self) -> str:
        """The competition's page."""
        return self.page or f"https://www.kaggle.com/competitions/{self.slug}"

    def test_ids(self, num_test: int) -> npt.NDArray[np.int64]:
        """Return the ids of that many test images, int64 (M,), in the order of the test file."""
        return np.arange(self.first_id, self.first_id + num_test)


DEFAULT_COMPETITION = "digit-recognizer"
"""The one that is meant where none is named."""


def to_type(target: str, slug: str, **knobs: str) -> str:
    """Return what to type for a competition, as "`make data FORCE=1 COMPETITION=practice`".

    The default competition is not named.
    """
    own = {} if slug == DEFAULT_COMPETITION else {"COMPETITION": slug}
    return f"`{make_command(target, knobs | own)}`"


def competition_names() -> list[str]:
    """Return the names of all competitions, the default first."""
    names = (file.stem for file in FOLDER.glob("*.toml"))
    return sorted(names, key=lambda name: (name != DEFAULT_COMPETITION, name.lower()))


def get_competition(slug: str) -> Competition:
    """Return the competition of that name; a UserError names those that there are.

    It also says what is wrong with the competition's TOML file.
    """
    if slug not in competition_names():
        raise UserError(
            f"COMPETITION={slug!r} is not known; choose one of: {', '.join(competition_names())}; "
            "or describe it in a TOML file there, see pipeline/competitions/README.md."
        )
    file = f"pipeline/competitions/{slug}.toml"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", slug):
        raise UserError(
            f"{file} cannot be named so: use up to 50 letters, digits, '.', '_' or '-', starting "
            "with a letter or a digit."
        )
    try:
        values = tomllib.loads((FOLDER / f"{slug}.toml").read_text(encoding="utf-8"))
        return Competition(**(values | {"slug": slug}))
    except ValidationError as error:
        problems = "; ".join(_describe(dict(each)) for each in error.errors())
        raise UserError(f"{file}: {problems}.") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise UserError(f"{file} is not valid TOML: {error}.") from None


def _describe(problem: dict[str, Any]) -> str:
    """One pydantic problem in the user's words."""
    said: str = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return said
    name, *place = problem["loc"]
    name += "".join(f"[{each}]" for each in place)
    if problem["type"] == "missing":
        return f"{name} is missing"
    if problem["type"] == "unexpected_keyword_argument":
        entries = [each for each in Competition.__dataclass_fields__ if each != "slug"]
        return f"there is no entry {name!r}; the entries are: {', '.join(entries)}"
    return f"{name} = {problem['input']!r}: {said[:1].lower()}{said[1:]}"
