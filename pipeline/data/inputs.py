"""The files of `input/<competition>/`. Nobody else spells their names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data.competition import Competition


class Child:
    """A file of a fixed name, as an attribute of an object that has a `folder`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, paths: Any, kind: type) -> Path:
        return Path(paths.folder, self._name)


@dataclass(frozen=True)
class InputPaths:
    """The files of `input/<competition>/`."""

    folder: Path
    competition: Competition

    solution = Child("solution.csv")  # of the practice competition; only its grader reads it
    manifest = Child("manifest.json")  # source, sizes, hashes and counts of the CSV files
    digits = Child("digits.npz")  # the CSV files' content as uint8 arrays
    neighbours = Child("neighbours.npz")  # the nearest images, as the audit found them
    folds = Child("folds.csv")  # `row,label,fold`
    lock = Child(".lock")  # held by the process that writes here

    @property
    def train(self) -> Path:
        """The training images, as the competition serves them."""
        return self.folder / self.competition.train_file

    @property
    def test(self) -> Path:
        """The test images, likewise."""
        return self.folder / self.competition.test_file

    @property
    def sample_submission(self) -> Path:
        """The sample submission, likewise, or made here where there is none."""
        return self.folder / self.competition.sample_csv
