"""The digits of a competition as arrays, and the CSV files they come from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.competition import Competition
from pipeline.csv_numbers import REFETCH, read_header, read_numbers
from pipeline.errors import UserError

_MOST_ROWS = 2**31 - 1


@dataclass(frozen=True)
class Digits:
    """All images of a competition.

    Attributes:
        train_images: uint8 (N, C, H, W), in the order of `train.csv`.
        train_labels: uint8 (N,), 0..K-1.
        test_images: uint8 (M, C, H, W), in the order of `test.csv`; ids are 1..M.
    """

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]

    def sha256(self) -> str:
        """Return the hexadecimal hash of the three arrays' bytes, in the order above."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def read_train_csv(
    path: Path, competition: Competition, *, any_size: bool = False
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read and check the labelled images.

    Args:
        path: A file of the form of `train.csv`.
        competition: Decides the columns, the labels and the number of rows.
        any_size: Accept any number of rows.

    Returns:
        Images uint8 (N, C, H, W) and labels uint8 (N,) in 0..K-1.

    Raises:
        UserError: The file is not exactly such a table; the message says where.
    """
    if read_header(path) == competition.pixel_columns:
        raise UserError(
            f"{path.name} has no column {competition.label_column}: it holds the test images; "
            f"put the competition's {competition.train_csv} in its place."
        )
    columns = {competition.label_column: competition.num_classes - 1} | _pixels(competition)
    numbers = read_numbers(path, columns)
    _check_num_rows(path, len(numbers), competition.num_train, competition, any_size)
    return _as_images(numbers[:, 1:], competition), np.ascontiguousarray(numbers[:, 0])


def read_test_csv(
    path: Path, competition: Competition, *, any_size: bool = False
) -> npt.NDArray[np.uint8]:
    """Read and check the unlabelled images.

    Args:
        path: A file of the form of `test.csv`.
        competition: Decides the columns and the number of rows.
        any_size: Accept any number of rows.

    Returns:
        Images uint8 (M, C, H, W); image i has the id i + 1.

    Raises:
        UserError: The file is not exactly such a table; the message says where.
    """
    if read_header(path) == [competition.label_column, *competition.pixel_columns]:
        raise UserError(
            f"{path.name} has a column {competition.label_column}: it holds the training images; "
            f"put the competition's {competition.test_csv} in its place."
        )
    numbers = read_numbers(path, _pixels(competition))
    _check_num_rows(path, len(numbers), competition.num_test, competition, any_size)
    return _as_images(numbers, competition)


def read_predictions(
    path: Path, competition: Competition, *, mend: str = REFETCH
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Read a file of the form of a submission: one label for each id.

    Args:
        path: The file.
        competition: Decides the columns.
        mend: What to do about a bad file; the end of every refusal's sentence.

    Returns:
        Ids int64 (M,), unique, in the file's order, and labels int64 (M,) in 0..K-1.

    Raises:
        UserError: The file is not such a table, or an id comes twice.
    """
    columns = {
        competition.id_column: _MOST_ROWS,
        competition.prediction_column: competition.num_classes - 1,
    }
    numbers = read_numbers(path, columns, mend=mend)
    ids, labels = numbers[:, 0], numbers[:, 1]
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        twice = unique[counts > 1][0]
        raise UserError(
            f"{path.name} has {competition.id_column} {twice} more than once, where each id must "
            f"come once; {mend}."
        )
    return ids, labels


def check_sample_submission(path: Path, competition: Competition, num_test: int) -> None:
    """Check that `sample_submission.csv` names the ids 1..num_test, in that order.

    Args:
        path: The file.
        competition: Decides the columns.
        num_test: Rows of `test.csv`.

    Raises:
        UserError: It is not such a table, or its ids are others.
    """
    ids, _ = read_predictions(path, competition)
    if len(ids) != num_test:
        raise UserError(
            f"{path.name} has {len(ids):,} rows, but {competition.test_csv} has {num_test:,}; "
            "take both from the same download."
        )
    wrong = np.flatnonzero(ids != np.arange(1, num_test + 1))
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"{path.name}, row {row + 1}: expected {competition.id_column} {row + 1}, found "
            f"{ids[row]}; the ids must be 1 to {num_test:,} in the order of "
            f"{competition.test_csv}."
        )


def _pixels(competition: Competition) -> dict[str, int]:
    return dict.fromkeys(competition.pixel_columns, 255)


def _as_images(pixels: npt.NDArray[np.uint8], competition: Competition) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(pixels).reshape(-1, *competition.image_shape)


def _check_num_rows(
    path: Path, found: int, expected: int, competition: Competition, any_size: bool
) -> None:
    if found != expected and not any_size:
        raise UserError(
            f"{path.name} has {found:,} rows, but {competition.slug} has {expected:,}; fetch the "
            "whole file again (`make data FORCE=1`), or say ANY_SIZE=1 if this size is meant."
        )
