"""The files of `input/<competition>/`. Nobody else spells their names."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.data.competition import Competition


@dataclass(frozen=True)
class InputPaths:
    """The files of `input/<competition>/`."""

    folder: Path
    competition: Competition

    @property
    def train(self) -> Path:
        """`train.csv`, as the competition serves it."""
        return self.folder / self.competition.train_csv

    @property
    def test(self) -> Path:
        """`test.csv`, as the competition serves it."""
        return self.folder / self.competition.test_csv

    @property
    def sample_submission(self) -> Path:
        """`sample_submission.csv`, as the competition serves it."""
        return self.folder / self.competition.sample_csv

    @property
    def solution(self) -> Path:
        """`solution.csv` of the practice competition; only its grader reads it."""
        return self.folder / "solution.csv"

    @property
    def manifest(self) -> Path:
        """Source, sizes, hashes and counts of the CSV files."""
        return self.folder / "manifest.json"

    @property
    def digits(self) -> Path:
        """The CSV files' content as uint8 arrays."""
        return self.folder / "digits.npz"

    @property
    def neighbours(self) -> Path:
        """The nearest images across the sets and folds, as the audit found them."""
        return self.folder / "neighbours.npz"

    @property
    def folds(self) -> Path:
        """`row,label,fold`."""
        return self.folder / "folds.csv"

    @property
    def lock(self) -> Path:
        """Held by the process that writes here."""
        return self.folder / ".lock"
